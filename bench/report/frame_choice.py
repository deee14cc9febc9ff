"""Choice of the frames that the report page shows, by rules of the condition (`report: frames`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from bench.conditions.sections import FrameRule


def choose_frames(
    rules: Sequence[FrameRule],
    *,
    count: int,
    even: int,
    most: int,
    motion: Sequence[float],
    worst: Mapping[str, int],
) -> dict[int, list[str]]:
    """Frame number -> reasons for its choice, in the order of the clip.

    | rule | frames |
    |---|---|
    | `first` | frame 0 |
    | `motion` | the frame that differs most from the one before it |
    | `worst` | of each codec the frame with the lowest quality |
    | `even` | the middles of `even` equal parts of the clip |

    Rules apply in their order, and a frame that would exceed `most` is left out.

    Args:
        count: number of frames of the clip.
        motion: `mean_changes` of its frames. worst: label of a codec -> its worst frame.
    """
    candidates: list[tuple[int, str]] = []
    for rule in rules:
        if rule == "first":
            candidates.append((0, "first frame"))
        elif rule == "motion":
            candidates.append((int(np.argmax(motion)), "most motion"))
        elif rule == "worst":
            candidates += [(frame, f"worst of {label}") for label, frame in worst.items()]
        elif rule == "even":
            parts = min(even, count)
            candidates += [((2 * part + 1) * count // (2 * parts), "evenly spaced") for part in range(parts)]
    chosen: dict[int, list[str]] = {}
    for frame, reason in candidates:
        if frame in chosen or len(chosen) < most:
            chosen.setdefault(frame, []).append(reason)
    return dict(sorted(chosen.items()))


def mean_changes(frames: Iterable[np.ndarray]) -> list[float]:
    """Mean absolute difference of each luma plane (H, W) from the one before it; 0 for the first."""
    changes, before = [], None
    for frame in frames:
        now = frame.astype(np.int16)
        changes.append(0.0 if before is None else float(np.abs(now - before).mean()))
        before = now
    return changes
