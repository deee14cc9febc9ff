"""Parts of FFNeRV left out or replaced, as its ablations need them."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
import torch

from bench.base.errors import BenchError
from bench.codec import registry
from bench.inr.fitting.optimiser import make_optimiser
from bench.inr.fitting.recipe import Recipe
from bench.inr.fitting.step import train_step
from bench.video.clip import ClipInfo
from ffnerv.config import FFNeRVConfig
from ffnerv.grid import PositionalLatent
from ffnerv.model import FFNeRV
from ffnerv.video import FFNeRVVideo

pytestmark = pytest.mark.numeric


SMALL = {"base": (2, 2), "channels": 8, "strides": (2, 2, 2), "lower_width": 4}


def video(**changed) -> FFNeRVVideo:
    torch.manual_seed(0)
    config = FFNeRVConfig(**{**SMALL, "grid_lengths": (2, 4), **changed})
    return FFNeRVVideo(FFNeRV(config), frames=6, height=12, width=16)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        {"offsets": ()},
        {"grid_lengths": (), "hidden": 12},
        {"grid_lengths": (4,)},
        {"offsets": (-1, 1), "spread_grids": True, "clamp_neighbours": True, "exact_warp": True},
        {"offsets": (-3, -2, -1, 1, 2, 3), "block": "compact", "bits": None, "lower_width": 8},
    ],
)
def test_every_variant_trains_all_its_weights_and_renders(changed):
    made = video(**changed)
    made.refresh()
    before = {name: weight.clone() for name, weight in made.network.named_parameters()}
    optimiser = make_optimiser(made, Recipe(epochs=1, learning_rate=0.1))
    target = torch.rand(6, 3, 12, 16, generator=torch.Generator().manual_seed(1))
    for _ in range(2):  # a step that meets a neighbour which is black tells its flow nothing
        for index in torch.arange(6).split(1):
            train_step(made, optimiser, index, target[index], learning_rate=0.1, loss="Fusion6")
    unchanged = [
        name for name, weight in made.network.named_parameters() if torch.equal(weight, before[name])
    ]
    assert not unchanged
    frames = list(made.render(0, 6))
    assert torch.equal(torch.stack(frames[2:4]), torch.stack(list(made.render(2, 4))))
    assert [frame.shape for frame in frames] == [(3, 12, 16)] * 6


def test_without_neighbours_there_is_no_flow_head():
    network = video(offsets=()).network
    assert not [name for name, _ in network.named_parameters() if name.startswith("flow_head")]
    assert network.image_head.out_channels == 3
    assert video(offsets=()).parts(0) == {}


def test_a_positional_latent_is_quantised_too():
    latent = video(grid_lengths=(), hidden=12).network.grids
    assert isinstance(latent, PositionalLatent)
    with torch.no_grad():
        for layer in latent.layers:
            layer.weight.fill_(0.5 / 127)  # below the first level
            layer.bias.zero_()
    assert torch.equal(latent(torch.tensor([0.3])), torch.zeros(1, 8, 2, 2))


def test_spread_grids_give_every_frame_a_latent_of_its_own():
    times = torch.arange(12) / 12
    held, spread = (video(spread_grids=spread).network.grids(times) for spread in (False, True))
    assert torch.equal(held[-1], held[-2])
    assert all(not torch.equal(a, b) for a, b in itertools.pairwise(spread))


@pytest.mark.parametrize(
    ("changed", "message"), [({"hidden": 4}, "give either grid lengths"), ({"norm": "x"}, "norm")]
)
def test_configurations_that_contradict_themselves(changed, message):
    with pytest.raises(ValueError, match=message):
        video(**changed)


def test_held_out_frames_are_aggregated_from_fitted_ones_alone():
    """Every second frame: the decoder's window equals the whole buffer of key frames."""
    made = video(key_interval=2)
    made.refresh()
    assert made.key_frames == 3
    assert made.slots(torch.tensor([0, 1, 4, 5])).tolist() == [
        [3, 3, 1, 2],  # 3 is the black frame
        [3, 3, 1, 2],
        [0, 1, 3, 3],
        [0, 1, 3, 3],
    ]
    with torch.no_grad():
        for i, frame in enumerate(made.render(0, 6)):
            index = torch.tensor([i])
            heads = made.network(made.times(index))
            mixed = made.aggregate(heads, made.buffer.read(made.slots(index)))
            assert torch.equal(frame, made.visible(mixed.final)[0])


def test_training_and_stream_must_have_the_same_bits():
    config = registry.codec_config("ffnerv-official")
    clip = ClipInfo(name="x", sequence="x", width=64, height=48, frames=9, fps=Fraction(25))
    settings = registry.resolve_settings(config, {"channels": 8}, {"bits": 7})
    with pytest.raises(BenchError, match="bits: 7 in training must equal 8 of the quantiser tanh"):
        registry.load_family("ffnerv").resolve(clip, settings)
