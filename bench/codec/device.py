"""The torch device that a codec runs on: its choice, its name, and how to wait for its queue.

Torch is imported only for codecs that use it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.base.errors import BenchError
from bench.codec.gpu import claim_cuda_device
from bench.codec.provenance import cpu_model

if TYPE_CHECKING:
    from bench.codec.contract import Codec

DEVICES = ("auto", "cpu", "cuda")


def resolve_device(requested: str, codec: Codec) -> str:
    """The device that a codec runs on: "cpu" or "cuda". Codecs without torch always run on the CPU.

    Of several CUDA devices this process claims one (`bench.codec.gpu`), the meaning of "cuda" from then on.

    Raises:
        BenchError: cuda is requested and there is no CUDA device.
    """
    if requested == "cpu" or not codec.uses_torch:
        return "cpu"
    import torch

    if torch.cuda.is_available():
        claim_cuda_device()
        return "cuda"
    if requested == "cuda":
        raise BenchError("--device cuda", "torch finds no CUDA device", "use --device auto or cpu")
    return "cpu"


def synchronizer(device: str) -> Callable[[], None] | None:
    """The function that waits until a device's queue is empty; None for the CPU, which has none."""
    if not device.startswith("cuda"):
        return None
    import torch

    return torch.cuda.synchronize


def gpu_uuid(device: str) -> str | None:
    """UUID of a torch device as NVML names it; None for the CPU."""
    if not device.startswith("cuda"):
        return None
    import torch

    return f"GPU-{torch.cuda.get_device_properties(device).uuid}"


def device_name(device: str) -> str:
    """The product name of a torch device; the CPU's model for "cpu"."""
    if not device.startswith("cuda"):
        return cpu_model()
    import torch

    return torch.cuda.get_device_name(device)
