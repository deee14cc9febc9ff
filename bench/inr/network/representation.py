"""Interface of a fitted network to the trainer, the stream and the renderer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.inr.network.losses import losses


class Representation(ABC):
    """One clip, represented by the weights of `network`.

    A fit trains on samples: whole frames, or patches of them. Samples are numbered frame by frame: sample
    i belongs to frame i // samples_per_frame.

    Args:
        network: the module whose parameters are fitted, quantised and coded.
        frames: N, the frames of the clip.
        height, width: size of the frame, which is at the top left of the network's padded output.

    Attributes:
        samples_per_frame: samples that make up one frame.
    """

    samples_per_frame: int = 1

    def __init__(self, network: nn.Module, *, frames: int, height: int, width: int) -> None:
        self.network, self.frames, self.height, self.width = network, frames, height, width

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    def times(self, index: Tensor) -> Tensor:
        """The network's input for frames (B,): t = i / N, computed in double and rounded to float32."""
        return (index.double() / self.frames).float()

    def visible(self, image: Tensor) -> Tensor:
        """Crop (..., H, W) to the frame: remove the padding that the strides need."""
        return image[..., : self.height, : self.width]

    def targets(self, frames: Tensor, index: Tensor) -> Tensor:
        """Samples (B, 3, h, w), RGB in [0, 1], of a uint8 clip (N, 3, H, W), by their numbers (B,)."""
        return frames.index_select(0, index).to(torch.float32).div_(255)

    @abstractmethod
    def step(self, index: Tensor, target: Tensor, loss: str) -> tuple[Tensor, Tensor]:
        """Forward pass and loss of a training step.

        Args:
            index: numbers (B,) of the samples, int64.
            target: the samples (B, 3, h, w), RGB in [0, 1].
            loss: a name of `bench.inr.network.losses.losses`.

        Returns:
            the loss, a scalar, and the predicted samples (B, 3, h, w), detached.
        """

    @abstractmethod
    def render(self, first: int, stop: int) -> Iterator[Tensor]:
        """Frames `first` to `stop` in order, each (3, H, W) in [0, 1], cropped to the frame."""

    def window_bytes(self) -> int:
        """Bytes of earlier frames that `render` keeps in memory; most networks keep none."""
        return 0

    def finish(self, frames: Iterable[Tensor]) -> nn.Module:
        """The module whose parameters a stream holds, after the last step.

        Args:
            frames: of the clip in order, each (3, H, W), uint8 RGB, on the network's device.
        """
        return self.network

    def prunable(self) -> list[nn.Parameter]:
        """The weights that pruning may remove, in a fixed order: matrices and kernels outside heads."""
        named = self.network.named_parameters()
        return [weight for name, weight in named if weight.ndim > 1 and "head" not in name]

    def matrices(self) -> list[nn.Parameter]:
        """The weights that Muon updates, in a fixed order: those that can be pruned."""
        return self.prunable()

    def pruned_count(self, number: float) -> int:
        """Number of weights to prune, where the ratio of all weights is `number`: rounded (official NeRV)."""
        return round(number)

    def pruning_scores(self) -> dict[nn.Parameter, Tensor]:
        """Prunable weight -> score of each entry, here its magnitude. The smallest are removed."""
        return {weight: weight.detach().abs() for weight in self.prunable()}

    def parts(self, index: int) -> dict[str, Tensor]:
        """Intermediate images of frame `index` by name, for inspection; empty for most networks.

        Images (3, H, W) and maps (H, W) in [0, 1], flows (2, H, W) in pixels, x then y.
        """
        return {}

    def refresh(self) -> None:
        """Recompute the cache from the current weights. Most networks have no cache."""

    def cached_state(self) -> dict[str, Tensor]:
        """The cache, for recipes that do not recompute it at every saved state."""
        return {}

    def load_cached_state(self, state: dict[str, Tensor]) -> None:
        """Restore the cache from `cached_state`."""


@runtime_checkable
class HasNoise(Protocol):
    """A representation that can be trained with quantisation noise."""

    def add_noise(self, *, bits: int, rate: float, generator: torch.Generator) -> None:
        """Let steps compute with a fraction `rate` of the weights quantised to `bits` from now on."""


class FramewiseVideo(Representation):
    """A network that maps times (B,) to frames (B, 3, H, W) and needs nothing else (NeRV, E-NeRV).

    A network with several `heads` has a method `images`, which returns the images of all heads from coarse to
    fine. The target of a coarse head is the frame, averaged over the area of each pixel. Its loss has the
    weight `auxiliary_weight` (NeRV's option `lw`).
    """

    network: Any
    auxiliary_weight: float = 1.0

    def step(self, index: Tensor, target: Tensor, loss: str) -> tuple[Tensor, Tensor]:
        several = len(getattr(self.network, "heads", ())) > 1
        time = self.times(index)
        *coarse, full = self.network.images(time) if several else [self.network(time)]
        total = sum(self.auxiliary_weight * self._coarse_loss(loss, image, target, full) for image in coarse)
        frames = self.visible(full)
        return total + losses(loss, [frames], target)[0], frames.detach()

    def _coarse_loss(self, loss: str, image: Tensor, target: Tensor, full: Tensor) -> Tensor:
        padding = (0, full.shape[3] - self.width, 0, full.shape[2] - self.height)
        padded = F.pad(target, padding, mode="replicate") if any(padding) else target
        return losses(loss, [image], F.adaptive_avg_pool2d(padded, (image.shape[2], image.shape[3])))[0]

    @torch.no_grad()
    def render(self, first: int, stop: int) -> Iterator[Tensor]:
        for i in range(first, stop):
            yield self.visible(self.network(self.times(torch.tensor([i], device=self.device))))[0]
