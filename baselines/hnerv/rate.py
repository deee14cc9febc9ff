"""HNeRV's own quantiser and rate, as its evaluator computes them (section 3.2; Huffman in appendix).

A stream of the suite has the same quantiser with every range in float16 (`bench.inr.coding.quantisers`);
this is the published count, for `rate_bpp_paper` alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from bench.inr.coding.huffman import huffman_bits
from bench.inr.coding.quantisers import MinMaxQuantiser, wide_axes

#: What the published count charges for a lowest value or a step.
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
    """One range a tensor, or ranges along one long axis: whatever is off least on average.

    A step may be zero in float16. What is above the lowest value then has the largest code, which stands for
    the lowest value; what is equal to it is 0 / 0 in the official code, which never picks such an axis.
    Where a whole tensor has one value its codes are 0 here.
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
    """Bits of a `CodedHNeRV` by the published count: one Huffman code for all, and the ranges.

    Neither the code table nor a header is counted, and a range's axis is not.
    """
    tensors = [
        quantise_as_published(parameter, embedding_bits if name == "embeddings" else bits)
        for name, parameter in network.named_parameters()
    ]
    ranges = sum(tensor.low.numel() + tensor.step.numel() for tensor in tensors)
    return huffman_bits([tensor.codes.cpu().numpy() for tensor in tensors]) + RANGE_BITS * ranges
