"""CompressAI's networks with trained weights, set up so that encoder and decoder compute the same numbers.

The entropy decoder's symbols depend on probabilities that a network computes in floating point. Therefore
encoder and decoder run the same kernels: on the CPU, in one thread, in float32. ``forward()`` is not used,
because its result differs from a decoder's.
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
from compressai.zoo import load_state_dict as with_current_names  # noqa: E402

MODELS: dict[str, type[CompressionModel]] = {
    "bmshj2018-factorized": FactorizedPrior,
    "bmshj2018-hyperprior": ScaleHyperprior,
    "mbt2018-mean": MeanScaleHyperprior,
    "cheng2020-anchor": Cheng2020Anchor,
    "ssf2020": ScaleSpaceFlow,
}
#: A tensor that identifies an architecture of fixed size, so that the weights of another one are rejected.
_MARKS = {ScaleSpaceFlow: "img_decoder.0.weight"}
#: Modules that only the encoder runs.
_ENCODER_PARTS = frozenset(("g_a", "h_a", "img_encoder", "res_encoder", "motion_encoder", "hyper_encoder"))
#: Buffers of an entropy model that `update` computes.
_TABLES = ("._offset", "._quantized_cdf", "._cdf_length")
#: Exceptions of torch and safetensors for files of other weights, or of another format.
_MISFITS = (RuntimeError, KeyError, ValueError, TypeError, AttributeError, EOFError, SafetensorError)


@dataclass(frozen=True)
class Trained:
    """A network with its weights.

    Attributes:
        digest: SHA-256 of the weight file, in hexadecimal.
        parameters: number of parameters that a decoder uses; decoder_weights_bytes: their bytes in the file,
            probability tables included.
    """

    network: Any
    digest: str
    parameters: int
    decoder_weights_bytes: int


def fix_arithmetic() -> None:
    """Use one thread: the split of a sum among threads changes its last bits, and so the decoded symbols."""
    torch.set_num_threads(1)


@functools.lru_cache(maxsize=1)
def load_trained(architecture: str, path: Path, digest: str | None = None) -> Trained:
    """The network of an architecture with the weights of a file. The last one is cached.

    Args:
        digest: the SHA-256 that the file must have; None: any.

    Raises:
        BenchError: the file has another digest, or does not hold weights of this architecture.
    """
    data, actual = read_weights(path)
    if digest not in (None, actual):
        raise BenchError(path, f"its sha256 is {actual}, must be {digest}", "get the file of this digest")
    model = MODELS[architecture]
    try:
        state = _state(path, data)
        state[_MARKS.get(model, next(iter(state)))]
        network = model.from_state_dict(
            {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in state.items()}
        )
    except _MISFITS as error:
        reason = " ".join(str(error).split())[:100]
        raise BenchError(
            path, f"must hold weights of {architecture} ({reason})", "download it again"
        ) from error
    network.eval().requires_grad_(False)
    network.update()  # computes the probability tables that are not in the file
    sizes = [tensor.numel() * tensor.element_size() for key, tensor in state.items() if _decodes(key)]
    parameters = [parameter.numel() for key, parameter in network.named_parameters() if _decodes(key)]
    return Trained(network, actual, sum(parameters), sum(sizes))


class LatentsCrc:
    """CRC-32 of the integers that pass through the entropy coder in this context, in coding order.

    Encoder and decoder compute the same value. It replaces methods of the network's entropy models.

    Args:
        encodes: whether the network compresses; otherwise it decompresses.
    """

    def __init__(self, network: CompressionModel, *, encodes: bool) -> None:
        self.value = 0
        self._name = "quantize" if encodes else "dequantize"
        self._watched = [module for module in network.modules() if isinstance(module, EntropyModel)]

    def __enter__(self) -> LatentsCrc:
        for module in self._watched:
            # An attribute of the instance takes precedence over the method of the class.
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
    """(1, 3, H, W) to (H, W, 3) uint8: clipped to [0, 1], rounded to nearest; NaN becomes 0."""
    levels = frame.clamp(0, 1).mul_(255).round_().nan_to_num_(0)
    return levels.to(torch.uint8).squeeze(0).permute(1, 2, 0).contiguous().numpy()


def _state(path: Path, data: bytes) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return load_safetensors(data)
    loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        # As CompressAI's training script saves it, beside optimisers. The script does not update the tables,
        # so those in the file are empty or belong to earlier weights.
        loaded = {
            key: value.new_empty(0) if key.endswith(_TABLES) and isinstance(value, Tensor) else value
            for key, value in loaded["state_dict"].items()
        }
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise TypeError("must be a state dict, alone or under state_dict")
    return with_current_names(dict(loaded))  # also removes `module.`


def _decodes(key: str) -> bool:
    return not _ENCODER_PARTS.intersection(key.split("."))
