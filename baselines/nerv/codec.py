"""NeRV as a codec of the suite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from baselines.nerv.config import WIRE_DEFAULTS, NeRVConfig
from bench.inr.codec import INRCodec

if TYPE_CHECKING:
    from baselines.nerv.settings import NeRVSettings
    from bench.inr.network.representation import Representation


class NeRVCodec(INRCodec):
    """The settings are the fields of `baselines.nerv.config.NeRVConfig` and of
    `bench.inr.fitting.recipe.Recipe`."""

    config_type = NeRVConfig
    wire_defaults = WIRE_DEFAULTS

    @classmethod
    def settings_model(cls) -> type[NeRVSettings]:
        from baselines.nerv.settings import NeRVSettings

        return NeRVSettings

    def coded_parts(self, config: NeRVConfig) -> Sequence[str]:
        return ("stem", "stages", "heads")

    def represent(self, config: NeRVConfig, *, frames: int, height: int, width: int) -> Representation:
        from baselines.nerv.model import NeRV
        from bench.inr.network.representation import FramewiseVideo

        return FramewiseVideo(NeRV(config), frames=frames, height=height, width=width)


CODEC = NeRVCodec
