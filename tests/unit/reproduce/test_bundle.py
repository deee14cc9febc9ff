"""Bundles: streams that others check, drawn as checked; a bundle is untrusted input."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.labels import codec_label, origin_notes
from bench.analysis.rd_points import load_points
from bench.base.errors import BenchError
from bench.base.result_files import FileName, RunKey
from bench.bundles.bundle_file import read_bundle, write_bundle
from bench.cli import main
from bench.codec import registry
from bench.codec.encode import EncodePlan, encode
from bench.conditions.reader import load_condition
from bench.figures.series import drawn_series, legend_groups
from bench.scoring.measure import measure
from bench.scoring.record import Record, collect
from bench.video.clip import Clip
from bench.workflow.existing_runs import find_bundles

CODEC = "x264-medium"


FILES: tuple[FileName, ...] = ("stream.bin", "encode.json", "record.json", "frames.csv")
KEYS = [RunKey(condition="bundle-v0", clip="tiny", codec=CODEC, point=point, run="seed0") for point in "ab"]


def paths_of(key: RunKey) -> dict[str, Path]:
    return {name: Path(key.file(name)) for name in FILES}


def measure_run(key: RunKey, label: str | None = None) -> None:
    paths = paths_of(key)
    measure(
        stream=paths["stream.bin"],
        clip=Path("resources/clips/bundle-v0/tiny/clip.json"),
        report=paths["encode.json"],
        condition=key.condition,
        metrics=["psnr_rgb_db"],
        codec=key.codec,
        point=key.point,
        run=key.run,
        out=paths["record.json"],
        frames_csv=paths["frames.csv"],
        label=label,
    )


@pytest.fixture(scope="module")
def finished(tiny_clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with two measured points of x264 in the condition bundle-v0."""
    folder = tmp_path_factory.mktemp("finished")
    values = {
        "title": "The tiny clip",
        "clips": {"tiny": {"sequence": "bigbuckbunny", "trim": [0, 9], "scale": [64, 48]}},
        "codecs": {CODEC: {"points": {"a": {"crf": 30}, "b": {"crf": 40}}}},
        "metrics": ["psnr_rgb_db"],
    }
    config = registry.codec_config(CODEC)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        shutil.copytree(tiny_clip.path.parent, "resources/clips/bundle-v0/tiny")
        Path("conditions").mkdir()
        Path("conditions/bundle-v0.yaml").write_text(json.dumps(values))
        for key, crf in zip(KEYS, (30, 40), strict=True):
            settings = registry.resolve_settings(config, {}, {"crf": crf})
            encode(
                EncodePlan(
                    config=config,
                    point=key.point,
                    settings=settings,
                    clip=tiny_clip,
                    out=paths_of(key)["stream.bin"],
                    report=paths_of(key)["encode.json"],
                )
            )
            measure_run(key)
    return folder


