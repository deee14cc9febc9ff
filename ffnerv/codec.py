"""FFNeRV as a codec of the suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from bench.inr.codec import INRCodec
from bench.inr.coding.quantiser_description import QUANTISERS, QuantiserDescription, whole_bits
from ffnerv.config import WIRE_DEFAULTS, FFNeRVConfig

if TYPE_CHECKING:
    from bench.inr.coding.quantisers import SingleQuantiser
    from bench.inr.network.representation import Representation
    from bench.video.clip import ClipInfo
    from ffnerv.settings import FFNeRVSettings


class FFNeRVCodec(INRCodec):
    """The settings are the fields of `ffnerv.config.FFNeRVConfig` and of `bench.inr.fitting.recipe.Recipe`.

    The quantiser `tanh` codes what quantisation-aware training computes with (section 3.4).
    """

    has_parts = True
    config_type = FFNeRVConfig
    wire_defaults = WIRE_DEFAULTS
    quantisers: ClassVar = {**QUANTISERS, "tanh": {"bits": whole_bits(8)}}

    @classmethod
    def settings_model(cls) -> type[FFNeRVSettings]:
        from ffnerv.settings import FFNeRVSettings

        return FFNeRVSettings

    def configure(self, clip: ClipInfo, settings: Mapping[str, Any]) -> FFNeRVConfig:
        return replace(super().configure(clip, settings), key_interval=settings["fit_every"])

    def coded_parts(self, config: FFNeRVConfig) -> Sequence[str]:
        return ("grids", "stages", *(("flow_head",) if config.offsets else ()), "image_head")

    def check_quantiser(self, config: FFNeRVConfig, quantiser: QuantiserDescription) -> None:
        """Also: the bits of quantisation-aware training must be those of the stream."""
        super().check_quantiser(config, quantiser)
        name, bits = quantiser.usual["name"], quantiser.usual.get("bits")
        if name == "tanh" and bits != config.bits:
            raise ValueError(f"bits: {config.bits} in training must equal {bits} of the quantiser tanh")
        if name != "tanh" and config.bits is not None:
            raise ValueError(
                f"bits: {config.bits} trains for the quantiser tanh, not for {name}; set bits to null"
            )

    def represent(self, config: FFNeRVConfig, *, frames: int, height: int, width: int) -> Representation:
        from ffnerv.model import FFNeRV
        from ffnerv.video import FFNeRVVideo

        return FFNeRVVideo(FFNeRV(config), frames=frames, height=height, width=width)

    def receive(self, config: FFNeRVConfig, *, frames: int, height: int, width: int) -> Representation:
        unquantised = replace(config, bits=None)  # a stream holds weights that are already quantised
        return self.represent(unquantised, frames=frames, height=height, width=width)

    def build_single(self, fields: Mapping[str, Any]) -> SingleQuantiser | None:
        if fields["name"] != "tanh":
            return super().build_single(fields)
        from ffnerv.qat import TanhQuantiser

        return TanhQuantiser(fields["bits"])


CODEC = FFNeRVCodec
