"""Files that contradict their row, are damaged, or hold what the suite does not convert: all are refused.

Each refusal has both values or the cause, and the remedy. Files that look similar and are right prepare.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from video_data import FPS, FRAMES, HEIGHT, WIDTH, encode, ffmpeg, raw_frames, row_of

from bench.base.errors import BenchError
from bench.base.files import sha256_file
from bench.cli import main
from bench.codec.encode import EncodePlan
from bench.codec.encode import encode as encode_clip
from bench.codec.registry import codec_config, resolve_settings
from bench.conditions.sections import ClipPlan
from bench.sequences.prepare import prepare_clip
from bench.sequences.probe import DecodeLog
from bench.sequences.row import SourceSequence
from bench.sequences.source_check import check_decode
from bench.sequences.source_file import Source, check_users_file
from bench.video.clip import Clip

H264 = ("-c:v", "libx264", "-preset", "ultrafast")
FFV1 = ("-c:v", "ffv1")


def prepared(row: SourceSequence, folder: Path, colour: str = "bt709", **steps: object) -> Clip:
    return prepare_clip(row, ClipPlan(sequence="mine", **steps), name="clip", colour=colour, out_dir=folder)


def refusal(row: SourceSequence, folder: Path, **steps: object) -> str:
    """The message that `prepare` refuses a row with; no file is left."""
    with pytest.raises(BenchError) as caught:
        prepared(row, folder / "out", **steps)
    assert not list((folder / "out").glob("*"))
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """H.264 without tags: 64x48, 25 frames a second, 6 frames."""
    return encode(tmp_path_factory.mktemp("video") / "a.mp4", "yuv420p", *H264)


@pytest.fixture(scope="module")
def turned(video: Path) -> Path:
    """The same frames, to be displayed rotated by 90 degrees anticlockwise."""
    path = video.with_name("turned.mp4")
    ffmpeg("-display_rotation", 90, "-i", video, "-c", "copy", path)
    return path


@pytest.mark.parametrize(
    ("values", "steps"),
    [
        ({"width": HEIGHT, "height": WIDTH}, {}),
        ({"width": 80}, {"scale": (40, 24)}),
        ({"width": 128, "height": 96}, {"crop": (64, 0, 32, 32)}),
        ({"width": 32, "height": 24, "frames": 4 * FRAMES}, {}),
    ],
)
def test_another_size_is_refused_whatever_the_steps_are(
    video: Path, tmp_path: Path, values: dict[str, int], steps: dict[str, object]
) -> None:
    row = row_of(video, **values)
    message = refusal(row, tmp_path, **steps)
    assert f"its frames are 64x48, but {row.width}x{row.height} in sequences.tsv" in message
    with pytest.raises(BenchError, match="its frames are 64x48"):
        check_users_file(row)  # a plan refuses it before any job


def test_rotation_is_applied_or_reported(
    turned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refusal(row_of(turned, width=HEIGHT, height=WIDTH), tmp_path)
    assert "its frames are 64x48 (to be rotated by 270 degrees), but 48x64 in sequences.tsv" in message
    assert (
        "write the size 64x48 in sequences.tsv for frames as stored, or 48x64 and the rotation 270" in message
    )
    assert "(rotation 90)" in refusal(row_of(turned, width=HEIGHT, height=WIDTH, rotation=90), tmp_path)
    assert "64x48 (rotation 0)" in refusal(row_of(turned, rotation=0), tmp_path)

    stored = prepared(row_of(turned), tmp_path / "stored")
    note = "rotation by 270 degrees is not applied: frames are measured as stored"
    assert f"note {note}" in stored.info.chain
    assert f"[prepare clip] {note}" in capsys.readouterr().err
    upright = prepared(row_of(turned, width=HEIGHT, height=WIDTH, rotation=270), tmp_path / "upright")
    for one, other in zip(stored.frames(), upright.frames(), strict=True):
        luma = one[: WIDTH * HEIGHT].reshape(HEIGHT, WIDTH)
        assert np.array_equal(np.rot90(luma), other[: WIDTH * HEIGHT].reshape(WIDTH, HEIGHT))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-display_hflip"], "is displayed mirrored"),
        (["-display_vflip"], "is displayed mirrored"),
        (["-display_rotation", 90, "-display_hflip"], "is displayed mirrored"),
        (["-display_rotation", 45], "is rotated by 315 degrees, which is not a quarter turn"),
    ],
)
def test_other_display_matrices_are_refused(
    video: Path, tmp_path: Path, options: list[object], message: str
) -> None:
    ffmpeg(*options, "-i", video, "-c", "copy", tmp_path / "a.mp4")
    assert message in refusal(row_of(tmp_path / "a.mp4"), tmp_path)
    ffmpeg("-display_rotation", 180, "-i", video, "-c", "copy", tmp_path / "a.mp4")
    clip = prepared(row_of(tmp_path / "a.mp4", rotation=180), tmp_path / "out")
    stored = prepared(row_of(video), tmp_path / "stored")
    size = WIDTH * HEIGHT
    for one, other in zip(clip.frames(), stored.frames(), strict=True):
        assert np.array_equal(one[:size], other[:size][::-1])


@pytest.mark.parametrize(
    ("tags", "values", "message"),
    [
        ([], {"fps": "120"}, "its fps is 25, but 120 in sequences.tsv; correct fps of mine"),
        ([], {"fps": "30000/1001"}, "its fps is 25, but 30000/1001 in"),
        ([], {"pixel_format": "yuv420p10le"}, "its pixel_format is yuv420p, but yuv420p10le in"),
        ("range=pc", {}, "its range is full, but limited in"),
        ("range=tv", {"range": "full"}, "its range is limited, but full in"),
        ("colorspace=smpte170m", {}, "its matrix is bt601, but bt709 in"),
        ("colorspace=bt709", {"matrix": "bt601"}, "its matrix is bt709, but bt601 in"),
        ("colorspace=bt2020nc", {}, "has the matrix bt2020nc, but the suite converts BT.709 and BT.601 only"),
        ("color_primaries=bt2020", {}, "has the primaries bt2020, but the suite converts"),
        ("color_trc=smpte2084", {}, "has the transfer function PQ (smpte2084); convert it to BT.709 first"),
        ("color_trc=arib-std-b67", {}, "has the transfer function HLG (arib-std-b67)"),
        ("color_trc=linear", {}, "has the transfer function linear"),
    ],
)
def test_tags_that_contradict_the_row_are_refused(
    tmp_path: Path, tags: str, values: dict[str, object], message: str
) -> None:
    filters = ["-vf", f"setparams={tags}"] if tags else []
    filters += ["-color_range", "pc"] if tags == "range=pc" else []
    path = encode(tmp_path / "a.mkv", "yuv420p", *FFV1, *filters)
    assert message in refusal(row_of(path, **values), tmp_path)


@pytest.mark.parametrize("pixel_format", ["rgb24", "gbrp", "gray", "yuva420p", "yuv440p"])
def test_a_pixel_format_that_is_not_converted_is_refused(tmp_path: Path, pixel_format: str) -> None:
    path = encode(tmp_path / "a.mkv", "yuv420p", *FFV1, "-pix_fmt", pixel_format)
    assert "which is not planar YUV of 4:2:0, 4:2:2 or 4:4:4; convert it" in refusal(row_of(path), tmp_path)


def test_interlaced_frames_are_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", "yuv420p", *FFV1, "-vf", "setfield=tff", "-flags", "+ildct")
    assert "is interlaced; deinterlace it first: ffmpeg" in refusal(row_of(path), tmp_path)
    y4m = encode(tmp_path / "a.y4m", "yuv420p")
    y4m.write_bytes(y4m.read_bytes().replace(b" Ip ", b" It ", 1))
    assert "is interlaced" in refusal(row_of(y4m), tmp_path)


def test_several_video_streams_are_refused(video: Path, tmp_path: Path) -> None:
    ffmpeg("-i", video, "-i", video, "-map", 0, "-map", 1, "-c", "copy", tmp_path / "two.mkv")
    assert "has 2 video streams; keep one of them" in refusal(row_of(tmp_path / "two.mkv"), tmp_path)
    ffmpeg("-f", "lavfi", "-i", "sine=duration=0.1", tmp_path / "sound.mp4")
    assert "matches no streams" in refusal(row_of(tmp_path / "sound.mp4"), tmp_path)


def test_a_variable_frame_rate_is_refused(tmp_path: Path) -> None:
    """Two frames are missing: the others are displayed later than a constant rate has them."""
    path = encode(
        tmp_path / "a.mp4", "yuv420p", *H264, "-vf", r"select=not(eq(n\,2)+eq(n\,3))", "-fps_mode", "vfr"
    )
    message = refusal(row_of(path, frames=FRAMES - 2), tmp_path)
    assert "has a variable frame rate: frames are up to 3.0 intervals of 25 a second apart" in message
    assert "and 2.0 off their time; give it a constant rate: ffmpeg" in message
    slower = ("-vf", r"settb=1/1000,setpts=40*N+10*max(0\,N-2)", "-enc_time_base", "1/1000")
    drifting = encode(tmp_path / "b.mkv", "yuv420p", *FFV1, *slower, "-fps_mode", "passthrough")
    assert "has a variable frame rate" in refusal(row_of(drifting), tmp_path)
    rounded = encode(tmp_path / "a.mkv", "yuv420p", *FFV1, "-r", "24000/1001")  # time stamps of 1 ms
    clip = prepared(row_of(rounded, fps="24000/1001"), tmp_path / "out")
    assert not any("time stamps" in step for step in clip.info.chain)


def test_time_stamps_that_vary_a_little_are_reported(tmp_path: Path) -> None:
    """As of a telephone: each frame is up to a fifth of a frame late."""
    exact = ("-enc_time_base", "1/1000", "-fps_mode", "passthrough")
    path = encode(
        tmp_path / "a.mkv", "yuv420p", *FFV1, "-vf", "settb=1/1000,setpts=40*N+8*mod(N\\,2)", *exact
    )
    clip = prepared(row_of(path), tmp_path / "out")
    note = "note time stamps vary by 0.20 frames: frames are equally spaced"
    assert note in clip.info.chain
    assert clip.info.frames == FRAMES


def test_the_clock_of_a_camera_may_drift_but_no_frame_may_be_missing(tmp_path: Path) -> None:
    """2000 frames at 0.2 % less than 30000/1001 a second; then one of them is missing."""
    log = DecodeLog()
    log.add("[Parsed_showinfo_0 @ 0x1] [info] config in time_base: 1/90000, frame_rate: 30000/1001")
    for index in range(2000):
        for line in _LINES[2], _LINES[4]:
            log.add(line.replace("pts:NOPTS", f"pts: {3009 * index}"))
    check_decode(log, tmp_path)
    assert 3.9 < log.largest_deviation() < 4
    for line in _LINES[2], _LINES[4]:
        log.add(line.replace("pts:NOPTS", f"pts: {3009 * 2001}"))
    with pytest.raises(BenchError, match=r"frames are up to 2\.0 intervals of 30000/1001 a second apart"):
        check_decode(log, tmp_path)


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    small = encode(tmp_path / "small.h264", "yuv420p", *H264, "-vf", "scale=32:24")
    large = encode(tmp_path / "large.h264", "yuv420p", *H264)
    both = tmp_path / "both.h264"
    both.write_bytes(large.read_bytes() + small.read_bytes())
    ffmpeg("-r", FPS, "-i", both, "-c", "copy", tmp_path / "both.mkv")
    assert "ffmpeg" in refusal(row_of(tmp_path / "both.mkv", frames=2 * FRAMES), tmp_path)


def damaged(path: Path) -> Iterator[bytes]:
    """The file with one bit flipped at each of some places in its coded samples."""
    data = path.read_bytes()
    begin = data.index(b"mdat") + 4
    for place in range(begin + 800, len(data) - 1500, 400):
        yield data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :]


def test_damage_that_ffmpeg_conceals_is_refused(tmp_path: Path) -> None:
    """The good file passes. Most flipped bits break the syntax; the SHA-256 in the row detects all."""
    path = tmp_path / "noise.mp4"
    noise = ["-f", "lavfi", "-i", f"testsrc2=s=64x48:r={FPS}:d={FRAMES / FPS},noise=alls=60"]
    ffmpeg(*noise, "-c:v", "libx264", "-crf", 10, "-pix_fmt", "yuv420p", path)
    row = row_of(path)
    good = prepared(row, tmp_path / "good").path.read_bytes()
    outcomes = []
    for index, data in enumerate(damaged(path)):
        (copy := tmp_path / f"{index}.mp4").write_bytes(data)
        try:
            same = prepared(row_of(copy), tmp_path / "out").path.read_bytes() == good
            outcomes.append("unchanged" if same else "missed")
        except BenchError as error:
            outcomes.append(re.sub(".*(ffmpeg failed|ffmpeg reports).*", "refused", str(error)))
        with pytest.raises(BenchError, match="its sha256 is"):
            prepared(row_of(copy, sha256=sha256_file(path)), tmp_path / "out")
    assert len(outcomes) > 6
    assert outcomes.count("refused") >= 0.7 * len(outcomes)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".y4m", ".avi"])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, suffix: str) -> None:
    """Also where its row has the number of frames that are left, as a count of them finds."""
    codec = {".y4m": [], ".avi": FFV1}.get(suffix, [*H264, "-g", 1])
    options = ["-movflags", "+faststart"] if suffix == ".mp4" else []
    path = encode(tmp_path / f"a{suffix}", "yuv420p", *codec, *options)
    path.write_bytes(path.read_bytes()[: int(0.6 * path.stat().st_size)])
    for frames in range(1, FRAMES + 1):
        refusal(row_of(path, frames=frames), tmp_path)


def test_a_playlist_or_script_named_like_a_video_is_refused(video: Path, tmp_path: Path) -> None:
    for name, text in (
        ("concat.mp4", f"ffconcat version 1.0\nfile '{video}'\n"),
        ("hls.mp4", f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{video}\n#EXT-X-ENDLIST\n"),
        ("dash.mkv", '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>'),
        ("frame.mp4", "\x89PNG\r\n"),
    ):
        path = tmp_path / name
        path.write_text(text, "latin-1")
        assert "ffmpeg failed: " in refusal(row_of(path), tmp_path)
    assert "Format not on whitelist" in refusal(row_of(tmp_path / "concat.mp4"), tmp_path)


def test_a_source_without_frames_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.y4m"
    path.write_bytes(b"YUV4MPEG2 W64 H48 F25:1 Ip C420mpeg2\n")
    assert "empty.y4m: " in refusal(row_of(path, frames=1), tmp_path)
    path.write_bytes(b"")
    assert "ffmpeg failed" in refusal(row_of(path, frames=1), tmp_path)


def test_a_clip_of_one_frame(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", "yuv420p", *H264, "-qp", 0, "-frames:v", 1)
    clip = prepared(row_of(path, frames=1), tmp_path / "out")
    expected = np.frombuffer(raw_frames()[: clip.info.frame_bytes], np.uint8)
    assert np.array_equal(list(clip.frames()), [expected])


@pytest.mark.parametrize("pixel_format", ["yuv444p", "yuv420p12le"])
def test_a_raw_file_with_the_size_of_another_format_needs_its_format(
    tmp_path: Path, pixel_format: str
) -> None:
    """8-bit 4:4:4 and 12-bit 4:2:0 have the bytes of 10-bit 4:2:0."""
    bits = 12 if "12" in pixel_format else 8
    path = tmp_path / "a.yuv"
    path.write_bytes(raw_frames(pixel_format[3:6], bits))
    message = refusal(row_of(path), tmp_path)
    assert "which is no value of 10 bit; write the file's pixel_format in sequences.tsv" in message
    clip = prepared(row_of(path, pixel_format=pixel_format), tmp_path / "right")
    expected = np.frombuffer(raw_frames(), np.uint8).reshape(FRAMES, -1)
    difference = np.abs(np.array(list(clip.frames()), float) - expected)
    assert difference[:, : WIDTH * HEIGHT].max() <= 1
    assert difference.mean() < 0.3
    message = refusal(row_of(path, pixel_format="yuv422p"), tmp_path)
    assert f"is {path.stat().st_size} bytes, but 6 frames of 64x48 are 36864 (yuv422p)" in message


def test_a_raw_file_of_422_is_refused_with_its_format(tmp_path: Path) -> None:
    path = tmp_path / "a.yuv"
    path.write_bytes(raw_frames("422"))
    assert "write its pixel_format in sequences.tsv: yuv422p has that size" in refusal(row_of(path), tmp_path)


def test_an_odd_raw_file_gives_the_clip_of_its_y4m(tmp_path: Path) -> None:
    raw, y4m = tmp_path / "a.yuv", tmp_path / "a.y4m"
    raw.write_bytes(raw_frames(width=63, height=47))
    source = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "63x47", "-r", FPS, "-i", raw]
    ffmpeg(*source, "-c:v", "wrapped_avframe", "-f", "yuv4mpegpipe", y4m)
    size, crop = {"width": 63, "height": 47}, (0, 0, 62, 46)
    clips = [prepared(row_of(path, **size), tmp_path / path.suffix, crop=crop) for path in (raw, y4m)]
    assert clips[0].path.read_bytes() == clips[1].path.read_bytes()
    assert "must be even for 4:2:0, not 63" in refusal(row_of(raw, **size), tmp_path)


def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer appends frames between the checks of the file and the end of the decode."""
    path = encode(tmp_path / "a.y4m", "yuv420p")
    opened = Source.check_unchanged

    def grow(source: Source) -> None:
        with path.open("ab") as file:
            file.write(b"FRAME\n")
        opened(source)

    monkeypatch.setattr(Source, "check_unchanged", grow)
    assert "was changed while it was read" in refusal(row_of(path), tmp_path)


