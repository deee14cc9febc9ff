"""Records: the result of one codec at one rate point on one clip, with its provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from bench.base.csv_files import write_csv
from bench.base.errors import BenchError
from bench.base.files import json_value, read_json, write_json
from bench.base.result_files import RUN
from bench.scoring.record_check import check_files
from bench.scoring.record_values import problem_of

SCHEMA = 1

#: Entries of `encode` and `decode` that become columns, besides the wall time of each stage.
_COST_COLUMNS = ("wall_s", "cpu_s", "peak_memory_bytes", "peak_device_memory_bytes", "device")
_RUN_COLUMNS = {"encode": (*_COST_COLUMNS, "threads"), "decode": (*_COST_COLUMNS, "repeatable")}
#: Fields that a record may lack: it was written when all clips had the truth yuv420p.
_NEWER_FIELDS = {"truth"}
_REMEDY = "measure the stream again"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One measured stream. All values are JSON values; names of values include unit and colour space.

    Attributes:
        condition, clip, codec, point, run: identity of the result (`run` is seed<k> or reference-seed<k>).
        family, kind, label: of the codec.
        reference: whether the stream is a tracked one of a long run.
        epochs: of a fit, summed over its stages; None for codecs that are not fitted.
        rate_bpp: bits of the whole file per luma sample. rate_bpp_paper: rate as the codec's paper counts it.
        fps: "numerator/denominator".
        truth: of the clip, "yuv420p" or "rgb" (`bench.video.clip`).
        metrics: metric name -> value or None. reasons: metric name -> why it has no value.
        parameters, macs_per_pixel: of the decoder's network; None for other codecs.
        encode, decode: wall_s, cpu_s, stages {stage: {wall_s, cpu_s}}, peak_memory_bytes,
            peak_device_memory_bytes, device. `encode` also has threads, `decode` repeatable and frames_md5
            (the MD5 of the digests of all frames, one a line). Programs outside the suite also have
            isolation, programs and files. wall_s of a decode lasts from the start of its process to its last
            frame. Where a wall time has no meaning, `disturbed` gives the reason.
            `energy` has joules a frame, which records of earlier versions lack (`bench.base.energy`).
            `budget` has what a fit for a given time derived from its probe (`bench.inr.fitting.budget`).
        settings: complete settings of the encode.
        provenance: see `bench.codec.provenance.provenance`.
    """

    condition: str
    clip: str
    codec: str
    family: str
    kind: str
    label: str
    point: str
    run: str
    seed: int
    reference: bool
    epochs: int | None
    rate_bpp: float
    rate_bpp_paper: float | None
    stream_bytes: int
    frames: int
    width: int
    height: int
    fps: str
    metrics: Mapping[str, float | None]
    reasons: Mapping[str, str]
    parameters: int | None
    macs_per_pixel: float | None
    encode: Mapping[str, Any]
    decode: Mapping[str, Any]
    settings: Mapping[str, Any]
    clip_sha256: str
    stream_sha256: str
    provenance: Mapping[str, Any]
    truth: str = "yuv420p"
    schema: int = field(default=SCHEMA)

    @property
    def series(self) -> str:
        """Name of the curve that this point belongs to."""
        return series_of(self.codec, self.run, reference=self.reference)

    def write(self, path: str | Path) -> None:
        """Write record.json, atomically.

        Raises:
            BenchError: a value is not one that `read` accepts. The report of the encode may have it.
        """
        values = asdict(self)
        if invalid := problem_of(json_value(values)):
            raise BenchError(path, invalid, "encode the clip again")
        write_json(path, {"schema": values.pop("schema"), **values})

    @classmethod
    def read(cls, path: str | Path) -> Record:
        """Read record.json.

        Raises:
            BenchError: the file or a key is missing, a key is unknown, a value has another type or range, or
                the schema is another one.
        """
        values = read_json(path, "a record")
        if values.get("schema") != SCHEMA:
            raise BenchError(path, f"schema is {values.get('schema')!r}; this suite reads {SCHEMA}", _REMEDY)
        keys = {f.name for f in fields(cls)}
        for problem, names in (
            ("is missing", keys - _NEWER_FIELDS - set(values)),
            ("is unknown", set(values) - keys),
        ):
            if names:
                raise BenchError(path, f"key {sorted(names)[0]!r} {problem}", _REMEDY)
        for key in ("metrics", "reasons", "encode", "decode", "settings", "provenance"):
            if not isinstance(values[key], dict):
                raise BenchError(path, f"key {key!r} must be an object", _REMEDY)
        if invalid := problem_of(values):
            raise BenchError(path, invalid, _REMEDY)
        return cls(**values)

    def row(self) -> dict[str, Any]:
        """The record as one flat row: a column for each metric, `encode_wall_s` and its like for costs."""
        row: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "codec":
                row |= {"codec": value, "series": self.series}
            elif f.name == "metrics":
                row |= value
            elif f.name in ("encode", "decode"):
                row |= {f"{f.name}_{key}": value.get(key) for key in _RUN_COLUMNS[f.name]}
                for key, joules in (value.get("energy") or {}).items():
                    row[f"{f.name}_{'energy_reason' if key == 'reason' else key}"] = joules
                row |= _external_columns(f.name, value)
                for stage, seconds in (value.get("stages") or {}).items():
                    row[f"{f.name}_{stage.replace('-', '_')}_wall_s"] = seconds.get("wall_s")
            elif f.name == "provenance":
                row |= {key: value.get(key) for key in ("suite_version", "date_utc")}
                row["machine"] = (value.get("machine") or {}).get("cpu")
                row["ffmpeg"] = value.get("ffmpeg")
                encode = value.get("encode") or {}
                row["encode_ffmpeg"] = encode.get("ffmpeg")
                row["encode_machine"] = (encode.get("machine") or {}).get("cpu")
            elif not isinstance(value, Mapping) and f.name != "schema":
                row[f.name] = value
        return row


