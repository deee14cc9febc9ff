"""CompressAI's networks with trained weights in place, set up so that both ends compute the same numbers.

Which symbols an entropy decoder reads depends on probabilities that a network computes in floating
point, so encoder and decoder run the same kernels: on the CPU, in one thread, in float32. Nothing here
uses ``forward()``, whose result differs from what a decoder gets.
"""

from __future__ import annotations

import functools
import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from baselines._torchvision import prepare_torchvision
from baselines.compressai.weights import read_weights
from bench.base.errors import BenchError

prepare_torchvision()

from compressai.entropy_models import EntropyModel  # noqa: E402
from compressai.models import (  # noqa: E402
    Cheng2020Anchor,
    CompressionModel,
    FactorizedPrior,
    MeanScaleHyperprior,
    ScaleHyperprior,
)
from compressai.models.video import ScaleSpaceFlow  # noqa: E402
from compressai.zoo import load_state_dict as with_todays_names  # noqa: E402

MODELS: dict[str, type[CompressionModel]] = {
    "bmshj2018-factorized": FactorizedPrior,
    "bmshj2018-hyperprior": ScaleHyperprior,
    "mbt2018-mean": MeanScaleHyperprior,
    "cheng2020-anchor": Cheng2020Anchor,
    "ssf2020": ScaleSpaceFlow,
}
#: A tensor that the architecture has: one whose sizes are fixed is not built for a file of another.
_MARKS = {ScaleSpaceFlow: "img_decoder.0.weight"}
#: Parts of a network that only its encoder runs.
_ENCODER_PARTS = frozenset(("g_a", "h_a", "img_encoder", "res_encoder", "motion_encoder", "hyper_encoder"))
#: What a file that is no weights, or others than expected, can make torch and safetensors raise.
_MISFITS = (RuntimeError, KeyError, ValueError, TypeError, AttributeError, EOFError, SafetensorError)


@dataclass(frozen=True)
class Trained:
    """A network with its weights.

    Attributes:
        digest: SHA-256 of the weight file, in hexadecimal.
        parameters: their number in what a decoder runs; decoder_weights_bytes: what that part takes in
            the file, probability tables included.
    """

    network: Any
    digest: str
    parameters: int
    decoder_weights_bytes: int


def fix_arithmetic() -> None:
    """One thread: how a sum is split among threads changes its last bits, and so what is decoded."""
    torch.set_num_threads(1)


@functools.lru_cache(maxsize=1)
def load_trained(architecture: str, path: Path, digest: str | None = None) -> Trained:
    """The network of an architecture with the weights of a file; the last one is kept in memory.

    Args:
        digest: the SHA-256 that the file must have, if that is known.

    Raises:
        BenchError: the file is another, or holds no weights of this architecture.
    """
    data, found = read_weights(path)
    if digest not in (None, found):
        raise BenchError(path, f"its sha256 is {found}, not {digest}", "get the file that the stream names")
    model = MODELS[architecture]
    try:
        state = _state(path, data)
        state[_MARKS.get(model, next(iter(state)))]
        network = model.from_state_dict({key: _in_float32(tensor) for key, tensor in state.items()})
    except _MISFITS as error:
        reason = " ".join(str(error).split())[:100]
        raise BenchError(path, f"holds no weights of {architecture} ({reason})", "get it again") from error
    network.eval().requires_grad_(False)
    network.update()  # makes the probability tables that the file does not have, and keeps those that it has
    sizes = [tensor.numel() * tensor.element_size() for key, tensor in state.items() if _decodes(key)]
    parameters = [parameter.numel() for key, parameter in network.named_parameters() if _decodes(key)]
    return Trained(network, found, sum(parameters), sum(sizes))


class LatentsCrc:
    """CRC-32 of the integers that pass through the entropy coder, in coding order, alike at both ends.

    Args:
        encodes: whether the network is going to compress; else it decompresses.
    """

    def __init__(self, network: CompressionModel, *, encodes: bool) -> None:
        self.value = 0
        self._name = "quantize" if encodes else "dequantize"
        self._watched = [module for module in network.modules() if isinstance(module, EntropyModel)]

    def __enter__(self) -> LatentsCrc:
        for module in self._watched:
            # In the instance, where it hides the class's own method from CompressAI's code.
            setattr(module, self._name, getattr(self, f"_{self._name}")(getattr(module, self._name)))
        return self

    def __exit__(self, *_: object) -> None:
        for module in self._watched:
            delattr(module, self._name)

    def _quantize(self, method: Any) -> Any:
        def quantize(inputs: Tensor, mode: str, means: Tensor | None = None) -> Tensor:
            outputs = method(inputs, mode, means)
            if mode == "symbols":
                self._add(outputs)
            return outputs

        return quantize

    def _dequantize(self, method: Any) -> Any:
        def dequantize(inputs: Tensor, *arguments: Any, **named: Any) -> Tensor:
            self._add(inputs)
            return method(inputs, *arguments, **named)

        return dequantize

    def _add(self, latents: Tensor) -> None:
        integers = latents.to(torch.int32).contiguous().numpy().astype("<i4", copy=False)
        self.value = zlib.crc32(integers.data, self.value)


def to_tensor(frame: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 to (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(frame).permute(2, 0, 1).unsqueeze(0).float().div_(255)


def to_8_bit(frame: Tensor) -> np.ndarray:
    """(1, 3, H, W) to (H, W, 3) uint8: clipped to [0, 1], rounded to nearest; what is no number is black."""
    levels = frame.clamp(0, 1).mul_(255).round_().nan_to_num_(0)
    return levels.to(torch.uint8).squeeze(0).permute(1, 2, 0).contiguous().numpy()


def _state(path: Path, data: bytes) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return load_safetensors(data)
    loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise TypeError("not a table of tensors")
    return with_todays_names(dict(loaded))


def _in_float32(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _decodes(key: str) -> bool:
    return not _ENCODER_PARTS.intersection(key.split("."))
