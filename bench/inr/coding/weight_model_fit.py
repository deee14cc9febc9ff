"""Fit of the weight model's parameters to a tensor. Only encoders run it; streams hold the result.

Prediction and spread depend on each other, so they are fitted in turns (`_ROUNDS`), then the distribution:

* Weights of the features. For a Laplacian of mean magnitude m the code length of r is log m + |r| / m plus a
  constant, so the best m = F w minimises the Itakura-Saito divergence between |r| and F w (`_fit_weights`).
* Taps. Least squares with every residual divided by its expected magnitude, which is maximum likelihood for
  residuals of known deviation. The number of taps minimises the description length: n/2 log2 of the remaining
  power, plus the bits of the taps (`_fit_taps`).
* Couplings. With the covariance L L^T of a row's columns (Cholesky) and U = L diag(L)^-1, a row is x = U e
  with uncorrelated e. So x = (I - U^-1) x + e, and the strictly lower triangular I - U^-1 regresses every
  column on the ones before it (`_fit_couplings`).
* Shares and factors. Maximum likelihood by iterative scaling (Darroch and Ratcliff, 1972): each parameter is
  multiplied by how often its component or magnitude occurs over how often the model expects it (`_LawsFit`).

Sampled entries stand for large tensors. Nothing here needs to be reproducible across machines.
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

#: Entries of the smallest tensor whose fitted parameters cost less than they save; entries that are sampled.
_SMALLEST, _SAMPLE = 300, 1 << 16
#: Alternations between prediction and spread.
_ROUNDS = 2
#: Numbers of factors that are tried, in order, until the next one costs more than it saves.
_COUNTS = (0, 1, 4, 16, MOST_FACTORS)
#: Numbers in the table of distributions that are fitted.
_TABLE = 1 << 18
#: Iterations of the multiplicative updates of the weights, and of the iterative scaling.
_WEIGHT_UPDATES, _SCALINGS = 300, 30
#: Exponent of the multiplicative updates; below 1 it damps them.
_DAMPING = 0.9


@dataclass(frozen=True)
class Trace:
    """A model's predictions for a known tensor: everything that is coded, and the input of the next fit.

    Attributes:
        couplings: the model's; None for layouts without. coupling_trace: the trace of their lower triangle.
        values, expected, levels: (steps, parts, entries): values, rounded predictions, levels of spread.
        features: (samples, 2), the model's features at the sampled entries.
        innovations: (rows, columns), what the taps leave unexplained of a matrix.
    """

    layout: Layout
    parameters: Parameters
    couplings: np.ndarray | None
    values: np.ndarray
    expected: np.ndarray
    levels: np.ndarray
    features: np.ndarray
    innovations: np.ndarray | None
    coupling_trace: Trace | None = None


def traces(tensor: np.ndarray) -> Iterator[Trace]:
    """Traces of a tensor: with default parameters and, unless it is small, with fitted ones."""
    layout = Layout(tensor.shape)
    lowest = min(int(tensor.min()), LARGEST_CODE - 1)
    highest = max(int(tensor.max()), lowest + 1)  # a distribution needs two values
    offset = int(np.median(tensor))
    values = layout.arrange(np.ascontiguousarray(tensor, dtype=np.int32) - np.int32(offset))
    start = np.searchsorted(EDGES, MAGNITUDE_ONE * np.abs(values).mean()).clip(1, LEVELS - 1)
    plain = Parameters(offset, lowest - offset, highest - offset, int(start))
    yield _trace(values, layout, plain, None, np.zeros(0, dtype=np.int64))
    if tensor.size >= _SMALLEST:
        yield _Fit(values, layout).run(plain)


def _trace(
    values: np.ndarray,
    layout: Layout,
    parameters: Parameters,
    couplings: np.ndarray | None,
    picks: np.ndarray,
) -> Trace:
    """Run a model over known values.

    Args:
        picks: the sampled entries as sorted flat indices of `values`.
    """
    model = SliceModel(values, layout, parameters, couplings)
    expected, levels = np.zeros_like(values), np.zeros(values.shape, dtype=np.uint8)
    bounds = np.searchsorted(picks, np.arange(layout.steps * layout.parts + 1) * layout.entries)
    features = []
    for step in range(layout.steps):
        valid, linear = layout.valid(step), model.predict(step)
        for part in range(layout.parts):
            index = step * layout.parts + part
            of_part = model.features(part)
            levels[step, part, valid] = model.levels(of_part[:, valid])
            expected[step, part, valid] = predicted = model.expected(linear[part, valid])
            features.append(of_part[:, picks[bounds[index] : bounds[index + 1]] - index * layout.entries])
            model.observe(step, part, values[step, part, valid] - predicted)
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
    """Fit of all parameters to a sample of a tensor's values."""

    def __init__(self, values: np.ndarray, layout: Layout) -> None:
        self.values, self.layout = values, layout
        flat = _spread_out(_SAMPLE, layout.size)
        self.picks = np.unique(np.ravel_multi_index(layout.locate(flat), values.shape))
        self.positions = steps, parts, entries = np.unravel_index(self.picks, values.shape)
        self.true = values[self.positions].astype(np.float64)
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
            weights = _fit_weights(trace.features, np.abs(self.true - trace.expected[self.positions]))
            spread = np.maximum(trace.features @ weights, 0.5)
            explained = np.zeros(len(self.picks))
            if trace.innovations is not None:
                couplings = _fit_couplings(trace.innovations, layout.restore(trace.levels))
                explained = layout.arrange(trace.innovations @ couplings.T / COUPLING_ONE)[self.positions]
            parameters = replace(
                parameters,
                taps=_fit_taps(self.past, self.true - explained, spread, layout.size),
                weights=_whole(weights * WEIGHT_ONE, 0, WEIGHTS),
            )
        trace = _trace(self.values, layout, parameters, couplings, self.picks)
        return replace(trace, parameters=_LawsFit(trace, self.positions).run(layout.size))

    def _first_taps(self) -> tuple[int, ...]:
        """Initial taps: the slice before if it is a better prediction than zero, by mean log magnitude.

        Least squares without known deviations would be dominated by outliers.
        """
        if not self.past.shape[1]:
            return ()
        changes, magnitudes = np.abs(self.true - self.past[:, 0]), np.abs(self.true)
        return (TAP_ONE,) if np.log1p(changes).mean() < np.log1p(magnitudes).mean() else ()