@pytest.fixture
def measured(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[RunKey]:
    """The keys of the finished runs, in a copy of their working directory."""
    shutil.copytree(finished, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    monkeypatch.setattr("bench.conditions.reader.CONDITIONS_DIR", tmp_path / "run" / "conditions")
    return KEYS


@pytest.fixture
def bundle(measured: list[RunKey]) -> Path:
    out = Path("theirs/good.tar")
    write_bundle(measured, out, suite_version="1")
    return out


def rewrite(bundle: Path, change: Callable[[dict[str, bytes]], None], name: str = "changed") -> Path:
    """A copy of a bundle with other members."""
    with tarfile.open(bundle) as archive:
        members = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    change(members)
    out = bundle.with_name(f"{name}.tar")
    with tarfile.open(out, "w") as archive:
        for member_name, data in members.items():
            member = tarfile.TarInfo(member_name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out


def test_a_bundle_is_checked_point_by_point(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(bundle)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{bundle}: tiny/{CODEC}/{point}/seed0: agrees" for point in "ab"]


def test_a_wrong_score_is_named(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def better(members: dict[str, bytes]) -> None:
        record = json.loads(members["tiny/b/seed0/record.json"])
        record["metrics"]["psnr_rgb_db"] += 1
        members["tiny/b/seed0/record.json"] = json.dumps(record).encode()

    assert main(["check", str(rewrite(bundle, better))]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(f"tiny/{CODEC}/a/seed0: agrees")
    assert f"tiny/{CODEC}/b/seed0: psnr_rgb_db is " in lines[1]


def test_bundles_join_a_condition_as_they_are_checked_here(bundle: Path) -> None:
    """Their records are measured anew: a wrong score of the author's never reaches a table."""
    condition = load_condition("bundle-v0")
    keys = find_bundles(condition, bundle.parent)
    assert [key.run for key in keys] == ["bundle-good-seed0"] * 2
    for key in keys:
        assert Path(key.file("stream.bin")).is_file()
        measure_run(key, "x264, bundle good")
    mine = [dataclasses.replace(key, run="seed0") for key in keys]
    assert collect([key.file("record.json") for key in (*mine, *keys)], "rd_points.csv") == 4
    rows = load_points("rd_points.csv")
    assert list(rows["series"].unique()) == [CODEC, f"{CODEC} (bundle good)"]
    assert codec_label(rows, CODEC) == "x264 medium"
    assert origin_notes(rows) == ["Streams of a bundle were encoded elsewhere, and decoded and scored here."]
    own, theirs = legend_groups(list(drawn_series(rows).values()))
    assert [entry.text for entry in own.entries] == ["x264 medium"]
    assert theirs.heading == "Streams of others, checked here"
    assert [entry.text for entry in theirs.entries] == ["x264, bundle good"]
    assert Record.read(keys[0].file("record.json")).series == f"{CODEC} (bundle good)"
    stream = Path(keys[0].file("stream.bin"))
    before = stream.stat().st_mtime_ns
    assert find_bundles(condition, bundle.parent) == keys
    assert stream.stat().st_mtime_ns == before, "an unchanged bundle makes no file newer"


def _json(name: str, **values: Any) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        members[name] = json.dumps(json.loads(members[name]) | values).encode()

    return change


def _set(name: str, data: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda members: members.update({name: data})


HOSTILE: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "path outside": (_set("../../evil", b"x"), "has the unknown member '../../evil'"),
    "absolute path": (_set("/etc/evil", b"x"), "has the unknown member '/etc/evil'"),
    "shell in a name": (_set("tiny/$(touch x)/seed0/stream.bin", b"x"), "has the unknown member"),
    "further file": (_set("tiny/c/seed0/stream.bin", b"x"), "its files are not those that bundle.json lists"),
    "missing file": (
        lambda members: members.pop("tiny/a/seed0/encode.json"),
        "not those that bundle.json lists",
    ),
    "no index": (lambda members: members.pop("bundle.json"), "has no bundle.json"),
    "index is text": (_set("bundle.json", b"hello"), "bundle.json is not JSON"),
    "deep index": (_set("bundle.json", b"[" * 5000), "bundle.json is not JSON"),
    "other format": (_json("bundle.json", format=2), "bundle.json: format"),
    "unknown key": (_json("bundle.json", command="rm"), "unknown key 'command'"),
    "unknown codec": (_json("bundle.json", codec="x999"), "codec x999 is not installed here"),
    "other codec": (_json("bundle.json", codec="x265-medium"), "codec is 'x264-medium', not 'x265-medium'"),
    "other family": (_json("bundle.json", family="external"), "is of the family ffmpeg here"),
    "empty stream": (_set("tiny/a/seed0/stream.bin", b""), "has 0 bytes"),
    "damaged stream": (_set("tiny/a/seed0/stream.bin", b"NVS\x1a" + bytes(99)), "is not that of bundle.json"),
    "record is a list": (_set("tiny/a/seed0/record.json", b"[]"), "is not a record"),
    "record of NaN": (_json("tiny/a/seed0/record.json", rate_bpp=-1.0), "rate_bpp"),
    "record of another run": (
        _json("tiny/a/seed0/record.json", clip="other"),
        "is the record of another run",
    ),
    "formula as a label": (_json("tiny/a/seed0/record.json", label="=cmd()"), "not a formula"),
    "report is text": (_set("tiny/a/seed0/encode.json", b'"x"'), "is not an encode report"),
    "yaml bomb": (
        _set(
            "codec.yaml",
            b"a: &a [x, x, x, x, x, x, x, x, x, x]\n"
            + b"".join(
                b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 10)) for i in range(8)
            ),
        ),
        "has more than 1000000 values",
    ),
    "yaml with code": (_set("codec.yaml", b"!!python/object/apply:os.system [touch x]"), "codec.yaml"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_refused_in_one_line(
    bundle: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change, printed = HOSTILE[name]
    path = rewrite(bundle, change)
    before = sorted(Path().rglob("*"))
    assert main(["check", str(path)]) == 2
    error = capsys.readouterr().err
    assert printed in error
    assert len(error.splitlines()) == 1
    assert sorted(Path().rglob("*")) == before
    with pytest.raises(BenchError):
        find_bundles(load_condition("bundle-v0"), path.parent)


def special(bundle: Path, kind: bytes, link: str = "") -> Path:
    out = bundle.with_name("special.tar")
    with tarfile.open(out, "w") as archive:
        member = tarfile.TarInfo("codec.yaml")
        member.type, member.linkname = kind, link
        archive.addfile(member)
    return out


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_links_devices_and_folders_are_refused(bundle: Path, kind: bytes, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"codec\.yaml is not a regular file"):
        read_bundle(special(bundle, kind, "/etc/passwd"), tmp_path / "out")


def test_archives_that_are_compressed_cut_short_or_huge_are_refused(bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with tarfile.open("theirs/gz.tar", "w:gz") as archive:
        archive.add(bundle, "codec.yaml")
    with pytest.raises(BenchError, match="is not an uncompressed tar archive"):
        read_bundle(Path("theirs/gz.tar"), out)
    Path("theirs/cut.tar").write_bytes(bundle.read_bytes()[:2000])
    with pytest.raises(BenchError, match=r"cut short|not an uncompressed tar archive|no bundle"):
        read_bundle(Path("theirs/cut.tar"), tmp_path / "out2")
    member = tarfile.TarInfo("codec.yaml")
    member.size = 1 << 50
    Path("theirs/huge.tar").write_bytes(member.tobuf())
    with pytest.raises(BenchError, match="has 1125899906842624 bytes"):
        read_bundle(Path("theirs/huge.tar"), tmp_path / "out3")


def test_the_command_writes_a_bundle_of_the_measured_points(
    measured: list[RunKey], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(measured[1].file("record.json")).unlink()
    assert main(["bundle", "bundle-v0", CODEC, "--out", "b.tar"]) == 0
    output = capsys.readouterr()
    assert output.out.startswith("b.tar: 1 streams, ")
    assert "1 points of x264-medium are not measured yet" in output.err
    assert main(["bundle", "bundle-v0", "x265-medium"]) == 2
    assert "unknown codec 'x265-medium'" in capsys.readouterr().err


def test_an_external_codec_must_decode_here_as_there(tmp_path: Path) -> None:
    """The command of a bundle's codec file is compared with the installed one, and never run."""
    from bench.bundles.bundle_file import BundleIndex, check_codec
    from bench.codec.registry import codec_config

    run = {"clip": "a", "point": "p", "run": "seed0", "stream_sha256": "0" * 64}
    values = {"format": 1, "condition": "c", "codec": "x265-program", "family": "external", "programs": {}}
    index = BundleIndex.model_validate({**values, "suite_version": "1", "runs": [run]})
    text = codec_config("x265-program").path.read_text()
    file = tmp_path / "codec.yaml"
    file.write_text(text.replace("label: x265 medium", "label: another label"))
    check_codec(Path("b.tar"), index, file)
    file.write_text(text.replace("decode: [dec265,", "decode: [dec265, --noaccel,"))
    with pytest.raises(BenchError, match="settings: decode differs from that of config/codecs/x265-program"):
        check_codec(Path("b.tar"), index, file)
