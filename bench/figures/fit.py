"""Quality while a network is fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from bench.analysis.curves import load_points, nearest_points
from bench.base.errors import BenchError
from bench.base.files import read_json
from bench.figures.page import (
    DOUBLE_COLUMN,
    KeyEntry,
    KeyGroup,
    page,
    plain_log_axis,
    print_style,
    save,
    save_note,
)
from bench.figures.series import Look, key_groups, looks, nearest_title, need_clip, point_dir, remarks
from bench.figures.style import CONTROL_COLOUR, Style

#: From this ratio of the longest fit to the shortest on, time is drawn on a logarithmic axis.
LOG_FROM = 4.0
DECODED = Style(CONTROL_COLOUR, "o", filled=False, line="")


def draw_fit(
    points_csv: Path | str,
    *,
    points_dir: Path | str,
    clip: str,
    rate_bpp: float,
    outs: Sequence[Path | str],
    reference_dir: Path | str | None = None,
    title: str | None = None,
    width: float = DOUBLE_COLUMN,
) -> None:
    """Draw PSNR-RGB over seconds and over epochs, a line a fitted series at its point nearest to `rate_bpp`.

    The last dot of a line, open, is what the decoded file has: below the fit by what coding the
    weights costs. Reads `details.fit_log` in encode.json beside the record, or for a reference run
    in `reference_dir`/condition/clip/codec/point/seed<k>.

    A page says so where nothing is fitted yet.

    Raises:
        BenchError: no points, no such clip, or no encode.json of its fits at all.
    """
    rows = load_points(points_csv)
    chosen = nearest_points(need_clip(rows, clip), clip=clip, rate_bpp=rate_bpp)
    chosen = chosen[chosen["kind"] == "fitted"]
    reports = {row["series"]: _report(row, points_dir, reference_dir) for _, row in chosen.iterrows()}
    if reports and not any(reports.values()):
        raise BenchError(points_dir, f"no encode.json of a fit of clip {clip}", "fit a network first")
    logs = {series: log for series, report in reports.items() if len(log := _log(report))}
    devices = {series: _devices(reports[series]) for series in logs}
    title = title or nearest_title(rows, clip, rate_bpp)
    with print_style():
        if not logs:
            save_note("No fit of this clip has a log.", title=title, width=width, outs=outs)
            return
        shown = chosen.loc[list(logs)]
        save(_plot(rows, shown, logs, devices, title, width, remarks(chosen, shown)), outs)


def _report(row: Mapping, points_dir: Path | str, reference_dir: Path | str | None) -> dict:
    places = [point_dir(points_dir, row)]
    if row["reference"] and reference_dir is not None:
        places.append(point_dir(reference_dir, {**row, "run": f"seed{row['seed']}"}))
    files = (place / "encode.json" for place in places)
    found = next((file for file in files if file.is_file()), None)
    return read_json(found, "an encode report") if found else {}


def _log(report: Mapping) -> pd.DataFrame:
    """Epochs that are done, seconds and PSNR-RGB; no rows where the report has none."""
    log = pd.DataFrame(
        (report.get("details") or {}).get("fit_log") or [], columns=["epoch", "wall_s", "psnr_rgb_db"]
    )
    log = log.astype(float).dropna()
    if len(log) and log["epoch"].min() == 0:
        # A trainer counts from 0; what a reader wants is how many epochs a network has seen.
        log["epoch"] += 1
    return log


def _devices(report: Mapping) -> str:
    """What epochs ran on, such as «cuda, then cpu»."""
    fitted_on = (report.get("details") or {}).get("fit_devices")
    return ", then ".join(fitted_on or [str(report.get("device", ""))])


def _plot(rows, shown, logs, devices, title, width, note):
    look = looks(rows)
    several = len(set(devices.values())) > 1
    texts = {
        series: f"{row['label']}, {row['rate_bpp']:.3f} bpp" + f", {devices[series]}" * several
        for series, row in shown.iterrows()
    }
    opened = [replace(look[s], style=replace(look[s].style, filled=False)) for s in shown["series"]]
    key = key_groups(opened, texts=texts)
    key.append(KeyGroup("End marker", (KeyEntry("decoded file", DECODED),)))
    figure, panels = page(title=title, key=key, panels=2, width=width, height=2.7, note=note)
    for axes, column, name in zip(panels, ("wall_s", "epoch"), ("Fit time (s)", "Epoch"), strict=True):
        for series, row in shown.iterrows():
            _draw_line(axes, logs[series], column, row["psnr_rgb_db"], look[series])
        _time_axis(axes, [log[column] for log in logs.values()], name)
    panels[0].set_ylabel("PSNR-RGB (dB)")
    panels[1].sharey(panels[0])
    return figure


def _draw_line(axes: Axes, log: pd.DataFrame, column: str, decoded_db: float, look: Look) -> None:
    style = look.style.line_kwargs()
    axes.plot(log[column], log["psnr_rgb_db"], zorder=3, **style | {"marker": ""})
    ring = style | {"markerfacecolor": "white", "linestyle": "", "markersize": 4.4}
    axes.plot(log[column].iloc[-1:], [decoded_db], zorder=4, **ring)


def _time_axis(axes: Axes, columns: list[pd.Series], name: str) -> None:
    ends = [column.max() for column in columns]
    low, high = min(column[column > 0].min() for column in columns), max(ends)
    if high / min(ends) > LOG_FROM:
        plain_log_axis(axes, low / (high / low) ** 0.04, high * (high / low) ** 0.06)
    else:
        axes.set_xlim(0, 1.04 * high)
    axes.set_xlabel(name)
