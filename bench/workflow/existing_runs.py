"""Runs whose streams exist before a workflow starts: tracked references, and those in bundles."""

from __future__ import annotations

import re
from pathlib import Path

from bench.base.errors import BenchError
from bench.base.files import read_json
from bench.base.names import NAME
from bench.base.result_files import BUNDLE, REFERENCE, RESULTS, RunKey, reference_folder
from bench.bundles.bundle_file import SUFFIX, unpack_once
from bench.codec import registry
from bench.conditions.condition import Condition

_REFERENCE_RUN = re.compile(r"seed[0-9]+")


def find_references(condition: Condition) -> list[RunKey]:
    """The tracked runs of a condition (`bench.base.result_files`).

    Codecs that the condition runs come first, in its order, so that tables list short and long fits together.

    Raises:
        BenchError: a stream without its report, an unknown clip or codec, or a folder that is not that of the
            run in its report, such as a backup. Hidden folders and files are ignored.
    """
    points = []
    rank = {codec: index for index, codec in enumerate(condition.codecs)}
    below = reference_folder(condition.name).glob("*/*/*/*")
    folders = sorted(folder for folder in below if folder.is_dir() and "/." not in folder.as_posix())
    for folder in sorted(folders, key=lambda folder: rank.get(folder.parts[-3], len(rank))):
        clip, codec, point, run = folder.parts[-4:]
        condition.clip(clip)
        registry.codec_config(codec)
        for what, name, rule in (("point", point, NAME), ("run", run, _REFERENCE_RUN)):
            # These names become words of shell commands and folders of results.
            if not rule.fullmatch(name):
                remedy = "call a run seed<k>, or move the folder out of results/reference"
                raise BenchError(folder, f"{what} {name!r} is not a valid name", remedy)
        for name in ("stream.bin", "encode.json"):
            if not (folder / name).is_file():
                raise BenchError(folder, f"has no {name}", "restore the folder from git, or remove it")
        report = read_json(folder / "encode.json", "an encode report")
        for key, value in (("codec", codec), ("point", point), ("seed", int(run.removeprefix("seed")))):
            if report.get(key) != value:
                problem = f"{key} is {report.get(key)!r}, but its folder is that of {value!r}"
                raise BenchError(folder / "encode.json", problem, "move a copy out of results/reference")
        names = {"condition": condition.name, "clip": clip, "codec": codec, "point": point}
        points.append(RunKey(**names, run=f"{REFERENCE}{run}"))
    return points


def find_bundles(condition: Condition, folder: Path) -> list[RunKey]:
    """The runs of a condition in the bundles of a folder, which are unpacked below results/bundles.

    Raises:
        BenchError: the folder has no bundle, or one is invalid or has a clip that the condition lacks.
    """
    paths = sorted(folder.glob(f"*{SUFFIX}"))
    if not paths:
        raise BenchError(folder, f"has no bundle (*{SUFFIX})", "give the folder of files of `bench bundle`")
    points = []
    for bundle in (unpack_once(path, Path(RESULTS)) for path in paths):
        if bundle.index.condition != condition.name:
            continue
        for run in bundle.index.runs:
            condition.clip(run.clip)
            names = {"condition": condition.name, "clip": run.clip, "codec": bundle.index.codec}
            points.append(RunKey(**names, point=run.point, run=f"{BUNDLE}{bundle.name}-{run.run}"))
    return points