def _spread_out(count: int, size: int) -> np.ndarray:
    """At most `count` of `size` indices, evenly distributed without a period that a shape could share.

    They are multiples of the golden ratio modulo 1, a low-discrepancy sequence.
    """
    return (np.arange(min(count, size)) * 0.6180339887498949 % 1 * size).astype(np.int64)


def _whole(values: np.ndarray, low: int, stop: int) -> tuple[int, ...]:
    """Values rounded to whole numbers in [low, stop)."""
    return tuple(np.rint(values).clip(low, stop - 1).astype(int).tolist())


def _fit_weights(features: np.ndarray, magnitudes: np.ndarray) -> np.ndarray:
    """w (2,) for F = `features` (samples, 2) and |r| = `magnitudes` (samples,).

    Multiplicative updates of non-negative factorisation (Fevotte et al., 2009) with one factor known:
    w <- w * (F^T (|r| / (F w)^2) / F^T (1 / F w)).
    """
    features = np.maximum(features, 0.01)
    weights = np.full(features.shape[1], 1 / features.shape[1])
    for _ in range(_WEIGHT_UPDATES):
        expected = features @ weights + 0.02
        gain = (magnitudes / expected**2) @ features / (1 / expected @ features)
        weights = np.maximum(weights * gain**_DAMPING, 1e-4)
    return weights


def _fit_taps(past: np.ndarray, true: np.ndarray, spread: np.ndarray, size: int) -> tuple[int, ...]:
    """Taps for `past` values (samples, lags), `true` values and expected magnitudes `spread` (samples,)."""
    past, true = past / spread[:, None], true / spread
    square, cross, power = past.T @ past, past.T @ true, true @ true
    best: tuple[int, ...] = ()
    least = math.inf
    for order in (order for order in ORDERS if order <= len(cross)):
        ridge = (1e-6 * power + 1e-9) * np.eye(order)
        exact = np.linalg.solve(square[:order, :order] + ridge, cross[:order])
        taps = _whole(exact * TAP_ONE, -TAPS // 2, TAPS // 2)
        a = np.array(taps) / TAP_ONE
        remaining = power - 2 * a @ cross[:order] + a @ square[:order, :order] @ a
        bits = size / 2 * math.log2(max(remaining, 1e-9 * power + 1e-9)) + math.log2(TAPS) * order
        if bits < least:
            best, least = taps, bits
    return best


def _fit_couplings(innovations: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """C, in units of 1/COUPLING_ONE, for innovations (rows, columns), weighted by their levels of spread."""
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
    """Fit of shares and factors to the values at `positions` (step, part and entry) of a trace."""

    def __init__(self, trace: Trace, positions: tuple[np.ndarray, ...]) -> None:
        p = self.parameters = trace.parameters
        laws, bins = normal_laws() / MASS + 1e-9, p.high - p.low + 1
        values, expected, levels = (part[positions] for part in (trace.values, trace.expected, trace.levels))
        self.magnitudes, self.table_magnitudes = np.abs(values), np.abs(np.arange(p.low, p.high + 1))
        #: (widths, samples): probability of each sampled value under each normal distribution.
        self.likely = np.stack(
            [laws[rows_of(levels, width), LARGEST_RESIDUAL + values - expected] for width in WIDTHS]
        )
        some = _spread_out(max(_TABLE // bins, 64), len(values))
        first = LARGEST_RESIDUAL + p.low - expected[some]
        windows = np.lib.stride_tricks.sliding_window_view(laws, bins, axis=1)
        #: (widths, some samples, values): the same of all values.
        self.table = np.stack([windows[rows_of(levels[some], width), first] for width in WIDTHS])

    def run(self, size: int) -> Parameters:
        """The parameters with fitted shares and factors for a tensor of `size` entries."""
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
        """Shares, factors of the magnitudes 0 to count - 1 and of all above (1), and bits per value."""
        observed, classes = np.minimum(self.magnitudes, count), np.minimum(self.table_magnitudes, count)
        frequency = np.bincount(observed, minlength=count + 1).clip(0.1) / len(observed)
        shares, factors = np.full(len(WIDTHS), 1 / len(WIDTHS)), np.ones(count + 1)
        for _ in range(_SCALINGS):
            occurs = shares * (self.likely / (shares @ self.likely)).mean(axis=1)
            masses = self.table @ factors[classes]
            shares = shares * occurs / (shares * (masses / (shares @ masses)).mean(axis=1)).clip(1e-12)
            shares /= shares.sum()
            if count:
                laws = np.tensordot(shares, self.table, axes=1) * factors[classes]
                laws /= laws.sum(axis=1, keepdims=True)
                expected = np.bincount(classes, laws.mean(axis=0), minlength=count + 1)
                factors *= frequency / expected.clip(1e-12)
                factors /= factors[-1]
        mass = shares @ (self.table @ factors[classes])
        bits = np.log2(mass).mean() - np.log2(shares @ self.likely * factors[observed]).mean()
        return shares, factors, float(bits)
