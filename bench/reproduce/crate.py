"""RO-Crate of a folder of results: JSON-LD that describes its files and the runs that computed them.

The metadata follow RO-Crate 1.1 with the profiles Process Run Crate 0.5, Workflow Run Crate 0.5 and Workflow
RO-Crate 1.0 (https://www.researchobject.org/workflow-run-crate). One action describes the workflow, and one
each encode with its measurement: the codec, the clip, the stream, the record and the machine.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import bench
from bench.base.errors import BenchError
from bench.base.files import sha256_file, write_json
from bench.base.paths import ROOT
from bench.base.result_files import FileName
from bench.reproduce.compute_form import compute_form
from bench.reproduce.croissant import write_croissant
from bench.reproduce.inputs import find_records
from bench.scoring.record import Record, collect

METADATA, CROISSANT, FORM, POINTS = (
    *("ro-crate-metadata.json", "croissant.json", "compute.md", "rd_points.csv"),
)
#: Terms of Workflow Run Crates that the context of RO-Crate 1.1 lacks, such as sha256.
_CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
_SNAKEMAKE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
_WORKFLOW = "Snakefile"
_FORMATS = {
    ".bin": "application/octet-stream",
    ".json": "application/json",
    ".csv": "text/csv",
    ".png": "image/png",
    ".md": "text/markdown",
}


def write_crate(
    folder: Path | str,
    *,
    name: str = "",
    license_url: str,
    discarded_hours: Mapping[str, float] | None = None,
) -> int:
    """Write the metadata into a folder of results. Return the number of runs.

    New files: ro-crate-metadata.json, croissant.json, compute.md, rd_points.csv and a copy of the Snakefile.

    Args:
        name: of the data set; default: with the names of the conditions.
        license_url: licence of the results.
        discarded_hours: "cpu" and "gpu" -> hours of fits that no record is of.

    Raises:
        BenchError: no record, or an invalid one.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BenchError(folder, "must be a folder of results", "check the path")
    records = [(path, Record.read(path)) for path in find_records([folder])]
    conditions = ", ".join(dict.fromkeys(record.condition for _, record in records))
    name = name or f"Results of {conditions}"
    once = _once(records)
    collect(once, folder / POINTS)
    of_runs = [record for path, record in records if path in once]
    (folder / FORM).write_text(compute_form(of_runs, discarded_hours or {}))
    shutil.copyfile(ROOT / _WORKFLOW, folder / _WORKFLOW)
    description = (
        f"Streams, records and per-frame scores of video codecs (conditions: {conditions}), computed by "
        f"neural-video-bench {bench.__version__}. Each number is of one file that a separate process decoded."
    )
    write_croissant(folder / CROISSANT, folder / POINTS, name, description, license_url)
    graph = _graph(folder, records, name, description, license_url)
    write_json(folder / METADATA, {"@context": _CONTEXT, "@graph": graph})
    return len(records)


def _once(records: Sequence[tuple[Path, Record]]) -> list[Path]:
    """The first record of each run: a tracked stream may have a second one, of this machine."""
    first: dict[tuple[str, ...], Path] = {}
    for path, record in records:
        first.setdefault((record.condition, record.clip, record.codec, record.point, record.run), path)
    return list(first.values())


def _graph(
    folder: Path, records: Sequence[tuple[Path, Record]], name: str, description: str, license_url: str
) -> list[dict[str, Any]]:
    files = {
        POINTS: "rd_points.csv: one row for each record",
        CROISSANT: "Croissant metadata",
        FORM: "Compute",
    }
    data = [_file(folder, folder / path, text) for path, text in files.items()]
    actions: list[dict[str, Any]] = []
    others: dict[str, dict[str, Any]] = {}
    for path, record in records:
        results = [_file(folder, file, _about(record, file.name)) for file in _files_of(path)]
        data += results
        actions.append(_action(folder, path, record, results))
        others |= {entity["@id"]: entity for entity in _inputs(record)}
    ends = sorted(action["endTime"] for action in actions)
    workflow_run = {
        "@id": "#workflow-run",
        "@type": "CreateAction",
        "name": "Run of the workflow",
        "instrument": _ref(_WORKFLOW),
        "object": [_ref(one) for one in others if one.startswith("#clip/")],
        "result": [_ref(POINTS)],
        "endTime": ends[-1],
    }
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": name,
        "description": description,
        "datePublished": ends[-1],
        "license": _ref(license_url),
        "conformsTo": [_ref(profile) for profile in _PROFILES],
        "hasPart": [_ref(_WORKFLOW), *(_ref(one["@id"]) for one in data)],
        "mainEntity": _ref(_WORKFLOW),
        "mentions": [_ref("#workflow-run"), *(_ref(one["@id"]) for one in actions)],
    }
    return [*_fixed(license_url), root, *data, workflow_run, *actions, *others.values()]


