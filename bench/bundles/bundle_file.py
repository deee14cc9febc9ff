"""Bundle files: an uncompressed tar archive with the streams of one codec in one condition.

Members::

    bundle.json                          format, condition, codec, family, programs, runs
    codec.yaml                           the codec's file, for a reader
    <clip>/<point>/<run>/stream.bin      the stream; <run> is seed<k>
    <clip>/<point>/<run>/encode.json     the report of its encode
    <clip>/<point>/<run>/record.json     what its author measured

A bundle is untrusted input. Only these names are accepted, as regular files and once each; links, devices,
sparse files and compression are refused. Sizes are checked before a member is read. The codec's file is
compared with the one of this installation and never used: a bundle brings no command and no code.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from bench.base.errors import BenchError
from bench.base.files import atomic_file, json_value, sha256_file, temporary_folder
from bench.base.names import NAME, NAME_RULE
from bench.base.result_files import FileName, RunKey
from bench.base.strict_json import parse_json
from bench.base.strict_model import Name, StrictModel, validate
from bench.base.strict_yaml import parse_table, read_text
from bench.codec import registry
from bench.codec.codec_config import CodecConfig
from bench.codec.container import read_stream
from bench.scoring.record import Record

SUFFIX = ".tar"
#: Largest members in bytes, and their largest number.
_MOST_BYTES = {"stream.bin": 4 << 30, "encode.json": 64 << 20, "record.json": 4 << 20}
_MOST_BYTES |= {"bundle.json": 4 << 20, "codec.yaml": 1 << 20}
_MOST_MEMBERS = 30_000
_FILES: tuple[FileName, ...] = ("stream.bin", "encode.json", "record.json")
_MEMBER = re.compile(
    rf"({NAME.pattern})/({NAME.pattern})/(seed[0-9]{{1,9}})/(stream\.bin|encode\.json|record\.json)"
)
_REMEDY = "get the bundle again, or ask its author for one that `bench bundle` wrote"
#: Settings of the family `external` that decide how its streams are decoded.
_DECODER_SETTINGS = (
    "programs",
    "environment",
    "decode",
    "output",
    "pictures",
    "stream",
    "files",
    "reads",
    "variables",
)


class BundleRun(StrictModel):
    """One run of a bundle."""

    clip: Name
    """The clip's name in the condition."""

    point: Name
    """The rate point."""

    run: Annotated[str, Field(pattern="^seed[0-9]{1,9}$")]
    """seed<k>."""

    stream_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """SHA-256 of the stream."""


#: `version` and `sha256` of a program.
ProgramFacts = dict[Annotated[str, Field(max_length=40)], Annotated[str, Field(max_length=300)]]


