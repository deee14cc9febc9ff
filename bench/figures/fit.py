"""Figure of quality while networks are fitted, over time and over epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.labels import nearest_title
from bench.analysis.point_files import encode_report, fit_devices, fit_log, is_yuv_fit
from bench.analysis.rd_points import load_points, nearest_points, rows_of_clip
from bench.base.errors import BenchError
from bench.base.result_files import RESULTS
from bench.figures.page import (
    DOUBLE_COLUMN,
    LegendEntry,
    LegendGroup,
    page,
    plain_log_axis,
    print_style,
    save,
    save_note,
)
from bench.figures.series import DrawnSeries, drawn_series, equal_rate_note, legend_groups
from bench.figures.style import CONTROL_COLOUR, Style

#: Above this ratio of the longest fit to the shortest one, the x axis is logarithmic.
LOG_FROM = 4.0
DECODED = Style(CONTROL_COLOUR, "o", filled=False, line="")


def draw_fit(
    points_csv: Path | str,
    *,
    clip: str,
    rate_bpp: float,
    outputs: Sequence[Path | str],
    results: Path | str = RESULTS,
    title: str | None = None,
    width: float = DOUBLE_COLUMN,
) -> None:
    """Draw PSNR-RGB over seconds and over epochs, one line for each fitted series.

    Each series is shown at its point nearest to `rate_bpp`. The open marker at the end of a line is the PSNR
    of
    the decoded file: coding the weights costs the difference from the fit. `details.fit_log` is read from
    encode.json in the folder `results` (`bench.base.result_files`). Without any log, the page has a text
    only.

    Raises:
        BenchError: no points, no such clip, or not one encode.json of its fits.
    """
    rows = load_points(points_csv)
    chosen = nearest_points(rows_of_clip(rows, clip), clip=clip, rate_bpp=rate_bpp)
    chosen = chosen[chosen["kind"] == "fitted"]
    reports = {row["series"]: encode_report(row, results) for _, row in chosen.iterrows()}
    if reports and not any(reports.values()):
        raise BenchError(results, f"no encode.json of a fit of clip {clip}", "fit a network first")
    logs = {series: log for series, report in reports.items() if len(log := fit_log(report))}
    devices = {series: fit_devices(reports[series]) for series in logs}
    title = title or nearest_title(rows, clip, rate_bpp)
    with print_style():
        if not logs:
            save_note("No fit of this clip has a log.", title=title, width=width, outputs=outputs)
            return
        shown = chosen.loc[list(logs)]
        yuv = [series for series in chosen["series"] if is_yuv_fit(reports[series])]
        note = equal_rate_note(chosen.drop(index=yuv), shown)
        if yuv:
            note = f"{note} Not shown, because they were fitted in YUV 4:2:0: {', '.join(yuv)}.".strip()
        save(_plot(rows, shown, logs, devices, title, width, note), outputs)


def _plot(
    rows: pd.DataFrame,
    shown: pd.DataFrame,
    logs: Mapping[str, pd.DataFrame],
    devices: Mapping[str, str],
    title: str,
    width: float,
    note: str,
) -> Figure:
    drawn = drawn_series(rows)
    several = len(set(devices.values())) > 1
    texts = {
        series: f"{row['label']}, {row['rate_bpp']:.3f} bpp" + f", {devices[series]}" * several
        for series, row in shown.iterrows()
    }
    open_markers = [
        replace(drawn[series], style=replace(drawn[series].style, filled=False)) for series in shown["series"]
    ]
    legend = legend_groups(open_markers, texts=texts)
    legend.append(LegendGroup("End marker", (LegendEntry("decoded file", DECODED),)))
    figure, panels = page(title=title, legend=legend, panels=2, width=width, height=2.7, note=note)
    for axes, column, label in zip(panels, ("wall_s", "epoch"), ("Fit time (s)", "Epoch"), strict=True):
        for series, row in shown.iterrows():
            _draw_line(axes, logs[series], column, row["psnr_rgb_db"], drawn[series])
        _time_axis(axes, [log[column] for log in logs.values()], label)
    panels[0].set_ylabel("PSNR-RGB (dB)")
    panels[1].sharey(panels[0])
    return figure


def _draw_line(axes: Axes, log: pd.DataFrame, column: str, decoded_db: float, series: DrawnSeries) -> None:
    style = series.style.line_kwargs()
    axes.plot(log[column], log["psnr_rgb_db"], zorder=3, **style | {"marker": ""})
    marker = style | {"markerfacecolor": "white", "linestyle": "", "markersize": 4.4}
    axes.plot(log[column].iloc[-1:], [decoded_db], zorder=4, **marker)


def _time_axis(axes: Axes, columns: list[pd.Series], label: str) -> None:
    ends = [column.max() for column in columns]
    low, high = min(column[column > 0].min() for column in columns), max(ends)
    if high / min(ends) > LOG_FROM:
        plain_log_axis(axes, low / (high / low) ** 0.04, high * (high / low) ** 0.06)
    else:
        axes.set_xlim(0, 1.04 * high)
    axes.set_xlabel(label)
