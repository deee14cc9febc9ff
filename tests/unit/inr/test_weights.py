"""The weight coder: exact, smaller than the papers' count, and safe against bad bytes."""

from __future__ import annotations

import numpy as np
import pytest

from bench.errors import StreamError
from bench.inr.accounting import huffman_bits
from bench.inr.weights import LARGEST_CODE, decode_tensors, encode_tensors


def walk(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Codes as a trained grid has them: each slice near the one before."""
    steps = rng.laplace(scale=4, size=shape).round()
    return np.clip(np.cumsum(steps, axis=0) * 0.7, -127, 127).round().astype(np.int32)


@pytest.fixture(scope="module")
def tensors() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        walk(rng, (30, 8, 9, 16)),
        rng.normal(scale=20, size=(64, 16, 3, 3)).round().astype(np.int32),
        rng.normal(scale=5, size=(64,)).round().astype(np.int32),
        np.zeros((5, 12, 1, 1), dtype=np.int32),
        np.array([LARGEST_CODE, -LARGEST_CODE, 0], dtype=np.int32),
        np.array([[7]], dtype=np.int32),
    ]


def test_round_trip_is_exact(tensors):
    data = encode_tensors(tensors)
    decoded = decode_tensors(data, [tensor.shape for tensor in tensors])
    assert all(np.array_equal(a, b) for a, b in zip(tensors, decoded, strict=True))


def test_the_bytes_do_not_depend_on_the_integer_type_or_memory_order(tensors):
    others = [np.asfortranarray(tensor.astype(np.int64)) for tensor in tensors]
    assert encode_tensors(others) == encode_tensors(tensors)


def test_smaller_than_pooled_huffman_without_table_or_header(tensors):
    grid = tensors[0]
    assert 8 * len(encode_tensors([grid])) < 0.85 * huffman_bits([grid])


def test_close_to_the_entropy_of_independent_codes(tensors):
    conv = tensors[1]
    _, counts = np.unique(conv, return_counts=True)
    entropy = -(counts * np.log2(counts / conv.size)).sum()
    assert 8 * len(encode_tensors([conv])) < 1.04 * entropy


def test_a_code_beyond_the_range_is_refused():
    with pytest.raises(ValueError, match=str(LARGEST_CODE)):
        encode_tensors([np.array([LARGEST_CODE + 1])])


def test_cut_or_altered_bytes_give_an_error_or_other_codes(tensors):
    data = encode_tensors(tensors[:3])
    shapes = [tensor.shape for tensor in tensors[:3]]
    with pytest.raises(StreamError):
        decode_tensors(data[:20], shapes)
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(60):
        altered = bytearray(data)
        altered[rng.integers(len(data) if _ % 2 else 30)] ^= 1 << rng.integers(8)
        try:
            decoded = decode_tensors(bytes(altered), shapes)
        except StreamError:
            refused += 1
        else:
            assert [tensor.shape for tensor in decoded] == shapes
    assert refused > 0


def test_huffman_count_of_a_known_tree():
    # Weights 4, 2, 1 and the end-of-file symbol's 1: lengths 1, 2, 3 (and 3, not counted).
    assert huffman_bits([np.array([5, 5, 5, 5, 9, 9, 3])]) == 4 * 1 + 2 * 2 + 1 * 3
