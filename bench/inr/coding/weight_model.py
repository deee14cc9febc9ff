"""What the entropy coder expects of a tensor of integer codes; encoder and decoder drive it alike.

A tensor is coded part by part: an output channel of a convolution, a channel of a grid at one time, a
diagonal of a matrix. Codes are expected where linear prediction puts them, from the slices before and,
in a matrix, from the row's own columns before; the spread around is that of what was not predicted at
and near these entries. All of it is integers, and the tables of probabilities come from operations that
IEEE 754 rounds alike everywhere, so that a stream decodes to the same codes on every machine.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

#: Largest magnitude of a code (11 bits); it bounds the tables that a hostile stream can ask for.
LARGEST_CODE = 1023
LARGEST_RESIDUAL = 2 * LARGEST_CODE
#: Levels of spread, a quarter of an octave each.
LEVELS = 56
#: Units of the integers that stand for fractions: magnitudes, coefficients, the sum of a table.
MAGNITUDE_ONE, TAP_ONE, WEIGHT_ONE, COUPLING_ONE, MASS = 256, 128, 32, 32, 1 << 20
#: What a stream can say: numbers of taps and of factors, values of each field.
ORDERS, MOST_FACTORS = (0, 1, 2, 4, 8), 64
TAPS, WEIGHTS, SHARES, FACTORS = 512, 64, 64, 88
#: The factor that stands for one; each step is a quarter of an octave.
FACTOR_ONE = 32
#: A residual's law mixes normal laws of these widths, in quarters of an octave against its level's.
WIDTHS = (-10, -6, -2, 2, 6, 12, 18)
#: Smallest plane that is a part of its own, smallest slice, pieces of a vector, widest matrix with couplings.
_LARGE_PART, _SMALL_SLICE, _PIECES, _WIDEST = 64, 8, 256, 1024
#: Numbers that the probabilities of so many values at once take.
_CHUNK = 1 << 18


def _octaves(quarters: int, shift: int) -> int:
    """2^(quarters / 4) * 2^(16 - shift), rounded down."""
    return (65536, 77936, 92682, 110218)[quarters % 4] << quarters // 4 >> shift


#: Expected magnitudes that part the levels, from 2^(1/4) / 8 on.
EDGES = np.array([_octaves(i + 32, 19) for i in range(1, LEVELS)], dtype=np.int64)
_FACTORS = np.array([_octaves(i, 16) for i in range(FACTORS)], dtype=np.float64)


@dataclass(frozen=True)
class Parameters:
    """How one tensor is coded; what a stream says about it.

    Attributes:
        offset: the code that the others fall off from; values are relative to it.
        low, high: range of the values, low <= 0 <= high and low < high.
        start: level of the magnitudes before any is known, at least 1.
        fitted: whether what follows, and couplings, are the tensor's own.
        taps: coefficients of the slices before, the nearest first, in 1/TAP_ONE.
        weights: of the two features in the expected magnitude, in 1/WEIGHT_ONE.
        mixture: shares of the normal laws of WIDTHS.
        factors: of the magnitudes 0, 1, ...: how much likelier such values are than the mixture says,
            in quarters of an octave from FACTOR_ONE. Pruning makes many zeros and few small values.
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
    """The order in which a tensor's entries are coded: `steps` slices of `parts` parts.

    Attributes:
        plane: height and width of a part.
        skewed: slice d of a tall matrix is its diagonal, entry i in row d - i, so that what stands
            before an entry in its row and in its column is known.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.size = shape, math.prod(shape)
        self.parts, self.skewed = 1, False
        if len(shape) < 2 or self.size < _SMALL_SLICE * shape[0]:  # a vector, in pieces so that it adapts
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
        """(steps, parts, entries); zeros where a slice reaches beyond the tensor."""
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

    def places(self, flat: np.ndarray) -> tuple[np.ndarray, ...]:
        """Step, part and entry of places in the flat tensor."""
        if not self.skewed:
            return np.unravel_index(flat, (self.steps, self.parts, self.entries))
        row, column = np.unravel_index(flat, self.shape)
        return row + column, np.zeros_like(row), column

    def live(self, step: int) -> slice:
        """The entries that the parts of a slice have."""
        if not self.skewed:
            return slice(0, min(self.entries, self.size - step * self.parts * self.entries))
        return slice(max(0, step - self.shape[0] + 1), min(self.entries, step + 1))


@functools.cache
def normal_laws() -> np.ndarray:
    """(rows, residuals) integers whose rows sum to about MASS.

    Row i is a normal law of deviation 2^((i - 10) / 4) / 4; a level's own is WIDTHS[0] rows below.
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
    """Rows of `normal_laws` that have a width at these levels."""
    return levels.astype(np.int64) + (width - WIDTHS[0])


