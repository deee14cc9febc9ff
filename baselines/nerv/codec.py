"""NeRV as a codec of the suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.inr.codec import INRCodec

if TYPE_CHECKING:
    from baselines.nerv.model import NeRVConfig
    from baselines.nerv.settings import NeRVSettings
    from bench.inr.network.representation import Representation


class NeRVCodec(INRCodec):
    """Settings are those of `baselines.nerv.model.NeRVConfig` and of `bench.inr.fitting.trainer.Recipe`."""

    @classmethod
    def settings_model(cls) -> type[NeRVSettings]:
        from baselines.nerv.settings import NeRVSettings

        return NeRVSettings

    def config_type(self) -> type[NeRVConfig]:
        from baselines.nerv.model import NeRVConfig

        return NeRVConfig

    def represent(self, config: NeRVConfig, *, frames: int, height: int, width: int) -> Representation:
        from baselines.nerv.model import NeRV
        from bench.inr.network.representation import FramewiseVideo

        return FramewiseVideo(NeRV(config), frames=frames, height=height, width=width)


CODEC = NeRVCodec
