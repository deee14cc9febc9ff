"""`bench add` of every kind of file: its row, what is reported, and the samples of the clip that it yields.

The samples are compared with formulas, computed with NumPy: the files are coded without loss.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from video_data import FPS, FRAMES, HEIGHT, WIDTH, encode, ffmpeg, planes_of, raw_frames

from bench.base.errors import BenchError
from bench.cli import main
from bench.conditions.reader import load_condition
from bench.conditions.sections import ClipPlan
from bench.sequences.new_row import describe_source
from bench.sequences.prepare import prepare_clip
from bench.sequences.table import COLUMNS, NEW_COLUMNS, find_sequence, read_sequences
from bench.video.clip import Clip, planes
from bench.workflow.first_run import write_condition

LOSSLESS_H264 = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast", "-bf", "0")
#: Tags alone, without a conversion, which `-colorspace` would do.
BT709 = ("-vf", "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv")


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table with one row, an older header, a comment, and the line ends of a spreadsheet."""
    path = tmp_path / "sequences.tsv"
    columns = "\t".join(COLUMNS[: -len(NEW_COLUMNS)])
    discs = "discs-tiny\tsynthetic\tmoving-discs\t-\t64\t48\t25\t10\tbt709\tlimited\tleft\tCC0\t-\t-"
    path.write_bytes(f"# mine\r\n{columns}\r\n{discs}\r\n".encode("utf-8-sig"))
    for module in ("table", "new_row"):
        monkeypatch.setattr(f"bench.sequences.{module}.SEQUENCES", path)
    return path


def rotated(folder: Path) -> Path:
    flat = encode(folder / "flat.mp4", "yuv420p", *LOSSLESS_H264)
    ffmpeg("-display_rotation", 270, "-i", flat, "-c", "copy", folder / "turned.mp4")
    return folder / "turned.mp4"


def several_streams(folder: Path) -> Path:
    """Cover art is the first video stream; sound and subtitles follow the video."""
    video = encode(folder / "video.mp4", "yuv420p", *LOSSLESS_H264, *BT709)
    Image.new("RGB", (80, 80), "red").save(folder / "cover.png")
    sources = ["-i", folder / "cover.png", "-i", video, "-f", "lavfi", "-i", "sine=duration=0.2"]
    maps = [
        "-map",
        0,
        "-map",
        1,
        "-map",
        2,
        "-c:v",
        "copy",
        "-c:a",
        "aac",
        "-disposition:v:0",
        "attached_pic",
    ]
    ffmpeg(*sources, *maps, folder / "tagged.mp4")
    return folder / "tagged.mp4"


def edited(folder: Path) -> Path:
    """An edit list hides the first two frames, on which the others depend."""
    video = encode(folder / "video.mp4", "yuv420p", *LOSSLESS_H264)
    ffmpeg("-ss", 2 / FPS, "-i", video, "-c", "copy", folder / "cut.mp4")
    return folder / "cut.mp4"


def y4m_with_parameters(folder: Path) -> Path:
    frames, size = raw_frames(siting="center"), WIDTH * HEIGHT * 3 // 2
    header = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A4:3 C420jpeg Xmine XCOLORRANGE=LIMITED\n"
    parts = [b"FRAME Ip Xnote\n" + frames[index * size :][:size] for index in range(FRAMES)]
    path = folder / "mine.y4m"
    path.write_bytes(header.encode() + b"".join(parts))
    return path


def odd_raw(folder: Path) -> Path:
    path = folder / "odd_63x47_25.yuv"
    path.write_bytes(raw_frames(width=63, height=47))
    return path


def raw_10_bit(folder: Path) -> Path:
    path = folder / "deep_64x48_30000_1001_422_10bit.yuv"
    path.write_bytes(raw_frames("422", 10))
    return path


