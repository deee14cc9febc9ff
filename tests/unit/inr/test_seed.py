"""The seed of a fit decides the network's initial weights."""

from __future__ import annotations

import pytest
import torch

from bench.codec import registry
from bench.inr.codec import INRCodec
from bench.video.clip import Clip

CODECS = [codec for codec, config in registry.codec_configs().items() if config.kind == "fitted"]


@pytest.mark.parametrize("codec", CODECS)
def test_initial_weights_follow_from_the_seed(codec: str, tiny_clip: Clip) -> None:
    config = registry.codec_config(codec)
    family = registry.load_family(config.family)
    assert isinstance(family, INRCodec)
    settings = registry.resolve_settings(
        config, {}, {**next(iter(config.points.values()), {}), **config.test}
    )

    def initial(seed: int) -> torch.Tensor:
        network = family.start(tiny_clip.info, settings, seed=seed).network
        return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])

    first, second = initial(1), initial(1)
    assert torch.equal(first, second)
    other = initial(2)
    assert other.shape == first.shape
    assert (other != first).float().mean() > 0.5
