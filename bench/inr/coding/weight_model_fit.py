"""Fits the parameters of `bench.inr.coding.weight_model` to a tensor; the encoder's side alone.

Nothing here has to be the same everywhere: whatever comes out stands in the stream.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from bench.inr.coding.weight_model import (
    COUPLING_ONE,
    EDGES,
    FACTOR_ONE,
    FACTORS,
    LARGEST_CODE,
    LARGEST_RESIDUAL,
    LEVELS,
    MAGNITUDE_ONE,
    MASS,
    MOST_FACTORS,
    ORDERS,
    SHARES,
    TAP_ONE,
    TAPS,
    WEIGHT_ONE,
    WEIGHTS,
    WIDTHS,
    Layout,
    Parameters,
    SliceModel,
    normal_laws,
    rows_of,
)

#: Smaller tensors do not pay for parameters of their own; larger ones are fitted to so many entries.
_FEWEST, _SAMPLE = 300, 1 << 16
#: Prediction and spread are fitted in turns, each given the other.
_ROUNDS = 2
#: Numbers of factors that are tried until one more does not pay.
_COUNTS = (0, 1, 4, 16, MOST_FACTORS)
#: Numbers in the table of laws that their fit works on.
_TABLE = 1 << 18


@dataclass(frozen=True)
class Trace:
    """What a model makes of a tensor: all that there is to code, and what the next fit needs.

    Attributes:
        couplings: the model's, and `below` how they are coded themselves.
        values, expected, levels: (steps, parts, entries).
        features: (samples, 2) at the sampled entries.
        innovations: (rows, columns) that a matrix's taps leave unexplained.
    """

    layout: Layout
    parameters: Parameters
    couplings: np.ndarray | None
    values: np.ndarray
    expected: np.ndarray
    levels: np.ndarray
    features: np.ndarray
    innovations: np.ndarray | None
    below: Trace | None = None


def traces(tensor: np.ndarray) -> Iterator[Trace]:
    """Ways to code a tensor: with the parameters at hand, and with its own."""
    layout = Layout(tensor.shape)
    lowest = min(int(tensor.min()), LARGEST_CODE - 1)
    highest = max(int(tensor.max()), lowest + 1)  # a law has two values or more
    offset = int(np.median(tensor))
    values = layout.arrange(np.ascontiguousarray(tensor, dtype=np.int32) - np.int32(offset))
    start = np.searchsorted(EDGES, MAGNITUDE_ONE * np.abs(values).mean()).clip(1, LEVELS - 1)
    plain = Parameters(offset, lowest - offset, highest - offset, int(start))
    yield _trace(values, layout, plain, None, np.zeros(0, dtype=np.int64))
    if tensor.size >= _FEWEST:
        yield _Fit(values, layout).run(plain)


def _trace(
    values: np.ndarray,
    layout: Layout,
    parameters: Parameters,
    couplings: np.ndarray | None,
    picks: np.ndarray,
) -> Trace:
    """Drive a model over known values; `picks` are the sampled entries, flat and sorted."""
    model = SliceModel(values, layout, parameters, couplings)
    expected, levels = np.zeros_like(values), np.zeros(values.shape, dtype=np.uint8)
    bounds = np.searchsorted(picks, np.arange(layout.steps * layout.parts + 1) * layout.entries)
    features = []
    for step in range(layout.steps):
        live, linear = layout.live(step), model.predict(step)
        for part in range(layout.parts):
            index = step * layout.parts + part
            seen = model.features(part)
            levels[step, part, live] = model.levels(seen[:, live])
            expected[step, part, live] = likely = model.expected(linear[part, live])
            features.append(seen[:, picks[bounds[index] : bounds[index + 1]] - index * layout.entries])
            model.observe(step, part, values[step, part, live] - likely)
    return Trace(
        layout,
        parameters,
        couplings,
        values,
        expected,
        levels,
        np.concatenate(features, axis=1).T / MAGNITUDE_ONE,
        None if couplings is None else model.innovations[layout.entries :][: layout.shape[0]] / TAP_ONE,
    )


class _Fit:
    """A sample of a tensor's values, and the parameters that suit it."""

    def __init__(self, values: np.ndarray, layout: Layout) -> None:
        self.values, self.layout = values, layout
        flat = _spread_out(_SAMPLE, layout.size)
        self.picks = np.unique(np.ravel_multi_index(layout.places(flat), values.shape))
        self.places = steps, parts, entries = np.unravel_index(self.picks, values.shape)
        self.true = values[self.places].astype(np.float64)
        most = min(ORDERS[-1], max(layout.steps // 4, 2), layout.steps - 1)
        self.past = np.zeros((len(self.picks), most))
        for lag in range(1, most + 1):
            self.past[:, lag - 1] = np.where(steps >= lag, values[steps - lag, parts, entries], 0)

    def run(self, plain: Parameters) -> Trace:
        layout = self.layout
        parameters = replace(plain, fitted=True, taps=self._first_taps())
        couplings = np.zeros((layout.entries,) * 2, dtype=np.int64) if layout.skewed else None
        for _ in range(_ROUNDS):
            trace = _trace(self.values, layout, parameters, couplings, self.picks)
            weights = _fit_weights(trace.features, np.abs(self.true - trace.expected[self.places]))
            spread = np.maximum(trace.features @ weights, 0.5)
            explained = np.zeros(len(self.picks))
            if trace.innovations is not None:
                couplings = _fit_couplings(trace.innovations, layout.restore(trace.levels))
                explained = layout.arrange(trace.innovations @ couplings.T / COUPLING_ONE)[self.places]
            parameters = replace(
                parameters,
                taps=_fit_taps(self.past, self.true - explained, spread, layout.size),
                weights=_whole(weights * WEIGHT_ONE, 0, WEIGHTS),
            )
        trace = _trace(self.values, layout, parameters, couplings, self.picks)
        return replace(trace, parameters=_LawsFit(trace, self.places).run(layout.size))

    def _first_taps(self) -> tuple[int, ...]:
        """Start from the slice before, where that is near: least squares would see the outliers alone."""
        if not self.past.shape[1]:
            return ()
        moved, size = np.abs(self.true - self.past[:, 0]), np.abs(self.true)
        return (TAP_ONE,) if np.log1p(moved).mean() < np.log1p(size).mean() else ()


def _spread_out(count: int, size: int) -> np.ndarray:
    """At most `count` of `size` indices, even but of no period that a tensor's shape could share."""
    return (np.arange(min(count, size)) * 0.6180339887498949 % 1 * size).astype(np.int64)


def _whole(values: np.ndarray, low: int, stop: int) -> tuple[int, ...]:
    return tuple(np.rint(values).clip(low, stop - 1).astype(int).tolist())


def _fit_weights(features: np.ndarray, magnitudes: np.ndarray) -> np.ndarray:
    """Non-negative weights with which the features best foretell magnitudes of a Laplacian law."""
    features = np.maximum(features, 0.01)
    weights = np.full(features.shape[1], 1 / features.shape[1])
    for _ in range(300):  # multiplicative steps: Itakura-Saito factorisation with one factor known
        expected = features @ weights + 0.02
        gain = (magnitudes / expected**2) @ features / (1 / expected @ features)
        weights = np.maximum(weights * gain**0.9, 1e-4)
    return weights


def _fit_taps(past: np.ndarray, true: np.ndarray, spread: np.ndarray, size: int) -> tuple[int, ...]:
    """Taps by least squares, as many as pay for themselves in a tensor of `size` entries."""
    past, true = past / spread[:, None], true / spread
    square, cross, power = past.T @ past, past.T @ true, true @ true
    best: tuple[int, ...] = ()
    least = math.inf
    for order in (order for order in ORDERS if order <= len(cross)):
        ridge = (1e-6 * power + 1e-9) * np.eye(order)
        exact = np.linalg.solve(square[:order, :order] + ridge, cross[:order])
        taps = _whole(exact * TAP_ONE, -TAPS // 2, TAPS // 2)
        a = np.array(taps) / TAP_ONE
        left = power - 2 * a @ cross[:order] + a @ square[:order, :order] @ a
        bits = size / 2 * math.log2(max(left, 1e-9 * power + 1e-9)) + math.log2(TAPS) * order
        if bits < least:
            best, least = taps, bits
    return best


def _fit_couplings(innovations: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Regression of every column on those before it, all at once by a Cholesky factor."""
    spread = np.append(0.5, EDGES / MAGNITUDE_ONE)[levels].clip(0.5)
    scaled = innovations / spread
    square = scaled.T @ scaled
    square += (1e-3 * np.trace(square) / len(square) + 1e-9) * np.eye(len(square))
    factor = np.linalg.cholesky(square)
    regression = np.eye(len(square)) - np.linalg.inv(factor / np.diag(factor))
    scale = spread.mean(axis=0)
    whole = np.rint(np.tril(regression, -1) * scale[:, None] / scale * COUPLING_ONE)
    return whole.clip(-LARGEST_CODE, LARGEST_CODE).astype(np.int64)


class _LawsFit:
    """Shares and factors under which the sampled values are likeliest, by iterative scaling.

    Each is multiplied by how often its law or magnitude occurs against how often it is expected to.
    """

    def __init__(self, trace: Trace, places: tuple[np.ndarray, ...]) -> None:
        p = self.parameters = trace.parameters
        laws, bins = normal_laws() / MASS + 1e-9, p.high - p.low + 1
        values, expected, levels = (part[places] for part in (trace.values, trace.expected, trace.levels))
        self.magnitudes, self.table_magnitudes = np.abs(values), np.abs(np.arange(p.low, p.high + 1))
        #: (widths, samples): of the values that occur.
        self.likely = np.stack(
            [laws[rows_of(levels, width), LARGEST_RESIDUAL + values - expected] for width in WIDTHS]
        )
        some = _spread_out(max(_TABLE // bins, 64), len(values))
        first = LARGEST_RESIDUAL + p.low - expected[some]
        windows = np.lib.stride_tricks.sliding_window_view(laws, bins, axis=1)
        #: (widths, some samples, values): of all the values that could.
        self.table = np.stack([windows[rows_of(levels[some], width), first] for width in WIDTHS])

    def run(self, size: int) -> Parameters:
        least = math.inf
        for count in _COUNTS:
            if count > self.table_magnitudes.max():
                break
            shares, factors, bits = self._scale(count)
            total = size * bits + count * math.log2(FACTORS)
            if total >= least:
                break
            least, best = total, (shares, factors[:count])
        shares, factors = best
        return replace(
            self.parameters,
            mixture=_whole(shares / shares.max() * (SHARES - 1), 0, SHARES),
            factors=_whole(4 * np.log2(factors) + FACTOR_ONE, 0, FACTORS),
        )

    def _scale(self, count: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Shares, factors of the magnitudes 0 to count - 1 and of all above, and bits a value."""
        seen, classes = np.minimum(self.magnitudes, count), np.minimum(self.table_magnitudes, count)
        often = np.bincount(seen, minlength=count + 1).clip(0.1) / len(seen)
        shares, factors = np.full(len(WIDTHS), 1 / len(WIDTHS)), np.ones(count + 1)
        for _ in range(30):
            occurs = shares * (self.likely / (shares @ self.likely)).mean(axis=1)
            masses = self.table @ factors[classes]
            shares = shares * occurs / (shares * (masses / (shares @ masses)).mean(axis=1)).clip(1e-12)
            shares /= shares.sum()
            if count:
                laws = np.tensordot(shares, self.table, axes=1) * factors[classes]
                laws /= laws.sum(axis=1, keepdims=True)
                factors *= often / np.bincount(classes, laws.mean(axis=0), minlength=count + 1).clip(1e-12)
                factors /= factors[-1]
        mass = shares @ (self.table @ factors[classes])
        bits = np.log2(mass).mean() - np.log2(shares @ self.likely * factors[seen]).mean()
        return shares, factors, float(bits)
