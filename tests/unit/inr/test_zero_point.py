"""The affine quantiser with an integer zero point: pruned weights stay zero, and cost what zeros should."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from quantiser_data import make_quantiser

from baselines.hinerv.codec import HiNeRVCodec
from bench.base.errors import BenchError
from bench.inr.coding.payload import Payload, coded_weights, load
from bench.inr.coding.quantiser_description import check_pruned, parse_description
from bench.inr.coding.quantisers import ByName, build_quantiser
from bench.inr.coding.uniform import AffineQuantiser, ZeroPointQuantiser
from bench.inr.coding.weight_coder import encode_tensors
from ffnerv.codec import FFNeRVCodec

pytestmark = pytest.mark.numeric


INTEGER = {"name": "affine", "zero_point": "integer"}


def pruned(*shape: int, ratio: float, seed: int = 0, spread: bool = False) -> torch.Tensor:
    """Normal weights, the smallest `ratio` of them zero; with `spread`, slices of very different ranges."""
    weight = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    weight[weight.abs() < weight.abs().quantile(ratio)] = 0
    scale = torch.logspace(-2, 0, shape[0]) if spread else torch.ones(shape[0])
    return weight * 0.2 * scale.view(-1, *[1] * (len(shape) - 1))


def check(tensor: torch.Tensor, quantiser: ZeroPointQuantiser) -> np.ndarray:
    """What must hold of any tensor; gives its codes."""
    quantised = quantiser.quantise(tensor)
    assert quantised.side.shape == quantiser.side_shape(tuple(tensor.shape))
    back = quantiser.dequantise(quantised)
    assert not back[tensor == 0].any()
    slices = quantiser._slices(torch.from_numpy(quantised.codes))
    assert (slices.amax(1) - slices.amin(1)).max() < 2**quantiser.bits
    _, step = quantiser.ranges(tensor)
    # Half a step, the float16 of the lowest, and another half where zero moved the levels.
    allowed = step * 1.01 + quantiser._slices(tensor.abs()) * 2**-11 + 3e-8
    assert (quantiser._slices(back - tensor).abs() <= allowed).all()
    return quantised.codes


@pytest.mark.parametrize("axis", [None, 0])
@pytest.mark.parametrize("bits", range(2, 11))
def test_zeros_are_decoded_exactly(bits, axis):
    for seed in range(20):
        tensor = pruned(8, 5, 3, 3, ratio=0.3, seed=seed, spread=True)
        codes = check(tensor, ZeroPointQuantiser(bits=bits, axis=axis))
        assert not codes[(tensor == 0).numpy()].any()  # one code for all of them
        default = AffineQuantiser(bits=bits, axis=axis)
        assert default.dequantise(default.quantise(tensor))[tensor == 0].any()


@pytest.mark.parametrize("bits", [2, 8, 10])
@pytest.mark.parametrize(
    "values",
    [
        [0.0, 0.0, 0.0],
        [0.0, 0.0, 0.7],
        [-0.7, 0.0, 0.0],
        [-0.7, -0.1, 0.0],
        [1e-6, 0.0, 0.0],
        [-1e-7, 0.0, 1e-7],
        [1e-9, 0.0, -3e-9],
        [1e-9, 0.0, -0.3],
        [3e4, 0.0, -1.0],
        [-0.0, 0.2, -0.3],
    ],
)
def test_odd_ranges_keep_their_zeros(values, bits):
    check(torch.tensor(values), ZeroPointQuantiser(bits=bits))


@pytest.mark.parametrize(
    "values", [[0.5, 0.6, 0.9], [-2.0, -1.1, -1.9], [0.3, 0.3, 0.3], [7.0], [-1e-3, -1e-3]]
)
def test_without_zeros_the_range_need_not_hold_any(values):
    tensor = torch.tensor(values)
    quantiser = ZeroPointQuantiser(bits=8)
    check(tensor, quantiser)
    _, step = quantiser.ranges(tensor)
    assert (
        step.item()
        <= (tensor.max() - tensor.min()).item() / 255 + tensor.abs().max().item() * 2**-10 / 255 + 6e-8
    )


@pytest.mark.slow
def test_zero_as_the_largest_entry_is_a_level_at_any_width():
    """Here rounding a step down to float16 would leave zero one level beyond the last."""
    generator = torch.Generator().manual_seed(0)
    for low in (-torch.rand(2000, generator=generator)).tolist():
        for bits in (8, 9, 10):
            codes = check(torch.tensor([low, 0.0]), ZeroPointQuantiser(bits=bits))
            assert codes[1] == 0


def test_decoded_weights_equal_those_of_the_encoder():
    """From the coded bytes alone, bit by bit."""
    network, received = torch.nn.Conv2d(6, 12, 3), torch.nn.Conv2d(6, 12, 3)
    description = {**INTEGER, "bits": 7, "axis": 0, "overrides": {"bias": {"bits": 5}}}
    with torch.no_grad():
        network.weight.copy_(pruned(12, 6, 3, 3, ratio=0.4, spread=True))
        network.bias[3:5] = 0
    quantiser = make_quantiser(description)
    assert isinstance(quantiser, ByName)
    assert quantiser.of("bias") == ZeroPointQuantiser(bits=5, axis=0)
    side, weights, _ = coded_weights(network, quantiser)
    load(received, quantiser, Payload({}, description, side, weights))
    for (name, ours), theirs in zip(network.named_parameters(), received.parameters(), strict=True):
        single = quantiser.of(name)
        assert torch.equal(theirs, single.dequantise(single.quantise(ours))), name
        assert not theirs[ours == 0].any()
    assert (received.weight == 0).sum() >= (network.weight == 0).sum() > 200


@pytest.mark.slow
@pytest.mark.parametrize("axis", [None, 0])
def test_bits_fall_with_the_ratio_as_they_should(axis):
    """Within 5 % of where the zeros are and, for the others, the entropy of their codes."""
    sizes = []
    for ratio in (0.0, 0.15, 0.4, 0.6, 0.8):
        tensor = pruned(64, 48, 3, 3, ratio=ratio, spread=axis == 0)
        codes = ZeroPointQuantiser(axis=axis).quantise(tensor).codes
        sizes.append(8 * len(encode_tensors([codes])) / tensor.numel())
        _, counts = np.unique(codes[(tensor != 0).numpy()], return_counts=True)
        shares, kept = counts / counts.sum(), np.array([ratio, 1 - ratio])
        ideal = -(1 - ratio) * (shares * np.log2(shares)).sum() - (kept * np.log2(kept.clip(1e-9))).sum()
        assert sizes[-1] < 1.05 * ideal, ratio
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 0.35 * sizes[0]


@pytest.mark.slow
def test_without_a_zero_point_zeros_of_channels_cost_more():
    """Each channel has another code for them: what the setting is for."""
    tensor = pruned(64, 48, 3, 3, ratio=0.6, spread=True)
    sizes = [
        len(encode_tensors([quantiser(axis=0).quantise(tensor).codes]))
        for quantiser in (ZeroPointQuantiser, AffineQuantiser)
    ]
    assert sizes[0] < 0.65 * sizes[1]


@pytest.mark.parametrize(
    "description",
    [
        {"name": "affine"},
        {"name": "affine", "bits": 6, "axis": 0},
        {"name": "tanh", "overrides": {"head": {"name": "affine"}}},
        {"name": "affine", "overrides": {"head": {"bits": 6}}},
        {**INTEGER, "overrides": {"head": {"name": "affine", "bits": 6}}},
    ],
)
def test_pruning_needs_an_explicit_zero_point(description):
    with pytest.raises(ValueError, match="zero_point: integer"):
        check_pruned(parse_description(description, FFNeRVCodec.quantisers))


@pytest.mark.parametrize(
    "description",
    [
        INTEGER,
        {"name": "affine", "zero_point": "float"},
        {**INTEGER, "overrides": {"head": {"bits": 6}}},
        {"name": "tanh"},
        {"name": "hnerv"},
        {"name": "float32"},
    ],
)
def test_an_explicit_zero_point_is_accepted(description):
    check_pruned(parse_description(description, FFNeRVCodec.quantisers))


def test_zero_points_are_integer_or_float():
    assert make_quantiser({"name": "affine", "zero_point": "float"}) == AffineQuantiser()
    for wrong in ({"name": "affine", "zero_point": "exact"}, {"name": "hnerv", "zero_point": "integer"}):
        with pytest.raises(ValueError, match="quantiser"):
            make_quantiser(wrong)


def test_pruning_without_an_explicit_zero_point_is_refused_in_one_line(tiny_clip):
    """The default quantiser is affine; a network that is not pruned need not say anything."""
    settings = {
        **FFNeRVCodec.settings_model().default_values(),
        "epochs": 2,
        "learning_rate": 1e-2,
        "channels": 8,
    }
    settings |= {"grid_lengths": [3, 5], "strides": [2, 2, 2], "bits": None}
    prune = {"ratio": 0.5, "epochs": 1}
    FFNeRVCodec().resolve(tiny_clip.info, settings)
    with pytest.raises(BenchError, match="affine moves the zeros that prune creates; give zero_point"):
        FFNeRVCodec().resolve(tiny_clip.info, {**settings, "prune": prune})
    resolved = FFNeRVCodec().resolve(tiny_clip.info, {**settings, "prune": prune, "quantiser": INTEGER})
    assert build_quantiser(resolved.quantiser) == ZeroPointQuantiser()
    assert make_quantiser(INTEGER, HiNeRVCodec()) == ZeroPointQuantiser()
