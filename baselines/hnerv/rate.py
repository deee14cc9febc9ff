"""The rate of HNeRV's evaluator: its quantiser (section 3.2) and a Huffman code for all codes.

The suite's streams have the same quantiser, with float16 ranges (`bench.inr.coding.uniform.AxisChoice`). This
module computes only the published count, `rate_bpp_paper`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from bench.inr.coding.huffman import huffman_bits
from bench.inr.coding.quantisers import MinMaxQuantiser, wide_axes

#: Bits of a lowest value or a step in the published count.
RANGE_BITS = 16


@dataclass(frozen=True)
class PublishedTensor:
    """A quantised tensor.

    Attributes:
        codes: 0 to 2^bits - 1, float32, the tensor's shape.
        low, step: float32 scalars, or float16 tensors with one axis of length 1.
        values: low + step * codes, float32.
    """

    codes: Tensor
    low: Tensor
    step: Tensor
    values: Tensor


def quantise_as_published(tensor: Tensor, bits: int) -> PublishedTensor:
    """Quantise with one range for the tensor or with ranges along a long axis: the smallest mean error.

    A step can be 0 in float16. Entries above the lowest value then have the largest code, whose value is the
    lowest value. Entries equal to the lowest value are 0 / 0 in the official code, which never chooses such
    an axis. If all entries of a tensor are equal, their codes are 0 here.
    """
    tensor = tensor.detach()
    candidates = []
    for axis in (None, *wide_axes(tuple(tensor.shape))):
        quantiser = MinMaxQuantiser(bits, axis)
        low, step = quantiser.ranges(tensor)
        if axis is not None:
            low, step = low.half(), step.half()
            if ((step == 0) & (tensor == low)).any():
                continue
        codes = quantiser.codes(tensor, low, step)
        codes = codes.masked_fill((step == 0) & (tensor > low), 2**bits - 1)
        candidates.append(PublishedTensor(codes, low, step, low + step * codes))
    return min(candidates, key=lambda candidate: float((tensor - candidate.values).abs().mean()))


def published_bits(network: nn.Module, *, bits: int = 8, embedding_bits: int = 6) -> int:
    """Bits of a `CodedHNeRV` by the published count: one Huffman code for all codes, and the ranges.

    The code table, headers and the choice of the axes are not counted.
    """
    tensors = [
        quantise_as_published(parameter, embedding_bits if name == "embeddings" else bits)
        for name, parameter in network.named_parameters()
    ]
    ranges = sum(tensor.low.numel() + tensor.step.numel() for tensor in tensors)
    return huffman_bits([tensor.codes.cpu().numpy() for tensor in tensors]) + RANGE_BITS * ranges
