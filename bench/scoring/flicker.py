"""Flicker: PSNR of the differences between neighbouring frames.

With the luma planes s_t of the source and d_t of the decoded clip, t = 1, 2, ...:

    flicker PSNR-Y of frame t = 10 log10(255^2 / MSE(d_t - d_{t-1}, s_t - s_{t-1})) dB,

capped at 100 dB. The value of a clip is the mean over all frames but the first, which has none. An error that
is the same in both frames does not count: only its change in time does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.scoring.frame_pair import FramePair
from bench.scoring.metrics import SCORERS, Scored
from bench.video.clip import Clip
from bench.video.psnr import mse, psnr_db


class FlickerScorer:
    """Scores the change of the luma error from each frame to the next one; -6.02 to 100 dB."""

    def __init__(self, clip: Clip, names: Sequence[str]) -> None:
        (self.name,) = names
        self.previous: np.ndarray | None = None
        self.values: list[float | None] = []

    def add(self, pair: FramePair) -> None:
        error = np.subtract(pair.decoded_planes[0], pair.reference_planes[0], dtype=np.int16)
        # MSE(d_t - d_{t-1}, s_t - s_{t-1}) is that of the errors d_t - s_t and d_{t-1} - s_{t-1}.
        self.values.append(None if self.previous is None else psnr_db(mse(error, self.previous)))
        self.previous = error

    def finish(self) -> dict[str, Scored]:
        changes = [value for value in self.values if value is not None]
        return {self.name: (float(np.mean(changes)), self.values)}

    def close(self) -> None:
        pass


SCORERS["flicker_psnr_y_db"] = FlickerScorer
