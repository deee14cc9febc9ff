"""HNeRV as a codec of the suite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from baselines.hnerv.config import WIRE_DEFAULTS, HNeRVConfig
from baselines.hnerv.parameter_budget import share_channels, solve_channels
from bench.inr.codec import INRCodec
from bench.inr.coding.quantiser_description import QuantiserDescription
from bench.inr.network.clip_check import padded_base

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from baselines.hnerv.settings import HNeRVSettings
    from bench.inr.network.representation import Representation
    from bench.video.clip import ClipInfo


class HNeRVCodec(INRCodec):
    """The settings are the fields of `baselines.hnerv.config.HNeRVConfig` and of
    `bench.inr.fitting.recipe.Recipe`, with these differences:

    * `strides`: the decoder's;
    * `model_size`: millions of parameters, instead of `channels` (`baselines.hnerv.parameter_budget`);
    * `encoder_strides`: null for those of the decoder;
    * `embedding_channels`: below 1, a share of `model_size`.
    """

    config_type = HNeRVConfig
    wire_defaults = WIRE_DEFAULTS

    @classmethod
    def settings_model(cls) -> type[HNeRVSettings]:
        from baselines.hnerv.settings import HNeRVSettings

        return HNeRVSettings

    def configure(self, clip: ClipInfo, settings: Mapping[str, Any]) -> HNeRVConfig:
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
            values["embedding_channels"] = WIRE_DEFAULTS[
                "embedding_channels"
            ]  # unused, so left out of streams
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

    def coded_parts(self, config: HNeRVConfig) -> Sequence[str]:
        return ("decoder",) if config.embed else ("embeddings", "decoder")

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

    def paper_bits(
        self, network: nn.Module, quantiser: QuantiserDescription, codes: Sequence[np.ndarray]
    ) -> int | None:
        """With HNeRV's quantiser, its evaluator's count, which includes the ranges."""
        from baselines.hnerv.rate import published_bits

        if quantiser.usual["name"] != "hnerv":
            return super().paper_bits(network, quantiser, codes)
        bits = quantiser.usual["bits"]
        embedding = quantiser.overrides.get("embeddings", quantiser.usual)
        return published_bits(network, bits=bits, embedding_bits=embedding["bits"])


CODEC = HNeRVCodec
