"""Weights of the official FFNeRV code (commit f02d4c0) in this package's network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bench.inr.official import copy_weights
from ffnerv.model import FFNeRV, FFNeRVConfig


def config_from_official(config: Mapping[str, Any], *, bits: int | None = None) -> FFNeRVConfig:
    """The configuration of an official `Generator(**kwargs)`.

    Args:
        config: the constructor's arguments by their official names (`fc_hw_dim`, `t_dim`, `aggs`, ...),
            with `agg_ind` where the offsets are not the published -2 -1 1 2.
        bits: `--wbit`; None or 32 for floats.
    """
    height, width, channels = (int(x) for x in str(config["fc_hw_dim"]).split("_"))
    return FFNeRVConfig(
        base=(height, width),
        channels=channels,
        strides=tuple(config["stride_list"]),
        grid_lengths=tuple(config["t_dim"]),
        expansion=config["expansion"],
        reduction=config["reduction"],
        lower_width=config["lower_width"],
        offsets=tuple(config.get("agg_ind", (-2, -1, 1, 2))),
        block=config["conv_type"],
        activation=config["act"],
        head="sigmoid" if config["sigmoid"] else "tanh",
        bits=None if bits in (None, 32) else bits,
    )


def official_name(name: str, stages: int) -> str:
    """Our parameter's name in the official state dict (`stages` upsampling blocks)."""
    name = re.sub(r"^grids\.levels\.", "video_grid.", name)
    name = re.sub(r"^stages\.(\d+)\.conv\.", r"layers.\1.conv.conv1.", name)
    name = re.sub(r"^stages\.(\d+)\.pointwise\.", r"layers.\1.conv.conv2.", name)
    name = name.replace("flow_head.", f"head_layers.{stages - 3}.")
    return name.replace("image_head.", f"head_layers.{stages - 1}.")


def network_from_official(config: FFNeRVConfig, state_dict: Mapping[str, Any]) -> FFNeRV:
    """A network with official weights (tensors or arrays).

    Raises:
        BenchError: a weight is missing or of another shape; the line names it.
    """
    network = FFNeRV(config)
    copy_weights(network, state_dict, lambda name: official_name(name, len(config.strides)))
    return network
