"""The entropy coder of network weights: integer tensors to bytes and back, exactly, anywhere.

A tensor is coded slice by slice along its first axis (grid entries in time, output channels of a
convolution). A slice is predicted from the one before, each residual's context is how large the
residuals at and around its place have been, and every context has an adaptive histogram that starts
from a geometric law. Whatever the decoder's models depend on is computed in integers, so that a
stream decodes to the same codes on every machine; the arithmetic is vectorised over a slice.

Range coding itself is `constriction`'s.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import constriction
import numpy as np

from bench.errors import StreamError

#: Prediction from the slice before, in sixteenths; the encoder tries them all.
GAINS = (0, 6, 11, 16)
CONTEXTS = 12
#: A magnitude of one counts this much in the activity, which keeps fractions in integers.
UNIT = 16
#: Weight of one observation against the starting law, whose total is 32 * 32.
OBSERVATION = 32
#: Largest magnitude of a code (11 bits); it bounds the histograms a hostile stream can ask for.
LARGEST_CODE = 1023
_HEADER = np.dtype([("low", "<i4"), ("high", "<i4"), ("gain", "u1")])


@dataclass(frozen=True)
class _Layout:
    """How one tensor is coded: residuals in low..high around GAINS[gain]/16 of the slice before."""

    low: int
    high: int
    gain: int


@functools.lru_cache(maxsize=4 * CONTEXTS)
def _geometric(low: int, high: int, level: int) -> np.ndarray:
    """Integer weights of residuals low..high, falling geometrically; `level` grows with the spread."""
    mean = UNIT * (level + 1) ** 2 // 8 + 2  # expected magnitude, in 1/UNIT
    ratio = (mean << 16) // (mean + UNIT)
    powers, value = [], 1 << 20
    for _ in range(max(abs(low), abs(high)) + 1):
        powers.append(max(value, 1))
        value = value * ratio >> 16
    weights = np.array([powers[abs(k)] for k in range(low, high + 1)], dtype=np.int64)
    return np.maximum(weights * 1024 // weights.sum(), 1)


class _SliceModel:
    """Prediction, contexts and histograms of one tensor; encoder and decoder drive it alike."""

    def __init__(self, shape: tuple[int, ...], layout: _Layout) -> None:
        self.shape, self.layout = shape, layout
        self.counts = np.zeros((CONTEXTS, layout.high - layout.low + 1), dtype=np.int64)
        self.before = np.zeros(shape, dtype=np.int64)
        self.activity = np.full(shape, 2 * UNIT, dtype=np.int64)

    def contexts(self) -> np.ndarray:
        """Context of every entry of the coming slice, flat: the square root of its activity."""
        activity = self.activity
        if len(self.shape) == 3 and min(self.shape[1:]) >= 3:  # (C, h, w): look around in space too
            padded = np.pad(activity, ((0, 0), (1, 1), (1, 1)), mode="edge")
            around = padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
            activity = (4 * activity + around) // 8
        # floor(sqrt(8 a / UNIT)), by comparison with integer squares
        edges = np.arange(1, CONTEXTS) ** 2 * UNIT // 8
        return np.searchsorted(edges, activity.ravel(), side="right")

    def prediction(self) -> np.ndarray:
        """The coming slice as expected, flat."""
        return (GAINS[self.layout.gain] * self.before.ravel() + 8) >> 4

    def probabilities(self, context: int) -> np.ndarray:
        """float64 of integer ratios, which IEEE division makes alike everywhere."""
        start = _geometric(self.layout.low, self.layout.high, context)
        weights = self.counts[context] * OBSERVATION + start
        return weights / weights.sum()

    def update(self, values: np.ndarray, residuals: np.ndarray, contexts: np.ndarray) -> None:
        flat = contexts * self.counts.shape[1] + (residuals - self.layout.low)
        self.counts += np.bincount(flat, minlength=self.counts.size).reshape(self.counts.shape)
        self.before = values.reshape(self.shape)
        magnitude = UNIT * np.abs(residuals).reshape(self.shape)
        self.activity = (self.activity + 2 * magnitude) // 3


def _as_slices(tensor: np.ndarray) -> np.ndarray:
    """(S, ...): as it is from two axes on; a vector becomes short slices so that it adapts."""
    if tensor.ndim >= 2:
        return tensor
    return tensor.reshape(-1, 1)


def _encode_tensor(
    encoder: constriction.stream.queue.RangeEncoder, tensor: np.ndarray, layout: _Layout
) -> None:
    slices = _as_slices(tensor).astype(np.int64)
    model = _SliceModel(slices.shape[1:], layout)
    for values in slices:
        contexts = model.contexts()
        residuals = values.ravel() - model.prediction()
        for context in np.unique(contexts):
            picked = residuals[contexts == context] - layout.low
            encoder.encode(picked.astype(np.int32), _categorical(model.probabilities(int(context))))
        model.update(values.ravel(), residuals, contexts)


def _decode_tensor(
    decoder: constriction.stream.queue.RangeDecoder, shape: tuple[int, ...], layout: _Layout
) -> np.ndarray:
    slices = _as_slices(np.zeros(shape, dtype=np.int32))
    model = _SliceModel(slices.shape[1:], layout)
    for index in range(len(slices)):
        contexts = model.contexts()
        residuals = np.zeros(contexts.size, dtype=np.int64)
        for context in np.unique(contexts):
            mask = contexts == context
            symbols = decoder.decode(_categorical(model.probabilities(int(context))), int(mask.sum()))
            residuals[mask] = symbols.astype(np.int64) + layout.low
        values = residuals + model.prediction()
        if np.abs(values).max(initial=0) > LARGEST_CODE:
            raise StreamError("stream", "a weight's code is out of range")
        slices[index] = values.reshape(slices.shape[1:])
        model.update(values, residuals, contexts)
    return slices.reshape(shape)


def _categorical(probabilities: np.ndarray) -> constriction.stream.model.Categorical:
    return constriction.stream.model.Categorical(probabilities, perfect=False)


def _candidates(tensor: np.ndarray) -> list[_Layout]:
    """Every way to code a tensor, with the range its residuals have."""
    slices = _as_slices(tensor).astype(np.int64)
    before = np.concatenate([np.zeros_like(slices[:1]), slices[:-1]])
    layouts = []
    for index, gain in enumerate(GAINS if len(slices) > 1 else GAINS[:1]):
        residuals = slices - ((gain * before + 8) >> 4)
        low, high = int(residuals.min(initial=0)), int(residuals.max(initial=0))
        layouts.append(_Layout(low, max(high, low + 1), index))  # a histogram has two bins or more
    return layouts


def _coded_size(tensor: np.ndarray, layout: _Layout) -> int:
    encoder = constriction.stream.queue.RangeEncoder()
    _encode_tensor(encoder, tensor, layout)
    return encoder.num_bits()


def encode_tensors(tensors: Sequence[np.ndarray]) -> bytes:
    """Code integer tensors of any shapes; the shapes are not part of the result.

    Raises:
        ValueError: a code's magnitude is above `LARGEST_CODE`.
    """
    encoder = constriction.stream.queue.RangeEncoder()
    headers = np.zeros(len(tensors), dtype=_HEADER)
    for header, tensor in zip(headers, tensors, strict=True):
        if tensor.size and np.abs(tensor).max() > LARGEST_CODE:
            raise ValueError(f"a code of magnitude {np.abs(tensor).max()}; at most {LARGEST_CODE} is coded")
        best = min(_candidates(tensor), key=lambda layout: _coded_size(tensor, layout))
        header["low"], header["high"], header["gain"] = best.low, best.high, best.gain
        _encode_tensor(encoder, tensor, best)
    return headers.tobytes() + encoder.get_compressed().astype("<u4").tobytes()


def decode_tensors(data: bytes | memoryview, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """The int32 tensors of `encode_tensors`, given their shapes.

    Raises:
        StreamError: the bytes are no such tensors.
    """
    head = len(shapes) * _HEADER.itemsize
    if len(data) < head or (len(data) - head) % 4:
        raise StreamError("stream", "the weights are cut short")
    headers = np.frombuffer(data[:head], dtype=_HEADER)
    decoder = constriction.stream.queue.RangeDecoder(
        np.frombuffer(data[head:], dtype="<u4").astype(np.uint32)
    )
    tensors = []
    for header, shape in zip(headers, shapes, strict=True):
        low, high, gain = (int(header[name]) for name in ("low", "high", "gain"))
        if (
            not -2 * LARGEST_CODE - 2 <= low <= 0 <= high <= 2 * LARGEST_CODE + 2
            or low == high
            or gain >= len(GAINS)
        ):
            raise StreamError("stream", "a weight tensor's header is out of range")
        try:
            tensors.append(_decode_tensor(decoder, shape, _Layout(low, high, gain)))
        except (AssertionError, ValueError) as error:  # how constriction says that data is invalid
            raise StreamError("stream", "the weights cannot be decoded") from error
    return tensors
