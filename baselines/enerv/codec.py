"""E-NeRV as a codec of the suite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from baselines.enerv.config import WIRE_DEFAULTS, ENeRVConfig
from bench.inr.codec import INRCodec

if TYPE_CHECKING:
    from baselines.enerv.settings import ENeRVSettings
    from bench.inr.network.representation import Representation


class ENeRVCodec(INRCodec):
    """The settings are the fields of `baselines.enerv.config.ENeRVConfig` and of
    `bench.inr.fitting.recipe.Recipe`."""

    config_type = ENeRVConfig
    wire_defaults = WIRE_DEFAULTS

    @classmethod
    def settings_model(cls) -> type[ENeRVSettings]:
        from baselines.enerv.settings import ENeRVSettings

        return ENeRVSettings

    def coded_parts(self, config: ENeRVConfig) -> Sequence[str]:
        stems = ("time_stem", "time_features", "position_stem", "spatial", "temporal")
        to_latent = () if config.token_width == config.channels else ("to_latent",)
        return (*stems, *to_latent, "stages", "heads")

    def represent(self, config: ENeRVConfig, *, frames: int, height: int, width: int) -> Representation:
        from baselines.enerv.model import ENeRV
        from baselines.enerv.video import ENeRVVideo

        return ENeRVVideo(ENeRV(config), frames=frames, height=height, width=width)


CODEC = ENeRVCodec
