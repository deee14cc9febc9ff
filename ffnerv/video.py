"""FFNeRV as the representation of a clip: the network and its buffer of key frames."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from bench.inr.network.losses import losses
from bench.inr.network.representation import Representation
from ffnerv.config import FLOW_SCALE
from ffnerv.flow import Aggregation, KeyFrames, aggregate, neighbour_slots
from ffnerv.model import FFNeRV, Heads

#: Weight of the aggregated and the independent frame's loss (`--lw` of the published commands).
AUXILIARY_WEIGHT = 0.1


class FFNeRVVideo(Representation):
    """A network and its buffer of key frames.

    A fit writes the independent frames of every step to the buffer, so neighbours are up to one epoch old. A
    decoder renders frames in order and keeps only the window of key frames that neighbours are read from.

    Args:
        auxiliary_weight: weight of the losses of the aggregated and the independent frame.
    """

    def __init__(
        self,
        network: FFNeRV,
        *,
        frames: int,
        height: int,
        width: int,
        auxiliary_weight: float = AUXILIARY_WEIGHT,
    ) -> None:
        super().__init__(network, frames=frames, height=height, width=width)
        self.network: FFNeRV = network
        self.auxiliary_weight = auxiliary_weight
        self._buffer: KeyFrames | None = None

    @property
    def buffer(self) -> KeyFrames:
        """The training buffer of all key frames, allocated on first use; decoding does not use it."""
        if self._buffer is None:
            self._buffer = KeyFrames(self.key_frames, *self.network.config.padded_size, device=self.device)
        return self._buffer

    def aggregate(self, heads: Heads, neighbours: Tensor) -> Aggregation:
        return aggregate(heads, neighbours, exact=self.network.config.exact_warp)

    @property
    def key_frames(self) -> int:
        """Number of frames that others can be aggregated from: those that are fitted."""
        return -(-self.frames // self.network.config.key_interval)

    def slots(self, index: Tensor) -> Tensor:
        """Buffer slots (B, A) of the neighbours of frames (B,).

        The neighbours of a held-out frame are counted from the key frame before it.
        """
        config = self.network.config
        return neighbour_slots(
            index // config.key_interval, config.offsets, self.key_frames, clamp=config.clamp_neighbours
        )

    def step(self, index: Tensor, target: Tensor, loss: str) -> tuple[Tensor, Tensor]:
        """Loss of the final frame plus `auxiliary_weight` times those of the two other frames (section 3.1).

        The independent frames are stored in the buffer before the neighbours are read from it.
        """
        heads = self.network(self.times(index))
        if not self.network.config.offsets:
            frames = self.visible(heads.independent)
            return losses(loss, [frames], target)[0], frames.detach()
        self.buffer.write(index // self.network.config.key_interval, heads.independent)
        mixed = self.aggregate(heads, self.buffer.read(self.slots(index)))
        images = [self.visible(x) for x in (mixed.aggregated, mixed.independent, mixed.final)]
        aggregated, independent, final = losses(loss, images, target)
        total = self.auxiliary_weight * (aggregated + independent) + final
        return total, images[2].detach()

    def prunable(self) -> list[nn.Parameter]:
        """The kernels of the stages, without grids and heads, as published."""
        return [weight for weight in self.network.stages.parameters() if weight.ndim > 1]

    @torch.no_grad()
    def refresh(self) -> None:
        """Recompute every frame of the buffer from the current weights."""
        if not self.network.config.offsets:
            return
        for slot in torch.arange(self.key_frames, device=self.device).split(1):
            index = slot * self.network.config.key_interval
            self.buffer.write(slot, self.network.independent(self.times(index)))

    def cached_state(self) -> dict[str, Tensor]:
        return {"key_frames": self.buffer.data} if self.network.config.offsets else {}

    def load_cached_state(self, state: dict[str, Tensor]) -> None:
        self.buffer.data.copy_(state["key_frames"])

    def window_bytes(self) -> int:
        """Bytes of the key frames of `mixes`: their heads, and the frame in the buffer's precision."""
        config = self.network.config
        if not config.offsets:
            return 0
        window = min(max(*config.offsets, 0) - min(*config.offsets, 0) + 1, self.key_frames)
        floats = 3 + 3 + 2 + 3 * len(config.offsets) / FLOW_SCALE**2
        return math.ceil(window * 4 * floats * math.prod(config.padded_size))

    @torch.no_grad()
    def render(self, first: int, stop: int) -> Iterator[Tensor]:
        if self.network.config.offsets:
            for mixed in self.mixes(first, stop):
                yield self.visible(mixed.final)[0]
        else:
            for index in torch.arange(first, stop, device=self.device).split(1):
                yield self.visible(self.network.independent(self.times(index)))[0]

    @torch.no_grad()
    def mixes(self, first: int, stop: int) -> Iterator[Aggregation]:
        """The aggregation of each frame, in order. Every independent frame is computed once.

        The key frames in memory are those that neighbours are read from: max(offsets) - min(offsets) + 1.
        """
        interval, window = self.network.config.key_interval, dict[int, tuple[Heads, Tensor]]()
        black = torch.zeros(1, 3, *self.network.config.padded_size, device=self.device)
        reach = min((*self.network.config.offsets, 0))
        for i in range(first, stop):
            key, held_out = divmod(i, interval)
            slots = self.slots(torch.tensor([i]))[0].tolist()
            for slot in sorted({key, *slots} - window.keys() - {self.key_frames}):
                heads = self._heads(slot * interval)
                # Rounded to the buffer's precision, as in fitting.
                window[slot] = heads, heads.independent.to(torch.float16).to(torch.float32)
            neighbours = torch.stack([window[slot][1] if slot in window else black for slot in slots], dim=1)
            yield self.aggregate(self._heads(i) if held_out else window[key][0], neighbours)
            for slot in [slot for slot in window if slot < (i + 1) // interval + reach]:
                del window[slot]

    def _heads(self, index: int) -> Heads:
        return self.network(self.times(torch.tensor([index], device=self.device)))

    @torch.no_grad()
    def parts(self, index: int) -> dict[str, Tensor]:
        """Independent, aggregated and final frame, the blend, and each neighbour's flow and weight."""
        if not self.network.config.offsets:
            return {}
        mixed = next(self.mixes(index, index + 1))
        images = {"independent": mixed.independent, "aggregated": mixed.aggregated, "final": mixed.final}
        parts = {f"{name} frame": self.visible(image)[0] for name, image in images.items()}
        parts["weight of the aggregated frame"] = self.visible(mixed.blend)[0, 0]
        scale = self.network.config.padded_size[0] // mixed.neighbour_weights.shape[-2]
        weights = mixed.neighbour_weights.repeat_interleave(scale, -2).repeat_interleave(scale, -1)
        interval = self.network.config.key_interval
        for position, offset in enumerate(self.network.config.offsets):
            neighbour = (index // interval + offset) * interval
            parts[f"flow to frame {neighbour}"] = self.visible(mixed.flows)[0, position]
            parts[f"weight of frame {neighbour}"] = self.visible(weights)[0, position]
        return parts
