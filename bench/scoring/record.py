"""The one result of the suite: what one codec did at one rate point on one clip, and how it is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from bench.base.csv_files import write_csv
from bench.base.errors import BenchError
from bench.base.files import read_json, write_json

SCHEMA = 1

#: What of `encode` and `decode` stands in a table, beside the stages' wall times.
_COST_COLUMNS = ("wall_s", "cpu_s", "peak_memory_bytes", "peak_device_memory_bytes", "device")
_RUN_COLUMNS = {"encode": (*_COST_COLUMNS, "threads"), "decode": (*_COST_COLUMNS, "repeatable")}
_REMEDY = "measure the stream again"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One measured stream. Only JSON values; units and colour space are in the names.

    Attributes:
        condition, clip, codec, point, run: the result's place (`run` is seed<k> or reference-seed<k>).
        reference: whether the stream is a tracked one of a long run.
        epochs: of a fit, all its stages together; null for codecs that are not fitted.
        rate_bpp: bits of the whole file per luma sample; rate_bpp_paper: as the codec's paper counts.
        fps: "numerator/denominator".
        metrics: name -> number or null; reasons: metric -> why it is null.
        parameters, macs_per_pixel: of the decoder's network; null for others.
        encode, decode: wall_s, cpu_s, stages {stage: {wall_s, cpu_s}}, peak_memory_bytes,
            peak_device_memory_bytes, device; encode has threads, decode whether it is repeatable.
            A decode's wall_s is end to end: from the process's start to its last frame.
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
    schema: int = field(default=SCHEMA)

    @property
    def series(self) -> str:
        """Name of the curve that this point belongs to."""
        return f"{self.codec} (reference)" if self.reference else self.codec

    def write(self, path: str | Path) -> None:
        """Write record.json, atomically."""
        values = asdict(self)
        write_json(path, {"schema": values.pop("schema"), **values})

    @classmethod
    def read(cls, path: str | Path) -> Record:
        """Read record.json.

        Raises:
            BenchError: no such file, another schema, or a key that is missing or unknown.
        """
        values = read_json(path, "a record")
        if values.get("schema") != SCHEMA:
            raise BenchError(path, f"schema is {values.get('schema')!r}; this suite reads {SCHEMA}", _REMEDY)
        keys = {f.name for f in fields(cls)}
        for problem, names in (("is missing", keys - set(values)), ("is unknown", set(values) - keys)):
            if names:
                raise BenchError(path, f"key {sorted(names)[0]!r} {problem}", _REMEDY)
        for key in ("metrics", "reasons", "encode", "decode", "settings", "provenance"):
            if not isinstance(values[key], dict):
                raise BenchError(path, f"key {key!r} is no object", _REMEDY)
        return cls(**values)

    def row(self) -> dict[str, Any]:
        """The record as one flat row: metrics by their names, times as encode_wall_s and so on."""
        row: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "codec":
                row |= {"codec": value, "series": self.series}
            elif f.name == "metrics":
                row |= value
            elif f.name in ("encode", "decode"):
                row |= _run_columns(f.name, value)
            elif f.name == "provenance":
                row |= {key: value.get(key) for key in ("suite_version", "date_utc")}
                row["machine"] = (value.get("machine") or {}).get("cpu")
            elif not isinstance(value, Mapping) and f.name != "schema":
                row[f.name] = value
        return row


def collect(paths: Iterable[str | Path], out: str | Path) -> int:
    """Write one CSV row a record; the number of rows comes back.

    Rows are ordered by condition, clip, series (in the order in which the paths bring them: that of
    tables and legends) and rate.

    Columns that only some records have (a stage's time, a later metric) are empty in the others.

    Raises:
        BenchError: a record cannot be read, or two have the same place.
    """
    places: dict[tuple[str, ...], Path] = {}
    order: dict[str, int] = {}
    rows = []
    for path in map(Path, paths):
        record = Record.read(path)
        place = (record.condition, record.clip, record.codec, record.point, record.run)
        if place in places:
            problem = f"is of the same run as {places[place]} ({'/'.join(place)})"
            raise BenchError(path, problem, "give only one of the two")
        places[place] = path
        rank = order.setdefault(record.series, len(order))
        rows.append((record.condition, record.clip, rank, record.rate_bpp, record.run, record.row()))
    ordered = [item[-1] for item in sorted(rows, key=lambda item: item[:-1])]
    write_csv(out, ordered)
    return len(ordered)


def _run_columns(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    row = {f"{prefix}_{key}": values.get(key) for key in _RUN_COLUMNS[prefix]}
    for stage, seconds in (values.get("stages") or {}).items():
        row[f"{prefix}_{stage.replace('-', '_')}_wall_s"] = seconds.get("wall_s")
    return row