KINDS: dict[str, tuple[Callable[[Path], Path], dict[str, object]]] = {
    "h264": (lambda f: encode(f / "a.mp4", "yuv420p", *LOSSLESS_H264), {}),
    "rotation": (rotated, {"width": HEIGHT, "height": WIDTH, "rotation": 90}),
    "10-bit": (lambda f: encode(f / "a.mkv", "yuv420p10le", "-c:v", "ffv1"), {"pixel_format": "yuv420p10le"}),
    "4:2:2": (
        lambda f: encode(f / "a.mov", "yuv422p", *LOSSLESS_H264, *BT709),
        {"pixel_format": "yuv422p", "matrix": "bt709"},
    ),
    "4:4:4 12-bit": (
        lambda f: encode(f / "a.mkv", "yuv444p12le", "-c:v", "ffv1"),
        {"pixel_format": "yuv444p12le"},
    ),
    "full range": (
        lambda f: encode(
            f / "a.mkv", "yuv420p", "-c:v", "ffv1", "-vf", "setparams=range=pc", "-color_range", "pc"
        ),
        {"range": "full"},
    ),
    "bt601": (
        lambda f: encode(f / "a.mp4", "yuv420p", *LOSSLESS_H264, "-vf", "setparams=colorspace=smpte170m"),
        {"matrix": "bt601"},
    ),
    "y4m": (y4m_with_parameters, {"siting": "center"}),
    "odd raw": (odd_raw, {"width": 63, "height": 47}),
    "raw 4:2:2 10-bit": (raw_10_bit, {"pixel_format": "yuv422p10le", "fps": "30000/1001"}),
    "cover art": (several_streams, {"matrix": "bt709"}),
    "edit list": (edited, {"frames": FRAMES - 2}),
}


def expected_planes(sequence: object, index: int, width: int, height: int) -> list[np.ndarray]:
    """Planes of the clip by the formulas: BT.709, limited range, left siting, before rounding."""
    y, u, v = planes_of("420", index, width, height)
    if sequence.range == "full":
        y, u, v = 16 + y * 219 / 255, 128 + (u - 128) * 224 / 255, 128 + (v - 128) * 224 / 255
    return [y, u, v]


