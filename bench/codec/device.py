"""The torch device that a codec runs on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.base.errors import BenchError

if TYPE_CHECKING:
    from bench.codec.contract import Codec

DEVICES = ("auto", "cpu", "cuda")


def resolve_device(requested: str, codec: Codec) -> str:
    """The device that a codec runs on; torch is asked only for codecs that use it.

    Raises:
        BenchError: cuda is asked for and there is none.
    """
    if not codec.uses_torch:
        return "cpu"
    if requested == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if requested == "cuda":
        raise BenchError("--device cuda", "torch finds no CUDA device", "use --device auto or cpu")
    return "cpu"


def synchronizer(device: str) -> Callable[[], None] | None:
    """What a `StageClock` waits with on this device."""
    if not device.startswith("cuda"):
        return None
    import torch

    return torch.cuda.synchronize
