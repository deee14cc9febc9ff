"""The entropy coder of network weights: integer tensors to bytes and back, exactly, anywhere.

`bench.inr.coding.weight_model` says what to expect of a tensor's codes. Its parameters are fitted to each
tensor (`bench.inr.coding.weight_model_fit`) and stand in the stream, where every value of a field is a
legal one. Range coding itself is `constriction`'s.
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

#: Closes a stream: other bytes than an encoder's hardly ever arrive at it.
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
        StreamError: the bytes are no such tensors.
    """
    if len(data) % 4:
        raise StreamError("stream", "the weights are cut short")
    decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(data, dtype="<u4").astype(np.uint32))
    try:
        tensors = [_decode_tensor(decoder, shape) for shape in shapes]
        end = decoder.decode(_Uniform(_ENDS))
    except (AssertionError, ValueError) as error:  # how constriction says that data is invalid
        raise StreamError("stream", "the weights cannot be decoded") from error
    if end != _END or not decoder.maybe_exhausted():
        raise StreamError("stream", "the weights do not end where they should")
    return tensors


def _best_trace(tensor: np.ndarray) -> Trace:
    """The shortest way to code a tensor, and with it the couplings that it needs."""
    ways = []
    for trace in traces(tensor):
        if trace.couplings is not None:
            below = trace.couplings[np.tril_indices(trace.layout.entries, -1)]
            trace = replace(trace, below=_best_trace(below))
        ways.append(trace)
    return min(ways, key=_coded_bits)


def _coded_bits(trace: Trace) -> int:
    encoder = constriction.stream.queue.RangeEncoder()
    _encode_trace(encoder, trace)
    return int(encoder.num_bits())


def _encode_trace(encoder: constriction.stream.queue.RangeEncoder, trace: Trace) -> None:
    layout, laws = trace.layout, ValueLaws(trace.parameters)

    def put(value: int, size: int) -> int:
        encoder.encode(value, _Uniform(size))
        return value

    _exchange(put, trace.parameters)
    if trace.below is not None:
        _encode_trace(encoder, trace.below)
    for step in range(layout.steps):
        live = layout.live(step)
        for part in range(layout.parts):
            expected, levels = trace.expected[step, part, live], trace.levels[step, part, live]
            symbols = trace.values[step, part, live] - trace.parameters.low
            for chunk in laws.chunks(len(symbols)):
                encoder.encode(symbols[chunk], _CATEGORICAL, laws.weights(expected[chunk], levels[chunk]))


def _decode_tensor(decoder: constriction.stream.queue.RangeDecoder, shape: tuple[int, ...]) -> np.ndarray:
    if not math.prod(shape):
        return np.zeros(shape, dtype=np.int32)
    layout = Layout(shape)

    def take(_: int, size: int) -> int:
        return int(decoder.decode(_Uniform(size)))

    parameters, couplings = _exchange(take, Parameters(0, 0, 1, 1)), None
    if layout.skewed and parameters.fitted:
        couplings = np.zeros((layout.entries, layout.entries), dtype=np.int64)
        below = np.tril_indices(layout.entries, -1)
        couplings[below] = _decode_tensor(decoder, below[0].shape)
    values = np.zeros((layout.steps, layout.parts, layout.entries), dtype=np.int32)
    model, laws = SliceModel(values, layout, parameters, couplings), ValueLaws(parameters)
    for step in range(layout.steps):
        live, linear = layout.live(step), model.predict(step)
        for part in range(layout.parts):
            levels = model.levels(model.features(part)[:, live])
            expected = model.expected(linear[part, live])
            decoded = values[step, part, live]
            for chunk in laws.chunks(len(decoded)):
                decoded[chunk] = decoder.decode(_CATEGORICAL, laws.weights(expected[chunk], levels[chunk]))
            decoded += parameters.low
            model.observe(step, part, decoded - expected)
    return layout.restore(values + np.int32(parameters.offset))


def _exchange(field: Callable[[int, int], int], p: Parameters) -> Parameters:
    """Pass every field (value, number of values) to a coder, which gives the value back.

    The one description of a stream's fields: an encoder's coder writes `p`, a decoder's gives what it
    reads in place of it.
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
