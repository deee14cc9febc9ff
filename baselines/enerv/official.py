"""Import of networks trained by the official E-NeRV code (commit 9f3529a)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from baselines.enerv.config import ENeRVConfig
from baselines.enerv.model import ENeRV
from bench.base.errors import BenchError
from bench.inr.importing.arguments import decoder_arguments, official_arguments
from bench.inr.importing.official import OfficialNetwork
from bench.inr.importing.weights import copy_weights, plain_names

_WHERE = "official E-NeRV configuration"
#: Official names of activations that have another name here.
_ACTIVATIONS = {"sin": "sin30", "non": "none"}
#: Patterns of module names and their official names. The official MLPs and transformers also count layers
#: without weights.
_NAMES = (
    (r"^time_stem\.layers\.(\d+)", lambda match: f"stem_t.{2 * int(match[1])}"),
    (r"^time_features\.layers\.(\d+)", lambda match: f"t_branch.{2 * int(match[1])}"),
    (r"^position_stem\.layers\.0", "stem_xy.0"),
    (r"^spatial\.", "trans1."),
    (r"^temporal\.", "trans2."),
    (r"attention\.qkv", "attn.to_qkv"),
    (r"attention\.out", "attn.to_out.0"),
    (r"widen", "ffn.net.0"),
    (r"narrow", "ffn.net.3"),
    (r"^to_latent\.layers\.0", "toconv.0"),
    (r"^stages\.(\d+)\.modulation\.layers\.0", r"t_layers.\1.0"),
    (r"^stages\.(\d+)\.norm", r"layers.\1.norm"),
)


class OfficialENeRV(OfficialNetwork):
    """An E-NeRV with the official forward: times (B,) to a list of images, one per head."""

    def __init__(self, config: ENeRVConfig) -> None:
        super().__init__()
        self.network = ENeRV(config)

    def forward(self, time: Tensor) -> list[Tensor]:
        """Images (B, 3, h, w) at times (B,), one per head, from the coarsest to the full frame."""
        return self.network.images(time)


def config_from_official(config: Mapping[str, Any]) -> ENeRVConfig:
    """The configuration of the official constructor's arguments (the section `model` of its YAML files).

    Raises:
        BenchError: an argument is missing or invalid.
    """
    given = official_arguments(config, "model")
    try:
        return _converted(given)
    except (ValueError, TypeError) as error:
        raise BenchError(_WHERE, str(error), "give the section `model` of an official YAML file") from error


def _converted(given: Mapping[str, Any]) -> ENeRVConfig:
    shared = decoder_arguments(given)
    shared["activation"] = _ACTIVATIONS.get(shared["activation"], shared["activation"])
    return ENeRVConfig(
        **shared,
        time_encoding=_encoding(given["pos_b"], given["pos_l"]),
        position_encoding=_encoding(given["xypos_b"], given["xypos_l"]),
        modulation_encoding=_encoding(given["pos_b_tm"], given["pos_l_tm"]),
        stem_widths=tuple(int(x) for x in str(given["stem_dim_num"]).split("_")),
        token_width=int(given["block_dim"]),
        mlp_width=int(given["mlp_dim"]),
        stage_heads=not given["sin_res"],
        upsampling=given.get("conv_type", "conv"),
    )


def _encoding(base: Any, count: Any) -> tuple[float, int]:
    """Base and number of frequencies. The base 0 means no frequencies in the official code."""
    return (float(base), int(float(count))) if float(base) else (1.25, 0)


def official_name(name: str, config: ENeRVConfig) -> str:
    """The official name of a parameter."""
    for pattern, official in _NAMES:
        name = re.sub(pattern, official, name)
    layer = "up_scale" if config.upsampling == "bilinear" else "conv"
    up, plain = ("conv1", "conv2") if config.widens else ("conv2", "conv1")
    name = re.sub(r"^stages\.0\.convs\.up\.\d", f"layers.0.{up}.{layer}", name)
    name = re.sub(r"^stages\.0\.convs\.plain", f"layers.0.{plain}", name)
    name = re.sub(r"^stages\.(\d+)\.convs\.up\.\d", rf"layers.\1.conv.{layer}", name)
    headless = 0 if config.stage_heads else len(config.strides) - 1
    return re.sub(r"^heads\.(\d+)", lambda match: f"head_layers.{int(match[1]) + headless}", name)


def network_from_official(config: Mapping[str, Any], state_dict: Mapping[str, Any]) -> OfficialENeRV:
    """The network of official arguments, with official weights (tensors or arrays).

    Raises:
        BenchError: an argument or a weight is missing, or a weight is unknown or has another shape.
            `xy_coord`, the coordinates that the official code stores with the weights, may be missing.
    """
    settings = config_from_official(config)
    module = OfficialENeRV(settings)
    coordinates = torch.as_tensor(plain_names(state_dict).get("xy_coord", torch.empty(2, settings.positions)))
    if coordinates.shape != (2, settings.positions):
        problem = f"has the shape {tuple(coordinates.shape)}, the network {(2, settings.positions)}"
        raise BenchError("xy_coord", problem, "give the configuration that these weights were trained with")
    copy_weights(module.network, state_dict, lambda name: official_name(name, settings), ignored=["xy_coord"])
    return module
