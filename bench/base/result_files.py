"""Paths of result files. No other module states where a stream, a report or a record is.

Files of one run, a stream and what was measured of it::

    results/points/<condition>/<clip>/<codec>/<point>/<run>/
        stream.bin encode.json record.json frames.csv crop.png

A run is ``seed<k>``, ``reference-seed<k>`` for a tracked stream of a long fit, or ``bundle-<name>-seed<k>``
for a stream of somebody's bundle, which is unpacked to results/bundles/<condition>/<name>. Git tracks the
stream and the encode report of a reference run at another path. The record, per-frame scores and crop that
this machine measured of either are in results/points like all others::

    results/reference/<condition>/<clip>/<codec>/<point>/seed<k>/
        stream.bin encode.json record.json

Paths are relative to the working directory, with ``/``, as Snakemake has them. A working directory
without tracked streams (a run with ``--directory``) uses those of the repository.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.base.paths import ROOT

RESULTS = "results"
CLIPS = "resources/clips"
REFERENCE = "reference-"
BUNDLE = "bundle-"
#: Names of runs: nothing, `reference-` or `bundle-<name>-`, then the seed.
RUN = re.compile(r"(reference-|bundle-([A-Za-z0-9][A-Za-z0-9._-]{0,59})-)?seed([0-9]{1,9})")

FileName = Literal["stream.bin", "encode.json", "record.json", "frames.csv", "crop.png"]
ClipFile = Literal["clip.y4m", "clip.json", "clip.rgb.npy", "source.json"]
#: Files of a reference run that are read where git tracks them.
_TRACKED = ("stream.bin", "encode.json")


@dataclass(frozen=True, kw_only=True, order=True)
class RunKey:
    """The five names that identify a run. Wildcards in braces as names give patterns for Snakemake."""

    condition: str
    clip: str
    codec: str
    point: str
    run: str

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> RunKey:
        """The key of a record's fields or of a row of rd_points.csv; other names in it are ignored."""
        return cls(**{name: str(values[name]) for name in cls.__dataclass_fields__})

    @property
    def reference(self) -> bool:
        """Whether the stream is a tracked one."""
        return self.run.startswith(REFERENCE)

    @property
    def encoded_here(self) -> bool:
        """Whether this working directory encodes the stream: neither a tracked one nor one of a bundle."""
        return not self.reference and not self.run.startswith(BUNDLE)

    def file(self, name: FileName, results: str | Path = RESULTS) -> str:
        """Path of one of the run's files below the folder `results`."""
        if self.reference and name in _TRACKED:
            folder = (self.condition, self.clip, self.codec, self.point, self.run.removeprefix(REFERENCE))
            own = "/".join((str(results), "reference", *folder, name))
            tracked = ROOT / own
            # A new file is never placed in the repository.
            elsewhere = str(results) == RESULTS and not Path(own).is_file() and tracked.is_file()
            return str(tracked) if elsewhere else own
        if self.run.startswith(BUNDLE) and name in _TRACKED and (match := RUN.fullmatch(self.run)):
            folder = (self.condition, match[2], self.clip, self.point, f"seed{match[3]}")
            return "/".join((str(results), "bundles", *folder, name))
        names = (self.condition, self.clip, self.codec, self.point, self.run)
        return "/".join((str(results), "points", *names, name))


def reference_folder(condition: str) -> Path:
    """Folder of the tracked runs of a condition: <clip>/<codec>/<point>/seed<k> below it."""
    own, tracked = Path(RESULTS, "reference"), ROOT / RESULTS / "reference"
    return (own if own.is_dir() or not tracked.is_dir() else tracked) / condition


def file_of_record(record: Path, name: FileName) -> Path:
    """Path of a file of the run that a record.json belongs to.

    The file is beside the record. If it is not there and the record is that of a reference run or of a bundle
    in a folder of results, the file is the tracked or unpacked one of the same results.
    """
    beside = record.with_name(name)
    parts = ("",) * 6 + record.absolute().parent.parts
    *above, points, condition, clip, codec, point, run = parts
    key = RunKey(condition=condition, clip=clip, codec=codec, point=point, run=run)
    if beside.is_file() or points != "points" or key.encoded_here:
        return beside
    results = Path(*above)
    return Path(key.file(name, RESULTS if results == Path(RESULTS).absolute() else results))


def clip_file(condition: str, clip: str, name: ClipFile) -> str:
    """Path of a file of a prepared clip."""
    return "/".join((CLIPS, condition, clip, name))
