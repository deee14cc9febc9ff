"""Quantisers by description: overrides by name, ranges along a chosen axis, and their bytes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from quantiser_data import make_quantiser
from torch import nn

from bench.base.errors import BenchError, StreamError
from bench.inr.coding.payload import Payload, coded_weights, load
from bench.inr.coding.quantisers import AffineQuantiser, AxisChoice, MinMaxQuantiser, options
from ffnerv.codec import FFNeRVCodec
from ffnerv.qat import TanhQuantiser

pytestmark = pytest.mark.numeric


MIXED = {"name": "affine", "bits": 8, "overrides": {"grids": {"bits": 4}, "grids.fine": {"bits": 6}}}
HNERV = {"name": "hnerv", "bits": 8}


class Grids(nn.Module):
    """Parameters of several shapes and names; `wide.weight` has columns of very different ranges."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)

        def normal(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(*shape, generator=generator))

        self.grids = nn.ParameterDict({"coarse": normal(3, 4), "fine": normal(6, 4)})
        self.gridsmith = normal(5)
        self.wide = nn.Linear(3, 200)
        self.wide.weight = nn.Parameter(normal(200, 3).detach() * torch.tensor([1e-3, 0.1, 1.0]))
        self.tall = normal(4, 70, 3, 3)


def levels(network: nn.Module, description: dict) -> dict[str, int]:
    """Parameter -> bits that its codes are meant for."""
    quantiser = make_quantiser(description)
    named = network.named_parameters()
    return {name: options(quantiser, name, tuple(p.shape))[0].bits for name, p in named}


def test_overrides_go_by_name_and_the_longest_counts():
    assert levels(Grids(), MIXED) == {
        "gridsmith": 8,
        "grids.coarse": 4,
        "grids.fine": 6,
        "wide.weight": 8,
        "wide.bias": 8,
        "tall": 8,
    }


def test_an_override_inherits_unless_it_has_a_name():
    described = {
        "name": "affine",
        "bits": 7,
        "axis": 0,
        "overrides": {"a": {"bits": 5}, "b": {"name": "hnerv"}},
    }
    quantiser = make_quantiser(described)
    assert quantiser.of("a") == AffineQuantiser(bits=5, axis=0)
    assert quantiser.of("b.weight") == AxisChoice(bits=8)
    assert quantiser.of("c") == AffineQuantiser(bits=7, axis=0)


def test_a_methods_own_quantiser_takes_overrides_too():
    described = {"name": "tanh", "bits": 8, "overrides": {"grids": {"bits": 6}, "head": {"name": "affine"}}}
    quantiser = make_quantiser(described, FFNeRVCodec())
    assert quantiser.of("grids.levels.0") == TanhQuantiser(bits=6)
    assert quantiser.of("head.bias") == AffineQuantiser()
    assert quantiser.of("stages.0.weight") == TanhQuantiser(bits=8)


def round_trip(description: dict) -> tuple[Grids, Grids, Payload]:
    network, received = Grids(), Grids()
    quantiser = make_quantiser(description)
    side, weights, _ = coded_weights(network, quantiser)
    payload = Payload({}, description, side, weights)
    with torch.no_grad():
        for parameter in received.parameters():
            parameter.zero_()
    load(received, quantiser, payload)
    return network, received, payload


@pytest.mark.parametrize("description", [MIXED, HNERV, {**HNERV, "overrides": {"wide": {"bits": 5}}}])
def test_a_stream_gives_back_the_weights_within_a_step(description):
    network, received, _ = round_trip(description)
    bits = levels(network, description)
    for (name, ours), theirs in zip(network.named_parameters(), received.parameters(), strict=True):
        step = (ours.max() - ours.min()).item() / (2 ** bits[name] - 1)
        assert (ours - theirs).abs().max() < 1.7 * step, name


def test_the_axis_that_is_off_least_is_in_the_stream():
    network, received, payload = round_trip(HNERV)
    several = [
        name for name, p in network.named_parameters() if len(options(AxisChoice(), name, p.shape)) > 1
    ]
    assert several == ["tall", "wide.weight"]
    assert len(payload.side) % 2 == 0  # a byte for each of them
    columns = (network.wide.weight.max(0).values - network.wide.weight.min(0).values) / 255
    errors = (network.wide.weight - received.wide.weight).abs().amax(0)
    assert (errors < 0.6 * columns + 1e-6).all(), "each column has a range of its own"
    _, alike, _ = round_trip({"name": "affine", "bits": 8})
    finest = (network.wide.weight - alike.wide.weight).abs().amax(0)[0]
    assert errors[0] < finest / 10


