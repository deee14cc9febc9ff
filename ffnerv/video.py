"""A clip as an FFNeRV: the network with its key-frame buffer, in fitting and in decoding."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from bench.inr.network.losses import losses
from bench.inr.network.representation import Representation
from ffnerv.flow import Aggregation, KeyFrames, aggregate, neighbour_slots
from ffnerv.model import FFNeRV, Heads

#: Weight of the aggregated and the independent frame's loss (`--lw` of the published commands).
AUXILIARY_WEIGHT = 0.1


class FFNeRVVideo(Representation):
    """Fits and renders `frames` frames of height x width (the visible area of the network's output)."""

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
        """The training buffer of all key frames, made when first needed: decoding never needs it."""
        if self._buffer is None:
            self._buffer = KeyFrames(self.key_frames, *self.network.config.padded_size, device=self.device)
        return self._buffer

    def aggregate(self, heads: Heads, neighbours: Tensor) -> Aggregation:
        return aggregate(heads, neighbours, exact=self.network.config.exact_warp)

    @property
    def key_frames(self) -> int:
        """How many frames others may be aggregated from: those that are fitted."""
        return -(-self.frames // self.network.config.key_interval)

    def slots(self, index: Tensor) -> Tensor:
        """Buffer slots (B, A) of frames (B,); a held-out frame counts neighbours from the one before it."""
        config = self.network.config
        at = index // config.key_interval
        return neighbour_slots(at, config.offsets, self.key_frames, clamp=config.clamp_neighbours)

    def step(self, index: Tensor, target: Tensor, loss: str) -> tuple[Tensor, Tensor]:
        """Forward, store the independent frames, read the neighbours, score all three images."""
        heads = self.network(self.times(index))
        if not self.network.config.offsets:  # nothing to aggregate: the independent frame is final
            frames = self.visible(heads.independent)
            return losses(loss, [frames], target)[0], frames.detach()
        self.buffer.write(index // self.network.config.key_interval, heads.independent)
        mixed = self.aggregate(heads, self.buffer.read(self.slots(index)))
        images = [self.visible(x) for x in (mixed.aggregated, mixed.independent, mixed.final)]
        aggregated, independent, final = losses(loss, images, target)
        total = self.auxiliary_weight * (aggregated + independent) + final
        return total, images[2].detach()

    def prunable(self) -> list[nn.Parameter]:
        """The kernels of the stages: neither grids nor heads (as published)."""
        return [weight for weight in self.network.stages.parameters() if weight.ndim > 1]

    @torch.no_grad()
    def refresh(self) -> None:
        """Fill every slot from the current weights."""
        if not self.network.config.offsets:
            return
        for slot in torch.arange(self.key_frames, device=self.device).split(1):
            index = slot * self.network.config.key_interval
            self.buffer.write(slot, self.network.independent(self.times(index)))

    def cached_state(self) -> dict[str, Tensor]:
        return {"key_frames": self.buffer.data} if self.network.config.offsets else {}

    def load_cached_state(self, state: dict[str, Tensor]) -> None:
        self.buffer.data.copy_(state["key_frames"])

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
        """The aggregation of each frame; every independent frame is made once.

        Only the window that neighbours are read from is held: max(offsets) - min(offsets) + 1 key frames.
        """
        interval, held = self.network.config.key_interval, dict[int, tuple[Heads, Tensor]]()
        black = torch.zeros(1, 3, *self.network.config.padded_size, device=self.device)
        reach = min((*self.network.config.offsets, 0))
        for i in range(first, stop):
            own, held_out = divmod(i, interval)
            slots = self.slots(torch.tensor([i]))[0].tolist()
            for slot in sorted({own, *slots} - held.keys() - {self.key_frames}):
                heads = self._heads(slot * interval)
                # Neighbours are read at the buffer's precision, as in fitting.
                held[slot] = heads, heads.independent.to(torch.float16).to(torch.float32)
            neighbours = torch.stack([held[slot][1] if slot in held else black for slot in slots], dim=1)
            yield self.aggregate(self._heads(i) if held_out else held[own][0], neighbours)
            for slot in [slot for slot in held if slot < (i + 1) // interval + reach]:
                del held[slot]

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
        parts["share of the aggregated frame"] = self.visible(mixed.blend)[0, 0]
        scale = self.network.config.padded_size[0] // mixed.neighbour_weights.shape[-2]
        weights = mixed.neighbour_weights.repeat_interleave(scale, -2).repeat_interleave(scale, -1)
        interval = self.network.config.key_interval
        for at, offset in enumerate(self.network.config.offsets):
            neighbour = (index // interval + offset) * interval
            parts[f"flow to frame {neighbour}"] = self.visible(mixed.flows)[0, at]
            parts[f"weight of frame {neighbour}"] = self.visible(weights)[0, at]
        return parts
