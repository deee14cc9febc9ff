"""Base class of the codecs that fit a network to the clip and code its weights.

A family (FFNeRV, NeRV, ...) supplies its network: the configuration that follows from settings and clip, and
the `Representation` that a configuration builds. This class supplies everything else. Reading order:

* `skip`: check the settings without torch (`bench.inr.fit_check`);
* `encode`: fit (`bench.inr.fitting.trainer`), then quantise and entropy-code (`bench.inr.encoding`);
* `decode`: rebuild the network from the stream (`bench.inr.decoding`), then render frame by frame.

Importing this module imports no torch.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, ClassVar

from bench.base.errors import BenchError
from bench.base.stage_clock import StageClock
from bench.codec.contract import Codec, Encoded, EncodeJob
from bench.inr.coding.quantiser_description import QUANTISERS, FieldTable, QuantiserDescription, covers
from bench.inr.fit_check import CheckedFit, check_fit
from bench.inr.fitting.recipe import Recipe
from bench.inr.fitting.reporter import Reporter
from bench.inr.network.clip_check import UnsuitableClip, padded_base

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from bench.codec.container import Stream
    from bench.inr.coding.quantisers import SingleQuantiser
    from bench.inr.fitting.divergence import Diverged
    from bench.inr.network.representation import Representation
    from bench.inr.settings import FitSettings
    from bench.video.clip import Clip, ClipInfo


class INRCodec(Codec):
    """A fitted network as a codec.

    Attributes:
        config_type: the frozen dataclass of the network's configuration; its module imports no torch.
        wire_defaults: field of `config_type` -> its value in a stream that leaves it out. Part of the stream
            format: it must never change (`bench.inr.coding.payload.config_values`).
        quantisers: names and fields of the quantisers that a description may have.
        trains_with_noise: whether the family's representation implements `HasNoise`.
    """

    uses_torch = True
    config_type: ClassVar[type[Any]]
    wire_defaults: ClassVar[Mapping[str, Any]]
    quantisers: ClassVar[FieldTable] = QUANTISERS
    trains_with_noise: ClassVar[bool] = False

    # What a family supplies.

    @classmethod
    @abstractmethod
    def settings_model(cls) -> type[FitSettings]:
        """The settings of the fit and of the network."""

    @abstractmethod
    def represent(self, config: Any, *, frames: int, height: int, width: int) -> Representation:
        """A freshly initialised network of this configuration, for a clip of this size."""

    def receive(self, config: Any, *, frames: int, height: int, width: int) -> Representation:
        """The representation of a decoder. Its network has the parameters of a stream, already quantised.

        These are the parameters of the network that `Representation.finish` returns, in the same order.
        """
        return self.represent(config, frames=frames, height=height, width=width)

    @abstractmethod
    def coded_parts(self, config: Any) -> Sequence[str]:
        """First components of the names of the coded parameters, such as `stages` or `image_head`."""

    def configure(self, clip: ClipInfo, settings: Mapping[str, Any]) -> Any:
        """The network's configuration for a clip: the settings, with `base` derived from the frame size.

        Raises:
            ValueError: the settings are invalid; UnsuitableClip: they are, for this clip.
        """
        values = {key: settings[key] for key in self.network_settings()}
        values = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        return self.config_type(base=padded_base(clip.height, clip.width, values["strides"]), **values)

    def check_quantiser(self, config: Any, quantiser: QuantiserDescription) -> None:
        """Raise ValueError if a network of this configuration cannot be coded by the quantiser."""
        parts = self.coded_parts(config)
        for name in quantiser.overrides:
            if not any(covers(part, name) for part in parts):
                raise ValueError(
                    f"quantiser: overrides: the network has no part {name!r}; use {', '.join(parts)}"
                )

    def check_recipe(self, config: Any, recipe: Recipe, clip: ClipInfo) -> None:
        """Raise ValueError (UnsuitableClip for this clip alone) if the recipe cannot fit the network."""

    def build_single(self, fields: Mapping[str, Any]) -> SingleQuantiser | None:
        """The quantiser of the complete fields of one description; None for float32 weights."""
        from bench.inr.coding.quantisers import build_single

        return build_single(fields)

    def paper_bits(
        self, network: nn.Module, quantiser: QuantiserDescription, codes: Sequence[np.ndarray]
    ) -> int | None:
        """Bits of the weights by the method's own rate formula; None for float32 weights.

        Args:
            network: the coded network, not quantised.
            codes: the integer codes of its parameters.
        """
        from bench.inr.coding.huffman import huffman_bits

        return huffman_bits(codes) if codes else None

    # What all families share.

    @classmethod
    def network_settings(cls) -> list[str]:
        """Names of the settings that become the network's configuration."""
        from bench.inr.settings import FitSettings

        return [name for name in cls.settings_model().model_fields if name not in FitSettings.model_fields]

    def skip(self, clip: ClipInfo, settings: Mapping[str, Any]) -> str | None:
        """Why no network of these settings can code this clip; None if one can. Imports no torch.

        Raises:
            BenchError: the settings are invalid, whatever the clip.
        """
        try:
            check_fit(self, clip, settings)
        except UnsuitableClip as error:
            return str(error)
        return None

    def resolve(self, clip: ClipInfo, settings: Mapping[str, Any]) -> CheckedFit:
        """The network's configuration, recipe and quantiser for complete settings.

        Raises:
            BenchError: the settings are invalid, or `skip` has a reason.
        """
        try:
            return check_fit(self, clip, settings)
        except UnsuitableClip as error:
            raise BenchError(f"clip {clip.name}", str(error), "choose another point or clip") from error

    def start(
        self, clip: ClipInfo, settings: Mapping[str, Any], *, seed: int = 0, device: str = "cpu"
    ) -> Representation:
        """The network at the start of a fit, on its device.

        Raises:
            BenchError: see `resolve`.
        """
        import torch

        from bench.inr.network import runtime

        torch.manual_seed(seed)
        config = self.resolve(clip, settings).config
        representation = self.represent(config, frames=clip.frames, height=clip.height, width=clip.width)
        runtime.move(representation.network, device)
        return representation

    def encode(self, clip: Clip, job: EncodeJob) -> Encoded:
        """Fit the network to the clip, then quantise and entropy-code its weights.

        Raises:
            BenchError: see `resolve`; an override of the quantiser matches no parameter; or the fit diverged.
        """
        from bench.inr.encoding import (
            check_overrides,
            choose_quantiser,
            clip_tensor,
            code_network,
            fit_details,
            fit_inputs,
            run_fit,
        )
        from bench.inr.fitting.budget import STEPS, budget_file, choose_epochs
        from bench.inr.fitting.trainer import Fit
        from bench.inr.network import runtime

        runtime.prepare(threads=job.threads, device=job.device)
        settings = self.resolve(clip.info, job.settings)
        check_overrides(self, clip.info, settings)
        with job.clock("colour"):
            frames = clip_tensor(clip, job.device, settings.recipe.space)

        inputs = fit_inputs(self, clip.info, settings, seed=job.seed)

        def start_fit(recipe: Recipe, *, after: Diverged | None = None, probes: bool = False) -> Fit:
            representation = self.start(clip.info, job.settings, seed=job.seed, device=job.device)
            return Fit(
                representation,
                frames,
                recipe,
                seed=job.seed,
                state_dir=None if probes else job.state_dir,
                inputs=inputs,
                adopt=job.adopt,
                after=after,
                notify=(lambda line: None) if probes else job.progress,
                most_steps=STEPS if probes else None,
                choose_quantiser=lambda network: choose_quantiser(
                    self, representation, network, settings.quantiser, recipe.space
                ),
            )

        def code(fit: Fit, clock: StageClock) -> Encoded:
            return code_network(
                self,
                fit.representation,
                frames,
                config=settings.config,
                quantiser=settings.quantiser,
                clock=clock,
                trained=fit.quantiser,
                space=recipe.space,
            )

        recipe = settings.recipe
        if settings.encode_s is not None:
            with job.clock("probe"):
                budget = choose_epochs(
                    recipe,
                    settings.encode_s,
                    file=budget_file(job.state_dir, settings.encode_s, inputs),
                    started=job.clock.started,
                    start_fit=lambda short: start_fit(short, probes=True),
                    code=lambda fit: code(fit, StageClock(job.clock.synchronize)),
                )
            recipe = replace(recipe, epochs=budget.epochs)
            inputs = {**inputs, "recipe": {**inputs["recipe"], "epochs": budget.epochs}}
            job.clock.facts["budget"] = asdict(budget)
            job.progress(str(budget))
        with job.clock("fit"):
            fit, earlier_s = run_fit(start_fit, recipe, Reporter(job.progress, recipe.total_epochs))
        encoded = code(fit, job.clock)
        return replace(encoded, details={**encoded.details, **fit_details(fit)}, earlier_s=earlier_s)

    def decode(
        self, stream: Stream, *, device: str, clock: StageClock, first: int = 0, stop: int | None = None
    ) -> Iterator[np.ndarray]:
        from bench.inr.network import planes, runtime

        runtime.prepare(threads=1, device=device)
        to_pixels = planes.to_420 if stream.header.pixel_format == "yuv420p" else runtime.to_8_bit
        with clock("entropy-decode"):
            representation = self.restore(stream)
            runtime.move(representation.network, device)
        frames = representation.render(first, stream.header.frames if stop is None else stop)
        while True:
            with clock("network"):
                frame = next(frames, None)
                if frame is None:
                    return
                pixels = to_pixels(frame)
            yield pixels

    def decoder_memory(self, stream: Stream, *, enough: int = 0) -> int:
        from bench.inr.decoding import decoder_memory

        return decoder_memory(self, stream, enough=enough)

    def restore(self, stream: Stream) -> Representation:
        """The network of a stream with its weights, on the CPU.

        Raises:
            StreamError: the payload does not hold a network of this family for the header's clip.
        """
        from bench.inr.decoding import restore_network

        return restore_network(self, stream)

    def describe(self, stream: Stream) -> dict[str, Any]:
        from bench.inr.coding.payload import Payload

        payload = Payload.from_bytes(stream.payload)
        return {
            "network": dict(payload.network),
            "quantiser": dict(payload.quantiser),
            "side_bytes": len(payload.side),
            "weight_bytes": len(payload.weights),
        }
