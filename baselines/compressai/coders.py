"""Frames to strings of entropy-coded latents and back: each frame alone, or predicted from the one before.

Frames are (1, 3, H, W) in [0, 1]. Padded sides are multiples of the architecture's stride.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from baselines.compressai.payload import ARCHITECTURES, WORD_BYTES, units

#: Pixels per latent in each direction. Hyper latents are coarser.
_LATENT_SIDE = 16


class Coder(ABC):
    """A network at one padded size, and its state from earlier frames."""

    def __init__(self, network: Any, *, height: int, width: int, stride: int) -> None:
        self.network, self.height, self.width, self.stride = network, height, width, stride
        rows, columns = units(height, width, stride)
        self.padded_height, self.padded_width = rows * stride, columns * stride

    def encode(self, frame: Tensor, *, key: bool) -> list[bytes]:
        """Strings of one frame (1, 3, height, width); with `key`, independent of other frames."""
        padding = (0, self.padded_width - self.width, 0, self.padded_height - self.height)
        with torch.no_grad():
            return self._encode(F.pad(frame, padding, mode="replicate"), key=key)

    def decode(self, strings: Sequence[bytes | memoryview], *, key: bool) -> Tensor:
        """The frame (1, 3, height, width) of its strings. Without `key`, call it in order."""
        guarded = [self._guarded(string) for string in strings]
        with torch.no_grad():
            frame = self._decode(guarded, key=key)
        return frame[:, :, : self.height, : self.width]

    def macs_per_pixel(self, strings: Sequence[bytes], *, key: bool) -> float:
        """Multiply-accumulates per pixel of the frame to decode it."""
        with FlopCounterMode(display=False) as counter:
            self.decode(strings, key=key)
        return counter.get_total_flops() / 2 / (self.height * self.width)

    @property
    @abstractmethod
    def channels(self) -> int:
        """The largest number of latents at one position."""

    @abstractmethod
    def _encode(self, frame: Tensor, *, key: bool) -> list[bytes]: ...

    @abstractmethod
    def _decode(self, strings: list[bytes], *, key: bool) -> Tensor: ...

    def _guarded(self, string: bytes | memoryview) -> bytes:
        """The string, followed by zeros: CompressAI's decoder reads past the end until it has all symbols.

        A symbol takes at most half a word. A symbol outside its table is followed by a number whose length is
        coded in groups of four bits, each of which can announce up to fifteen more groups.
        """
        symbols = self.channels * self.padded_height * self.padded_width // _LATENT_SIDE**2
        return bytes(string) + bytes(WORD_BYTES * (symbols + 1024) + 16 * len(string))


class ImageCoder(Coder):
    """Codes every frame alone, as an image."""

    @property
    def channels(self) -> int:
        return max(self.network.N, self.network.M)

    def _encode(self, frame: Tensor, *, key: bool) -> list[bytes]:
        return [string for (string,) in self.network.compress(frame)["strings"]]

    def _decode(self, strings: list[bytes], *, key: bool) -> Tensor:
        factor = self.network.downsampling_factor
        shape = self.padded_height // factor, self.padded_width // factor
        return self.network.decompress([[string] for string in strings], shape)["x_hat"]


class VideoCoder(Coder):
    """Scale-space flow (Agustsson et al., 2020): motion from the previous decoded frame, then residual."""

    reference: Tensor

    @property
    def channels(self) -> int:
        return self.network.img_hyperprior.entropy_bottleneck.channels

    def _encode(self, frame: Tensor, *, key: bool) -> list[bytes]:
        if key:
            self.reference, out = self.network.encode_keyframe(frame)
            return [string for (string,) in out["strings"]]
        self.reference, out = self.network.encode_inter(frame, self.reference)
        return [string for part in ("motion", "residual") for (string,) in out["strings"][part]]

    def _decode(self, strings: list[bytes], *, key: bool) -> Tensor:
        shape = self.padded_height // self.stride, self.padded_width // self.stride
        parts = [[string] for string in strings]
        if key:
            self.reference = self.network.decode_keyframe(parts, shape)
        else:
            halves = {"motion": parts[:2], "residual": parts[2:]}
            self.reference = self.network.decode_inter(self.reference, halves, dict.fromkeys(halves, shape))
        return self.reference


def make_coder(architecture: str, network: Any, *, height: int, width: int) -> Coder:
    """The coder of an architecture for frames of this size."""
    kind = ARCHITECTURES[architecture]
    coder = VideoCoder if kind.other_strings else ImageCoder
    return coder(network, height=height, width=width, stride=kind.stride)