@pytest.mark.parametrize(
    ("shape", "axes"), [((70,), []), ((51, 1, 1), []), ((50, 60), [1]), ((60, 55, 3), [0, 1])]
)
def test_options_are_long_axes_with_more_than_one_range(shape, axes):
    assert [quantiser.axis for quantiser in AxisChoice().options(shape)] == [None, *axes]


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_extremes_are_levels(axis):
    tensor = torch.randn(60, 52, generator=torch.Generator().manual_seed(1))
    quantiser = MinMaxQuantiser(bits=8, axis=axis)
    quantised = quantiser.quantise(tensor)
    assert quantised.side.shape == quantiser.side_shape((60, 52))
    assert (quantised.codes.min(), quantised.codes.max()) == (-128, 127)
    low, step = quantiser.ranges(tensor)
    error = (quantiser.dequantise(quantised) - tensor).abs()
    assert (error <= step * 0.5 + low.abs() * 2**-11 + 255 * step * 2**-11).all()


@pytest.mark.parametrize("value", [0.0, -0.3, 1e-9])
def test_equal_entries_are_decoded(value):
    tensor = torch.full((60, 60), value)
    for axis in (None, 0):
        quantiser = MinMaxQuantiser(axis=axis)
        back = quantiser.dequantise(quantiser.quantise(tensor))
        assert (back - tensor).abs().max() <= abs(value) * 2**-10 + 1e-7


def altered(payload: Payload, side: bytes) -> Payload:
    return Payload(payload.network, payload.quantiser, side, payload.weights)


def test_side_information_that_does_not_add_up_is_refused():
    network, received, payload = round_trip(HNERV)
    quantiser = make_quantiser(HNERV)
    side = payload.side
    for cut in range(len(side)):
        with pytest.raises(StreamError):
            load(received, quantiser, altered(payload, side[:cut]))
    with pytest.raises(StreamError, match="too long"):
        load(received, quantiser, altered(payload, side + b"\0"))
    # The first choice stands after the ranges of the parameters that have none.
    at = 0
    for parameter in network.parameters():
        possible = options(quantiser, "", tuple(parameter.shape))
        if len(possible) > 1:
            break
        at += 2 * int(np.prod(possible[0].side_shape(tuple(parameter.shape))))
    assert side[at] < 2
    for choice in (2, 255):
        with pytest.raises(StreamError, match="has no quantiser"):
            load(received, quantiser, altered(payload, side[:at] + bytes([choice]) + side[at + 1 :]))


def test_affine_side_information_is_as_it_was():
    """One byte order and no byte more: streams made before there was a choice decode."""
    network, _, payload = round_trip({"name": "affine", "bits": 8})
    expected = b"".join(
        AffineQuantiser().quantise(p).side.astype("<f2").tobytes() for p in network.parameters()
    )
    assert payload.side == expected


@pytest.mark.parametrize(
    "description",
    [
        {},
        {"name": "huffman"},
        {"name": ["affine"]},
        {"name": "affine", "bits": 11},
        {"name": "affine", "bits": True},
        {"name": "affine", "bits": 8.0},
        {"name": "affine", "axis": 1},
        {"name": "affine", "scale": 2},
        {"name": "hnerv", "axis": 0},
        {"name": "float32", "bits": 8},
        {"name": "float32", "overrides": {"a": {"name": "affine"}}},
        {"name": "affine", "overrides": {"a": {"name": "float32"}}},
        {"name": "affine", "overrides": {"a": {"bits": 1}}},
        {"name": "affine", "overrides": {"a": {"overrides": {}}}},
        {"name": "affine", "overrides": {"a": 6}},
        {"name": "affine", "overrides": [1]},
        {"name": "affine", "overrides": None},
    ],
)
def test_malformed_descriptions_are_refused(description):
    with pytest.raises((ValueError, TypeError)):
        make_quantiser(description)


def test_empty_overrides_are_ignored():
    assert make_quantiser({"name": "affine", "overrides": {}}) == AffineQuantiser()
    assert make_quantiser({"name": "float32"}) is None


def test_an_override_of_an_unknown_part_is_refused_in_one_line():
    with pytest.raises(BenchError, match="no part 'grid'; use one of gridsmith, tall, grids, wide"):
        coded_weights(Grids(), make_quantiser({"name": "affine", "overrides": {"grid": {"bits": 6}}}))


@pytest.mark.parametrize("description", [{"name": "affine"}, {"name": "float32"}])
def test_weights_that_are_not_finite_are_refused_in_one_line(description):
    network = Grids()
    with torch.no_grad():
        network.wide.bias[3] = float("nan")
    with pytest.raises(BenchError, match=r"wide.bias.*diverged"):
        coded_weights(network, make_quantiser(description))
