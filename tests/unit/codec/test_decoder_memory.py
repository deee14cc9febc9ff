"""Memory and disk space of decoding a stranger's stream: estimated from the stream, and limited."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines.hinerv.config import WIRE_DEFAULTS, HiNeRVConfig
from bench.base.errors import BenchError, StreamError
from bench.base.paths import ROOT
from bench.base.sizes import parse_bytes
from bench.cli import main
from bench.codec.container import Header, parse_stream, read_stream, write_stream
from bench.codec.decode import MEMORY_VARIABLE, check_memory, codec_of
from bench.inr.coding.payload import Payload, config_values
from bench.inr.network.live_memory import LiveMemory
from tests.conftest import write_clip

REFERENCES = sorted((ROOT / "results" / "reference" / "demo-v1").rglob("stream.bin"))
#: One tracked stream of each codec.
ONE_OF_EACH = list({path.parents[2].name: path for path in REFERENCES}.values())


def write_wide_hinerv(path: Path, *, side: int = 8192, frames: int = 2) -> None:
    """A stream of about 8 kB whose feature maps at 8192x8192 need 100 GB; its weights are not valid."""
    config = HiNeRVConfig(
        base=(side // 64, side // 64),
        channels=128,
        strides=(8, 8),
        depths=(1, 1),
        expansions=(4.0, 4.0),
        reduction=1.0,
        base_length=2,
        base_channels=1,
        base_levels=1,
        local_levels=1,
    )
    payload = Payload(config_values(config, WIRE_DEFAULTS), {"name": "float32"}, b"", bytes(8000))
    header = Header(
        family="hinerv", pixel_format="rgb24", width=side, height=side, frames=frames, fps=Fraction(25)
    )
    write_stream(path, header, [payload.to_bytes()])


def write_control(path: Path, *, side: int, frames: int) -> None:
    """A stream of one stored frame that is repeated."""
    header = Header(
        family="control", pixel_format="yuv420p", width=side, height=side, frames=frames, fps=Fraction(25)
    )
    write_stream(path, header, [b"\1", bytes(side * side * 3 // 2)])


def refusal(path: Path, *arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The error line of `bench decode`, which must be the only output."""
    assert main(["decode", str(path), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    return line


def test_small_stream_of_a_wide_network_is_refused_by_bytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A HiNeRV stream of 8 kB that needs more than 100 GB at 8192x8192."""
    write_wide_hinerv(tmp_path / "s.bin")
    assert (tmp_path / "s.bin").stat().st_size < 8500
    line = refusal(tmp_path / "s.bin", "--out", "-", capsys=capsys)
    assert re.search(r"needs 6\d\d,\d{3}\.\d MB of memory to decode, the limit is", line)
    assert "--max-memory" in line


def test_limit_follows_the_option_and_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_control(tmp_path / "s.bin", side=256, frames=3)
    line = refusal(tmp_path / "s.bin", "-o", str(tmp_path / "o.y4m"), "--max-memory", "100K", capsys=capsys)
    assert "needs 0.8 MB of memory to decode, the limit is 0.1 MB" in line
    monkeypatch.setenv(MEMORY_VARIABLE, "100K")
    assert "the limit is 0.1 MB" in refusal(tmp_path / "s.bin", "--pipe", capsys=capsys).splitlines()[-1]
    assert main(["decode", str(tmp_path / "s.bin"), "-o", str(tmp_path / "o.y4m"), "--max-memory", "1M"]) == 0
    monkeypatch.setenv(MEMORY_VARIABLE, "much")
    assert "NVB_MAX_MEMORY: 'much' must be a number of bytes" in refusal(
        tmp_path / "s.bin", "-o", str(tmp_path / "p.y4m"), capsys=capsys
    )
    assert [path.name for path in tmp_path.iterdir() if path.name != "s.bin"] == ["o.y4m"]


@pytest.mark.parametrize("path", ONE_OF_EACH, ids=lambda path: path.parents[2].name)
def test_tracked_streams_need_a_small_part_of_the_limit(path: Path) -> None:
    stream = read_stream(path)
    precise = codec_of(stream).decoder_memory(stream)
    assert 2 * stream.header.frame_bytes < precise < 200e6
    # Also without the 2 GB that are added for any network's attention.
    assert codec_of(stream).decoder_memory(stream, enough=1 << 60) - (2 << 30) > precise
    check_memory(stream, codec_of(stream))


@pytest.mark.parametrize("shape", [(1000,), (3, 1000)])
def test_live_memory_counts_tensors_while_they_exist(shape: tuple[int, ...]) -> None:
    """Two tensors exist at a time; views and the tensors from before are not counted."""
    size = 4 * torch.Size(shape).numel()
    for device in ("meta", "cpu"):
        before = torch.ones(shape, device=device)
        with LiveMemory([before]) as memory:
            x = before + 1
            x = x * 2
            x.view(-1)[:10].add_(before.view(-1)[:10])
            x = x * 3
        assert memory.peak == 2 * size


@pytest.mark.slow
def test_estimate_is_above_the_memory_of_a_decode(tmp_path: Path) -> None:
    """FFNeRV, which keeps earlier frames, enlarged to 640 columns: growth of a process that renders two."""
    path = next(path for path in ONE_OF_EACH if path.parents[2].name == "ffnerv-matched")
    command = [sys.executable, __file__, str(path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    estimate, measured = map(float, ran.stdout.split())
    assert measured < estimate < 4 * measured


@pytest.mark.parametrize("side", [8192, 16384])
def test_h264_stream_of_larger_frames_than_its_header_is_refused(
    side: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sequence parameter set of a 64x48 stream is altered to claim 8192 or 16384 pixels a side."""
    from bench.codec.encode import EncodePlan, encode
    from bench.codec.registry import codec_config, resolve_settings
    from tests.conftest import moving_frames

    clip = write_clip(tmp_path, moving_frames(64, 48, 2), width=64, height=48)
    config = codec_config("x264-medium")
    settings = resolve_settings(config, {}, {"crf": 40})
    out = tmp_path / "s.bin"
    encode(
        EncodePlan(config=config, point="p", settings=settings, clip=clip, out=out, threads=1, device="cpu")
    )
    stream = read_stream(out)
    payload = bytes(stream.payload)
    units = payload[1:].split(b"\0\0\1")
    sps = next(i for i, unit in enumerate(units) if unit and unit[0] & 31 == 7)
    units[sps] = with_size(units[sps], side)
    write_stream(out, stream.header, [payload[:1] + b"\0\0\1".join(units)])
    capsys.readouterr()  # progress of the encode
    line = refusal(out, "-o", str(tmp_path / "o.y4m"), capsys=capsys)
    assert "ffmpeg failed" in line or "frames" in line
    assert not (tmp_path / "o.y4m").exists()


def with_size(sps: bytes, side: int) -> bytes:
    """A sequence parameter set (H.264, 7.3.2.1.1) with pic_width and pic_height in macroblocks replaced."""
    bits = "".join(f"{byte:08b}" for byte in sps.rstrip(b"\0").replace(b"\0\0\3", b"\0\0"))
    at = 32

    def golomb() -> int:
        nonlocal at
        zeros = bits.index("1", at) - at
        value = int(bits[at + zeros : at + 2 * zeros + 1], 2) - 1
        at += 2 * zeros + 1
        return value

    golomb()  # seq_parameter_set_id
    if sps[1] in (100, 110, 122, 244):
        for _ in range(3):  # chroma_format_idc, bit depths
            golomb()
        at += 2  # lossless flag, no scaling matrix
    golomb()  # log2_max_frame_num
    if golomb() == 0:  # pic_order_cnt_type
        golomb()
    golomb()  # max_num_ref_frames
    at += 1
    start = at
    assert (golomb(), golomb()) == (64 // 16 - 1, 48 // 16 - 1)
    number = f"{side // 16:b}"
    code = "0" * (len(number) - 1) + number
    changed = bits[:start] + code + code + bits[at:]
    changed += "0" * (-len(changed) % 8)
    data = bytes(int(changed[i : i + 8], 2) for i in range(0, len(changed), 8))
    for value in (b"\0", b"\1", b"\2", b"\3"):
        data = data.replace(b"\0\0" + value, b"\0\0\3" + value)
    return data


@pytest.mark.parametrize("out", ["o.y4m", "frames/"])
def test_output_needs_room_on_the_disk(
    out: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that claims 1000 frames of 8192x8192 is refused before the first byte is written."""
    write_control(tmp_path / "s.bin", side=2048, frames=1000)
    data = bytearray((tmp_path / "s.bin").read_bytes())
    assert parse_stream(data, "s").header.frames == 1000
    needed = 1000 * (2048**2 * 3 // (2 if out.endswith("y4m") else 1) + 256)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=needed - 1))
    line = refusal(tmp_path / "s.bin", "-o", str(tmp_path / out), "--max-memory", "1G", capsys=capsys)
    assert f"needs {needed / 1e6:,.1f} MB of disk space" in line
    assert str(tmp_path) in line
    assert [path.name for path in tmp_path.iterdir()] == ["s.bin"]
    # The room for the frames that are written counts, not that for all.
    assert main(["decode", str(tmp_path / "s.bin"), "-o", str(tmp_path / out), "--frames", "7:8"]) == 0


@pytest.mark.parametrize(("text", "count"), [("7", 7), ("2k", 2048), ("3 MiB", 3 << 20), ("16G", 16 << 30)])
def test_sizes_have_units(text: str, count: int) -> None:
    assert parse_bytes(text, where="x") == count


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5G", "G", "1e9", "9" * 40])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(BenchError, match="must be a number of bytes"):
        parse_bytes(text, where="x")


@pytest.mark.parametrize(("family", "key"), [("nerv", "stem_layers"), ("hnerv", "decoder_blocks")])
def test_number_of_layers_is_limited(family: str, key: str) -> None:
    """60,000 modules would take minutes and gigabytes before any weight is read."""
    path = next(path for path in ONE_OF_EACH if path.parents[2].name == f"{family}-matched")
    stream = read_stream(path)
    payload = Payload.from_bytes(stream.payload)
    changed: dict[str, Any] = {**payload.network, key: 60_000}
    altered = Payload(changed, payload.quantiser, payload.side, payload.weights).to_bytes()
    stream = type(stream)(path, stream.header, memoryview(altered), len(altered))
    with pytest.raises(StreamError, match=f"{key}: 60000 must be at most 64"):
        check_memory(stream, codec_of(stream))


def rendering_memory(path: Path) -> tuple[float, float]:
    """Estimated and measured bytes of rendering with an enlarged network of a stream."""
    from dataclasses import replace

    from bench.inr.coding.payload import config_from_values
    from bench.inr.network import runtime

    def status(key: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))

    stream = read_stream(path)
    codec: Any = codec_of(stream)
    payload = Payload.from_bytes(stream.payload)
    config = config_from_values(codec.config_type, payload.network, codec.wire_defaults)
    config = replace(config, base=tuple(2 * side for side in config.base))
    height, width = config.padded_size
    size = {"frames": stream.header.frames, "height": height, "width": width}
    altered = Payload(
        config_values(config, codec.wire_defaults), payload.quantiser, b"", bytes(1 << 20)
    ).to_bytes()
    header = replace(stream.header, width=width, height=height)
    estimate = codec.decoder_memory(type(stream)(path, header, memoryview(altered), len(altered)))
    runtime.prepare(threads=1, device="cpu")
    before = status("VmRSS")
    representation = codec.receive(config, **size)
    runtime.move(representation.network, "cpu")
    frames = representation.render(0, 2)
    next(frames)
    next(frames)
    return estimate, status("VmHWM") - before


if __name__ == "__main__":
    sys.stdout.write(" ".join(map(str, rendering_memory(Path(sys.argv[1])))))