class BundleIndex(StrictModel):
    """bundle.json."""

    format: Literal[1]
    """Version of the bundle's layout."""

    condition: Name
    """The condition."""

    codec: Name
    """The codec id."""

    family: Name
    """Its family."""

    suite_version: Annotated[str, Field(max_length=100)]
    """Version of the suite that wrote the bundle."""

    programs: dict[Name, ProgramFacts]
    """Version and SHA-256 of each program outside the suite that decoded the streams."""

    runs: Annotated[list[BundleRun], Field(min_length=1, max_length=_MOST_MEMBERS // 3)]
    """The runs in the order of tables."""


@dataclass(frozen=True)
class Bundle:
    """An unpacked bundle whose names, sizes and files are valid; its measurements are not checked.

    Attributes:
        name: of the bundle: the file's name without .tar.
        folder: holds the runs, each in the folder `folder_of`.
    """

    name: str
    index: BundleIndex
    folder: Path

    def folder_of(self, run: BundleRun) -> Path:
        """Folder of the three files of a run."""
        return self.folder / run.clip / run.point / run.run


def write_bundle(keys: Iterable[RunKey], out: Path, *, suite_version: str) -> BundleIndex:
    """Write the bundle of measured runs, which are of one condition and one codec.

    Raises:
        BenchError: no run, a file is missing, or a record is not that of its stream.
    """
    keys = list(keys)
    if not keys:
        raise BenchError(out, "there is no measured point", "run the condition first")
    config = registry.codec_config(keys[0].codec)
    runs, sources = [], []
    programs: dict[str, Any] = {}
    for key in keys:
        record = Record.read(key.file("record.json"))
        digest = sha256_file(key.file("stream.bin"))
        if digest != record.stream_sha256:
            raise BenchError(key.file("record.json"), "is not the record of its stream", "measure it again")
        programs |= record.decode.get("programs") or {}
        runs.append({"clip": key.clip, "point": key.point, "run": key.run, "stream_sha256": digest})
        sources += [(f"{key.clip}/{key.point}/{key.run}/{name}", Path(key.file(name))) for name in _FILES]
    values = {"format": 1, "condition": keys[0].condition, "codec": config.id, "family": config.family}
    values |= {"suite_version": suite_version, "programs": programs, "runs": runs}
    index = validate(BundleIndex, values, where="bundle.json")
    with atomic_file(out) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        _add(archive, "bundle.json", json.dumps(json_value(values), indent=1).encode())
        _add(archive, "codec.yaml", read_text(config.path).encode())
        for name, path in sources:
            member = tarfile.TarInfo(name)
            member.size = path.stat().st_size
            with path.open("rb") as source:
                archive.addfile(member, source)
    return index


def read_bundle(path: Path, folder: Path) -> Bundle:
    """Unpack a bundle into an empty folder, and check all but its measurements.

    Raises:
        BenchError: a member, a name, a size or a value is invalid; or the codec of the bundle is not that of
            this installation.
    """
    name = path.name.removesuffix(SUFFIX)
    if not path.is_file() or path.is_symlink():
        raise BenchError(path, "is not a file", "give the path of a bundle")
    if not path.name.endswith(SUFFIX) or not NAME.fullmatch(name) or len(name) > 60:
        raise BenchError(path, "cannot be the name of a bundle", f"call it <name>{SUFFIX}; {NAME_RULE}")
    members = _unpack(path, folder)
    index = _read_index(path, folder)
    expected = {f"{run.clip}/{run.point}/{run.run}/{name}" for run in index.runs for name in _FILES}
    if members - {"bundle.json", "codec.yaml"} != expected or len(expected) != 3 * len(index.runs):
        raise BenchError(path, "its files are not those that bundle.json lists", _REMEDY)
    bundle = Bundle(name, index, folder)
    check_codec(path, index, folder / "codec.yaml")
    for run in index.runs:
        _check_run(path, bundle, run)
    return bundle


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def _unpack(path: Path, folder: Path) -> set[str]:
    """Write the members of an archive into a folder. Return their names."""
    names: set[str] = set()
    try:
        with tarfile.open(path, mode="r:") as archive:
            for member in archive:
                name = member.name
                match = _MEMBER.fullmatch(name)
                if not match and name not in ("bundle.json", "codec.yaml"):
                    raise BenchError(path, f"has the unknown member {name[:200]!r}", _REMEDY)
                if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.sparse is not None:
                    raise BenchError(path, f"{name} is not a regular file", _REMEDY)
                if name in names or len(names) >= _MOST_MEMBERS:
                    raise BenchError(path, f"{name} is there twice, or there are too many members", _REMEDY)
                most = _MOST_BYTES[match[4] if match else name]
                if not 0 < member.size <= most:
                    raise BenchError(path, f"{name} has {member.size} bytes, not 1 to {most}", _REMEDY)
                source = archive.extractfile(member)
                assert source is not None  # a regular file has content
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as file:
                    while block := source.read(1 << 20):
                        file.write(block)
                if target.stat().st_size != member.size:
                    raise BenchError(path, f"{name} is cut short", _REMEDY)
                names.add(name)
    except (tarfile.TarError, ValueError, EOFError, OverflowError) as error:
        raise BenchError(path, f"is not an uncompressed tar archive ({error})", _REMEDY) from None
    except FileExistsError:
        raise BenchError(path, "has names that differ only in case", _REMEDY) from None
    return names


def _read_index(path: Path, folder: Path) -> BundleIndex:
    file = folder / "bundle.json"
    if not file.is_file() or not (folder / "codec.yaml").is_file():
        raise BenchError(path, "has no bundle.json or no codec.yaml", _REMEDY)
    try:
        values = parse_json(file.read_bytes())
    except ValueError as error:
        raise BenchError(path, f"bundle.json is not JSON ({error})", _REMEDY) from None
    return validate(BundleIndex, values, where=f"{path}: bundle.json")


def check_codec(path: Path, index: BundleIndex, file: Path) -> None:
    """Compare the bundle's codec with the one of this installation."""
    where = f"{path}: codec.yaml"
    values = parse_table(read_text(file), where=where)
    theirs = CodecConfig.of_values(values, Path(f"{index.codec}.yaml"))
    try:
        ours = registry.codec_config(index.codec)
    except BenchError as error:
        remedy = "read the codec.yaml in it, and copy it to config/codecs if you trust its commands"
        raise BenchError(
            path, f"codec {index.codec} is not installed here ({error.problem})", remedy
        ) from None
    if {ours.family, theirs.family} != {index.family}:
        raise BenchError(
            path, f"codec {index.codec} is of the family {ours.family} here", "rename one of the two"
        )
    if ours.family != "external":
        return
    for key in _DECODER_SETTINGS:
        if ours.settings.get(key) != theirs.settings.get(key):
            remedy = "compare the two files; another way to decode needs another codec id"
            raise BenchError(
                where, f"settings: {key} differs from that of config/codecs/{index.codec}.yaml", remedy
            )


def _check_run(path: Path, bundle: Bundle, run: BundleRun) -> None:
    """Check the three files of a run against each other."""
    folder, index = bundle.folder_of(run), bundle.index
    where = f"{path}: {run.clip}/{run.point}/{run.run}"
    stream, digest = folder / "stream.bin", sha256_file(folder / "stream.bin")
    if digest != run.stream_sha256:
        raise BenchError(where, "the SHA-256 of stream.bin is not that of bundle.json", _REMEDY)
    try:
        family = read_stream(stream).header.family
        record = Record.read(folder / "record.json")
        report = _report(folder / "encode.json")
    except BenchError as error:
        inside = Path(error.where).name
        raise BenchError(f"{where}/{inside}", error.problem, _REMEDY) from None
    if family != index.family:
        raise BenchError(where, f"the stream is of the family {family}, not {index.family}", _REMEDY)
    expected = {"codec": index.codec, "point": run.point, "seed": int(run.run.removeprefix("seed"))}
    expected |= {"stream_sha256": digest}
    for key, value in expected.items():
        for name, values in (("encode.json", report), ("record.json", vars(record))):
            if values.get(key) != value:
                raise BenchError(f"{where}/{name}", f"{key} is {values.get(key)!r}, not {value!r}", _REMEDY)
    if (record.condition, record.clip, record.run) != (index.condition, run.clip, run.run):
        raise BenchError(f"{where}/record.json", "is the record of another run", _REMEDY)


def _report(path: Path) -> Mapping[str, Any]:
    """An encode report, as far as `bench.scoring.measure` uses it."""
    try:
        values = parse_json(path.read_bytes())
    except ValueError as error:
        raise BenchError(path, f"is not JSON ({error})", _REMEDY) from None
    if not isinstance(values, dict) or not all(
        isinstance(values.get(k), dict) for k in ("settings", "details")
    ):
        raise BenchError(path, "is not an encode report", _REMEDY)
    return values


def unpack_once(path: Path, results: Path) -> Bundle:
    """Unpack a bundle to results/bundles/<condition>/<name>, unless this version of it is there.

    Raises:
        BenchError: see `read_bundle`.
    """
    digest = sha256_file(path) if path.is_file() else ""
    with temporary_folder("bundle") as temporary:
        bundle = read_bundle(path, temporary)
        folder = results / "bundles" / bundle.index.condition / bundle.name
        mark = folder / "sha256"
        if not (mark.is_file() and mark.read_text() == digest):
            for run in bundle.index.runs:
                for name in _FILES:
                    target = folder / run.clip / run.point / run.run / name
                    source = bundle.folder_of(run) / name
                    if not (target.is_file() and sha256_file(target) == sha256_file(source)):
                        with atomic_file(target) as file:
                            file.write(source.read_bytes())
            with atomic_file(mark) as file:
                file.write(digest.encode())
    return Bundle(bundle.name, bundle.index, folder)
