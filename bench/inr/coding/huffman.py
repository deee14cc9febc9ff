"""The rate as the papers count it: Huffman over all codes pooled, no table, no header."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np


def huffman_bits(tensors: Sequence[np.ndarray]) -> int:
    """Bits of all codes under one Huffman code built from their pooled histogram.

    As the official evaluators of NeRV, FFNeRV and HNeRV count: an end-of-file symbol of weight one
    is in the tree, but neither it nor the code table is in the sum.
    """
    pooled = np.concatenate([tensor.ravel() for tensor in tensors])
    _, counts = np.unique(pooled, return_counts=True)
    if not len(counts):
        return 0
    # (weight, tie-break, bits so far, depth of the end-of-file symbol or None)
    heap: list[tuple[int, int, int, int | None]] = [(1, 0, 0, 0)]
    heap += [(int(count), i + 1, 0, None) for i, count in enumerate(counts)]
    heapq.heapify(heap)
    for tie in range(len(heap), 2 * len(heap) - 1):
        a, b = heapq.heappop(heap), heapq.heappop(heap)
        weight = a[0] + b[0]
        depths = [depth + 1 for depth in (a[3], b[3]) if depth is not None]
        heapq.heappush(heap, (weight, tie, a[2] + b[2] + weight, depths[0] if depths else None))
    _, _, bits, end_of_file = heap[0]
    return bits - (end_of_file or 0)
