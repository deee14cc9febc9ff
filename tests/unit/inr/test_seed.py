"""What a fit starts from: initial weights by its seed, and a saved state only of the same fit."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from bench.codec import registry
from bench.inr.codec import INRCodec
from bench.inr.encoding import fit_inputs
from bench.inr.fitting.fit_state import identity_of
from bench.video.clip import Clip

CODECS = [codec for codec, config in registry.codec_configs().items() if config.fitted_by_suite]


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


def test_a_state_belongs_to_one_clip_network_recipe_quantiser_and_seed(tiny_clip: Clip) -> None:
    """A change of any of them starts the fit anew; the same fit resumes."""
    config = registry.codec_config("nerv-matched")
    family = registry.load_family("nerv")
    assert isinstance(family, INRCodec)

    def identity(seed: int = 0, **changes: object) -> str:
        point = {**config.test, "rounding": {"epochs": 1}, **changes}
        settings = registry.resolve_settings(config, {}, point)
        inputs = fit_inputs(family, tiny_clip.info, family.resolve(tiny_clip.info, settings), seed=seed)
        return identity_of(inputs)

    same = identity()
    assert identity() == same
    other_clip = dataclasses.replace(tiny_clip.info, sha256="0" * 64)
    settings = registry.resolve_settings(config, {}, {**config.test, "rounding": {"epochs": 1}})
    others = [
        identity(seed=1),
        identity(epochs=3),
        identity(learning_rate=1e-3),
        identity(loss="L2"),
        identity(fit_every=2),
        identity(rounding={"epochs": 2}),
        identity(channels=12),
        identity(quantiser={"name": "uniform", "bits": 5, "allocate": True}),
        identity_of(fit_inputs(family, other_clip, family.resolve(other_clip, settings), seed=0)),
    ]
    assert len({same, *others}) == 1 + len(others)
