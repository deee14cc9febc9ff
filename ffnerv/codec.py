"""FFNeRV as a codec of the suite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.inr.codec import INRCodec, refusing_settings

if TYPE_CHECKING:
    from bench.inr.coding.quantisers import SingleQuantiser
    from bench.inr.network.representation import Representation
    from bench.video.clip import ClipInfo
    from ffnerv.model import FFNeRVConfig
    from ffnerv.settings import FFNeRVSettings


class FFNeRVCodec(INRCodec):
    """Settings are those of `ffnerv.model.FFNeRVConfig` and of `bench.inr.fitting.trainer.Recipe`."""

    has_parts = True

    @classmethod
    def settings_model(cls) -> type[FFNeRVSettings]:
        from ffnerv.settings import FFNeRVSettings

        return FFNeRVSettings

    def config_type(self) -> type[FFNeRVConfig]:
        from ffnerv.model import FFNeRVConfig

        return FFNeRVConfig

    def configure(self, clip: ClipInfo, settings: Mapping[str, Any]) -> FFNeRVConfig:
        _check_bits(settings["bits"], settings["quantiser"])
        return replace(super().configure(clip, settings), key_interval=settings["fit_every"])

    def adopt(self, clip: ClipInfo, official: Any, settings: Mapping[str, Any]) -> FFNeRVConfig:
        config = super().adopt(clip, official, settings)
        with refusing_settings():
            _check_bits(config.bits, settings["quantiser"])
        return config

    def represent(self, config: FFNeRVConfig, *, frames: int, height: int, width: int) -> Representation:
        from ffnerv.model import FFNeRV
        from ffnerv.video import FFNeRVVideo

        return FFNeRVVideo(FFNeRV(config), frames=frames, height=height, width=width)

    def receive(self, config: FFNeRVConfig, *, frames: int, height: int, width: int) -> Representation:
        unquantised = replace(config, bits=None)  # a stream's weights are what training quantised to
        return self.represent(unquantised, frames=frames, height=height, width=width)

    def quantiser(self, description: Mapping[str, Any]) -> SingleQuantiser | None:
        from ffnerv.qat import TanhQuantiser

        if description.get("name") == "tanh":
            return TanhQuantiser(**{"bits": 8, **{k: v for k, v in description.items() if k != "name"}})
        return super().quantiser(description)


def _check_bits(bits: int | None, quantiser: Mapping[str, Any]) -> None:
    """Raises ValueError where a stream would hold another network than the one that was trained."""
    name, coded = quantiser.get("name"), quantiser.get("bits", 8)
    if name == "tanh" and coded != bits:
        raise ValueError(f"bits: trains for {bits}, the quantiser tanh has {coded}")
    if name != "tanh" and bits is not None:
        raise ValueError(f"bits: trains for {bits}, which the quantiser {name} does not keep")


CODEC = FFNeRVCodec
