"""E-NeRV as a codec of the suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.inr.codec import INRCodec

if TYPE_CHECKING:
    from baselines.enerv.model import ENeRVConfig
    from baselines.enerv.settings import ENeRVSettings
    from bench.inr.network.representation import Representation


class ENeRVCodec(INRCodec):
    """Settings are those of `baselines.enerv.model.ENeRVConfig` and of `bench.inr.fitting.trainer.Recipe`."""

    @classmethod
    def settings_model(cls) -> type[ENeRVSettings]:
        from baselines.enerv.settings import ENeRVSettings

        return ENeRVSettings

    def config_type(self) -> type[ENeRVConfig]:
        from baselines.enerv.model import ENeRVConfig

        return ENeRVConfig

    def represent(self, config: ENeRVConfig, *, frames: int, height: int, width: int) -> Representation:
        from baselines.enerv.model import ENeRV
        from baselines.enerv.video import ENeRVVideo

        return ENeRVVideo(ENeRV(config), frames=frames, height=height, width=width)


CODEC = ENeRVCodec