def test_each_state_of_a_file_is_probed_once(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(video.read_bytes())
    row, logs = row_of(path), []
    monkeypatch.setattr("bench.sequences.probe.DecodeLog", lambda: logs.append(DecodeLog()) or logs[-1])
    for _ in range(3):
        check_users_file(row)
    assert len(logs) == 1
    os.utime(path, ns=(1, 1))
    check_users_file(row)
    assert len(logs) == 2


def test_ranges_and_siting_are_converted_for_ffmpegs_defaults_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Streams have no tag for them: the frames of `bench decode` are limited range and left siting."""
    path = encode(tmp_path / "a.mkv", "yuv420p", *FFV1, "-vf", "setparams=range=pc", "-color_range", "pc")
    clip = prepared(row_of(path, range="full", siting="center"), tmp_path / "clip", colour="bt601-ffmpeg")
    assert (clip.info.range, clip.info.siting, clip.info.matrix) == ("limited", "left", "bt709")
    source = np.frombuffer(raw_frames(), np.uint8).reshape(FRAMES, -1)[:, : WIDTH * HEIGHT]
    lumas = np.array(list(clip.frames()))[:, : WIDTH * HEIGHT]
    assert np.abs(lumas - (16 + source * (219 / 255))).max() <= 1
    config = codec_config("identity")
    (point,) = config.points
    stream = tmp_path / "stream.bin"
    encode_clip(
        EncodePlan(
            config=config,
            point=point,
            settings=resolve_settings(config, {}, config.points[point]),
            clip=clip,
            out=stream,
        )
    )
    assert main(["decode", str(stream), "-o", str(tmp_path / "out.y4m")]) == 0
    assert (tmp_path / "out.y4m").read_bytes() == clip.path.read_bytes()
    assert b"C420mpeg2 XCOLORRANGE=LIMITED" in clip.path.read_bytes()[:100]


def test_a_file_that_was_replaced_after_its_clip_was_prepared_is_refused(tmp_path: Path) -> None:
    """The clip is there, so that no job would read the new file."""
    path = encode(tmp_path / "a.y4m", "yuv420p")
    row, clip_json = row_of(path), tmp_path / "clip" / "clip.json"
    prepared(row, clip_json.parent)
    check_users_file(row, clip_json)
    os.utime(path)
    check_users_file(row, clip_json)  # the same bytes
    path.write_bytes(path.read_bytes()[:-1] + b"0")
    with pytest.raises(BenchError) as caught:
        check_users_file(row, clip_json)
    problem = f"is not the file that {clip_json} was prepared from; remove {clip_json.parent} to prepare"
    assert problem in str(caught.value)
    edited = row_of(path, sha256=sha256_file(path))
    check_users_file(edited, clip_json)  # Snakemake prepares the clip again: its row has changed
    path.unlink()
    check_users_file(row, clip_json)  # a source may be removed when its clips are prepared
    with pytest.raises(BenchError, match="the file of sequence mine is missing"):
        check_users_file(row, tmp_path / "other" / "clip.json")


_LINES = [
    "[info]   Stream #0:0: Video: h264 (High), yuv420p, 64x48, 25 fps",
    "[Parsed_showinfo_0 @ 0x1] [info] config in time_base: 1/0, frame_rate: 0/0",
    "[Parsed_showinfo_0 @ 0x1] [info] n:   0 pts:NOPTS pts_time:NOPTS duration: 1 duration_time:1 "
    "fmt:yuv420p cl:left sar:0/1 s:64x48 i:P iskey:1 type:I",
    "[Parsed_showinfo_0 @ 0x1] [info]   side data - 3x3 displaymatrix: rotation of nan degrees",
    "[Parsed_showinfo_0 @ 0x1] [info] color_range:tv color_space:unknown color_primaries:x color_trc:y",
]


@given(
    st.lists(
        st.sampled_from(_LINES)
        | st.sampled_from(_LINES).flatmap(lambda line: st.permutations(line.split())).map(" ".join)
        | st.text()
    )
)
def test_no_line_of_a_log_ends_the_thread_that_reads_it(lines: list[str]) -> None:
    """A file's metadata are lines of the log, too."""
    log = DecodeLog()
    for line in lines:
        log.add(line)
    assert log.frames <= len(lines)
    assert log.largest_deviation() >= 0
