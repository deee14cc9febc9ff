"""Import of networks trained by the official FFNeRV code (commit f02d4c0)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from bench.inr.importing.arguments import check_one_block, decoder_arguments, official_arguments
from bench.inr.importing.command_line import DECODER_FLAGS
from bench.inr.importing.official import OfficialNetwork
from bench.inr.importing.weights import copy_weights
from ffnerv.config import FFNeRVConfig
from ffnerv.flow import Aggregation, aggregate, neighbour_slots
from ffnerv.model import FFNeRV, Heads
from ffnerv.qat import FLOAT_BITS

#: Flags of the official script that define a network, with their official defaults.
FLAGS = {
    **DECODER_FLAGS,
    "t_dim": [256, 512],
    "agg_ind": [-2, -1, 0, 1, 2],
    "wbit": FLOAT_BITS,
}


class OfficialFFNeRV(OfficialNetwork):
    """An FFNeRV with the official forward: times (B,) to the outputs of the two heads."""

    def __init__(self, network: FFNeRV) -> None:
        super().__init__()
        self.network = network

    def forward(self, time: Tensor) -> list[Tensor]:
        """[flow head (B, 3A, h, w), image head (B, 5, H, W)].

        The flow head has the flows of all neighbours, x then y of each, then their logits; the image head RGB
        in [0, 1], then the blend logits.
        """
        heads = self.network(time)
        assert heads.flows is not None
        assert heads.neighbour_logits is not None
        flow_head = torch.cat([heads.flows, heads.neighbour_logits], dim=1)
        return [flow_head, torch.cat([heads.independent, heads.blend_logits], dim=1)]

    def aggregate(self, outputs: list[Tensor], key_frames: Tensor, index: Tensor) -> Aggregation:
        """Aggregate and blend frames `index` (B,), int, from their `outputs` of `forward`.

        Args:
            key_frames: (N + 1, 3, H, W), any float type; the last one is used outside the clip.
            index: frame numbers, 0 to N - 1.
        """
        flow_head, image_head = outputs
        key_frames, index = torch.as_tensor(key_frames), torch.as_tensor(index).long()
        flows = 2 * len(self.network.config.offsets)
        heads = Heads(image_head[:, :3], image_head[:, 3:], flow_head[:, :flows], flow_head[:, flows:])
        slots = neighbour_slots(index, self.network.config.offsets, len(key_frames) - 1)
        neighbours = key_frames[slots.flatten()].to(flow_head.dtype).unflatten(0, slots.shape)
        return aggregate(heads, neighbours)


def config_from_official(config: Mapping[str, Any]) -> FFNeRVConfig:
    """The configuration of an official `Generator(**kwargs)`.

    Args:
        config: the constructor's arguments by their names (`fc_hw_dim`, `t_dim`, `aggs`, ...), and
            optionally two flags of the command line: `agg_ind`, the relative positions of the neighbours
            (default: `aggs` of them around the frame), and `wbit`, the bits of quantisation-aware training
            (missing or 32: floats). Or `argv`, the official script's command line.
    """
    given = official_arguments(config, "generator", FLAGS)
    check_one_block(given)
    offsets = given.get("agg_ind")
    return FFNeRVConfig(
        **decoder_arguments(given),
        grid_lengths=tuple(int(length) for length in given["t_dim"]),
        offsets=tuple(_around(int(given["aggs"])) if offsets is None else map(int, offsets)),
        block=given["conv_type"],
        bits=_bits(given.get("wbit")),
    )


def _bits(wbit: Any) -> int | None:
    """Bits of quantisation-aware training; None for floats."""
    if wbit is None or int(wbit) == FLOAT_BITS:
        return None
    if int(wbit) not in range(2, 9):
        raise ValueError(f"wbit is {wbit}, which must be 2 to 8, or 32 for floats")
    return int(wbit)


def _around(count: int) -> list[int]:
    """`count` relative positions around a frame, including the frame itself if the number is odd."""
    half = count // 2
    return [offset for offset in range(-half, half + 1) if offset or count % 2]


def official_name(name: str, stages: int) -> str:
    """The official name of a parameter; `stages` is the number of upsampling blocks."""
    name = re.sub(r"^grids\.levels\.", "video_grid.", name)
    name = re.sub(r"^stages\.(\d+)\.conv\.", r"layers.\1.conv.conv1.", name)
    name = re.sub(r"^stages\.(\d+)\.pointwise\.", r"layers.\1.conv.conv2.", name)
    name = re.sub(r"^stages\.(\d+)\.norm\.", r"layers.\1.norm.", name)
    name = name.replace("flow_head.", f"head_layers.{stages - 3}.")
    return name.replace("image_head.", f"head_layers.{stages - 1}.")


def network_from_official(config: Mapping[str, Any], state_dict: Mapping[str, Any]) -> OfficialFFNeRV:
    """The network of official arguments, with official weights (tensors or arrays).

    Raises:
        BenchError: an argument or a weight is missing, or a weight is unknown or has another shape.
    """
    network = FFNeRV(config_from_official(config))
    copy_weights(network, state_dict, lambda name: official_name(name, len(network.config.strides)))
    return OfficialFFNeRV(network)
