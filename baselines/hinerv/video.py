"""A clip as a HiNeRV: fitted on whole frames or on patches of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from baselines.hinerv.model import HiNeRV
from baselines.hinerv.patches import cut_patches, join_patches, patch_numbers, pick_patches
from baselines.hinerv.pruning import pruning_scores
from baselines.hinerv.qat import QuantNoise
from bench.inr.fitting.samples import Samples
from bench.inr.network.losses import losses
from bench.inr.network.representation import FramewiseVideo


class HiNeRVVideo(FramewiseVideo):
    """Fits and renders `frames` frames of height x width (the visible area of the network's output).

    Attributes:
        noise: what a step does to the weights before it uses them; None: nothing. Rendering has none.
    """

    def __init__(self, network: HiNeRV, *, frames: int, height: int, width: int) -> None:
        super().__init__(network, frames=frames, height=height, width=width)
        self.network: HiNeRV = network
        self.noise: QuantNoise | None = None

    def times(self, index: Tensor) -> Tensor:
        """The grids are read at frame numbers, relative to the length that the network knows."""
        return index

    def samples(self) -> Samples:
        """Patches from anywhere in the clip, where the network computes patches (section 3.4)."""
        return PatchSamples(self) if self.network.config.patch else Samples(self)

    def add_noise(self, *, bits: int, rate: float, generator: torch.Generator) -> None:
        self.noise = QuantNoise(bits=bits, rate=rate, generator=generator)

    def step(self, index: Tensor, target: Tensor, loss: str) -> tuple[Tensor, Tensor]:
        """Whole frames, or all patches of the frames as one batch."""
        patch = self.network.config.patch
        if patch is None:
            frames = self.visible(self.predict(index))
            return losses(loss, [frames], target)[0], frames.detach()
        numbers = patch_numbers(self.network.config.padded_size, patch, index.device)
        total, patches = self.patch_step(
            index.repeat_interleave(len(numbers)),
            numbers.repeat(len(index), 1),
            cut_patches(target, patch),
            loss,
        )
        return total, join_patches(patches, self.network.config.padded_size)

    def patch_step(self, index: Tensor, numbers: Tensor, target: Tensor, loss: str) -> tuple[Tensor, Tensor]:
        """Scalar loss of patches from anywhere in the clip, and the patches, detached.

        Args:
            index: the frame of each patch (B,); numbers: its row and column (B, 2).
            target: the patches (B, 3, h, w), of the size `config.patch`.
        """
        patches = self.predict(index, numbers)
        return losses(loss, [patches], target)[0], patches.detach()

    def pruned_weights(self, number: float) -> int:
        """The official code cuts the fraction off."""
        return int(number)

    def pruning_scores(self) -> dict[nn.Parameter, Tensor]:
        return pruning_scores(self.network)

    def predict(self, *inputs: Tensor) -> Tensor:
        """The network's output with the weights of a training step."""
        if self.noise is None:
            return self.network(*inputs)
        return functional_call(self.network, self.noise.weights(self.network), inputs)


class PatchSamples(Samples):
    """All patches of a clip, those of a frame row by row."""

    def __init__(self, video: HiNeRVVideo) -> None:
        super().__init__(video)
        self.video, config = video, video.network.config
        assert config.patch is not None
        self.patch = config.patch
        self.numbers = patch_numbers(config.padded_size, config.patch, video.device)
        self.per_frame = len(self.numbers)

    def targets(self, frames: Tensor, index: Tensor) -> Tensor:
        frame, numbers = self._places(index)
        return pick_patches(frames, frame, numbers, self.patch).to(torch.float32).div_(255)

    def step(self, index: Tensor, target: Tensor, loss: str) -> tuple[Tensor, Tensor]:
        return self.video.patch_step(*self._places(index), target, loss)

    def _places(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The frame of each sample (B,), and its row and column (B, 2)."""
        return index // self.per_frame, self.numbers[index % self.per_frame]
