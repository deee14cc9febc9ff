"""What every codec id promises, checked on a tiny clip; `codec` runs over all of config/codecs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.base.paths import ROOT
from bench.base.stage_clock import StageClock
from bench.codec import registry
from bench.codec.container import MAX_HEADER_BYTES, read_stream
from bench.codec.decode import codec_of, decode, describe
from bench.video.clip import Clip, planes
from tests.contract.conftest import Coded, run_environment

CHILD = Path(__file__).with_name("decode_child.py")
SOURCES = ("bench", "ffnerv", "baselines")
#: What a process on this system opens without being asked: libraries, the kernel's files, locales.
SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib")
#: Programs that libraries start while they are imported, without arguments: NumPy asks about the processor.
PROBES = ("lscpu",)

Frames = list[np.ndarray]


def decoded(path: Path, first: int = 0, stop: int | None = None) -> Frames:
    stream = read_stream(path)
    clock = StageClock()
    return list(decode(stream, codec_of(stream), device="cpu", clock=clock, first=first, stop=stop))


@pytest.fixture(scope="session")
def piped(coded: Callable[[str], Coded], tmp_path_factory: pytest.TempPathFactory):
    """Decode in a process of its own, in a folder that has nothing but the stream."""
    done = {}

    def decode_alone(codec: str):
        if codec not in done:
            folder = tmp_path_factory.mktemp(f"{codec}-alone")
            log = tmp_path_factory.mktemp(f"{codec}-log") / "log.json"
            (folder / "s").write_bytes(coded(codec).stream.read_bytes())
            command = [sys.executable, str(CHILD), "s", str(log)]
            environment = run_environment(folder)
            ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
            assert ran.returncode == 0, ran.stderr.decode()
            assert os.listdir(folder) == ["s"]
            done[codec] = (ran.stdout, json.loads(log.read_text()), folder)
        return done[codec]

    return decode_alone


def parse_pipe(data: bytes) -> tuple[dict, Frames, dict]:
    head, _, rest = data.partition(b"\n")
    header = json.loads(head)
    pixels = header["width"] * header["height"]
    size = pixels * 3 if header["pixel_format"] == "rgb24" else pixels * 3 // 2
    count = header["stop"] - header["first"]
    frames = [np.frombuffer(rest, np.uint8, size, index * size) for index in range(count)]
    return header, frames, json.loads(rest[count * size :])


def test_frames_are_as_the_clip_and_the_header_say(codec, coded, tiny_clip: Clip) -> None:
    stream = read_stream(coded(codec).stream)
    header, info = stream.header, tiny_clip.info
    assert (header.width, header.height, header.frames) == (info.width, info.height, info.frames)
    assert (header.fps, header.matrix, header.range, header.siting) == (
        info.fps,
        info.matrix,
        info.range,
        info.siting,
    )
    frames = decoded(stream.path)
    assert len(frames) == info.frames
    shape = (info.height, info.width, 3) if header.pixel_format == "rgb24" else (info.frame_bytes,)
    assert {(frame.shape, frame.dtype) for frame in frames} == {(shape, np.dtype(np.uint8))}


def test_frames_are_of_the_clip(codec, coded, tiny_clip: Clip) -> None:
    """No codec may be far off: in order, in place and in range, even after two epochs."""
    stream = read_stream(coded(codec).stream)
    source = tiny_clip.rgb() if stream.header.pixel_format == "rgb24" else tiny_clip.frames()
    pairs = zip(source, decoded(stream.path), strict=True)
    assert np.mean([np.mean((a.astype(float) - b) ** 2) for a, b in pairs]) < 100**2


def test_the_header_is_small(codec, coded) -> None:
    stream = read_stream(coded(codec).stream)
    assert stream.bytes - len(stream.payload) <= MAX_HEADER_BYTES
    assert stream.header.family in str(codec_of(stream).__class__.__module__)


def test_the_report_is_of_the_stream(codec, coded) -> None:
    made = coded(codec)
    data = made.stream.read_bytes()
    assert made.report == json.loads(made.stream.with_name("encode.json").read_text())
    assert made.report["stream_bytes"] == len(data)
    assert made.report["stream_sha256"] == hashlib.sha256(data).hexdigest()
    assert made.report["wall_s"] >= 0
    assert made.report["peak_memory_bytes"] > 1 << 20
    assert sum(stage["wall_s"] for stage in made.report["stages"].values()) <= made.report["wall_s"] * 1.01
    assert sorted(path.name for path in made.stream.parent.iterdir()) == [
        "encode.json",
        "stream.bin",
        "test-v0.yaml",
    ]


def test_the_same_again_byte_for_byte(codec, coded, tiny_clip: Clip, tmp_path: Path) -> None:
    """A second encode on the same machine, by the command line in a new process, writes the same stream."""
    made = coded(codec)
    arguments = ["encode", "--codec", codec, "--condition", str(made.condition), "--point", "test"]
    arguments += ["--clip", str(tiny_clip.path.with_name("clip.json")), "--device", "cpu"]
    arguments += ["--out", "stream.bin", "--report", "encode.json", "--state-dir", "state"]
    environment = run_environment(tmp_path) | {"PYTHONHASHSEED": "7"}
    command = [sys.executable, "-m", "bench", *arguments]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert all(line.startswith(f"[{codec} test seed0] ") for line in ran.stderr.splitlines())
    assert (tmp_path / "stream.bin").read_bytes() == made.stream.read_bytes()
    report = json.loads((tmp_path / "encode.json").read_text())
    for key in ("codec", "family", "kind", "settings", "seed", "threads", "stream_sha256", "device"):
        assert report[key] == made.report[key]


def test_a_process_with_nothing_but_the_stream_decodes_the_same(codec, coded, piped) -> None:
    header, frames, cost = parse_pipe(piped(codec)[0])
    here = decoded(coded(codec).stream)
    assert [frame.tobytes() for frame in frames] == [frame.tobytes() for frame in here]
    assert header["family"] == read_stream(coded(codec).stream).header.family
    assert set(cost) >= {"stages", "wall_s", "cpu_s", "device", "peak_memory_bytes"}
    assert cost["stages"], "a decoder reports what it spends its time on"


def test_a_decoder_opens_nothing_but_its_stream(codec, coded, piped) -> None:
    _, log, folder = piped(codec)
    assert "s" in log["opened"], "the hook does not see what is opened"
    stream = read_stream(coded(codec).stream)
    declared = set(map(str, codec_of(stream).decoder_files(stream)))
    assert declared <= set(log["opened"]), "declares a file that it does not read"
    own = [str(ROOT / name) + os.sep for name in SOURCES]
    installed = [sys.prefix, sys.base_prefix, *SYSTEM]
    for path in log["opened"]:
        absolute = os.path.normpath(folder / path)
        source = absolute.startswith(tuple(own)) and absolute.endswith((".py", ".pyc"))
        suite = absolute.startswith(str(ROOT)) and not absolute.startswith(sys.prefix)
        library = absolute.startswith(tuple(installed)) and not suite
        known = {str(folder / "s"), str(CHILD), *declared}
        assert source or library or absolute in known, f"opens {absolute}"
    for program, *arguments in log["started"]:
        assert program.startswith(sys.prefix) or (program in PROBES and not arguments), f"starts {program}"
        assert not [word for word in arguments if (folder / word).exists()], f"{program} is given a file"


def test_only_a_learned_decoder_has_files_and_its_stream_pins_them(codec, coded) -> None:
    stream = read_stream(coded(codec).stream)
    declared = list(codec_of(stream).decoder_files(stream))
    assert bool(declared) == (registry.codec_config(codec).kind == "learned")
    for path in declared:
        assert hashlib.sha256(path.read_bytes()).digest() in bytes(stream.payload), (
            f"{path} may change unseen"
        )


@pytest.mark.parametrize(("first", "stop"), [(0, 1), (3, 6), (8, 9), (1, 9)])
def test_random_access_is_a_slice(codec, coded, first: int, stop: int) -> None:
    path = coded(codec).stream
    part = decoded(path, first, stop)
    assert [frame.tobytes() for frame in part] == [frame.tobytes() for frame in decoded(path)[first:stop]]


def test_describe_is_json(codec, coded) -> None:
    told = describe(read_stream(coded(codec).stream))
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["bytes"] == coded(codec).stream.stat().st_size
    assert isinstance(told["payload"], dict)


def test_identity_is_lossless_at_a_known_rate(coded, tiny_clip: Clip) -> None:
    stream = read_stream(coded("identity").stream)
    source = [frame.tobytes() for frame in tiny_clip.frames()]
    assert [frame.tobytes() for frame in decoded(stream.path)] == source
    header_and_mode = stream.bytes - len(stream.payload) + 1
    assert 8 * (stream.bytes - header_and_mode) == 12 * tiny_clip.info.pixels


def test_the_mean_frame_is_the_mean(coded, tiny_clip: Clip) -> None:
    info = tiny_clip.info
    stack = np.stack(list(tiny_clip.frames())).astype(np.float64)
    expected = np.floor(stack.mean(axis=0) + 0.5)
    stream = read_stream(coded("mean-frame").stream)
    for frame in decoded(stream.path):
        np.testing.assert_array_equal(frame, expected)
    assert 8 * (len(stream.payload) - 1) * info.frames == 12 * info.pixels


def test_records_of_the_controls_are_known_answers(coded, tiny_clip: Clip, tmp_path: Path) -> None:
    """The whole way, from stream to record, against sums done here."""
    info = tiny_clip.info
    stack = np.stack(list(tiny_clip.frames())).astype(np.float64)
    error = (stack - np.floor(stack.mean(axis=0) + 0.5)) ** 2
    luma = [planes(frame, info.width, info.height)[0].mean() for frame in error]
    expected = np.mean(10 * np.log10(255**2 / np.array(luma)))
    assert measured(coded("mean-frame"), tiny_clip, tmp_path)["psnr_y_db"] == pytest.approx(
        expected, abs=1e-6
    )
    identity = measured(coded("identity"), tiny_clip, tmp_path)
    assert identity["psnr_y_db"] == identity["psnr_rgb_db"] == 100
    assert identity["identical_frames"] == info.frames


def measured(made: Coded, clip: Clip, folder: Path) -> dict:
    from bench.conditions.reader import load_condition
    from bench.scoring.measure import measure
    from bench.scoring.record import Record

    out = folder / made.codec
    out.mkdir()
    condition = load_condition(made.condition)
    measure(
        stream=made.stream,
        clip=clip.path.with_name("clip.json"),
        report=made.stream.with_name("encode.json"),
        condition=condition.name,
        metrics=condition.metrics,
        codec=made.codec,
        point="test",
        run="seed0",
        out=out / "record.json",
        frames_csv=out / "frames.csv",
        crop=None,
        device="cpu",
    )
    record = Record.read(out / "record.json")
    assert record.rate_bpp == 8 * made.stream.stat().st_size / clip.info.pixels
    return dict(record.metrics)
