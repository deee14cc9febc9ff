"""The weight coder: exact, smaller than the papers' count, and safe against bad bytes."""

from __future__ import annotations

import hashlib
import math
import tracemalloc

import numpy as np
import pytest

from bench.base.errors import StreamError
from bench.inr.coding.huffman import huffman_bits
from bench.inr.coding.weight_coder import LARGEST_CODE, decode_tensors, encode_tensors
from bench.inr.coding.weight_model import EDGES, LEVELS, MASS, Layout, Parameters, ValueLaws, normal_laws

pytestmark = pytest.mark.numeric


def walk(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Codes as a trained grid has them: each slice near the one before."""
    steps = rng.laplace(scale=4, size=shape).round()
    return np.clip(np.cumsum(steps, axis=0) * 0.7, -127, 127).round().astype(np.int32)


def normal(rng: np.random.Generator, shape: tuple[int, ...], scale: float = 20) -> np.ndarray:
    return rng.normal(scale=scale, size=shape).round().astype(np.int32)


def entropy(tensor: np.ndarray) -> float:
    """Bits an entry if entries were independent."""
    _, counts = np.unique(tensor, return_counts=True)
    return float(-(counts * np.log2(counts / tensor.size)).sum() / tensor.size)


def coded(tensor: np.ndarray) -> float:
    """Bits an entry, after a round trip."""
    data = encode_tensors([tensor])
    (decoded,) = decode_tensors(data, [tensor.shape])
    assert np.array_equal(decoded, tensor)
    return 8 * len(data) / tensor.size


@pytest.fixture(scope="module")
def tensors() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        walk(rng, (30, 8, 9, 16)),
        normal(rng, (64, 16, 3, 3)),
        normal(rng, (64,), scale=5),
        np.zeros((5, 12, 1, 1), dtype=np.int32),
        np.array([LARGEST_CODE, -LARGEST_CODE, 0], dtype=np.int32),
        np.array([[7]], dtype=np.int32),
        normal(rng, (300, 12)),
    ]


@pytest.mark.slow
def test_round_trip_is_exact(tensors):
    data = encode_tensors(tensors)
    decoded = decode_tensors(data, [tensor.shape for tensor in tensors])
    assert all(np.array_equal(a, b) for a, b in zip(tensors, decoded, strict=True))
    assert all(tensor.dtype == np.int32 for tensor in decoded)


SHAPES = [
    (),
    (0,),
    (3, 0, 2),
    (1,),
    (257,),
    (1009,),  # no pieces of one length
    (1, 400),
    (400, 1),
    (400, 9),  # on diagonals
    (9, 400),
    (24, 4),
    (12, 3, 1, 9),
    (1, 4, 9, 9),
    (6, 2, 70),  # parts of a slice
    (3, 2, 2, 4, 5),
]


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_and_any_values(shape):
    rng = np.random.default_rng(2)
    size = math.prod(shape)
    kinds = [
        np.full(shape, -3),
        np.full(shape, LARGEST_CODE),
        rng.choice([-LARGEST_CODE, LARGEST_CODE], size=shape),
        rng.integers(-LARGEST_CODE, LARGEST_CODE + 1, size=shape),
        np.where(np.arange(size) == size // 2, LARGEST_CODE, 0).reshape(shape),
        (np.arange(size) % 2047 - LARGEST_CODE).reshape(shape),
        np.where(rng.random(shape) < 0.9, 0, rng.normal(scale=30, size=shape)).round().astype(int),
    ]
    for kind in kinds:
        (decoded,) = decode_tensors(encode_tensors([kind]), [shape])
        assert isinstance(decoded, np.ndarray)
        assert decoded.shape == shape
        assert np.array_equal(decoded, kind)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_layout_visits_every_entry_once(shape):
    if not math.prod(shape):
        return
    layout = Layout(shape)
    tensor = np.arange(1, layout.size + 1).reshape(shape)
    arranged = layout.arrange(tensor)
    assert np.array_equal(layout.restore(arranged), tensor)
    assert np.array_equal(arranged[layout.locate(np.arange(layout.size))], tensor.ravel())
    live = [arranged[step, :, layout.valid(step)].ravel() for step in range(layout.steps)]
    assert sorted(np.concatenate(live)) == sorted(tensor.ravel())


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_integer_type_or_memory_order(tensors):
    others = [np.asfortranarray(tensor.astype(np.int64)) for tensor in tensors]
    assert encode_tensors(others) == encode_tensors(tensors)


@pytest.mark.slow
def test_grids_are_smaller_than_pooled_huffman_without_table_or_header(tensors):
    grid = tensors[0]
    assert coded(grid) < 0.75 * huffman_bits([grid]) / grid.size


def test_close_to_the_entropy_of_independent_codes(tensors):
    assert coded(tensors[1]) < 1.02 * entropy(tensors[1])


def test_motion_at_the_same_positions_of_all_channels_costs_less():
    rng = np.random.default_rng(3)
    moves = rng.normal(scale=12, size=(24, 8, 8, 12))
    shared = np.kron(rng.random((24, 1, 2, 3)) < 0.3, np.ones((1, 1, 4, 4)))
    apart = np.kron(rng.random((24, 8, 2, 3)) < 0.3, np.ones((1, 1, 4, 4)))
    together, alone = (np.cumsum(moves * where, axis=0).round().astype(np.int32) for where in (shared, apart))
    assert coded(together) < 0.85 * coded(alone)


def test_correlated_columns_cost_less():
    rng = np.random.default_rng(4)
    mixed = rng.normal(size=(600, 6)) @ rng.normal(size=(6, 24)) * 8 + rng.normal(scale=4, size=(600, 24))
    matrix = mixed.round().clip(-127, 127).astype(np.int32)
    assert coded(matrix) < 0.8 * entropy(matrix)


def test_correlated_subpixels_cost_less():
    rng = np.random.default_rng(5)
    weights = np.repeat(rng.normal(scale=20, size=(16, 12, 3, 3)), 4, axis=0)
    weights = (weights + rng.normal(scale=5, size=weights.shape)).round().astype(np.int32)
    assert coded(weights) < 0.91 * entropy(weights)


@pytest.mark.parametrize("shape", [(120, 20, 3, 3), (800, 20), (20, 8, 9, 16)])
@pytest.mark.parametrize("ratio", [0.4, 0.9])
def test_pruned_weights_cost_their_positions_and_the_remaining_codes(shape, ratio):
    rng = np.random.default_rng(6)
    weights = normal(rng, shape)
    weights[np.abs(weights) < np.quantile(np.abs(weights), ratio)] = 0
    assert coded(weights + 5) < entropy(weights) + 0.1


def test_a_tensor_of_one_value_costs_almost_no_bits():
    assert coded(np.full((200, 20, 3, 3), 9, dtype=np.int32)) < 0.005


def test_a_code_beyond_the_range_is_refused():
    for code in (LARGEST_CODE + 1, -LARGEST_CODE - 1):
        with pytest.raises(ValueError, match=str(LARGEST_CODE)):
            encode_tensors([np.array([code])])


def test_the_tables_are_the_same_on_every_machine():
    """What a decoder computes besides integers: a change of any entry would orphan all streams."""
    laws = normal_laws()
    assert laws.dtype == np.int64
    assert (np.abs(laws.sum(axis=1) - MASS) < len(laws.T)).all()
    digest = hashlib.sha256(laws.astype("<i8").tobytes() + EDGES.astype("<i8").tobytes()).hexdigest()
    assert digest == "0b9d8b4760f12d84cbf536796bff77388246f904350e0c4167f2a05f0c19bc24"
    # The widest range that the fields of a stream can state.
    extreme = Parameters(0, -LARGEST_CODE, LARGEST_CODE, 1, mixture=(63,) * 7, factors=(87,) * 64)
    weights = ValueLaws(extreme).weights(np.zeros(LEVELS, dtype=int), np.arange(LEVELS))
    assert (weights >= 1).all()
    assert (weights == np.rint(weights)).all()
    assert weights.sum(axis=1).max() < 2**53  # so that sums are exact in any order


def test_a_stream_of_another_day_still_decodes():
    data = bytes.fromhex(
        "525e007fe2d80dec1f806da600069762f888b016465308a7d08b7f5bf05d8e9c62227cbf0e90116a8cc00ae2e22098de"
        "3b26550af629fbd064b71ec3f9860a5e59472f09bb164d3cdb9371e3378e67ff62ca05c79a36d021e0b266457fafa442"
        "e900b01606fd613821297c2e0ee4d81697c797823fc40fa5d567e46454af4ae93d36cc36446fb39330ebf256637035e1"
        "afef12704ce1f3873eee8d87fe6b581e7ee8e17c524343e853f9cde62ed2a29e88e07fddb61f865277e51ce20f907e11"
        "e4439460129f5ea6aa6b47c109a885608da8af0e315840039b4d70e8276db61b508b511bd5dfaf3c772bbc95205e0ea9"
        "711bf0ccc4d5e581adc61624695e0b04995cc624"
    )
    place, row = np.arange(64), np.arange(60)[:, None]
    grid = np.stack([np.where(place % 5, 0, place % 17 - 8 + time * (place // 20)) for time in range(12)])
    grid = grid.reshape(6, 2, 8, 8)
    matrix = (row**2 % 31 - 15) * np.array([1, 1, -1, 2, 1, -1, 0, 1]) + row * np.arange(8) % 3
    decoded = decode_tensors(data, [grid.shape, matrix.shape])
    assert np.array_equal(decoded[0], grid)
    assert np.array_equal(decoded[1], matrix)


@pytest.mark.slow
def test_cut_prolonged_or_altered_bytes_give_an_error_or_other_codes(tensors):
    data, shapes = encode_tensors(tensors), [tensor.shape for tensor in tensors]
    for wrong in (b"", data[:20], data[:-4], data[:-1], data + data[:8]):
        with pytest.raises(StreamError):
            decode_tensors(wrong, shapes)
    with pytest.raises(StreamError):
        decode_tensors(data, shapes[:-1])
    rng = np.random.default_rng(1)
    refused = 0
    for count in range(60):
        altered = bytearray(data)
        altered[rng.integers(len(data) if count % 2 else 40)] ^= 1 << rng.integers(8)
        try:
            decoded = decode_tensors(bytes(altered), shapes)
        except StreamError:
            refused += 1
        else:
            assert [tensor.shape for tensor in decoded] == shapes
    assert refused > 50


@pytest.mark.slow
def test_noise_takes_bounded_memory():
    """Any bytes decode to codes in range; tables and states are a small multiple of the tensors."""
    rng = np.random.default_rng(7)
    shapes = [(30, 8, 9, 16), (100, 40, 3, 3), (500, 60), (20000,)]
    decode_tensors(encode_tensors([np.zeros(2, dtype=int)]), [(2,)])  # tables that stay
    tracemalloc.start()
    try:
        for _ in range(20):
            with pytest.raises(StreamError):
                decode_tensors(rng.bytes(4000), shapes)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_huffman_count_of_a_known_tree():
    # Weights 4, 2, 1 and the end-of-file symbol's 1: lengths 1, 2, 3 (and 3, not counted).
    assert huffman_bits([np.array([5, 5, 5, 5, 9, 9, 3])]) == 4 * 1 + 2 * 2 + 1 * 3
