"""What the trainer and the stream need of a fitted network, whatever its architecture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.inr.network.losses import losses


class Representation(ABC):
    """One clip held in the weights of `network`.

    Args:
        network: the module whose parameters are fitted, quantised and coded.
        frames: N, the frames of the clip.
        height, width: the visible area, at the top left of what the network puts out.
    """

    def __init__(self, network: nn.Module, *, frames: int, height: int, width: int) -> None:
        self.network, self.frames, self.height, self.width = network, frames, height, width

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    def times(self, index: Tensor) -> Tensor:
        """t = i / N, computed in double and rounded to float32."""
        return (index.double() / self.frames).float()

    def visible(self, image: Tensor) -> Tensor:
        """Without the padding that the strides made."""
        return image[..., : self.height, : self.width]

    @abstractmethod
    def step(self, index: Tensor, target: Tensor, loss: str) -> tuple[Tensor, Tensor]:
        """Scalar loss, and the frames (B, 3, H, W) a viewer would see, detached.

        Args:
            index: frame numbers (B,), int64.
            target: the same frames (B, 3, H, W), RGB in [0, 1].
            loss: a name in `bench.inr.network.losses.CATALOGUE`.
        """

    @abstractmethod
    def render(self, first: int, stop: int) -> Iterator[Tensor]:
        """Frames `first` to `stop` in order, each (3, H, W) in [0, 1], cropped to the visible area."""

    def finish(self, frames: Iterable[Tensor]) -> nn.Module:
        """What a decoder needs, after the last step: the module whose parameters are coded.

        Args:
            frames: the clip's in order, each (3, H, W), uint8 RGB, on the network's device.
        """
        return self.network

    def prunable(self) -> list[nn.Parameter]:
        """The weights that pruning may remove, in a fixed order: matrices and kernels outside heads."""
        named = self.network.named_parameters()
        return [weight for name, weight in named if weight.ndim > 1 and "head" not in name]

    def pruned_weights(self, number: float) -> int:
        """How many weights go where a ratio of all makes `number`: the nearest whole one (official: NeRV)."""
        return round(number)

    def pruning_scores(self) -> dict[nn.Parameter, Tensor]:
        """Prunable weight -> the score of each entry: the smallest go first (magnitude)."""
        return {weight: weight.detach().abs() for weight in self.prunable()}

    def parts(self, index: int) -> dict[str, Tensor]:
        """What frame `index` is made of, by name, for people to look at; nothing for most networks.

        Images (3, H, W) and maps (H, W) in [0, 1], flows (2, H, W) in pixels, x then y.
        """
        return {}

    def refresh(self) -> None:
        """Recompute what is cached from the current weights; nothing to do for most networks."""

    def cached_state(self) -> dict[str, Tensor]:
        """The cache itself, for recipes that do not refresh it at every saved state."""
        return {}

    def load_cached_state(self, state: dict[str, Tensor]) -> None:
        """Put back what `cached_state` gave."""


class FramewiseVideo(Representation):
    """A network that maps times (B,) to frames (B, 3, H, W) and needs nothing else (NeRV, E-NeRV).

    One with several `heads` has `images`, those of all heads from coarse to fine. A coarse one is fitted
    to the frame's averages over its pixels, with a weight of `auxiliary_weight` (NeRV's `lw`).
    """

    network: Any
    auxiliary_weight: float = 1.0

    def step(self, index: Tensor, target: Tensor, loss: str) -> tuple[Tensor, Tensor]:
        *coarse, full = self._images(self.times(index))
        total = sum(self.auxiliary_weight * self._coarse_loss(loss, image, target, full) for image in coarse)
        frames = self.visible(full)
        return total + losses(loss, [frames], target)[0], frames.detach()

    def _images(self, time: Tensor) -> list[Tensor]:
        several = len(getattr(self.network, "heads", ())) > 1
        return self.network.images(time) if several else [self.network(time)]

    def _coarse_loss(self, loss: str, image: Tensor, target: Tensor, full: Tensor) -> Tensor:
        beyond = (0, full.shape[3] - self.width, 0, full.shape[2] - self.height)  # the padding of the strides
        whole = F.pad(target, beyond, mode="replicate") if any(beyond) else target
        return losses(loss, [image], F.adaptive_avg_pool2d(whole, (image.shape[2], image.shape[3])))[0]

    @torch.no_grad()
    def render(self, first: int, stop: int) -> Iterator[Tensor]:
        for i in range(first, stop):
            yield self.visible(self.network(self.times(torch.tensor([i], device=self.device))))[0]
