"""NeRV as a codec of the suite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench.inr.codec import INRCodec

if TYPE_CHECKING:
    from baselines.nerv.model import NeRVConfig
    from bench.inr.network.representation import Representation


class NeRVCodec(INRCodec):
    """Settings are those of `baselines.nerv.model.NeRVConfig` and of `bench.inr.fitting.trainer.Recipe`."""

    network_defaults: Mapping[str, Any] = {
        "channels": ...,
        "strides": [5, 2, 2],
        "expansion": 1.0,
        "reduction": 2,
        "lower_width": 12,
        "frequency_base": 1.25,
        "frequencies": 40,
        "stem_width": 128,
        "stem_layers": 1,
        "activation": "swish",
        "head": "tanh",
    }

    def config_type(self) -> type[NeRVConfig]:
        from baselines.nerv.model import NeRVConfig

        return NeRVConfig

    def represent(self, config: NeRVConfig, *, frames: int, height: int, width: int) -> Representation:
        from baselines.nerv.model import NeRV
        from bench.inr.network.representation import FramewiseVideo

        return FramewiseVideo(NeRV(config), frames=frames, height=height, width=width)


CODEC = NeRVCodec
