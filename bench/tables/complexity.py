"""Table of the costs of each point: sizes, operations, times and memory of its encoder and decoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bench.analysis.costs import COLUMNS, load_costs, pareto_points
from bench.analysis.rd_points import check_metric
from bench.scoring.metrics import describe
from bench.tables.text_table import NONE, TextTable, number, write_table

#: Column -> header for readers, digits, and divisor.
_NUMBERS = {
    "parameters": ("Parameters", 0, 1),
    "macs_per_pixel": ("MACs per pixel", 0, 1),
    "decoder_weights_bytes": ("Decoder weights (MB)", 2, 1e6),
    "encode_wall_s": ("Encode (s)", 1, 1),
    "decode_wall_s": ("Decode (s)", 2, 1),
    "decode_frames_per_second": ("Decoded frames per s", 1, 1),
    "encode_peak_memory_bytes": ("Encoder memory (MB)", 0, 1e6),
    "decode_peak_memory_bytes": ("Decoder memory (MB)", 0, 1e6),
    "encode_peak_device_memory_bytes": ("Encoder GPU memory (MB)", 0, 1e6),
    "decode_peak_device_memory_bytes": ("Decoder GPU memory (MB)", 0, 1e6),
    "encode_cpu_j_per_frame": ("Encode, CPU (J per frame)", 2, 1),
    "decode_cpu_j_per_frame": ("Decode, CPU (J per frame)", 3, 1),
    "encode_gpu_j_per_frame": ("Encode, GPU (J per frame)", 2, 1),
    "decode_gpu_j_per_frame": ("Decode, GPU (J per frame)", 3, 1),
    "encode_threads": ("Encoder threads", 0, 1),
}


def write_complexity(
    points_csv: Path | str, decode_times_csv: Path | str, *, metric: str, outputs: Sequence[Path | str]
) -> None:
    """Write one row for each (clip, series, point).

    The CSV has the columns of `bench.analysis.costs`, in bytes and seconds, and `pareto`: whether no other
    point of the clip is at least as good in rate, quality and decode time. Markdown and LaTeX omit columns
    without values.

    Args:
        metric: quality column that follows the rate.

    Raises:
        BenchError: as `load_costs`, or no such metric.
    """
    costs = load_costs(points_csv, decode_times_csv)
    check_metric(costs, metric)
    costs["pareto"] = pareto_points(costs, metric)
    after_rate = COLUMNS.index("rate_bpp") + 1
    columns = [*COLUMNS[:after_rate], metric, "pareto", *COLUMNS[after_rate:]]
    write_table(outputs, rows=costs[columns].to_dict("records"), text=_text(costs, metric))


def _text(costs: pd.DataFrame, metric: str) -> TextTable:
    quality = describe(metric)
    numbers = {"rate_bpp": ("Rate (bpp)", 4, 1), metric: (quality.axis, quality.digits, 1), **_NUMBERS}
    numbers = {name: format_ for name, format_ in numbers.items() if costs[name].notna().any()}
    texts = {"label": "Series", "clip": "Clip", "point": "Point"}
    devices = {"encode_device": "Encoder device", "decode_device": "Decoder device"}
    rows = [
        [
            *(str(row[name]) for name in texts),
            *(number(row[name] / divisor, digits) for name, (_, digits, divisor) in numbers.items()),
            *(str(row[name]) for name in devices),
            "yes" if row["pareto"] else NONE,
        ]
        for row in costs.to_dict("records")
    ]
    header = [*texts.values(), *(head for head, _, _ in numbers.values()), *devices.values(), "Pareto front"]
    right = [False] * len(texts) + [True] * len(numbers) + [False] * (len(devices) + 1)
    repeats = "/".join(f"{count:.0f}" for count in sorted(costs["decode_repeats"].unique()))
    machines = ", ".join(sorted(costs["decode_machine"].astype(str).unique()))
    notes = [
        f"Decode: median of {repeats} decodes on one thread with no other job running, from the start of the "
        f"process to its last frame, on {machines}.",
        "Pareto front: no other point of the clip is at least as good in rate, quality and decode time.",
        "Encode: wall time of the run that wrote the stream. Other jobs may have run at the same time.",
    ]
    if any(name.endswith("_j_per_frame") for name in numbers):
        notes.append(
            "Energy: of all CPU packages (RAPL) and of the GPU (NVML), work of other processes included. It "
            "has no value where they took more than a tenth of the job's CPU time."
        )
    return TextTable(header, rows, right, notes)
