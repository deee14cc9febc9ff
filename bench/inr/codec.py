"""Network and recipe to codec: what every fitted method does to a clip, and back.

A method supplies how its configuration follows from the clip and the settings, and how a configuration
becomes a `Representation`. Importing this module does not import torch.
"""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.base.errors import BenchError, StreamError
from bench.base.stage_clock import StageClock
from bench.codec.contract import Codec, Encoded, EncodeJob
from bench.inr.fitting.recipe import Pruning, Quantisation, Recipe, Rounding
from bench.inr.fitting.reporter import Reporter

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from bench.codec.container import Stream
    from bench.inr.coding.quantisers import AnyQuantiser, SingleQuantiser
    from bench.inr.network.representation import Representation
    from bench.inr.settings import FitSettings
    from bench.video.clip import Clip, ClipInfo


class Resolved(NamedTuple):
    """The settings of a fit as objects: the network's configuration, the recipe, the quantiser."""

    config: Any
    recipe: Recipe
    quantiser: AnyQuantiser | None


@contextmanager
def refusing_settings() -> Iterator[None]:
    """Turn what settings raise that make no network, recipe or quantiser into a BenchError."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise BenchError("settings", str(error), "change the codec's settings or the point's") from error


class INRCodec(Codec):
    """A fitted network as a codec."""

    uses_torch = True

    @classmethod
    @abstractmethod
    def settings_model(cls) -> type[FitSettings]:
        """The settings of the fit and of the network, which become the network's configuration."""

    @classmethod
    def network_settings(cls) -> list[str]:
        """Names of the settings that become the network's configuration."""
        from bench.inr.settings import FitSettings

        return [name for name in cls.settings_model().model_fields if name not in FitSettings.model_fields]

    @abstractmethod
    def config_type(self) -> type[Any]:
        """The frozen dataclass of the network's configuration."""

    @abstractmethod
    def represent(self, config: Any, *, frames: int, height: int, width: int) -> Representation:
        """A network of this configuration, freshly initialised, for a clip of this size."""

    def receive(self, config: Any, *, frames: int, height: int, width: int) -> Representation:
        """The same as a decoder has it: `network` holds the parameters of a stream, already quantised.

        Those of what `Representation.finish` gives, in the same order.
        """
        return self.represent(config, frames=frames, height=height, width=width)

    def quantiser(self, description: Mapping[str, Any]) -> SingleQuantiser | None:
        """What a description without overrides stands for; None keeps float32 weights."""
        from bench.inr.coding.quantisers import single_quantiser

        return single_quantiser(description)

    def paper_bits(
        self, network: nn.Module, description: Mapping[str, Any], codes: Sequence[np.ndarray]
    ) -> int | None:
        """Bits of the weights as the method's paper counts them; None for float32 weights.

        Args:
            network: what the stream holds, not quantised.
            description: the quantiser's.
            codes: what the quantiser made of its parameters.
        """
        from bench.inr.coding.huffman import huffman_bits

        return huffman_bits(codes) if codes else None

    def configure(self, clip: ClipInfo, settings: Mapping[str, Any]) -> Any:
        """The network's configuration for a clip: the settings, with `base` derived from its size."""
        from bench.inr.network.layers import padded_base

        values = {key: settings[key] for key in self.network_settings()}
        values = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        return self.config_type()(base=padded_base(clip.height, clip.width, values["strides"]), **values)

    def adopt(self, clip: ClipInfo, official: Any, settings: Mapping[str, Any]) -> Any:
        """The configuration, for a clip, of a network with weights of the official code.

        All but the quantiser follows from the network, nothing from the settings.

        Args:
            official: what `bench.import_official` gives.

        Raises:
            ValueError: it was fitted to a clip of another size; the field is named.
            BenchError: it was fitted for another quantiser.
        """
        config = official.network.config
        for name, made in zip(("height", "width"), config.size, strict=True):
            if made != getattr(clip, name):
                raise ValueError(f"{name} is {getattr(clip, name)}, the network makes {made}")
        return config

    def shown_size(self, official: Any) -> tuple[int, int]:
        """Height and width of the frames that an official network shows.

        Raises:
            ValueError: no stream can be made of it without its clip.
        """
        return official.network.config.size

    def start(
        self, clip: ClipInfo, settings: Mapping[str, Any], *, seed: int = 0, device: str = "cpu"
    ) -> Representation:
        """A network as a fit begins with it, on its device.

        Raises:
            BenchError: the settings make no network for this clip.
        """
        import torch

        from bench.inr.network import runtime

        torch.manual_seed(seed)
        config = self.resolve(clip, settings).config
        representation = self.represent(config, frames=clip.frames, height=clip.height, width=clip.width)
        runtime.place(representation.network, device)
        return representation

    def encode(self, clip: Clip, job: EncodeJob) -> Encoded:
        """Fit the network to the clip, quantise, entropy-code."""
        import torch

        from bench.inr.coding.quantisers import check_parts
        from bench.inr.fitting.trainer import Fit
        from bench.inr.network import runtime

        runtime.prepare(threads=job.threads, device=job.device)
        config, recipe, quantiser = self.resolve(clip.info, job.settings)
        size = {"frames": clip.info.frames, "height": clip.info.height, "width": clip.info.width}
        with torch.device("meta"):  # a part's name with a slip in it is told now, not after the fit
            coded = self.receive(config, **size).network
        check_parts(quantiser, (name for name, _ in coded.named_parameters()))
        representation = self.start(clip.info, job.settings, seed=job.seed, device=job.device)
        with job.clock("colour"):
            frames = torch.from_numpy(clip.rgb_array()).permute(0, 3, 1, 2).contiguous().to(job.device)
        fit = Fit(
            representation,
            frames,
            recipe,
            seed=job.seed,
            state_dir=job.state_dir,
            identity=self._identity(clip.info, config, recipe, job),
            find_steps=lambda: self._find_quantiser(representation, representation.finish(frames), job),
        )
        with job.clock("fit"):
            log = fit.run(Reporter(job.progress, recipe.total_epochs))
        encoded = self.pack(representation, frames, config=config, job=job, trained=fit.quantiser)
        told = {"fit_devices": fit.devices, "fit_log": [asdict(row) for row in log]}
        return replace(encoded, details={**encoded.details, **told}, earlier_s=fit.earlier_s)

    def pack(
        self,
        representation: Representation,
        frames: Iterable[Tensor],
        *,
        config: Any,
        job: EncodeJob,
        trained: AnyQuantiser | None = None,
    ) -> Encoded:
        """What a stream holds of a clip's representation, whoever fitted it: finished, quantised, coded.

        Args:
            frames: see `Representation.finish`; config: of its network.
            job: its quantiser and clock are used.
            trained: the quantiser in full, where the fit has trained through it.

        Raises:
            BenchError: a weight is not finite, or the quantiser is none for this network.
        """
        from bench.inr.coding.payload import Payload, coded_weights, config_values
        from bench.inr.network import runtime

        description = job.settings["quantiser"]
        network = representation.finish(frames)
        quantiser = trained
        if quantiser is None:
            with job.clock("allocate") if description.get("allocate") else nullcontext():
                quantiser = self._find_quantiser(representation, network, job)
        with job.clock("entropy-code"):
            side, weights, codes = coded_weights(network, quantiser)
        payload = Payload(config_values(config), dict(description), side, weights)
        area = representation.height * representation.width
        paper_bits = self.paper_bits(network, description, codes)
        details: dict[str, Any] = {
            "parameters": sum(p.numel() for p in network.parameters()),
            "macs_per_pixel": runtime.macs(representation) / area,
            "rate_bpp_paper": None if paper_bits is None else paper_bits / (representation.frames * area),
            "fit_log": [],
        }
        return Encoded(payload=[payload.to_bytes()], pixel_format="rgb24", details=details)

    def _find_quantiser(
        self, representation: Representation, network: nn.Module, job: EncodeJob
    ) -> AnyQuantiser | None:
        """The quantiser of the job's settings, of every tensor of a finished network if it allocates."""
        from bench.inr.coding.allocation import allocate
        from bench.inr.coding.quantisers import make_quantiser
        from bench.inr.coding.uniform import StepQuantiser

        description = job.settings["quantiser"]
        with refusing_settings():
            quantiser = make_quantiser(description, self.quantiser)
        if not description.get("allocate"):
            return quantiser
        assert isinstance(quantiser, StepQuantiser)
        return allocate(representation, network, quantiser.bits)

    def resolve(self, clip: ClipInfo, settings: Mapping[str, Any]) -> Resolved:
        """What complete settings make for a clip.

        Raises:
            BenchError: they make no network, recipe or quantiser.
        """
        from bench.inr.coding.quantisers import check_zeros, make_quantiser
        from bench.inr.fitting.rounding import check_steps
        from bench.inr.network.losses import check_loss
        from bench.inr.settings import FitSettings

        recipe = {key: settings[key] for key in FitSettings.model_fields if key != "quantiser"}
        recipe["betas"] = tuple(recipe["betas"])
        with refusing_settings():
            config = self.configure(clip, settings)
            check_loss(settings["loss"], *(getattr(config, "patch", None) or (clip.height, clip.width)))
            recipe["prune"] = Pruning(**recipe["prune"]) if recipe["prune"] else None
            recipe["quantise"] = Quantisation(**recipe["quantise"]) if recipe["quantise"] else None
            recipe["rounding"] = Rounding(**recipe["rounding"]) if recipe["rounding"] else None
            quantiser = make_quantiser(settings["quantiser"], self.quantiser)
            if recipe["rounding"]:
                check_steps(quantiser)
            if recipe["prune"]:
                check_zeros(settings["quantiser"])
            return Resolved(config, Recipe(**recipe), quantiser)

    def _identity(self, clip: ClipInfo, config: Any, recipe: Recipe, job: EncodeJob) -> str:
        """What a saved state belongs to: clip, network, recipe, seed and the code itself."""
        from bench.codec.fingerprint import code_fingerprint

        family = type(self).__module__.removesuffix(".codec").rpartition(".")[2]
        parts = [clip.sha256, clip.colour, asdict(config), asdict(recipe), job.seed]
        parts.append(job.settings["quantiser"] if recipe.rounding else None)
        parts.append(code_fingerprint(family=family))
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def decode(
        self, stream: Stream, *, device: str, clock: StageClock, first: int = 0, stop: int | None = None
    ) -> Iterator[np.ndarray]:
        from bench.inr.network import runtime

        runtime.prepare(threads=1, device=device)
        header = stream.header
        with clock("entropy-decode"):
            representation = self.restore(stream)
            runtime.place(representation.network, device)
        frames = representation.render(first, header.frames if stop is None else stop)
        while True:
            with clock("network"):
                frame = next(frames, None)
                if frame is None:
                    return
                pixels = runtime.to_8_bit(frame)
            yield pixels

    def restore(self, stream: Stream) -> Representation:
        """The network of a stream, weights in place, on the CPU."""
        import torch

        from bench.inr.coding.payload import Payload, check_network, config_from_values, load
        from bench.inr.coding.quantisers import make_quantiser

        header = stream.header
        payload = Payload.from_bytes(stream.payload)
        config = config_from_values(self.config_type(), payload.network)
        try:
            quantiser = make_quantiser(payload.quantiser, self.quantiser)
            with torch.device("meta"):  # shapes only: nothing is allocated before it is checked
                representation = self.receive(
                    config, frames=header.frames, height=header.height, width=header.width
                )
        except (ValueError, TypeError, KeyError, IndexError, ArithmeticError, RuntimeError) as error:
            raise StreamError(stream.path, f"the network cannot be built ({error})") from error
        network = representation.network
        check_network(
            network, config, payload_bytes=len(stream.payload), height=header.height, width=header.width
        )
        network.to_empty(device="cpu")
        load(network, quantiser, payload)
        return representation

    def describe(self, stream: Stream) -> dict[str, Any]:
        from bench.inr.coding.payload import Payload

        payload = Payload.from_bytes(stream.payload)
        return {
            "network": dict(payload.network),
            "quantiser": dict(payload.quantiser),
            "side_bytes": len(payload.side),
            "weight_bytes": len(payload.weights),
        }
