"""E-NeRV as a codec of the suite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench.inr.codec import INRCodec

if TYPE_CHECKING:
    from baselines.enerv.model import ENeRVConfig
    from bench.inr.network.representation import Representation


class ENeRVCodec(INRCodec):
    """Settings are those of `baselines.enerv.model.ENeRVConfig` and of `bench.inr.fitting.trainer.Recipe`."""

    network_defaults: Mapping[str, Any] = {
        "channels": ...,
        "strides": [5, 2, 2],
        "expansion": 1.5,
        "reduction": 2,
        "lower_width": 12,
        "time_encoding": [1.25, 40],
        "position_encoding": [1.25, 40],
        "modulation_encoding": [1.25, 40],
        "stem_widths": [64],
        "token_width": 32,
        "mlp_width": 32,
        "head_width": 64,
        "modulation_width": 128,
        "activation": "gelu",
        "head": "sigmoid",
    }

    def config_type(self) -> type[ENeRVConfig]:
        from baselines.enerv.model import ENeRVConfig

        return ENeRVConfig

    def represent(self, config: ENeRVConfig, *, frames: int, height: int, width: int) -> Representation:
        from baselines.enerv.model import ENeRV
        from baselines.enerv.video import ENeRVVideo

        return ENeRVVideo(ENeRV(config), frames=frames, height=height, width=width)


CODEC = ENeRVCodec
