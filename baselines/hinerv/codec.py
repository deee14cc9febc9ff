"""HiNeRV as a codec of the suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from baselines.hinerv.config import WIRE_DEFAULTS, HiNeRVConfig
from bench.inr.codec import INRCodec
from bench.inr.coding.quantiser_description import QUANTISERS, whole_bits
from bench.inr.network.clip_check import UnsuitableClip

if TYPE_CHECKING:
    from baselines.hinerv.settings import HiNeRVSettings
    from bench.inr.coding.quantisers import SingleQuantiser
    from bench.inr.fitting.recipe import Recipe
    from bench.inr.network.representation import Representation
    from bench.video.clip import ClipInfo


class HiNeRVCodec(INRCodec):
    """The settings are the fields of `baselines.hinerv.config.HiNeRVConfig` and of
    `bench.inr.fitting.recipe.Recipe`.

    The quantiser `symmetric` is that of the official bitstream (section 3.5).
    """

    config_type = HiNeRVConfig
    wire_defaults = WIRE_DEFAULTS
    quantisers: ClassVar = {**QUANTISERS, "symmetric": {"bits": whole_bits(6)}}
    trains_with_noise = True

    @classmethod
    def settings_model(cls) -> type[HiNeRVSettings]:
        from baselines.hinerv.settings import HiNeRVSettings

        return HiNeRVSettings

    def configure(self, clip: ClipInfo, settings: Mapping[str, Any]) -> HiNeRVConfig:
        config = super().configure(clip, settings)
        config.check_clip(frames=clip.frames, height=clip.height, width=clip.width)
        return config

    def check_recipe(self, config: HiNeRVConfig, recipe: Recipe, clip: ClipInfo) -> None:
        """The ratio of `prune` counts all parameters; grids, local encodings and biases cannot be removed."""
        share = config.prunable_share(clip.frames)
        if recipe.prune and recipe.prune.ratio > share:
            raise UnsuitableClip(
                f"prune: ratio: {recipe.prune.ratio} is above {share:.2f}, the fraction of all weights that "
                "can be removed"
            )

    def coded_parts(self, config: HiNeRVConfig) -> Sequence[str]:
        return ("base", "stem", "stages", "head")

    def represent(self, config: HiNeRVConfig, *, frames: int, height: int, width: int) -> Representation:
        from baselines.hinerv.model import HiNeRV
        from baselines.hinerv.video import HiNeRVVideo

        return HiNeRVVideo(HiNeRV(config, frames=frames), frames=frames, height=height, width=width)

    def receive(self, config: HiNeRVConfig, *, frames: int, height: int, width: int) -> Representation:
        whole = replace(config, patch=None)  # decoders compute whole frames
        return self.represent(whole, frames=frames, height=height, width=width)

    def build_single(self, fields: Mapping[str, Any]) -> SingleQuantiser | None:
        if fields["name"] != "symmetric":
            return super().build_single(fields)
        from baselines.hinerv.qat import SymmetricQuantiser

        return SymmetricQuantiser(fields["bits"])


CODEC = HiNeRVCodec
