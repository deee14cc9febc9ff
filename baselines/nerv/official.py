"""Weights of the official NeRV code (commit 6904589) in this package's network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from baselines.nerv.model import NeRV, NeRVConfig
from bench.inr.official import copy_weights


def config_from_official(config: Mapping[str, Any], embed: str) -> NeRVConfig:
    """The configuration of an official `Generator(**kwargs)` with `--embed` (such as `1.25_40`)."""
    height, width, channels = (int(x) for x in str(config["fc_hw_dim"]).split("_"))
    stem_width, stem_layers = (int(x) for x in str(config["stem_dim_num"]).split("_"))
    frequency_base, frequencies = embed.split("_")
    return NeRVConfig(
        base=(height, width),
        channels=channels,
        strides=tuple(config["stride_list"]),
        expansion=config["expansion"],
        reduction=config["reduction"],
        lower_width=config["lower_width"],
        frequency_base=float(frequency_base),
        frequencies=int(frequencies),
        stem_width=stem_width,
        stem_layers=stem_layers,
        activation=config["act"],
        head="sigmoid" if config["sigmoid"] else "tanh",
    )


def official_name(name: str, stages: int) -> str:
    """Our parameter's name in the official state dict (`stages` upsampling blocks, one head)."""
    # The official stem is a Sequential of linear layers and activations by turns.
    name = re.sub(r"^stem\.(\d+)\.", lambda match: f"stem.{2 * int(match[1])}.", name)
    name = re.sub(r"^stages\.(\d+)\.", r"layers.\1.conv.conv.", name)
    return re.sub(r"^head\.", f"head_layers.{stages - 1}.", name)


def network_from_official(config: NeRVConfig, state_dict: Mapping[str, Any]) -> NeRV:
    """A network with official weights (tensors or arrays); BenchError names what does not fit."""
    network = NeRV(config)
    copy_weights(network, state_dict, lambda name: official_name(name, len(config.strides)))
    return network
