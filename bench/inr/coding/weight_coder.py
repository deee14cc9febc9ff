"""Entropy coder of network weights: integer tensors to bytes and back, without loss, on any machine.

Every code is range-coded (Martin, 1979; the implementation is `constriction`'s) with a probability table of
its own. A range coder spends -log2 P(code) bits on a code, and a few bytes in all. The tables come from
`bench.inr.coding.weight_model`, which predicts a code and the spread around it from the codes before; encoder
and decoder compute the same integers. The model's parameters are fitted to each tensor by the encoder
(`bench.inr.coding.weight_model_fit`) and precede the tensor in the stream.

For each tensor the stream holds, all range-coded: the parameters (uniform distributions), for some matrices
a triangle of couplings (coded as a tensor itself), then the codes part by part. A 16-bit marker ends the
stream. Every value of a parameter field is valid, so a decoder cannot be given an impossible model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import constriction
import numpy as np

from bench.base.errors import StreamError
from bench.inr.coding.weight_model import (
    FACTORS,
    LARGEST_CODE,
    LEVELS,
    MOST_FACTORS,
    ORDERS,
    SHARES,
    TAPS,
    WEIGHTS,
    Layout,
    Parameters,
    SliceModel,
    ValueLaws,
)
from bench.inr.coding.weight_model_fit import Trace, traces

#: End marker, one of 2^16 values. Corrupted data almost never decodes to this value at the end, so checking
#: it detects damage.
_END, _ENDS = 0xB17E, 1 << 16

_Uniform = constriction.stream.model.Uniform
_CATEGORICAL = constriction.stream.model.Categorical(perfect=False)


def encode_tensors(tensors: Sequence[np.ndarray]) -> bytes:
    """Code integer tensors of any shapes; the shapes are not part of the result.

    Raises:
        ValueError: a code's magnitude is above `LARGEST_CODE`.
    """
    encoder = constriction.stream.queue.RangeEncoder()
    for tensor in tensors:
        if (largest := max(int(tensor.max(initial=0)), -int(tensor.min(initial=0)))) > LARGEST_CODE:
            raise ValueError(f"a code of magnitude {largest}; at most {LARGEST_CODE} is coded")
        if tensor.size:
            _encode_trace(encoder, _best_trace(tensor))
    encoder.encode(_END, _Uniform(_ENDS))
    return encoder.get_compressed().astype("<u4").tobytes()


def decode_tensors(data: bytes | memoryview, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """The int32 tensors of `encode_tensors`, given their shapes.

    Raises:
        StreamError: the bytes are not the result of `encode_tensors` for these shapes.
    """
    if len(data) % 4:
        raise StreamError("stream", "the weights are cut short")
    decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(data, dtype="<u4").astype(np.uint32))
    try:
        tensors = [_decode_tensor(decoder, shape) for shape in shapes]
        end = decoder.decode(_Uniform(_ENDS))
    except (AssertionError, ValueError) as error:  # constriction raises these for invalid data
        raise StreamError("stream", "the weights cannot be decoded") from error
    if end != _END or not decoder.maybe_exhausted():
        raise StreamError("stream", "the weights have no end marker where they end")
    return tensors


def _best_trace(tensor: np.ndarray) -> Trace:
    """The trace of a tensor with the fewest coded bits, its couplings included."""
    candidates = []
    for trace in traces(tensor):
        if trace.couplings is not None:
            lower_triangle = trace.couplings[np.tril_indices(trace.layout.entries, -1)]
            trace = replace(trace, coupling_trace=_best_trace(lower_triangle))
        candidates.append(trace)
    return min(candidates, key=_coded_bits)


def _coded_bits(trace: Trace) -> int:
    encoder = constriction.stream.queue.RangeEncoder()
    _encode_trace(encoder, trace)
    return int(encoder.num_bits())


def _encode_trace(encoder: constriction.stream.queue.RangeEncoder, trace: Trace) -> None:
    layout, laws = trace.layout, ValueLaws(trace.parameters)

    def write(value: int, size: int) -> int:
        encoder.encode(value, _Uniform(size))
        return value

    _code_parameters(write, trace.parameters)
    if trace.coupling_trace is not None:
        _encode_trace(encoder, trace.coupling_trace)
    for step in range(layout.steps):
        valid = layout.valid(step)
        for part in range(layout.parts):
            expected, levels = trace.expected[step, part, valid], trace.levels[step, part, valid]
            symbols = trace.values[step, part, valid] - trace.parameters.low
            for chunk in laws.chunks(len(symbols)):
                encoder.encode(symbols[chunk], _CATEGORICAL, laws.weights(expected[chunk], levels[chunk]))


def _decode_tensor(decoder: constriction.stream.queue.RangeDecoder, shape: tuple[int, ...]) -> np.ndarray:
    if not math.prod(shape):
        return np.zeros(shape, dtype=np.int32)
    layout = Layout(shape)

    def read(_: int, size: int) -> int:
        return int(decoder.decode(_Uniform(size)))

    parameters, couplings = _code_parameters(read, Parameters(0, 0, 1, 1)), None
    if layout.skewed and parameters.fitted:
        couplings = np.zeros((layout.entries, layout.entries), dtype=np.int64)
        lower_triangle = np.tril_indices(layout.entries, -1)
        couplings[lower_triangle] = _decode_tensor(decoder, lower_triangle[0].shape)
    values = np.zeros((layout.steps, layout.parts, layout.entries), dtype=np.int32)
    model, laws = SliceModel(values, layout, parameters, couplings), ValueLaws(parameters)
    for step in range(layout.steps):
        valid, linear = layout.valid(step), model.predict(step)
        for part in range(layout.parts):
            levels = model.levels(model.features(part)[:, valid])
            expected = model.expected(linear[part, valid])
            decoded = values[step, part, valid]
            for chunk in laws.chunks(len(decoded)):
                decoded[chunk] = decoder.decode(_CATEGORICAL, laws.weights(expected[chunk], levels[chunk]))
            decoded += parameters.low
            model.observe(step, part, decoded - expected)
    return layout.restore(values + np.int32(parameters.offset))


def _code_parameters(field: Callable[[int, int], int], p: Parameters) -> Parameters:
    """Code the fields of a model's parameters, in the stream's order, for encoder and decoder alike.

    Args:
        field: (value, number of values) -> value. An encoder's function writes the value and returns it; a
            decoder's ignores it and returns the value that it reads.
        p: the parameters to write; for a decoder, any.
    """
    lowest = field(p.offset + p.low + LARGEST_CODE, 2 * LARGEST_CODE) - LARGEST_CODE
    highest = min(lowest + 1 + field(p.high - p.low - 1, 2 * LARGEST_CODE), LARGEST_CODE)
    offset = min(max(field(p.offset + LARGEST_CODE, 2 * LARGEST_CODE + 1) - LARGEST_CODE, lowest), highest)
    start = field(p.start - 1, LEVELS - 1) + 1
    plain = Parameters(offset, lowest - offset, highest - offset, start)
    if not field(int(p.fitted), 2):
        return plain
    order = ORDERS[field(ORDERS.index(len(p.taps)), len(ORDERS))]
    taps = tuple(field(tap + TAPS // 2, TAPS) - TAPS // 2 for tap in p.taps or (0,) * order)
    weights = tuple(field(weight, WEIGHTS) for weight in p.weights)
    mixture = tuple(field(share, SHARES) for share in p.mixture)
    count = field(len(p.factors), MOST_FACTORS + 1)
    factors = tuple(field(factor, FACTORS) for factor in p.factors or (0,) * count)
    return replace(plain, fitted=True, taps=taps, weights=weights, mixture=mixture, factors=factors)
