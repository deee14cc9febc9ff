"""Table of clips: size, length, frame rate, truth, and spatial and temporal information (ITU-T P.910)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.tables.text_table import TextTable, number, write_table
from bench.video.clip import Clip, planes
from bench.video.siti import spatial_temporal

HEADER = ("Clip", "Sequence", "Size", "Frames", "Frames per s", "Truth", "SI", "TI", "Mean SI", "Mean TI")


def clips_table(clips: Sequence[Path], outputs: Sequence[Path] = ()) -> TextTable:
    """Table of prepared clips; also written to `outputs` (.csv, .md, .tex, .html).

    CSV columns: clip, sequence, width, height, frames, fps, truth, si, ti, si_mean, ti_mean, sha256.

    Args:
        clips: paths of clip.json.

    Raises:
        BenchError: a clip is missing or damaged.
    """
    rows, lines = [], []
    for path in clips:
        clip = Clip.load(path)
        info = clip.info
        one = spatial_temporal(planes(frame, info.width, info.height)[0] for frame in clip.frames())
        values = {"si": one.si, "ti": one.ti, "si_mean": one.si_mean, "ti_mean": one.ti_mean}
        names = {"clip": info.name, "sequence": info.sequence, "width": info.width, "height": info.height}
        length = {"frames": info.frames, "fps": str(info.fps), "truth": info.truth}
        rows.append(names | length | values | {"sha256": info.sha256})
        size, fps = f"{info.width}x{info.height}", f"{float(info.fps):g}"
        cells = [info.name, info.sequence, size, str(info.frames), fps, info.truth]
        lines.append([*cells, *(number(value, 1) for value in values.values())])
    note = "SI and TI: maxima over frames of stored luma (ITU-T P.910)."
    right = [False, False, False, True, True, False, *[True] * 4]
    table = TextTable(HEADER, lines, right, [note])
    write_table(outputs, rows=rows, text=table)
    return table
