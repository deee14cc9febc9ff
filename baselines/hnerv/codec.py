"""HNeRV as a codec of the suite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.inr.codec import INRCodec

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from baselines.hnerv.config import HNeRVConfig
    from baselines.hnerv.settings import HNeRVSettings
    from bench.inr.network.representation import Representation
    from bench.video.clip import ClipInfo


class HNeRVCodec(INRCodec):
    """Settings are those of `baselines.hnerv.config.HNeRVConfig` and of `bench.inr.fitting.trainer.Recipe`,
    and:

    * `model_size`: millions of parameters, in place of `channels` (`baselines.hnerv.size`);
    * `encoder_strides`: those of the decoder where none are given;
    * `embedding_channels`: below 1 a share of `model_size`.
    """

    @classmethod
    def settings_model(cls) -> type[HNeRVSettings]:
        from baselines.hnerv.settings import HNeRVSettings

        return HNeRVSettings

    def config_type(self) -> type[HNeRVConfig]:
        from baselines.hnerv.config import HNeRVConfig

        return HNeRVConfig

    def configure(self, clip: ClipInfo, settings: Mapping[str, Any]) -> HNeRVConfig:
        from baselines.hnerv.config import HNeRVConfig
        from baselines.hnerv.size import share_channels, solve_channels
        from bench.inr.network.layers import padded_base

        values = {key: settings[key] for key in self.network_settings()}
        values = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        model_size, strides = values.pop("model_size"), values.pop("strides")
        if (model_size is None) == (values["channels"] is None):
            raise ValueError("channels or model_size: give one of the two")
        parameters = 0 if model_size is None else model_size * 1e6
        if values["embed"]:
            if values["encoder_strides"]:
                raise ValueError("encoder_strides: a positional encoding (embed) has no encoder")
            values |= {"encoder_strides": (), "base": padded_base(clip.height, clip.width, strides)}
            values["embedding_channels"] = HNeRVConfig.embedding_channels
        else:
            values["encoder_strides"] = values["encoder_strides"] or strides
            grid = padded_base(clip.height, clip.width, values["encoder_strides"])
            scale = max(1, math.prod(values["encoder_strides"]) // math.prod(strides))
            values["base"] = (grid[0] * scale, grid[1] * scale)
            if values["embedding_channels"] < 1:
                values["embedding_channels"] = share_channels(
                    values["embedding_channels"], parameters=parameters, frames=clip.frames, grid=grid
                )
        config = HNeRVConfig(**{**values, "decoder_strides": strides, "channels": values["channels"] or 1})
        if model_size is None:
            return config
        return replace(config, channels=solve_channels(parameters, config=config, frames=clip.frames))

    def adopt(self, clip: ClipInfo, official: Any, settings: Mapping[str, Any]) -> HNeRVConfig:
        """With an encoder the frame's size is the clip's: the weights do without it."""
        official.check_clip(frames=clip.frames, pixels=clip.height * clip.width)
        config = official.network.config
        if config.embed:
            return super().adopt(clip, official, settings)
        scale = config.downsampling
        for name in ("height", "width"):
            if getattr(clip, name) % scale:
                raise ValueError(f"{name} is {getattr(clip, name)}, no multiple of the encoder's {scale}")
        return replace(config, base=(clip.height // config.upsampling, clip.width // config.upsampling))

    def shown_size(self, official: Any) -> tuple[int, int]:
        if not official.network.config.embed:
            raise ValueError("embeddings are made of its frames")
        return super().shown_size(official)

    def paper_bits(
        self, network: nn.Module, description: Mapping[str, Any], codes: Sequence[np.ndarray]
    ) -> int | None:
        """With HNeRV's quantiser the rate is its evaluator's: the paper charges for the ranges too."""
        from baselines.hnerv.rate import published_bits

        if description["name"] != "hnerv":
            return super().paper_bits(network, description, codes)
        bits = description.get("bits", 8)
        embedding = description.get("overrides", {}).get("embeddings", {})
        return published_bits(network, bits=bits, embedding_bits=embedding.get("bits", bits))

    def represent(self, config: HNeRVConfig, *, frames: int, height: int, width: int) -> Representation:
        from baselines.hnerv.model import HNeRV
        from baselines.hnerv.video import HNeRVFitting

        return HNeRVFitting(HNeRV(config), frames=frames, height=height, width=width)

    def receive(self, config: HNeRVConfig, *, frames: int, height: int, width: int) -> Representation:
        import torch

        from baselines.hnerv.model import CodedHNeRV, Decoder
        from baselines.hnerv.video import HNeRVVideo

        embeddings = None if config.embed else torch.empty(frames, *config.latent_shape)
        network = CodedHNeRV(Decoder(config), frames=frames, embeddings=embeddings)
        return HNeRVVideo(network, frames=frames, height=height, width=width)


CODEC = HNeRVCodec
