"""Import of networks trained by the official NeRV code (commit 6904589)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from baselines.nerv.config import NeRVConfig
from baselines.nerv.model import NeRV
from bench.inr.importing.arguments import check_one_block, decoder_arguments, official_arguments
from bench.inr.importing.command_line import DECODER_FLAGS
from bench.inr.importing.official import OfficialNetwork
from bench.inr.importing.weights import copy_weights

#: Flags of the official script that define a network, with their official defaults.
FLAGS = {**DECODER_FLAGS, "embed": "1.25_80", "stem_dim_num": "1024_1", "single_res": False}


class OfficialNeRV(OfficialNetwork):
    """A NeRV with the official forward: times (B,) to a list of images (B, 3, h, w), one per head."""

    def __init__(self, network: NeRV) -> None:
        super().__init__()
        self.network = network

    def forward(self, time: Tensor) -> list[Tensor]:
        return self.network.images(time)


def config_from_official(config: Mapping[str, Any]) -> NeRVConfig:
    """The configuration of an official `Generator(**kwargs)`.

    Args:
        config: the constructor's arguments by their names. They do not include the positional encoding, which
            is `embed` (`1.25_40`, or `none`) if given, and otherwise has the base 1.25 and `embed_length` / 2
            frequencies. Or `argv`, the official script's command line.
    """
    given = official_arguments(config, "generator", FLAGS)
    check_one_block(given)
    shared = decoder_arguments(given)
    stem_width, stem_layers = (int(x) for x in str(given["stem_dim_num"]).split("_"))
    frequency_base, frequencies = _encoding(given)
    return NeRVConfig(
        **shared,
        frequency_base=frequency_base,
        frequencies=frequencies,
        stem_width=stem_width,
        stem_layers=stem_layers,
        upsampling=given.get("conv_type", "conv"),
        multi_resolution=not given.get("sin_res", True),
    )


def _encoding(given: Mapping[str, Any]) -> tuple[float, int]:
    """Base and number of frequencies; 0 frequencies if the network's input is the time itself."""
    embed = given.get("embed")
    if embed is None:
        return 1.25, int(given["embed_length"]) // 2
    if str(embed).lower() == "none":
        return 1.25, 0
    base, count = str(embed).split("_")
    return float(base), int(float(count))


def official_name(name: str, config: NeRVConfig) -> str:
    """The official name of a parameter."""
    # The official stem is a Sequential in which linear layers and activations alternate.
    name = re.sub(r"^stem\.(\d+)\.", lambda match: f"stem.{2 * int(match[1])}.", name)
    layer = "up_scale" if config.upsampling == "bilinear" else "conv"
    name = re.sub(r"^stages\.(\d+)\.conv\.\d\.", rf"layers.\1.conv.{layer}.", name)
    name = re.sub(r"^stages\.(\d+)\.norm\.", r"layers.\1.norm.", name)
    # The official list of heads has an empty entry for every stage without a head.
    skipped = 0 if config.multi_resolution else len(config.strides) - 1
    return re.sub(r"^heads\.(\d+)\.", lambda match: f"head_layers.{int(match[1]) + skipped}.", name)


def network_from_official(config: Mapping[str, Any], state_dict: Mapping[str, Any]) -> OfficialNeRV:
    """The network of official arguments, with official weights (tensors or arrays).

    Raises:
        BenchError: an argument or a weight is missing, or a weight is unknown or has another shape.
    """
    network = NeRV(config_from_official(config))
    copy_weights(network, state_dict, lambda name: official_name(name, network.config))
    return OfficialNeRV(network)
