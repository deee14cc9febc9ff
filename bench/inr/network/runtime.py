"""Set-up of torch for fits and decoders: threads, precision, memory, devices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench.base import process
from bench.inr.network.representation import Representation


def prepare(*, threads: int, device: str) -> None:
    """Set a fixed number of threads, full float32 precision, and malloc to keep memory between steps.

    The threads are also those of NumPy's BLAS, which the weight coder uses. It starts one per core otherwise,
    whose sums differ in their last digits, and which wait for each other on a machine with other jobs.
    """
    torch.set_num_threads(threads)
    threadpool_limits(threads, user_api="blas")
    _allow_tf32(False)
    process.keep_freed_memory()


def _allow_tf32(allowed: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed


@contextmanager
def fitting(precision: str) -> Iterator[None]:
    """Allow the arithmetic of `precision` (`recipe.Precision`) in this context, full float32 afterwards."""
    _allow_tf32(precision == "tf32")
    try:
        yield
    finally:
        _allow_tf32(False)


def forward_in(precision: str, device: torch.device) -> torch.autocast:
    """The autocast context of a step's forward pass."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def compile_network(network: nn.Module) -> None:
    """Compile the network's forward pass."""
    network.compile()


def move(network: nn.Module, device: str) -> None:
    """Move a network to a device, with 4-D weights in channels-last memory.

    Depthwise and small convolutions are faster in this layout.
    """
    network.to(device=device, memory_format=torch.channels_last)


def to_8_bit(frame: Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1] to (H, W, 3) uint8, rounded to nearest."""
    return (frame * 255).round_().clamp_(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def macs(representation: Representation) -> float:
    """Multiply-accumulates of convolutions and matrix products to render one frame after another."""
    frames = representation.render(0, min(2, representation.frames))
    if representation.frames > 1:
        next(frames)  # includes computations that later frames share
    with FlopCounterMode(display=False) as counter:
        next(frames)
    return counter.get_total_flops() / 2
