"""HiNeRV as a codec of the suite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from baselines.hinerv.config import HiNeRVConfig
from bench.inr.codec import INRCodec

if TYPE_CHECKING:
    from baselines.hinerv.settings import HiNeRVSettings
    from bench.inr.coding.quantisers import SingleQuantiser
    from bench.inr.network.representation import Representation
    from bench.video.clip import ClipInfo


class HiNeRVCodec(INRCodec):
    """Settings are those of `baselines.hinerv.config.HiNeRVConfig` and of
    `bench.inr.fitting.trainer.Recipe`."""

    @classmethod
    def settings_model(cls) -> type[HiNeRVSettings]:
        from baselines.hinerv.settings import HiNeRVSettings

        return HiNeRVSettings

    def config_type(self) -> type[HiNeRVConfig]:
        return HiNeRVConfig

    def configure(self, clip: ClipInfo, settings: Mapping[str, Any]) -> HiNeRVConfig:
        config = super().configure(clip, settings)
        config.check_clip(frames=clip.frames, height=clip.height, width=clip.width)
        return config

    def adopt(self, clip: ClipInfo, official: Any, settings: Mapping[str, Any]) -> HiNeRVConfig:
        if official.network.frames != clip.frames:
            raise ValueError(f"frames is {clip.frames}, the network has {official.network.frames}")
        return super().adopt(clip, official, settings)

    def represent(self, config: HiNeRVConfig, *, frames: int, height: int, width: int) -> Representation:
        from baselines.hinerv.model import HiNeRV
        from baselines.hinerv.video import HiNeRVVideo

        return HiNeRVVideo(HiNeRV(config, frames=frames), frames=frames, height=height, width=width)

    def receive(self, config: HiNeRVConfig, *, frames: int, height: int, width: int) -> Representation:
        whole = replace(config, patch=None)  # a decoder makes whole frames, however they were fitted
        return self.represent(whole, frames=frames, height=height, width=width)

    def quantiser(self, description: Mapping[str, Any]) -> SingleQuantiser | None:
        from baselines.hinerv.qat import BITS, SymmetricQuantiser

        if description.get("name") != "symmetric":
            return super().quantiser(description)
        if set(description) - {"name", "bits"}:
            raise ValueError(f"quantiser {dict(description)}: symmetric has bits alone")
        return SymmetricQuantiser(description.get("bits", BITS))


CODEC = HiNeRVCodec