def _fixed(license_url: str) -> list[dict[str, Any]]:
    """Entities of every crate: its descriptor, the profiles, the workflow, its language, the licence."""
    profiles = [
        {"@id": url, "@type": "CreativeWork", "name": name, "version": version}
        for url, (name, version) in _PROFILES.items()
    ]
    descriptor = {
        "@id": METADATA,
        "@type": "CreativeWork",
        "about": _ref("./"),
        "conformsTo": [
            _ref("https://w3id.org/ro/crate/1.1"),
            _ref("https://w3id.org/workflowhub/workflow-ro-crate/1.0"),
        ],
    }
    workflow = {
        "@id": _WORKFLOW,
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "name": "neural-video-bench",
        "description": "Snakemake workflow: prepare clips, encode, decode in another process, measure, draw",
        "programmingLanguage": _ref(_SNAKEMAKE),
        "version": bench.__version__,
        "license": "https://spdx.org/licenses/MIT",
    }
    language = {
        "@id": _SNAKEMAKE,
        "@type": "ComputerLanguage",
        "name": "Snakemake",
        "identifier": _ref("https://doi.org/10.12688/f1000research.29032.2"),
        "url": _ref("https://snakemake.github.io"),
    }
    license_entity = {
        "@id": license_url,
        "@type": "CreativeWork",
        "name": license_url.rstrip("/").rpartition("/")[2],
        "description": "Licence of the results",
    }
    return [descriptor, *profiles, workflow, language, license_entity]


def _action(folder: Path, path: Path, record: Record, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One encode and its measurement. Its start is the end less the seconds of encoding and decoding."""
    end = datetime.fromisoformat(str(record.provenance.get("date_utc", "1970-01-01T00:00:00Z")))
    end = end if end.tzinfo else end.replace(tzinfo=UTC)
    seconds = (record.encode.get("wall_s") or 0) + (record.decode.get("wall_s") or 0)
    return {
        "@id": f"#run/{path.parent.relative_to(folder).as_posix()}",
        "@type": "CreateAction",
        "name": f"{record.label} {record.point} on {record.clip}, {record.run}",
        "description": str(record.provenance.get("command", "")),
        "instrument": _ref(f"#codec/{record.codec}"),
        "object": [_ref(f"#clip/{record.condition}/{record.clip}")],
        "result": [_ref(one["@id"]) for one in results],
        "startTime": (end - timedelta(seconds=seconds)).isoformat(),
        "endTime": end.isoformat(),
    }


def _inputs(record: Record) -> list[dict[str, Any]]:
    """The codec and the clip of a record."""
    codec = {
        "@id": f"#codec/{record.codec}",
        "@type": "SoftwareApplication",
        "name": record.label,
        "softwareVersion": str(record.provenance.get("suite_version", bench.__version__)),
        "url": "https://github.com/imageio/imageio-ffmpeg"
        if record.family == "ffmpeg"
        else "https://pytorch.org",
    }
    clip = {
        "@id": f"#clip/{record.condition}/{record.clip}",
        "@type": "VideoObject",
        "name": record.clip,
        "description": f"{record.width}x{record.height}, {record.frames} frames, {record.fps} fps",
        "sha256": record.clip_sha256,
    }
    return [codec, clip]


def _files_of(path: Path) -> list[Path]:
    """The files of a run that lie beside its record."""
    return [path.with_name(name) for name in get_args(FileName) if path.with_name(name).is_file()]


def _about(record: Record, name: str) -> str:
    return f"{name} of {record.label} {record.point} on {record.clip}, {record.run}"


def _file(folder: Path, path: Path, name: str) -> dict[str, Any]:
    return {
        "@id": path.relative_to(folder).as_posix(),
        "@type": "File",
        "name": name,
        "contentSize": str(path.stat().st_size),
        "encodingFormat": _FORMATS.get(path.suffix, "application/octet-stream"),
        "sha256": sha256_file(path),
    }


def _ref(name: str) -> dict[str, str]:
    return {"@id": name}
