"""The contract of every codec id in config/codecs, checked on a tiny clip."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.base.paths import ROOT
from bench.codec import registry
from bench.codec.container import MAX_HEADER_BYTES, read_stream
from bench.codec.decode import codec_of, describe
from bench.video.clip import Clip, planes
from tests.contract.conftest import (
    CODECS,
    REPRESENTATIVES,
    Coded,
    decode_frames,
    each_codec,
    each_encoder,
    each_format,
    run_environment,
)

CHILD = Path(__file__).with_name("decode_child.py")
SOURCES = ("bench", "ffnerv", "baselines")
#: Files of the system that any process opens: libraries, the kernel's files, locales.
SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib")
#: Programs that libraries start during import, without arguments: NumPy reads the processor's features.
PROBES = ("lscpu",)

Frames = list[np.ndarray]


@pytest.fixture(scope="session")
def piped(coded: Callable[[str], Coded], tmp_path_factory: pytest.TempPathFactory):
    """A function that decodes a stream in a new process, in a folder that holds only the stream."""
    done: dict[str, tuple[bytes, dict[str, Any], Path]] = {}

    def decode_alone(codec: str) -> tuple[bytes, dict[str, Any], Path]:
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


def parse_pipe(data: bytes) -> tuple[dict[str, Any], Frames, dict[str, Any]]:
    """The header line, the frames and the cost line of `bench decode --pipe`."""
    head, _, rest = data.partition(b"\n")
    header = json.loads(head)
    pixels = header["width"] * header["height"]
    size = pixels * 3 if header["pixel_format"] == "rgb24" else pixels * 3 // 2
    count = header["stop"] - header["first"]
    frames = [np.frombuffer(rest, np.uint8, size, index * size) for index in range(count)]
    return header, frames, json.loads(rest[count * size :])


@each_codec
def test_header_and_frames_have_the_geometry_of_the_clip(codec, coded, decoded, clip_of) -> None:
    header, info = read_stream(coded(codec).stream).header, clip_of(codec).info
    assert (header.width, header.height, header.frames) == (info.width, info.height, info.frames)
    assert (header.fps, header.matrix, header.range, header.siting) == (
        info.fps,
        info.matrix,
        info.range,
        info.siting,
    )
    frames = decoded(codec)
    assert len(frames) == info.frames
    shape = (info.height, info.width, 3) if header.pixel_format == "rgb24" else (info.frame_bytes,)
    assert {(frame.shape, frame.dtype) for frame in frames} == {(shape, np.dtype(np.uint8))}


@each_codec
def test_header_is_small_and_names_the_family(codec, coded) -> None:
    stream = read_stream(coded(codec).stream)
    assert stream.bytes - len(stream.payload) <= MAX_HEADER_BYTES
    assert stream.header.family == CODECS[codec].family
    assert type(codec_of(stream)).__module__ == registry.families()[CODECS[codec].family]


@each_codec
def test_report_describes_the_stream(codec, coded) -> None:
    encoded = coded(codec)
    data = encoded.stream.read_bytes()
    assert encoded.report == json.loads(encoded.stream.with_name("encode.json").read_text())
    assert encoded.report["stream_bytes"] == len(data)
    assert encoded.report["stream_sha256"] == hashlib.sha256(data).hexdigest()
    assert encoded.report["wall_s"] >= 0
    assert encoded.report["peak_memory_bytes"] > 1 << 20
    stages = encoded.report["stages"]
    assert bool(stages) == (codec != "identity"), "only a copy has no stage to time"
    assert sum(stage["wall_s"] for stage in stages.values()) <= encoded.report["wall_s"] * 1.01
    assert sorted(path.name for path in encoded.stream.parent.iterdir()) == [
        "encode.json",
        "stream.bin",
        "test-v0.yaml",
    ]


@pytest.mark.slow
@each_encoder
def test_second_encode_is_byte_identical(codec, coded, encode_with, clip_of, tmp_path: Path) -> None:
    """On the same machine; one codec id of each payload format from the command line, in a new process."""
    encoded = coded(codec)
    if codec not in REPRESENTATIVES:
        assert encode_with(codec).stream.read_bytes() == encoded.stream.read_bytes()
        return
    arguments = ["encode", "--codec", codec, "--condition", str(encoded.condition), "--point", "test"]
    arguments += ["--clip", str(clip_of(codec).path.with_name("clip.json")), "--device", "cpu"]
    arguments += ["--out", "stream.bin", "--report", "encode.json", "--state-dir", "state"]
    environment = run_environment(tmp_path) | {"PYTHONHASHSEED": "7"}
    command = [sys.executable, "-m", "bench", *arguments]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    progress = ran.stderr.splitlines()
    assert progress
    assert all(line.startswith(f"[{codec} test seed0] ") for line in progress)
    assert (tmp_path / "stream.bin").read_bytes() == encoded.stream.read_bytes()
    report = json.loads((tmp_path / "encode.json").read_text())
    for key in ("codec", "family", "kind", "settings", "seed", "threads", "stream_sha256", "device"):
        assert report[key] == encoded.report[key]


@each_format
def test_new_process_decodes_the_same_frames(codec, coded, decoded, piped) -> None:
    header, frames, cost = parse_pipe(piped(codec)[0])
    assert [frame.tobytes() for frame in frames] == [frame.tobytes() for frame in decoded(codec)]
    assert header["family"] == CODECS[codec].family
    assert set(cost) >= {"stages", "wall_s", "cpu_s", "device", "peak_memory_bytes"}
    assert cost["stages"], "a decoder reports the time of its stages"


@each_format
def test_decoder_opens_only_its_stream(codec, coded, piped) -> None:
    _, log, folder = piped(codec)
    assert "s" in log["opened"], "the audit hook misses opened files"
    stream = read_stream(coded(codec).stream)
    declared = set(map(str, codec_of(stream).decoder_files(stream)))
    assert declared <= set(log["opened"]), "declares a file that it does not read"
    external = CODECS[codec].family == "external"
    described = {str(CODECS[codec].path)} if external else set()
    sources = tuple(str(ROOT / name) + os.sep for name in SOURCES)
    installed = (sys.prefix, sys.base_prefix, *SYSTEM)
    for path in log["opened"]:
        absolute = os.path.normpath(folder / path)
        source = absolute.startswith(sources) and absolute.endswith((".py", ".pyc"))
        suite = absolute.startswith(str(ROOT)) and not absolute.startswith(sys.prefix)
        library = absolute.startswith(installed) and not suite
        allowed = {str(folder / "s"), str(CHILD), *declared, *described}
        # Files of an external decoder's temporary folders; those that are removed have relative names.
        temporary = absolute.startswith(os.path.join(tempfile.gettempdir(), "bench-"))
        library |= external and (temporary or not (os.path.isabs(path) or (folder / path).exists()))
        assert source or library or absolute in allowed, f"opens {absolute}"
    for program, *arguments in log["started"]:
        if external:
            assert program in (sys.executable, "bwrap", "unshare", *programs_of(codec)), f"starts {program}"
            assert str(folder) not in " ".join(arguments), f"{program} receives the stream's folder"
            continue
        assert program.startswith(sys.prefix) or (program in PROBES and not arguments), f"starts {program}"
        assert not [word for word in arguments if (folder / word).exists()], f"{program} receives a file"


def programs_of(codec: str) -> set[str]:
    """Paths of the programs that an external codec declares."""
    from baselines.external.programs import install
    from baselines.external.settings import ExternalSettings

    return set(install(ExternalSettings.model_validate(CODECS[codec].settings), codec).programs.values())


@each_codec
def test_only_learned_decoders_have_files_and_streams_hold_their_hashes(codec, coded) -> None:
    stream = read_stream(coded(codec).stream)
    declared = list(codec_of(stream).decoder_files(stream))
    assert bool(declared) == (CODECS[codec].kind == "learned")
    for path in declared:
        digest = hashlib.sha256(path.read_bytes()).digest()
        assert digest in bytes(stream.payload), f"{path} can change without notice"


@pytest.mark.parametrize(("first", "stop"), [(0, 1), (3, 6), (8, 9), (1, 9)])
@each_codec
def test_random_access_decodes_a_slice(codec, coded, decoded, first: int, stop: int) -> None:
    part = decode_frames(coded(codec).stream, first, stop)
    assert [frame.tobytes() for frame in part] == [frame.tobytes() for frame in decoded(codec)[first:stop]]


@each_codec
def test_description_is_json(codec, coded) -> None:
    description = describe(read_stream(coded(codec).stream))
    assert json.loads(json.dumps(description, allow_nan=False)) == description
    assert description["bytes"] == coded(codec).stream.stat().st_size
    assert isinstance(description["payload"], dict)
    assert description["payload"]


def test_identity_is_lossless_at_12_bits_a_pixel(coded, decoded, tiny_clip: Clip) -> None:
    stream = read_stream(coded("identity").stream)
    source = [frame.tobytes() for frame in tiny_clip.frames()]
    assert [frame.tobytes() for frame in decoded("identity")] == source
    header_and_mode = stream.bytes - len(stream.payload) + 1
    assert 8 * (stream.bytes - header_and_mode) == 12 * tiny_clip.info.pixels


def test_mean_frame_is_the_rounded_mean(coded, decoded, tiny_clip: Clip) -> None:
    info = tiny_clip.info
    stack = np.stack(list(tiny_clip.frames())).astype(np.float64)
    expected = np.floor(stack.mean(axis=0) + 0.5)
    frames = decoded("mean-frame")
    assert len(frames) == info.frames
    for frame in frames:
        np.testing.assert_array_equal(frame, expected)
    stream = read_stream(coded("mean-frame").stream)
    assert 8 * (len(stream.payload) - 1) * info.frames == 12 * info.pixels


def test_records_of_the_controls_have_known_values(coded, tiny_clip: Clip, tmp_path: Path) -> None:
    """From stream to record, compared with values computed here."""
    info = tiny_clip.info
    stack = np.stack(list(tiny_clip.frames())).astype(np.float64)
    error = (stack - np.floor(stack.mean(axis=0) + 0.5)) ** 2
    luma = [planes(frame, info.width, info.height)[0].mean() for frame in error]
    expected = np.mean(10 * np.log10(255**2 / np.array(luma)))
    mean_frame = measured(coded("mean-frame"), tiny_clip, tmp_path)
    assert mean_frame["psnr_y_db"] == pytest.approx(expected, abs=1e-6)
    identity = measured(coded("identity"), tiny_clip, tmp_path)
    assert identity["psnr_y_db"] == identity["psnr_rgb_db"] == 100
    assert identity["identical_frames"] == info.frames


def measured(encoded: Coded, clip: Clip, folder: Path) -> dict[str, Any]:
    from bench.conditions.reader import load_condition
    from bench.scoring.measure import measure
    from bench.scoring.record import Record

    out = folder / encoded.codec
    out.mkdir()
    condition = load_condition(encoded.condition)
    measure(
        stream=encoded.stream,
        clip=clip.path.with_name("clip.json"),
        report=encoded.stream.with_name("encode.json"),
        condition=condition.name,
        metrics=condition.metrics,
        codec=encoded.codec,
        point="test",
        run="seed0",
        out=out / "record.json",
        frames_csv=out / "frames.csv",
        crop=None,
        device="cpu",
    )
    record = Record.read(out / "record.json")
    assert record.rate_bpp == 8 * encoded.stream.stat().st_size / clip.info.pixels
    return dict(record.metrics)