class ValueLaws:
    """Probabilities of the values low..high, given what is expected and the level of spread."""

    def __init__(self, parameters: Parameters) -> None:
        self.low = parameters.low
        magnitudes = np.abs(np.arange(parameters.low, parameters.high + 1))
        steps = np.full(LARGEST_RESIDUAL + 1, FACTOR_ONE)
        steps[: len(parameters.factors)] = parameters.factors
        self.factors = _FACTORS[steps[magnitudes]]
        laws = np.ones((LEVELS, 2 * LARGEST_RESIDUAL + 1), dtype=np.int64)
        for share, width in zip(parameters.mixture, WIDTHS, strict=True):
            laws += share * normal_laws()[rows_of(np.arange(LEVELS), width)]
        windows = np.lib.stride_tricks.sliding_window_view(laws.astype(np.float64), len(magnitudes), axis=1)
        self.windows = windows

    def weights(self, expected: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """(entries, values): positive integers, as float64 holds exactly, and so do their sums."""
        return self.windows[levels, LARGEST_RESIDUAL + self.low - expected] * self.factors

    def chunks(self, entries: int) -> Iterator[slice]:
        """The entries in turn, in numbers that bound the memory `weights` takes."""
        count = max(_CHUNK // len(self.factors), 1)
        return (slice(first, first + count) for first in range(0, entries, count))


class SliceModel:
    """Prediction and spread of one tensor's values, part by part.

    Args:
        values: (steps, parts, entries) int32, codes less the offset; slices before the one at hand
            are read, the decoder fills them in.
        couplings: (columns, columns) coefficients of a row's columns before, strictly lower
            triangular, in 1/COUPLING_ONE; None where the layout is not skewed.
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
        self.taps = np.array(parameters.taps, dtype=np.int32)
        self.weights = np.array(parameters.weights, dtype=np.int64)
        if couplings is not None:
            margin = len(couplings)
            #: What the taps leave unexplained of a matrix; its row r stands at r + margin.
            self.innovations = np.zeros((len(values) + margin, margin), dtype=np.int64)

    def predict(self, step: int) -> np.ndarray:
        """(parts, entries) values of a slice as expected from those before, in 1/TAP_ONE."""
        order = min(len(self.taps), step)
        linear = np.tensordot(self.taps[:order][::-1], self.values[step - order : step], axes=1)
        if self.couplings is None:
            return linear
        self.linear = linear[0]
        rows = self.innovations[step + len(self.couplings) : step : -1]  # i: that of the diagonal's entry i
        return linear + np.einsum("ij,ij->i", self.couplings, rows) // COUPLING_ONE

    def features(self, part: int) -> np.ndarray:
        """(2, entries) mean magnitudes of residuals: here ever, and around lately."""
        near = self.near.reshape(self.layout.plane)
        if self.layout.parts > 1:
            padded = np.pad(near, 1, mode="edge")
            around = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]) >> 2
        else:
            around = np.broadcast_to(near.sum(axis=1, keepdims=True) // near.shape[1], near.shape)
        return np.stack([self.total[part] // self.count[part], around.ravel()])

    def levels(self, features: np.ndarray) -> np.ndarray:
        return np.searchsorted(EDGES, self.weights @ features // WEIGHT_ONE, side="right")

    def expected(self, linear: np.ndarray) -> np.ndarray:
        """Whole values to expect, given a prediction."""
        return ((linear + TAP_ONE // 2) // TAP_ONE).clip(self.low, self.high)

    def observe(self, step: int, part: int, residuals: np.ndarray) -> None:
        """Learn from a part's live entries, whose values are in place."""
        live = self.layout.live(step)
        magnitudes = MAGNITUDE_ONE * np.abs(residuals)
        self.total[part, live] += magnitudes
        self.count[part, live] += 1
        self.near[live] += (magnitudes - self.near[live]) >> 2
        if self.couplings is not None:
            columns = np.arange(live.start, live.stop)
            unexplained = TAP_ONE * self.values[step, 0, live] - self.linear[live]
            self.innovations[step - columns + len(self.couplings), columns] = unexplained
