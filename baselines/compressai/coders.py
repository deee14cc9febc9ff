"""Frames to strings and back: each frame by itself, or from the one before.

A coder takes a padded frame (1, 3, H, W) in [0, 1] and gives the strings of its entropy-coded latents;
it gives the same frame as its decoder to whoever needs it. Sides are multiples of the architecture's stride.
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

#: Latents lie on a grid of this many pixels a side, hyper latents on a coarser one.
_LATENT_SIDE = 16


class Coder(ABC):
    """One network at one padded size, and what it remembers of earlier frames."""

    def __init__(self, network: Any, *, height: int, width: int, stride: int) -> None:
        self.network, self.height, self.width, self.stride = network, height, width, stride
        rows, columns = units(height, width, stride)
        self.padded_height, self.padded_width = rows * stride, columns * stride

    def encode(self, frame: Tensor, *, key: bool) -> list[bytes]:
        """Strings of one frame (1, 3, height, width); `key`: without looking at others."""
        padding = (0, self.padded_width - self.width, 0, self.padded_height - self.height)
        with torch.no_grad():
            return self._encode(F.pad(frame, padding, mode="replicate"), key=key)

    def decode(self, strings: Sequence[bytes | memoryview], *, key: bool) -> Tensor:
        """The frame (1, 3, height, width) of its strings; after the one before it, unless it is a key."""
        guarded = [self._guarded(string) for string in strings]
        with torch.no_grad():
            frame = self._decode(guarded, key=key)
        return frame[:, :, : self.height, : self.width]

    def macs_per_pixel(self, strings: Sequence[bytes], *, key: bool) -> float:
        """Multiply-accumulates to decode this frame, a pixel shown."""
        with FlopCounterMode(display=False) as counter:
            self.decode(strings, key=key)
        return counter.get_total_flops() / 2 / (self.height * self.width)

    @property
    @abstractmethod
    def channels(self) -> int:
        """The largest number of latents at one place."""

    @abstractmethod
    def _encode(self, frame: Tensor, *, key: bool) -> list[bytes]: ...

    @abstractmethod
    def _decode(self, strings: list[bytes], *, key: bool) -> Tensor: ...

    def _guarded(self, string: bytes | memoryview) -> bytes:
        """A string and zeros: CompressAI's decoder reads on past a string's end until it has all symbols.

        A symbol takes half a word at most. One out of its table's range is followed by a number whose
        length is coded in groups of four bits that stand for up to fifteen groups each.
        """
        symbols = self.channels * self.padded_height * self.padded_width // _LATENT_SIDE**2
        return bytes(string) + bytes(WORD_BYTES * (symbols + 1024) + 16 * len(string))


class ImageCoder(Coder):
    """Every frame is a picture of its own."""

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
    """Scale-space flow: motion from the decoded frame before, then the residual."""

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
    """A coder of frames of this size."""
    kind = ARCHITECTURES[architecture]
    coder = VideoCoder if kind.other_strings else ImageCoder
    return coder(network, height=height, width=width, stride=kind.stride)