@pytest.mark.parametrize("kind", KINDS)
def test_an_added_file_prepares_to_the_right_samples(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    create, values = KINDS[kind]
    (tmp_path / "files").mkdir()
    path = create(tmp_path / "files")
    options = ["--fps", "30000/1001", "--pixel-format", "yuv422p10le"] if kind.startswith("raw") else []
    # The matrix is compared in one test of its own; here it is that of the clip unless the file has another.
    options += [] if "matrix" in values else ["--matrix", "bt709"]
    assert main(["add", str(path), "--name", "mine", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("mine: ")
    assert all(line.startswith(("assumed: ", "unknown: ", "note: ")) for line in lines[1:])
    row = find_sequence("mine", table)
    for column, value in values.items():
        assert str(getattr(row, column)) == str(value), column
    crop = (0, 0, row.width // 2 * 2, row.height // 2 * 2)
    plan = ClipPlan(sequence="mine", crop=None if crop[2:] == (row.width, row.height) else crop)
    clip = prepare_clip(row, plan, name="clip", colour="bt709", out_dir=tmp_path / "out")
    assert clip.info.frames == row.frames
    first = FRAMES - row.frames
    for index, frame in enumerate(clip.frames(), start=first):
        check_frame(clip, frame, row, index)


def check_frame(clip: Clip, frame: np.ndarray, row: object, index: int) -> None:
    """Compare a frame with the formulas. At the borders filters of chroma have no neighbours."""
    got = [plane.astype(float) for plane in planes(frame, clip.info.width, clip.info.height)]
    if row.rotation:  # back to the orientation of the formulas; then left siting is another one
        got = [np.rot90(plane, row.rotation // 90) for plane in got]
        y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
        below, right = np.mgrid[0 : HEIGHT // 2, 0 : WIDTH // 2].astype(float)
        # A column of the clip is a row of the formulas from the bottom: the left of a pair is its lower row.
        position = 2 * right + 0.5, 2 * below + 1
        expected = [20 + x + 2 * y + 6 * (index % 3)]
        expected += [20 + 2 * sum(position), 240 - 2 * sum(position)]
    else:
        expected = expected_planes(row, index, clip.info.width, clip.info.height)
    if row.matrix == "bt601":
        expected = to_bt709(expected)
    assert np.nanmax(np.abs(got[0] - expected[0])) <= (1.5 if row.matrix == "bt601" else 1)
    for plane, right_plane in zip(got[1:], expected[1:], strict=True):
        difference = np.abs(plane - right_plane)[3:-3, 3:-3]
        assert np.nanmax(difference) <= 1.5
        # ffmpeg's conversions of range and matrix round chroma down by up to half a level.
        assert np.nanmean(difference) < (0.8 if row.matrix == "bt601" or row.range == "full" else 0.4)


def to_bt709(bt601: list[np.ndarray]) -> list[np.ndarray]:
    """BT.601 planes of 4:2:0, left siting, as BT.709 by the formulas of both standards. Outside RGB: NaN."""

    def convert(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> list[np.ndarray]:
        luma, cb, cr = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
        red, blue = luma + 1.402 * cr, luma + 1.772 * cb
        green = (luma - 0.299 * red - 0.114 * blue) / 0.587
        inside = (np.minimum(np.minimum(red, green), blue) > 0) & (
            np.maximum(np.maximum(red, green), blue) < 1
        )
        red[~inside] = np.nan
        luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        return [16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748]

    y, u, v = bt601
    height, width = y.shape
    rows, columns = np.mgrid[0:height, 0:width].astype(float)
    base = y[0, 0]
    full = convert(y, 20 + 2 * columns + 2 * rows, 240 - 2 * columns - 2 * rows)
    below, right = np.mgrid[0 : height // 2, 0 : width // 2].astype(float)
    at_chroma = convert(base + 2 * right + 2 * (2 * below + 0.5), u, v)
    return [full[0], at_chroma[1], at_chroma[2]]


@pytest.mark.parametrize(
    ("suffix", "codec", "pixel_format"),
    [
        (".ts", ("libx264", "-preset", "ultrafast", "-crf", 1), "yuv420p"),
        (".webm", ("libvpx-vp9", "-cpu-used", 8, "-crf", 4, "-b:v", 0), "yuv420p"),
        (".avi", ("mpeg4", "-q:v", 1), "yuv420p"),
        (".mov", ("prores_ks", "-qscale:v", 1), "yuv422p10le"),
        (
            ".mp4",
            ("libx265", "-preset", "ultrafast", "-crf", 1, "-x265-params", "log-level=error"),
            "yuv420p",
        ),
        (".flv", ("libx264", "-preset", "ultrafast", "-crf", 1), "yuv420p"),
    ],
)
def test_a_container_with_a_lossy_codec_prepares_to_its_frames(
    tmp_path: Path, suffix: str, codec: tuple[object, ...], pixel_format: str
) -> None:
    path = encode(tmp_path / f"a{suffix}", pixel_format, "-r", FPS, "-c:v", *codec)
    row, _ = describe_source(path, "mine", {"matrix": "bt709"})
    assert (row.width, row.height, row.fps, row.frames) == (WIDTH, HEIGHT, FPS, FRAMES)
    assert (row.pixel_format, row.range) == (pixel_format, "limited")
    plan = ClipPlan(sequence="mine")
    clip = prepare_clip(row, plan, name="clip", colour="bt709", out_dir=tmp_path / "out")
    for index, frame in enumerate(clip.frames()):
        got, expected = planes(frame, WIDTH, HEIGHT), planes_of("420", index)
        for plane, right in zip(got, expected, strict=True):
            assert np.abs(plane - right).mean() < 2  # consecutive frames differ by 6 or more in Y


def test_what_is_not_applied_is_reported_and_recorded(tmp_path: Path) -> None:
    row, remarks = describe_source(y4m_with_parameters(tmp_path), "mine", {"siting": "left"})
    notes = [
        "note sample aspect ratio 4:3 is not applied: samples are measured as stored",
        "note siting center of the file is not used: sequences.tsv has left",
    ]
    assert [remark for remark in remarks if remark.startswith("note")] == [
        note.replace("note ", "note: ") for note in notes
    ]
    plan = ClipPlan(sequence="mine")
    chain = prepare_clip(row, plan, name="clip", colour="bt709", out_dir=tmp_path / "out").info.chain
    assert [step for step in chain if step.startswith("note")] == notes
    (facts,) = (step for step in chain if step.startswith("frames of the file: "))
    assert facts.startswith(
        "frames of the file: 64x48, yuv420p, range limited, siting center, not stated: matrix"
    )
    assert facts.endswith("sample aspect ratio 4:3, rotation 0, progressive")


def test_an_added_row_leaves_the_rest_of_the_table_unchanged(table: Path, tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", "yuv420p", *LOSSLESS_H264)
    before = table.read_bytes().decode("utf-8-sig").splitlines()
    assert main(["add", str(path), "--name", "mine"]) == 0
    data = table.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf# mine\r\n")
    assert data.count(b"\n") == data.count(b"\r\n")
    after = data.decode("utf-8-sig").splitlines()
    assert after[1].split("\t") == list(COLUMNS)
    assert [*after[:1], *after[2:-1]] == [*before[:1], *before[2:]]
    assert list(read_sequences(table)) == ["discs-tiny", "mine"]
    assert [row.name for row in tmp_path.glob(".*.tmp")] == []


def test_a_name_in_the_table_is_refused(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = encode(tmp_path / "a.mp4", "yuv420p", *LOSSLESS_H264)
    before = table.read_bytes()
    assert main(["add", str(path), "--name", "Discs-Tiny"]) == 2
    assert "has a sequence 'discs-tiny' already; give another --name" in capsys.readouterr().err
    assert table.read_bytes() == before


@pytest.mark.parametrize(
    ("stem", "name"),
    [("Meine Aufnahme (1)", "Meine-Aufnahme-1"), ("Élan vital", "Elan-vital"), ("-x", "x")],
)
def test_a_name_is_made_from_that_of_the_file(tmp_path: Path, stem: str, name: str) -> None:
    path = encode(tmp_path / "a.mp4", "yuv420p", *LOSSLESS_H264).rename(tmp_path / f"{stem}.mp4")
    row, remarks = describe_source(path, None, {})
    assert row.name == name
    assert f"assumed: name {name}: from the file's name" in remarks
    clip = prepare_clip(row, ClipPlan(sequence=name), name="c", colour="bt709", out_dir=tmp_path / "o")
    assert clip.info.frames == FRAMES


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("名前.mp4", {}, "has no name that a sequence can have; give --name: use at most"),
        ("a.yuv", {}, "is a raw file, which does not state its size; give --size WIDTHxHEIGHT"),
        ("a_64x48.yuv", {}, "does not state its frame rate; give --fps, such as 25"),
        (
            "a_64x48_25.yuv",
            {},
            "which are 12 frames of yuv420p, 9 frames of yuv422p, 6 frames of yuv444p; give --pixel-format",
        ),
        (
            "a_66x48_25.yuv",
            {},
            "which are no whole frames of 66x48; give --pixel-format and the right --size",
        ),
        ("a_64x48_25.yuv", {"pixel_format": "rgb24"}, "unknown pixel format 'rgb24'; give one of yuv420p"),
        ("a_64x48_25.yuv", {"pixel_format": "yuv420p10le"}, "which is no value of 10 bit; write the file's"),
        ("a_00x00_25.yuv", {}, "which does not state its size"),
        ("a.txt", {}, "Invalid data found when processing input; give a video in a container"),
        ("nowhere.mp4", {}, "no such file or folder; check the path"),
        ("a.mp4", {"fps": "24"}, "its fps is 25, but 24 in sequences.tsv"),
        ("a.mp4", {"matrix": "bt601", "pixel_format": "yuv444p"}, "its pixel_format is yuv420p, but yuv444p"),
    ],
)
def test_what_cannot_be_assumed_is_refused(
    tmp_path: Path, name: str, options: dict[str, object], message: str
) -> None:
    path = tmp_path / name
    if path.suffix == ".mp4" and name != "nowhere.mp4":
        encode(tmp_path / "b.mp4", "yuv420p", *LOSSLESS_H264).rename(path)
    elif path.suffix != ".mp4":
        path.write_bytes(raw_frames("444"))
    with pytest.raises(BenchError) as caught:
        describe_source(path, None, options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Beauty_64x48_120fps_420_8bit_YUV.yuv", {"fps": "120", "pixel_format": "yuv420p", "frames": 12}),
        ("Beauty_64x48_24_444_8bit.yuv", {"fps": "24", "pixel_format": "yuv444p", "frames": 6}),
        ("a-64x48_30.yuv", {"fps": "30"}),
        ("a_64x48_420_8bit.yuv", {}),
        ("a_64x48_8bit.yuv", {}),
        ("64x48.yuv", {}),
    ],
)
def test_facts_in_the_name_of_a_raw_file(tmp_path: Path, name: str, values: dict[str, object]) -> None:
    (tmp_path / name).write_bytes(raw_frames("444"))
    if "fps" not in values:
        with pytest.raises(BenchError, match="does not state its frame rate"):
            describe_source(tmp_path / name, "mine", {})
        return
    given = {} if "pixel_format" in values else {"pixel_format": "yuv444p"}
    row, remarks = describe_source(tmp_path / name, "mine", given)
    assert {column: str(getattr(row, column)) for column in values} == {k: str(v) for k, v in values.items()}
    for column in values.keys() - {"frames"}:
        assert f"assumed: {column} {values[column]}: from the file's name" in remarks


def test_a_path_that_a_table_cannot_hold_is_refused(tmp_path: Path) -> None:
    for name in ("tab\t.mp4", "line\n.mp4", "end.mp4 ", os.fsdecode(b"latin\xe9.mp4")):
        (tmp_path / name).touch()
        with pytest.raises(BenchError, match="a row of a table cannot hold this path; rename the file"):
            describe_source(tmp_path / name, "mine", {})


def test_a_folder_of_frames_is_added_as_rgb(table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(1, 11):
        Image.new("RGB", (20, 12), (index, 0, 0)).save(folder / f"f{index}.png")
    with pytest.raises(BenchError, match="does not state its frame rate; give --fps"):
        describe_source(folder, None, {})
    assert main(["add", str(folder), "--fps", "24"]) == 0
    row = find_sequence("pictures", table)
    assert (row.kind, row.width, row.height, row.frames, row.fps) == ("frames", 20, 12, 10, 24)
    plan = ClipPlan(sequence="pictures")
    clip = prepare_clip(row, plan, name="c", colour="bt709", out_dir=tmp_path / "out")
    assert [frame[0, 0, 0] for frame in clip.rgb()] == list(range(1, 11))


@pytest.mark.parametrize("pattern", ["f*.jpg", "f%d.jpg"])
def test_a_pattern_of_rotated_frames_is_added(table: Path, tmp_path: Path, pattern: str) -> None:
    folder = tmp_path / "Ferien am Méer"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    for index in range(9, 12):
        Image.new("RGB", (21, 12), (20 * index, 0, 0)).save(folder / f"f{index}.jpg", exif=exif)
    (folder / "notes.txt").write_text("notes")
    row, remarks = describe_source(folder / pattern, None, {"fps": "25"})
    assert (row.name, row.width, row.height, row.frames) == ("Ferien-am-Meer", 12, 21, 3)
    assert "note: from f9.jpg to f11.jpg, in natural order" in remarks
    assert "note: rotation of EXIF applied" in remarks
    assert any("a clip needs `crop: [0, 0, 12, 20]`" in remark for remark in remarks)
    plan = ClipPlan(sequence=row.name, crop=(0, 0, 12, 20))
    clip = prepare_clip(row, plan, name="c", colour="bt709", out_dir=tmp_path / "out")
    assert clip.info.frames == 3


def test_frames_that_are_not_a_folder_are_refused(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also a transparent picture at the end, which only decoding shows."""
    folder = tmp_path / "f"
    folder.mkdir()
    for index in range(3):
        mode, colour = ("RGBA", (1, 2, 3, 4)) if index == 2 else ("RGB", (1, 2, 3))
        Image.new(mode, (20, 12), colour).save(folder / f"{index}.png")
    first, second = folder / "0.png", folder / "1.png"
    for sources, problem in (
        ([folder], "2.png: has transparent pixels"),
        ([first], f"is one picture; give its folder, or a pattern in quotes such as '{folder}/*.png'"),
        ([first, second], "1.png: is a second source; write a pattern in quotes"),
        ([folder / "*.jpg"], "holds no frames"),
    ):
        assert main(["add", *map(str, sources), "--fps", "24"]) == 2
        assert problem in capsys.readouterr().err


def test_the_first_run_has_a_condition_of_its_own(tmp_path: Path) -> None:
    path = odd_raw(tmp_path)
    row, remarks = describe_source(path, "mine", {})
    assert any("crop: [0, 0, 62, 46]" in remark for remark in remarks)
    condition = load_condition(write_condition(row, tmp_path))
    assert condition.name == "mine-v1"
    assert condition.clip("mine").crop == (0, 0, 62, 46)
    assert condition.clip("mine").trim == (0, FRAMES)
    assert {"x264-medium", "x265-medium", "identity"} <= set(condition.codecs)
    assert "ffnerv-matched" not in condition.codecs
    with pytest.raises(BenchError, match="exists; run snakemake --config condition=mine-v1 -- all"):
        write_condition(row, tmp_path)
