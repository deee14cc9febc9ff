"""Weights of the official E-NeRV code (commit 9f3529a) in this package's network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from baselines.enerv.model import ENeRV, ENeRVConfig
from bench.errors import BenchError
from bench.inr.official import (
    check_known,
    copy_weights,
    decoder_arguments,
    official_arguments,
    plain_names,
)

_WHERE = "official E-NeRV configuration"
#: What this package has of options that the official code offers and its configurations do not use.
_ONLY = {"norm": "none", "conv_type": "conv", "bias": True}
#: Modules here and there; the official transformers and MLPs number what stands between linear layers.
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
    (r"^stages\.([1-9]\d*)\.convs\.0", r"layers.\1.conv.conv"),
)


class OfficialENeRV(nn.Module):
    """`network` with the official outputs: a list of images, one a head."""

    def __init__(self, config: ENeRVConfig) -> None:
        super().__init__()
        self.network = ENeRV(config)

    def forward(self, time: Tensor) -> list[Tensor]:
        """Images (B, 3, h, w) at times (B,), from the first head to the last."""
        return self.network.images(time)


def config_from_official(config: Mapping[str, Any]) -> ENeRVConfig:
    """The configuration of the official constructor's arguments (the section `model` of its YAML files).

    Raises:
        BenchError: an argument is missing, or asks for what no published configuration uses.
    """
    given = official_arguments(config, "model")
    for key, only in _ONLY.items():
        if given.get(key, only) != only:
            raise BenchError(_WHERE, f"{key} is {given[key]!r}", f"only {only!r} is built")
    try:
        return _converted(given)
    except (ValueError, TypeError) as error:
        raise BenchError(_WHERE, str(error), "give the section `model` of an official YAML file") from error


def _converted(given: Mapping[str, Any]) -> ENeRVConfig:
    return ENeRVConfig(
        **decoder_arguments(given),
        time_encoding=(float(given["pos_b"]), int(given["pos_l"])),
        position_encoding=(float(given["xypos_b"]), int(given["xypos_l"])),
        modulation_encoding=(float(given["pos_b_tm"]), int(given["pos_l_tm"])),
        stem_widths=tuple(int(x) for x in str(given["stem_dim_num"]).split("_")),
        token_width=given["block_dim"],
        mlp_width=given["mlp_dim"],
        stage_heads=not given["sin_res"],
    )


def official_name(name: str, config: ENeRVConfig) -> str:
    """The official state dict's name of a parameter of `ENeRV`."""
    for pattern, official in _NAMES:
        name = re.sub(pattern, official, name)
    widens = config.channels <= config.widths[0]
    first = ("conv1.conv", "", "conv2") if widens else ("conv1", "conv2.conv")
    name = re.sub(r"^stages\.0\.convs\.(\d)", lambda match: f"layers.0.{first[int(match[1])]}", name)
    headless = 0 if config.stage_heads else len(config.strides) - 1
    return re.sub(r"^heads\.(\d+)", lambda match: f"head_layers.{int(match[1]) + headless}", name)


def network_from_official(config: Mapping[str, Any], state_dict: Mapping[str, Any]) -> OfficialENeRV:
    """The network of the official constructor's arguments with official weights (tensors or arrays).

    Raises:
        BenchError: names what is missing, unknown or of another shape. `xy_coord`, the coordinates
            that the official code keeps among its weights, may be left out.
    """
    ours = config_from_official(config)
    module = OfficialENeRV(ours)
    names = [official_name(name, ours) for name, _ in module.network.named_parameters()]
    check_known(state_dict, [*names, "xy_coord"])
    coordinates = torch.as_tensor(plain_names(state_dict).get("xy_coord", torch.empty(2, ours.positions)))
    if coordinates.shape != (2, ours.positions):
        problem = f"has the shape {tuple(coordinates.shape)}, the network {(2, ours.positions)}"
        raise BenchError("xy_coord", problem, "give the configuration that these weights were trained with")
    copy_weights(module.network, state_dict, lambda name: official_name(name, ours))
    return module
