"""Rate as papers count it: one Huffman code for all integer codes, without its table and without a header."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np


def huffman_bits(tensors: Sequence[np.ndarray]) -> int:
    """Bits of all codes under one Huffman code built from their pooled histogram.

    This is the count of the official evaluators of NeRV, FFNeRV and HNeRV: the tree contains an end-of-file
    symbol of weight one, but the sum contains neither this symbol nor the code table.
    """
    pooled = np.concatenate([tensor.ravel() for tensor in tensors])
    _, counts = np.unique(pooled, return_counts=True)
    if not len(counts):
        return 0
    # Subtrees: (weight, tie-break, bits of its symbols, depth of the end-of-file symbol or None).
    heap: list[tuple[int, int, int, int | None]] = [(1, 0, 0, 0)]
    heap += [(int(count), i + 1, 0, None) for i, count in enumerate(counts)]
    heapq.heapify(heap)
    for tie_break in range(len(heap), 2 * len(heap) - 1):
        a, b = heapq.heappop(heap), heapq.heappop(heap)
        weight = a[0] + b[0]
        depths = [depth + 1 for depth in (a[3], b[3]) if depth is not None]
        heapq.heappush(heap, (weight, tie_break, a[2] + b[2] + weight, depths[0] if depths else None))
    _, _, bits, end_of_file = heap[0]
    return bits - (end_of_file or 0)
