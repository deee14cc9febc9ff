"""Adaptive model of a tensor of integer codes: the probability of each code given those before.

Encoder and decoder run the same model. A tensor is coded slice by slice and, in a slice, part by part: an
output channel of a convolution, a channel of a grid at one time, a diagonal of a matrix (`Layout`). Let v be
the values: codes minus their offset.

Prediction. Slice s is predicted from the slices before by linear prediction with taps a_k. In a matrix whose
rows are correlated across columns, couplings C add what the row's earlier columns e_j left unexplained:

    p_s = sum_k a_k v_{s-k} + sum_{j<i} C_ij e_j,        e = v - sum_k a_k v_{s-k}.

Spread. The mean magnitude of the residual r = v - round(p) is estimated from two features, the mean |r| at
this entry so far (m_1) and the recent |r| around it (m_2, exponential average with weight 1/4), and
quantised to a level, a quarter of an octave each:

    m = w_1 m_1 + w_2 m_2,        level = number of EDGES up to m.

Distribution. The residual has a mixture of normal distributions whose deviations are fixed multiples of the
level's, so heavy tails and peaks are both possible; factors f correct the probabilities of small magnitudes,
because pruning makes many zeros and few small values:

    P(v) proportional to f(|v|) * sum_j share_j N(v - round(p); deviation(level) * 2^(WIDTHS_j / 4)).

All state is integers, and the tables come from operations that IEEE 754 defines exactly, so that a stream
decodes to the same codes on every machine.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

#: Largest magnitude of a code (11 bits). It bounds the tables that a malicious stream can require.
LARGEST_CODE = 1023
LARGEST_RESIDUAL = 2 * LARGEST_CODE
#: Levels of spread, a quarter of an octave each.
LEVELS = 56
#: Fixed-point units: of magnitudes, of the coefficients, and the sum of a probability table.
MAGNITUDE_ONE, TAP_ONE, WEIGHT_ONE, COUPLING_ONE, MASS = 256, 128, 32, 32, 1 << 20
#: Limits of a stream's fields: numbers of taps, largest number of factors, values of each field.
ORDERS, MOST_FACTORS = (0, 1, 2, 4, 8), 64
TAPS, WEIGHTS, SHARES, FACTORS = 512, 64, 64, 88
#: The field value of the factor 1; each step is a quarter of an octave.
FACTOR_ONE = 32
#: Deviations of the mixture's normal distributions relative to the level's, in quarters of an octave.
WIDTHS = (-10, -6, -2, 2, 6, 12, 18)
#: Smallest plane that is a part of its own; smallest slice; pieces of a vector; widest matrix with couplings.
_LARGE_PART, _SMALL_SLICE, _PIECES, _WIDEST = 64, 8, 256, 1024
#: Numbers in a block of probability tables, which bounds memory.
_CHUNK = 1 << 18


def _octaves(quarters: int, shift: int) -> int:
    """2^(quarters / 4) * 2^(16 - shift), rounded down."""
    return (65536, 77936, 92682, 110218)[quarters % 4] << quarters // 4 >> shift


#: Expected magnitudes that separate the levels, from 2^(1/4) / 8 on.
EDGES = np.array([_octaves(i + 32, 19) for i in range(1, LEVELS)], dtype=np.int64)
_FACTORS = np.array([_octaves(i, 16) for i in range(FACTORS)], dtype=np.float64)


@dataclass(frozen=True)
class Parameters:
    """Parameters of the model of one tensor, as a stream holds them.

    Attributes:
        offset: the median code; values are relative to it.
        low, high: range of the values, low <= 0 <= high and low < high.
        start: level of the magnitudes before any is observed, at least 1.
        fitted: whether the following fields, and couplings, are fitted to the tensor and in the stream.
        taps: a_k, coefficients of the slices before, the nearest first, in units of 1/TAP_ONE.
        weights: w_1 and w_2, in units of 1/WEIGHT_ONE.
        mixture: shares of the normal distributions of WIDTHS, not normalised.
        factors: f of the magnitudes 0, 1, ..., in quarters of an octave from FACTOR_ONE; further ones are 1.
    """

    offset: int
    low: int
    high: int
    start: int
    fitted: bool = False
    taps: tuple[int, ...] = ()
    weights: tuple[int, ...] = (26, 6)
    mixture: tuple[int, ...] = (1, 16, 63, 16, 1, 0, 0)
    factors: tuple[int, ...] = ()


class Layout:
    """Order in which a tensor's entries are coded: `steps` slices of `parts` parts of `entries` entries.

    Attributes:
        shape, size: of the tensor.
        plane: height and width of a part.
        skewed: whether slice d of a tall matrix is its diagonal, entry i in row d - i. The entries before
            an entry in its row and in its column are then in earlier slices.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.size = shape, math.prod(shape)
        self.parts, self.skewed = 1, False
        if len(shape) < 2 or self.size < _SMALL_SLICE * shape[0]:  # a vector, in pieces, so that it adapts
            self.plane = max(self.size // _PIECES, 1), 1
            self.steps = -(-self.size // self.entries)
        elif math.prod(shape[2:]) >= _LARGE_PART:
            self.steps, self.parts = shape[:2]
            self.plane = math.prod(shape[2:-1]), shape[-1]
        else:
            self.plane = shape[1], math.prod(shape[2:])
            self.skewed = len(shape) == 2 and shape[1] <= min(shape[0] // 4, _WIDEST)
            self.steps = shape[0] + (shape[1] - 1 if self.skewed else 0)

    @property
    def entries(self) -> int:
        return self.plane[0] * self.plane[1]

    def arrange(self, tensor: np.ndarray) -> np.ndarray:
        """The tensor as (steps, parts, entries), with zeros where a slice has no entry of the tensor."""
        arranged = np.zeros((self.steps, self.parts, self.entries), dtype=tensor.dtype)
        if self.skewed:
            for i, column in enumerate(tensor.T):
                arranged[i : i + len(column), 0, i] = column
        else:
            arranged.reshape(-1)[: self.size] = tensor.ravel()
        return arranged

    def restore(self, arranged: np.ndarray) -> np.ndarray:
        """The inverse of `arrange`."""
        if not self.skewed:
            return arranged.reshape(-1)[: self.size].reshape(self.shape)
        rows = self.shape[0]
        return np.stack([arranged[i : i + rows, 0, i] for i in range(self.entries)], axis=1)

    def locate(self, flat: np.ndarray) -> tuple[np.ndarray, ...]:
        """Step, part and entry of flat indices of the tensor."""
        if not self.skewed:
            return np.unravel_index(flat, (self.steps, self.parts, self.entries))
        row, column = np.unravel_index(flat, self.shape)
        return row + column, np.zeros_like(row), column

    def valid(self, step: int) -> slice:
        """The entries of a slice's parts that are entries of the tensor."""
        if not self.skewed:
            return slice(0, min(self.entries, self.size - step * self.parts * self.entries))
        return slice(max(0, step - self.shape[0] + 1), min(self.entries, step + 1))


@functools.cache
def normal_laws() -> np.ndarray:
    """Tables of discrete normal distributions, (rows, residuals) integers whose rows sum to about MASS.

    Row i has the deviation 2^((i - 10) / 4) / 4; that of level l is row l - WIDTHS[0]. With
    ratio = exp(-1 / (2 deviation^2)) the weights ratio^(k^2) are built by multiplications only, because
    the exponential function is not rounded alike everywhere.
    """
    # exp(-1 / (2 deviation^2)) of rows 0 and 1; two rows on, the exponent is half as large.
    ratios = [6.616261056709485e-112, 2.422709065903263e-79]
    while len(ratios) < LEVELS + WIDTHS[-1] - WIDTHS[0]:
        ratios.append(math.sqrt(ratios[-2]))
    ratio = np.array(ratios)
    weight, step, weights = np.ones_like(ratio), ratio, []
    for _ in range(LARGEST_RESIDUAL + 1):
        weights.append((weight * (1 << 40)).astype(np.int64))
        weight, step = weight * step, step * ratio * ratio
    half = np.stack(weights, axis=1)
    both = np.concatenate([half[:, :0:-1], half], axis=1)
    return (both << 12) // (both.sum(axis=1, keepdims=True) >> 8)


def rows_of(levels: np.ndarray, width: int) -> np.ndarray:
    """Rows of `normal_laws` for a width, relative to these levels."""
    return levels.astype(np.int64) + (width - WIDTHS[0])


class ValueLaws:
    """Probability tables of the values low to high, for a predicted value and a level of spread."""

    def __init__(self, parameters: Parameters) -> None:
        self.low = parameters.low
        magnitudes = np.abs(np.arange(parameters.low, parameters.high + 1))
        steps = np.full(LARGEST_RESIDUAL + 1, FACTOR_ONE)
        steps[: len(parameters.factors)] = parameters.factors
        self.factors = _FACTORS[steps[magnitudes]]
        #: Largest residual: both the value and the prediction are in the range low to high.
        self.span = len(magnitudes) - 1
        residuals = slice(LARGEST_RESIDUAL - self.span, LARGEST_RESIDUAL + self.span + 1)
        laws = np.ones((LEVELS, 2 * self.span + 1), dtype=np.int64)
        for share, width in zip(parameters.mixture, WIDTHS, strict=True):
            laws += share * normal_laws()[rows_of(np.arange(LEVELS), width), residuals]
        self.windows = np.lib.stride_tricks.sliding_window_view(
            laws.astype(np.float64), len(magnitudes), axis=1
        )

    def weights(self, expected: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """Unnormalised probabilities (entries, values) for predictions and levels (entries,).

        They are positive integers, which float64 represents exactly, as it does their sums.
        """
        return self.windows[levels, self.span + self.low - expected] * self.factors

    def chunks(self, entries: int) -> Iterator[slice]:
        """Slices of the entries in order, small enough to bound the memory of `weights`."""
        count = max(_CHUNK // len(self.factors), 1)
        return (slice(first, first + count) for first in range(0, entries, count))


class SliceModel:
    """Prediction and spread of one tensor's values, part by part.

    Args:
        values: (steps, parts, entries) int32, codes minus the offset. The model reads the slices before the
            current one; a decoder fills them in.
        couplings: C (columns, columns), strictly lower triangular, in units of 1/COUPLING_ONE; None if the
            layout is not skewed.
    """

    def __init__(
        self, values: np.ndarray, layout: Layout, parameters: Parameters, couplings: np.ndarray | None
    ) -> None:
        self.values, self.layout, self.couplings = values, layout, couplings
        self.low, self.high = parameters.low, parameters.high
        start = int(EDGES[parameters.start - 1])
        self.total = np.full(values.shape[1:], start, dtype=np.int64)
        self.count = np.ones_like(self.total)
        self.near = self.total[0].copy()
        self._features = np.empty((2, len(self.near)), dtype=np.int64)
        #: a_k, the farthest slice first, as the values are ordered.
        self.taps = np.array(parameters.taps[::-1], dtype=np.int32)
        self.weights = np.array(parameters.weights, dtype=np.int64)
        if couplings is not None:
            margin = len(couplings)
            #: e: what the taps leave unexplained of a matrix; its row r is at r + margin.
            self.innovations = np.zeros((len(values) + margin, margin), dtype=np.int64)

    def predict(self, step: int) -> np.ndarray:
        """p: the predicted values (parts, entries) of a slice, in units of 1/TAP_ONE."""
        first = max(step - len(self.taps), 0)
        slices = self.values[first:step].reshape(-1, self.total.size)
        linear = np.dot(self.taps[len(self.taps) - len(slices) :], slices).reshape(self.total.shape)
        if self.couplings is None:
            return linear
        self.linear = linear[0]
        rows = self.innovations[step + len(self.couplings) : step : -1]  # i: that of the diagonal's entry i
        return linear + np.einsum("ij,ij->i", self.couplings, rows) // COUPLING_ONE

    def features(self, part: int) -> np.ndarray:
        """m_1 and m_2 (2, entries): mean residual magnitudes at each entry so far, and recently around it.

        The next call overwrites the array.
        """
        near, features = self.near.reshape(self.layout.plane), self._features
        np.floor_divide(self.total[part], self.count[part], out=features[0])
        around = features[1].reshape(near.shape)
        if self.layout.parts > 1:
            # The four neighbours; beyond an edge, the entry itself.
            around[:-1], around[-1] = near[1:], near[-1]
            around[1:] += near[:-1]
            around[0] += near[0]
            around[:, :-1] += near[:, 1:]
            around[:, 1:] += near[:, :-1]
            around[:, 0] += near[:, 0]
            around[:, -1] += near[:, -1]
            around >>= 2
        else:
            around[:] = near if near.shape[1] == 1 else near.sum(axis=1, keepdims=True) // near.shape[1]
        return features

    def levels(self, features: np.ndarray) -> np.ndarray:
        """Levels of spread for features (2, entries)."""
        return np.searchsorted(EDGES, self.weights @ features // WEIGHT_ONE, side="right")

    def expected(self, linear: np.ndarray) -> np.ndarray:
        """Predictions rounded to whole values in the range low to high."""
        return np.minimum(np.maximum((linear + TAP_ONE // 2) // TAP_ONE, self.low), self.high)

    def observe(self, step: int, part: int, residuals: np.ndarray) -> None:
        """Update the model with the residuals of a part's valid entries, whose values are in `values`."""
        valid = self.layout.valid(step)
        magnitudes = MAGNITUDE_ONE * np.abs(residuals)
        self.total[part, valid] += magnitudes
        self.count[part, valid] += 1
        self.near[valid] += (magnitudes - self.near[valid]) >> 2
        if self.couplings is not None:
            columns = np.arange(valid.start, valid.stop)
            unexplained = TAP_ONE * self.values[step, 0, valid] - self.linear[valid]
            self.innovations[step - columns + len(self.couplings), columns] = unexplained