def _external_columns(name: str, cost: Mapping[str, Any]) -> dict[str, str]:
    """Columns of an encode or decode by programs outside the suite; none for other codecs."""
    columns = {f"{name}_isolation": cost["isolation"]} if cost.get("isolation") else {}
    if programs := cost.get("programs"):
        columns[f"{name}_programs"] = "; ".join(
            " ".join(
                filter(None, [key, value.get("version"), f"(sha256 {(value.get('sha256') or '')[:12]})"])
            )
            for key, value in programs.items()
        )
    if files := cost.get("files"):
        columns[f"{name}_files"] = "; ".join(
            f"{key} {value['bytes']} bytes (sha256 {value['sha256'][:12]})" for key, value in files.items()
        )
    return columns


def series_of(codec: str, run: str, *, reference: bool) -> str:
    """Name of the curve of a run: the codec id, with " (reference)" or " (bundle NAME)" behind it."""
    match = RUN.fullmatch(run)
    if match and match[2]:
        return f"{codec} (bundle {match[2]})"
    return f"{codec} (reference)" if reference else codec


def collect(paths: Iterable[str | Path], out: str | Path) -> int:
    """Write rd_points.csv with one row for each record; return the number of rows.

    Rows are sorted by condition, clip, series (in the order of the paths, which is that of tables and
    legends) and rate. Columns that only some records have (the time of a stage, a newer metric) are empty in
    the others.

    Raises:
        BenchError: a record cannot be read or contradicts the files beside it, or two records are of the same
            run.
    """
    sources: dict[tuple[str, ...], Path] = {}
    order: dict[str, int] = {}
    rows = []
    for path in map(Path, paths):
        record = Record.read(path)
        check_files(record, path)
        identity = (record.condition, record.clip, record.codec, record.point, record.run)
        if identity in sources:
            problem = f"is of the same run as {sources[identity]} ({'/'.join(identity)})"
            raise BenchError(path, problem, "give only one of the two")
        sources[identity] = path
        rank = order.setdefault(record.series, len(order))
        rows.append((record.condition, record.clip, rank, record.rate_bpp, record.run, record.row()))
    write_csv(out, [item[-1] for item in sorted(rows, key=lambda item: item[:-1])])
    return len(rows)
