"""HiNeRV as the representation of a clip: fitted on whole frames or on patches of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from baselines.hinerv.model import HiNeRV
from baselines.hinerv.patches import patch_positions, pick_patches
from baselines.hinerv.pruning import pruning_scores
from baselines.hinerv.qat import QuantNoise
from bench.inr.network.losses import losses
from bench.inr.network.representation import FramewiseVideo


class HiNeRVVideo(FramewiseVideo):
    """A network whose samples are patches from anywhere in the clip (section 3.4), if `config.patch` is set.

    The patches of a frame are numbered row by row.

    Attributes:
        noise: quantisation noise of the weights in training steps; None: no noise. Rendering has none.
    """

    def __init__(self, network: HiNeRV, *, frames: int, height: int, width: int) -> None:
        super().__init__(network, frames=frames, height=height, width=width)
        self.network: HiNeRV = network
        self.patch = network.config.patch
        self.noise: QuantNoise | None = None
        if self.patch:
            size = network.config.padded_size
            self.samples_per_frame = (size[0] // self.patch[0]) * (size[1] // self.patch[1])

    def times(self, index: Tensor) -> Tensor:
        """Frame numbers: the grids are read relative to the clip's length, which the network has."""
        return index

    def targets(self, frames: Tensor, index: Tensor) -> Tensor:
        if self.patch is None:
            return super().targets(frames, index)
        frame, positions = self._locate(index)
        return pick_patches(frames, frame, positions, self.patch).to(torch.float32).div_(255)

    def step(self, index: Tensor, target: Tensor, loss: str) -> tuple[Tensor, Tensor]:
        inputs = (index,) if self.patch is None else self._locate(index)
        if self.noise is None:
            output = self.network(*inputs)
        else:
            output = functional_call(self.network, self.noise.weights(self.network), inputs)
        samples = self.visible(output)
        return losses(loss, [samples], target)[0], samples.detach()

    def add_noise(self, *, bits: int, rate: float, generator: torch.Generator) -> None:
        self.noise = QuantNoise(bits=bits, rate=rate, generator=generator)

    def pruned_count(self, number: float) -> int:
        """Rounded down, as in the official code."""
        return int(number)

    def pruning_scores(self) -> dict[nn.Parameter, Tensor]:
        return pruning_scores(self.network)

    def _locate(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The frame (B,) and the row and column (B, 2) of samples (B,)."""
        assert self.patch is not None
        positions = patch_positions(self.network.config.padded_size, self.patch, index.device)
        return index // self.samples_per_frame, positions[index % self.samples_per_frame]
