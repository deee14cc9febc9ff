"""What each point costs: sizes, operations, times and memory of its encoder and decoder.

Times of decoders are those of `bench retime`, which ran alone; a record's own were taken beside other jobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bench.analysis.curves import epochs_of, load_points, series_label
from bench.base.csv_files import csv_value, write_csv
from bench.base.errors import BenchError
from bench.scoring.metrics import describe
from bench.tables.text_table import Text, number, write

_PLACE = ("clip", "codec", "point", "run")
_REMEDY = "time the streams again"
#: Column of decode_times.csv -> its name here.
_TIMED = {
    "repeats": "decode_repeats",
    "wall_s": "decode_wall_s",
    "wall_s_low": "decode_wall_s_low",
    "wall_s_high": "decode_wall_s_high",
    "cpu_s": "decode_cpu_s",
    "frames_per_second": "decode_frames_per_second",
    "peak_memory_bytes": "decode_peak_memory_bytes",
    "peak_device_memory_bytes": "decode_peak_device_memory_bytes",
    "threads": "decode_threads",
    "device": "decode_device",
    "machine": "decode_machine",
    "decoder_weights_bytes": "decoder_weights_bytes",
}
_COLUMNS = (
    *("condition", "clip", "series", "label", "kind", "point", "run", "frames", "rate_bpp"),
    *("parameters", "macs_per_pixel", "decoder_weights_bytes"),
    *("encode_wall_s", "encode_cpu_s", "encode_peak_memory_bytes", "encode_peak_device_memory_bytes"),
    *("encode_threads", "encode_device", *(name for name in _TIMED.values() if name.startswith("decode_"))),
)
#: What readers see: column -> header, digits, and what a value is divided by.
_SHOWN = {
    "parameters": ("Parameters", 0, 1),
    "macs_per_pixel": ("MACs per pixel", 0, 1),
    "decoder_weights_bytes": ("Decoder weights (MB)", 2, 1e6),
    "encode_wall_s": ("Encode (s)", 1, 1),
    "decode_wall_s": ("Decode (s)", 2, 1),
    "decode_frames_per_second": ("Decoded frames per s", 1, 1),
    "encode_peak_memory_bytes": ("Encoder memory (MB)", 0, 1e6),
    "decode_peak_memory_bytes": ("Decoder memory (MB)", 0, 1e6),
    "encode_peak_device_memory_bytes": ("Encoder, on the GPU (MB)", 0, 1e6),
    "decode_peak_device_memory_bytes": ("Decoder, on the GPU (MB)", 0, 1e6),
    "encode_threads": ("Encoder threads", 0, 1),
}


def load_costs(points_csv: Path | str, decode_times_csv: Path | str) -> pd.DataFrame:
    """One row a (clip, series, point), of its first seed, in the order of the rows.

    A row is that of rd_points.csv with `decode_…` as timed alone in place of the record's, and
    `decoder_weights_bytes`; a label names the epochs of a fit.

    Raises:
        BenchError: no points, no times, a point that was not timed, or one that was made anew since.
    """
    rows, times = load_points(points_csv), _load_times(decode_times_csv)
    rows = rows.sort_values("seed", kind="stable").drop_duplicates(["clip", "series", "point"]).sort_index()
    rows = rows.drop(columns=[name for name in _TIMED.values() if name in rows])
    merged = rows.merge(times, how="left", on=list(_PLACE), suffixes=("", "_timed"))
    for problem, wrong in (
        ("has no time of", merged["stream_sha256_timed"].isna()),
        ("has the time of another stream of", merged["stream_sha256_timed"] != merged["stream_sha256"]),
    ):
        if wrong.any():
            place = "/".join(str(merged.loc[wrong.idxmax(), name]) for name in _PLACE)
            raise BenchError(decode_times_csv, f"{problem} {place}", _REMEDY)
    merged["label"] = merged["series"].map(_labels(merged))
    return merged.reindex(columns=list(dict.fromkeys([*merged, *_COLUMNS])))


def write_complexity(
    points_csv: Path | str, decode_times_csv: Path | str, *, metric: str, outs: Sequence[Path | str]
) -> None:
    """Write a row a (clip, series, point); `metric` is the quality that stands beside the rate.

    The csv has bytes and seconds as they are, the lowest and highest decode, CPU seconds, threads and
    devices; columns that no point has a value of are left out of md and tex.

    Raises:
        BenchError: as `load_costs`, or no such metric.
    """
    costs = load_costs(points_csv, decode_times_csv)
    if metric not in costs:
        raise BenchError(points_csv, f"no column {metric}", "choose one of its quality columns")
    at = _COLUMNS.index("rate_bpp") + 1
    columns = [*_COLUMNS[:at], metric, *_COLUMNS[at:]]
    for out in map(Path, outs):
        if out.suffix == ".csv":
            rows = costs[columns].to_dict("records")
            write_csv(out, [{name: csv_value(value) for name, value in row.items()} for row in rows])
        else:
            write(_text(costs, metric), out)


def _load_times(path: Path | str) -> pd.DataFrame:
    """The rows of decode_times.csv with the names of `_TIMED`."""
    try:
        times = pd.read_csv(path)
    except FileNotFoundError:
        raise BenchError(path, "no such file", "make it with bench retime") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError):
        raise BenchError(path, "not a table of times", _REMEDY) from None
    wanted = [*_PLACE, "stream_sha256", *_TIMED]
    if missing := [name for name in wanted if name not in times]:
        raise BenchError(path, f"no column {missing[0]}", _REMEDY)
    return times[wanted].astype(dict.fromkeys(_PLACE, str)).rename(columns=_TIMED)


def _labels(rows: pd.DataFrame) -> dict[str, str]:
    return {
        series: series_label(
            group["label"].iloc[0],
            kind=group["kind"].iloc[0],
            reference=bool(group["reference"].iloc[0]),
            epochs=epochs_of(group),
        )
        for series, group in rows.groupby("series", sort=False)
    }


def _text(costs: pd.DataFrame, metric: str) -> Text:
    quality = describe(metric)
    shown = {"rate_bpp": ("Rate (bpp)", 4, 1), metric: (quality.axis, quality.digits, 1), **_SHOWN}
    shown = {name: how for name, how in shown.items() if costs[name].notna().any()}
    words = {"label": "Series", "clip": "Clip", "point": "Point"}
    devices = {"encode_device": "Encoder on", "decode_device": "Decoder on"}
    rows = [
        [
            *(str(row[name]) for name in words),
            *(number(row[name] / unit, digits) for name, (_, digits, unit) in shown.items()),
            *(str(row[name]) for name in devices),
        ]
        for row in costs.to_dict("records")
    ]
    header = [*words.values(), *(head for head, _, _ in shown.values()), *devices.values()]
    right = [False] * len(words) + [True] * len(shown) + [False] * len(devices)
    return Text(header, rows, right, _notes(costs))


def _notes(costs: pd.DataFrame) -> list[str]:
    repeats = "/".join(f"{count:.0f}" for count in sorted(costs["decode_repeats"].unique()))
    machines = ", ".join(sorted(costs["decode_machine"].astype(str).unique()))
    return [
        f"Decode: median of {repeats} decodes from the process's start to its last frame, one thread, "
        f"nothing beside it, on {machines}.",
        "Encode: wall time of the run that made the stream, which may have had other jobs beside it.",
    ]
