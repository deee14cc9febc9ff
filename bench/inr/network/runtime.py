"""How torch is set up for a fit or a decode, and what both need of it."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench.inr.network.representation import Representation

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
#: glibc refuses a larger threshold.
_LARGEST_KEPT = 32 << 20


def prepare(*, threads: int, device: str) -> None:
    """Fixed thread count, full float32 precision, memory kept between steps."""
    torch.set_num_threads(threads)
    _allow_tf32(False)
    if device == "cpu" and sys.platform == "linux":
        # glibc returns every large tensor to the kernel, which then clears its pages anew each
        # step: a tenth of a step's time at 320x180. Keep them in the process instead.
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
            libc.mallopt(_M_TRIM_THRESHOLD, 1 << 30)


def _allow_tf32(allowed: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed


@contextmanager
def fitting(precision: str) -> Iterator[None]:
    """Steps within may round as `precision` says; what comes after is full float32 again."""
    _allow_tf32(precision == "tf32")
    try:
        yield
    finally:
        _allow_tf32(False)


def forward_in(precision: str, device: torch.device) -> torch.autocast:
    """What a step's forward runs within."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def compile_network(network: nn.Module, device: torch.device) -> None:
    """From now on the network's calls run compiled, on a GPU as recorded graphs too."""
    network.compile(mode="reduce-overhead" if device.type == "cuda" else "default")


def move(network: nn.Module, device: str) -> None:
    """To the device, 4-D weights channels-last: depthwise and small convolutions run faster so."""
    network.to(device=device, memory_format=torch.channels_last)


def to_8_bit(frame: Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1] to (H, W, 3) uint8, rounded to nearest."""
    return (frame * 255).round_().clamp_(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def macs(representation: Representation) -> float:
    """Multiply-accumulates to show one more frame in order: convolutions and matrix products."""
    frames = representation.render(0, min(2, representation.frames))
    if representation.frames > 1:
        next(frames)  # the first also pays for what later frames share
    with FlopCounterMode(display=False) as counter:
        next(frames)
    return counter.get_total_flops() / 2
