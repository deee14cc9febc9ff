"""Payload of a fitted network: integer tensors, quantiser side information, damaged bytes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import nn

from bench.base.errors import StreamError
from bench.inr.coding.payload import Payload, coded_weights
from bench.inr.coding.quantiser_description import parse_description
from bench.inr.coding.quantisers import build_quantiser
from bench.inr.coding.uniform import AffineQuantiser, Quantised, StepQuantiser
from bench.inr.coding.weight_coder import decode_tensors, encode_tensors
from bench.inr.coding.weight_model import LARGEST_CODE

SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6)
#: Codes of one tensor: of any range, or mostly zero as those of a pruned network.
CODES = st.one_of(st.just(0), st.integers(-3, 3), st.integers(-LARGEST_CODE, LARGEST_CODE))
TENSORS = st.lists(arrays.arrays(np.int32, SHAPES, elements=CODES), max_size=4)

QUANTISERS = [
    {"name": "affine", "bits": bits, "axis": axis, "zero_point": zero}
    for bits in (2, 6, 8)
    for axis in (None, 0)
    for zero in ("float", "integer")
]
QUANTISERS += [{"name": "uniform", "bits": bits} for bits in (2, 4.5, 8)]
SHAPES_OF_WEIGHTS = arrays.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=5)


def random_weights(seed: int, shape: tuple[int, ...], low: float, spread: float) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, low + spread, shape).astype(np.float32)


#: Single values that hypothesis looks for, and full tensors in a range that may lie far from zero.
WEIGHTS = arrays.arrays(
    np.float32, SHAPES_OF_WEIGHTS, elements=st.floats(-8, 8, width=32, allow_subnormal=False)
) | st.builds(
    random_weights,
    st.integers(0, 2**32),
    st.just((8, 200)),
    st.floats(-4, 4),
    st.floats(0.1, 4),
)


@given(TENSORS)
def test_integer_tensors_round_trip(tensors: list[np.ndarray]) -> None:
    data = encode_tensors(tensors)
    decoded = decode_tensors(data, [tensor.shape for tensor in tensors])
    assert len(decoded) == len(tensors)
    for before, after in zip(tensors, decoded, strict=True):
        assert after.dtype == np.int32
        np.testing.assert_array_equal(after, before)


@given(st.integers(LARGEST_CODE + 1, 2**31 - 1), st.booleans())
def test_code_beyond_the_largest_is_refused(code: int, negative: bool) -> None:
    with pytest.raises(ValueError, match="at most"):
        encode_tensors([np.array([-code if negative else code], np.int32)])


@given(TENSORS, st.data())
def test_damaged_weights_decode_or_are_refused(tensors: list[np.ndarray], data: st.DataObject) -> None:
    """Whatever the bytes are, the result has the expected shapes or is a StreamError."""
    coded = bytearray(encode_tensors(tensors))
    for _ in range(data.draw(st.integers(1, 4))):
        coded[data.draw(st.integers(0, len(coded) - 1))] = data.draw(st.integers(0, 255))
    del coded[data.draw(st.integers(0, len(coded))) :]
    shapes = [tensor.shape for tensor in tensors]
    try:
        decoded = decode_tensors(bytes(coded), shapes)
    except StreamError:
        return
    assert [tensor.shape for tensor in decoded] == shapes


@given(st.sampled_from(QUANTISERS), WEIGHTS)
def test_side_information_restores_quantised_weights(description: dict, weights: np.ndarray) -> None:
    """Codes and float16 side information, through bytes, give the values that the encoder computed.

    The error is at most 1.6 steps: rounding to a level, one level that the largest entry is moved by, and the
    rounding of the range to float16. NeRV's quantiser moves zeros, which it does not count to the range.
    Codes are the nearest ones for the float16 range that the decoder has: a neighbour is never better.
    """
    quantiser = build_quantiser(parse_description(description))
    assert isinstance(quantiser, AffineQuantiser | StepQuantiser)
    tensor = torch.from_numpy(weights)
    quantised = quantiser.quantise(tensor)
    side_shape = quantiser.side_shape(tuple(tensor.shape))
    assert quantised.codes.shape == weights.shape
    assert quantised.side.shape == side_shape
    side = np.frombuffer(quantised.side.astype("<f2").tobytes(), "<f2").reshape(side_shape)
    [codes] = decode_tensors(encode_tensors([quantised.codes]), [weights.shape])
    restored = quantiser.dequantise(Quantised(codes, side))
    assert torch.equal(restored, quantiser.dequantise(quantised))
    assert torch.isfinite(restored).all()
    largest = float(tensor.abs().max())
    step = 2 * largest / (2 ** description["bits"] - 1)
    error = (restored - tensor).abs()
    counted = tensor != 0 if description.get("zero_point") == "float" else torch.ones_like(tensor, dtype=bool)
    assert not (error[counted] > 1.6 * step + 0.01 * largest).any()
    within = torch.from_numpy(np.abs(codes) < 2 ** (description["bits"] - 1) - 1)
    for change in (-1, 1):
        neighbour = (quantiser.dequantise(Quantised(codes + np.int32(change), side)) - tensor).abs()
        assert not (neighbour < error - 1e-4 * step)[within].any()


@given(st.sampled_from(QUANTISERS), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_payload_round_trips(description: dict, inputs: int, outputs: int, seed: int) -> None:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(inputs, outputs), nn.Linear(outputs, 3))
    quantiser = build_quantiser(parse_description(description))
    side, weights, codes = coded_weights(network, quantiser)
    payload = Payload({"inputs": inputs}, description, side, weights)
    parsed = Payload.from_bytes(memoryview(payload.to_bytes()))
    assert parsed == payload
    for before, after in zip(codes, decode_tensors(parsed.weights, [c.shape for c in codes]), strict=True):
        np.testing.assert_array_equal(after, before)


@given(
    st.dictionaries(st.text(max_size=5), st.integers(-(10**19), 10**19) | st.booleans(), max_size=4),
    st.binary(max_size=30),
)
def test_cut_payload_is_refused_or_has_fewer_weights(network: dict, weights: bytes) -> None:
    data = Payload(network, {"name": "float32"}, b"", weights).to_bytes()
    for length in range(len(data) - len(weights)):
        with pytest.raises(StreamError, match=r"cut short|configuration"):
            Payload.from_bytes(memoryview(data[:length]))
    assert json.loads(json.dumps(Payload.from_bytes(memoryview(data)).network)) == network
