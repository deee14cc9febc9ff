"""Fuzz targets: each reads bytes as one kind of a stranger's file. Only `BenchError` may leave a target.

A target is a function of (data, folder). It may write files into the folder, which is empty. `SEEDS` has
inputs that are valid, from which a fuzzer starts.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from bench.base.errors import BenchError
from bench.base.paths import ROOT

Target = Callable[[bytes, Path], None]
#: Limits of what a target decodes, so that valid but large inputs do not take minutes.
MAX_MEMORY, MAX_FRAMES, MAX_PIXELS = 256 << 20, 2, 1 << 18
#: Bytes of a stream's header before the family's name.
HEADER_BYTES = 38
#: Between the text of a network's configuration and its weights, in the input of a target.
SEPARATOR = b"\0\xff\0\xff"


@dataclass(frozen=True, kw_only=True)
class FuzzTarget:
    """A target with its seeds.

    Attributes:
        what: what is read, for the documentation.
        instrumented: packages whose branches guide the fuzzer.
        costly: whether an execution takes milliseconds, because it runs a network or a process.
    """

    what: str
    run: Target
    seeds: Callable[[Path], list[bytes]]
    instrumented: tuple[str, ...] = ("bench",)
    costly: bool = False


def decode_some_frames(data: bytes) -> None:
    """Parse and describe a stream, and decode its first frames, if they are small."""
    from bench.base.stage_clock import StageClock
    from bench.codec.container import parse_stream
    from bench.codec.decode import codec_of, decode, describe

    stream = parse_stream(data, "fuzzed")
    json.dumps(describe(stream), allow_nan=False)
    header, codec = stream.header, codec_of(stream)
    options = {"device": "cpu", "clock": StageClock(), "max_memory": MAX_MEMORY}
    stop = min(MAX_FRAMES, header.frames)
    frames = decode(stream, codec, stop=stop, **options)  # type: ignore[arg-type]
    if header.width * header.height <= MAX_PIXELS:
        for _ in itertools.islice(frames, MAX_FRAMES):
            pass


def read_stream_bytes(data: bytes, folder: Path) -> None:
    """The bytes as they are, then with a correct checksum and length."""
    from bench.codec.container import repair_checksum

    with contextlib.suppress(BenchError):
        decode_some_frames(data)
    if len(data) > HEADER_BYTES:
        altered = bytearray(data)
        repair_checksum(altered)
        decode_some_frames(bytes(altered))


def read_network_stream(data: bytes, folder: Path) -> None:
    """Header, text of the configuration, separator, length of the side information, weights.

    In a stream the text is compressed, which hides it from a fuzzer.
    """
    from bench.codec.container import repair_checksum

    if len(data) <= HEADER_BYTES or not HEADER_BYTES < data[5] <= len(data):
        return
    text, _, rest = data[data[5] :].partition(SEPARATOR)
    config, side = zlib.compress(text), int.from_bytes(rest[:2], "little")
    lengths = struct.pack("<II", len(config), side)
    stream = bytearray(data[: data[5]] + lengths + config + rest[2:])
    repair_checksum(stream)
    decode_some_frames(bytes(stream))


def network_input(stream: bytes) -> bytes:
    """The input of `read_network_stream` for a stream."""
    payload = stream[stream[5] :]
    config, side = struct.unpack_from("<II", payload)
    text = zlib.decompress(payload[8 : 8 + config])
    return stream[: stream[5]] + text + SEPARATOR + struct.pack("<H", side) + payload[8 + config :]


def read_y4m(data: bytes, folder: Path) -> None:
    from bench.video.y4m import parse_y4m_header, read_y4m_frames

    path = folder / "clip.y4m"
    path.write_bytes(data)
    with path.open("rb") as file:
        width, height, _ = parse_y4m_header(file.readline(1024), where=path)
    if 0 < width * height <= MAX_PIXELS:
        for _ in read_y4m_frames(path, frame_bytes=width * height * 3 // 2, first=0, stop=3):
            pass


def read_clip(data: bytes, folder: Path) -> None:
    """A clip.json, a zero byte, and the beginning of clip.y4m."""
    from bench.video.clip import Clip

    described, _, video = data.partition(b"\0")
    (folder / "clip.json").write_bytes(described)
    (folder / "clip.y4m").write_bytes(video)
    clip = Clip.load(folder / "clip.json")
    for _ in clip.frames():
        pass


def read_raw(data: bytes, folder: Path) -> None:
    """Numbers of a row in the first bytes, then the bytes of a headerless file."""
    from bench.sequences.source_file import allowed_sizes, check_size, raw_pixel_format

    if len(data) < 4:
        return
    formats = ("", "yuv420p", "yuv420p10le", "yuv422p", "yuv444p12le", "gray", "rgb24", "nv12")
    row = sequence_row(
        width=data[0] + 1,
        height=data[1] + 1,
        frames=data[2] + 1,
        pixel_format=formats[data[3] % len(formats)],
    )
    path = folder / "x.yuv"
    path.write_bytes(data[4:])
    allowed_sizes(row)
    raw_pixel_format(path, row)
    check_size(path, row)


def sequence_row(**values: Any) -> Any:
    """A row of sequences.tsv; a pixel format that a row cannot have raises BenchError."""
    from bench.base.strict_model import validate
    from bench.sequences.row import SourceSequence

    row: dict[str, Any] = {"name": "x", "kind": "file", "location": "x.yuv", "sha256": ""}
    row |= {"width": 64, "height": 48}
    row |= {"fps": Fraction(25), "frames": 6, "matrix": "bt709", "range": "limited", "siting": "left"}
    row |= {"licence": "test", "citation": "test", "note": ""}
    return validate(SourceSequence, row | values, where="row")


def read_record(data: bytes, folder: Path) -> None:
    """A record that is read is collected, and the row is read back."""
    from bench.analysis.rd_points import load_points
    from bench.scoring.record import Record, collect

    path = folder / "record.json"
    path.write_bytes(data)
    record = Record.read(path)
    collect([path], folder / "rd_points.csv")
    load_points(folder / "rd_points.csv")
    record.write(folder / "again.json")
    assert Record.read(folder / "again.json").row() == record.row()


def read_report(data: bytes, folder: Path) -> None:
    """An encode report, a plan file, a receipt of a download, and a training recipe."""
    from baselines.compressai.weights import read_recipe
    from bench.analysis.point_files import fit_devices, fit_log
    from bench.base.files import read_json
    from bench.workflow.plan_file import read_plan

    path = folder / "encode.json"
    path.write_bytes(data)
    for read in (read_plan, read_recipe):
        with contextlib.suppress(BenchError):
            read(path)
    report = read_json(path, "an encode report")
    fit_log(report)
    fit_devices(report)


def read_configuration(data: bytes, folder: Path) -> None:
    """One YAML text as a condition, as a codec and as the run's configuration."""
    from bench.base.strict_yaml import parse_table
    from bench.codec.codec_config import CodecConfig
    from bench.conditions.reader import parse_condition
    from bench.conditions.run_config import check_config

    values = parse_table(data.decode("utf-8", "replace"), where="x.yaml")
    path = folder / "fuzzed-v1.yaml"
    for read in (
        lambda: parse_condition(values, name="fuzzed-v1", path=path),
        lambda: CodecConfig.of_values(values, path),
        lambda: check_config(values, where=path),
    ):
        with contextlib.suppress(BenchError):
            read()


def read_sequence_table(data: bytes, folder: Path) -> None:
    from bench.sequences.lock_file import read_lock_file
    from bench.sequences.table import read_sequences

    path = folder / "sequences.tsv"
    path.write_bytes(data)
    with contextlib.suppress(BenchError):
        read_lock_file(path)
    read_sequences(path)


def read_curves(data: bytes, folder: Path) -> None:
    from bench.analysis.curve_file import load_curves

    path = folder / "curves.csv"
    path.write_bytes(data)
    load_curves(path)


def read_points(data: bytes, folder: Path) -> None:
    """rd_points.csv and frames.csv."""
    from bench.analysis.point_files import frame_values
    from bench.analysis.rd_points import load_points

    path = folder / "rd_points.csv"
    path.write_bytes(data)
    with contextlib.suppress(BenchError):
        frame_values(path, "psnr_rgb_db")
    load_points(path)


def read_checkpoint_file(data: bytes, folder: Path) -> None:
    from torch import nn

    from bench.inr.importing.checkpoint import read_checkpoint
    from bench.inr.importing.weights import copy_weights, plain_names

    path = folder / ("model.safetensors" if data[:1] == b"S" else "model.pth")
    path.write_bytes(data[1:])
    weights = plain_names(read_checkpoint(path))
    copy_weights(nn.Linear(3, 2, bias=False), weights, lambda name: next(iter(weights), ""))


def read_archive(data: bytes, folder: Path) -> None:
    from bench.base.progress_bar import ProgressBar
    from bench.sequences.archive import extract

    path, row = folder / "x.7z", sequence_row(location="x.yuv", kind="file")
    path.write_bytes(data)
    progress_bar = ProgressBar("fuzz", stream=io.StringIO())
    with (folder / "out").open("wb") as file:
        extract(path, row, file, progress_bar=progress_bar)
    assert (folder / "out").stat().st_size in (6 * 64 * 48 * 3 // 2, 6 * 64 * 48 * 3)


# Seeds.


def read_external_payload(data: bytes, folder: Path) -> None:
    """The payload of an external codec: its files are unpacked, no program is started."""
    from baselines.external.payload import pack, unpack

    content = unpack(memoryview(data))
    again = unpack(memoryview(b"".join(pack(content))))
    assert [(name, bytes(part)) for name, part in again.files] == [
        (name, bytes(part)) for name, part in content.files
    ]


def read_bundle_file(data: bytes, folder: Path) -> None:
    """A bundle is unpacked and checked; nothing appears outside of its folder."""
    from bench.bundles.bundle_file import read_bundle

    path = folder / "stranger.tar"
    path.write_bytes(data)
    try:
        read_bundle(path, folder / "unpacked")
    finally:
        assert {entry.name for entry in folder.iterdir()} <= {"stranger.tar", "unpacked"}


def streams_of(*codecs: str, **settings: Any) -> Callable[[Path], list[bytes]]:
    """Streams of a tiny clip by these codec ids."""

    def make(folder: Path) -> list[bytes]:
        from bench.codec import registry
        from bench.codec.encode import EncodePlan, encode
        from tests.conftest import moving_frames, write_clip

        streams = []
        clip = write_clip(folder, moving_frames(32, 32, 3), width=32, height=32)
        for codec in codecs:
            config = registry.codec_config(codec)
            point = {**next(iter(config.points.values()), {}), **config.test, **settings}
            if config.kind == "fitted":
                point = {**point, "epochs": 1, "strides": [2, 2, 2]}
            if config.kind == "learned":
                from tests.contract.tiny_weights import make_tiny_weights

                make_tiny_weights(folder / "weights", config.settings["architecture"], clip)
            out = folder / f"{codec}.bin"
            encode(
                EncodePlan(
                    config=config,
                    point="fuzz",
                    settings=registry.resolve_settings(config, {}, point),
                    clip=clip,
                    out=out,
                    threads=1,
                    device="cpu",
                )
            )
            streams.append(out.read_bytes())
        return streams

    return make


def network_streams(*codecs: str) -> Callable[[Path], list[bytes]]:
    return lambda folder: [network_input(stream) for stream in streams_of(*codecs)(folder)]


def some_files(pattern: str, *, count: int = 3, most_bytes: int = 20_000) -> list[bytes]:
    """The first tracked files of a pattern that are not large."""
    paths = [path for path in sorted(ROOT.glob(pattern)) if path.stat().st_size <= most_bytes]
    assert paths, pattern
    return [path.read_bytes() for path in paths[:: max(1, len(paths) // count)][:count]]


def y4m_seeds(folder: Path) -> list[bytes]:
    from bench.video.y4m import y4m_header

    frame = b"FRAME\n" + bytes(96)
    return [
        y4m_header(8, 8, Fraction(30000, 1001)) + 3 * frame,
        b"YUV4MPEG2 W8 H8 F25:1 C420jpeg XYSCSS=420JPEG\n" + frame,
    ]


def clip_seeds(folder: Path) -> list[bytes]:
    from tests.conftest import moving_frames, write_clip

    write_clip(folder, moving_frames(16, 16, 2), width=16, height=16)
    return [(folder / "clip.json").read_bytes() + b"\0" + (folder / "clip.y4m").read_bytes()]


def report_seeds(folder: Path) -> list[bytes]:
    reports = some_files("results/reference/demo-v1/**/encode.json", most_bytes=1 << 20)
    small = []
    for report in map(json.loads, reports):
        report["details"]["fit_log"] = report["details"].get("fit_log", [])[:2]
        small.append(json.dumps(report).encode())
    plan = {
        "condition_values": {"title": "x"},
        "condition": "x-v1",
        "condition_file": "x-v1.yaml",
        "codecs": {},
    }
    plan |= {"settings": {}, "points": [], "skipped": []}
    return [*small, json.dumps(plan).encode(), b'{"file": "x.pth.tar", "sequences": ["a"]}']


def points_seeds(folder: Path) -> list[bytes]:
    text = io.StringIO()
    row = {"condition": "c", "clip": "01", "codec": "x", "label": "X", "kind": "fitted", "point": "0.10"}
    row |= {"run": "seed0"}
    row |= {
        "seed": "0",
        "reference": "false",
        "rate_bpp": "0.25",
        "psnr_rgb_db": "30.5",
        "ms_ssim_rgb": "0.9",
    }
    writer = csv.DictWriter(text, row)
    writer.writeheader()
    writer.writerows([row, row | {"clip": "NA", "ms_ssim_rgb": ""}])
    return [text.getvalue().encode(), b"frame,psnr_rgb_db\n0,30.1\n1,29\n"]


def checkpoint_seeds(folder: Path) -> list[bytes]:
    import torch
    from safetensors.torch import save

    weight = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    quantised = {"quant": weight.to(torch.uint8), "min": torch.zeros(1), "scale": torch.ones(1)}
    seeds = [b"S" + save({"a.weight": weight})]
    for saved in (
        {"a.weight": weight, "b": weight.half()},
        {"state_dict": {"module.a": weight}, "epoch": 3, "optimizer": {"param_groups": [{"lr": 0.1}]}},
        {"embed": quantised, "model": {"a": quantised}},
    ):
        file = io.BytesIO()
        torch.save(saved, file)
        seeds.append(b"P" + file.getvalue())
    old = io.BytesIO()
    torch.save({"a": weight}, old, _use_new_zipfile_serialization=False)
    return [*seeds, b"P" + old.getvalue()]


def payload_seeds(folder: Path) -> list[bytes]:
    from baselines.external.payload import Packed, pack

    ivf = b"DKIF" + bytes(28) + struct.pack("<IQ", 5, 0) + b"frame" + struct.pack("<IQ", 3, 1) + b"two"
    contents = (
        Packed("x265-program", {}, (), (("", b"bits"),)),
        Packed("a", {"qp": 3}, (bytes(32),), (("", ivf), ("bits/1.bin", b"12"))),
    )
    return [b"".join(pack(content)) for content in contents]


def bundle_seeds(folder: Path) -> list[bytes]:
    """A bundle of one tracked stream, cut to its first kilobytes where it is too long."""
    from bench.base.result_files import RunKey
    from bench.bundles.bundle_file import write_bundle

    records = (ROOT / "results/reference/ablation-ffnerv").rglob("record.json")
    record = min(records, key=lambda path: path.with_name("stream.bin").stat().st_size)
    names = dict(zip(("condition", "clip", "codec", "point", "run"), record.parent.parts[-5:], strict=True))

    class Tracked(RunKey):
        def file(self, name: Any, results: Any = None) -> str:
            return str(record.with_name(name))

    out = folder / "seed.tar"
    write_bundle([Tracked(**names)], out, suite_version="1")
    return [out.read_bytes()]


def archive_seeds(folder: Path) -> list[bytes]:
    import py7zr

    seeds = []
    content = bytes(range(256)) * 54
    for packed, names, options in (
        (True, ["x.yuv"], {}),
        (False, ["readme.txt", "f/x.yuv"], {}),
        (False, ["x.yuv"], {"filters": [{"id": py7zr.FILTER_COPY}]}),
        (False, ["x.yuv"], {"filters": [{"id": py7zr.FILTER_PPMD, "order": 6, "mem": 16}]}),
    ):
        path = folder / "seed.7z"
        with py7zr.SevenZipFile(path, "w", **options) as archive:
            archive.set_encoded_header_mode(packed)
            for name in names:
                archive.writestr(content[: 6 * 64 * 48 * 3 // 2].ljust(27648, b"\0"), name)
        seeds.append(path.read_bytes())
        path.unlink()
    return seeds


def yaml_seeds(folder: Path) -> list[bytes]:
    conditions = some_files("config/conditions/*.yaml", count=2, most_bytes=4000)
    return [
        *conditions,
        *some_files("config/codecs/*.yaml", count=3),
        (ROOT / "config/config.yaml").read_bytes(),
    ]


def table_seeds(folder: Path) -> list[bytes]:
    lines = (ROOT / "config" / "sequences.tsv").read_text().splitlines()
    rows = [line for line in lines if line and not line.startswith("#")]
    lock = f"sequence\tarchive_sha256\traw_bytes\tsha256\nx\t-\t12\t{'0' * 64}\n".encode()
    some = "\n".join([rows[0], *rows[1:4]])
    return [some.encode(), some.encode("utf-16"), lock]


def _networks(family: str, *codecs: str) -> FuzzTarget:
    return FuzzTarget(
        what=f"decoder of {family}: configuration, side information, weights",
        run=read_network_stream,
        seeds=network_streams(*codecs),
        instrumented=("bench", "baselines", "ffnerv"),
        costly=True,
    )


TARGETS: Mapping[str, FuzzTarget] = {
    "stream": FuzzTarget(
        what="stream parser, decoder of the controls",
        run=read_stream_bytes,
        seeds=streams_of("identity", "mean-frame"),
    ),
    "ffmpeg": FuzzTarget(
        what="decoders of H.264, HEVC, VVC, VP9 and AV1 streams",
        run=read_stream_bytes,
        seeds=streams_of("x264-medium", "x265-medium", "vp9-cpu2", "svtav1-p8", "vvenc-faster"),
        instrumented=("bench", "baselines"),
        costly=True,
    ),
    "ffnerv": _networks("FFNeRV", "ffnerv-official"),
    "nerv": _networks("NeRV", "nerv-official"),
    "enerv": _networks("E-NeRV", "enerv-official"),
    "hnerv": _networks("HNeRV", "hnerv-official"),
    "hinerv": _networks("HiNeRV", "hinerv-matched"),
    "compressai": FuzzTarget(
        what="decoder of a CompressAI codec",
        run=read_stream_bytes,
        seeds=streams_of("mbt2018-mean"),
        instrumented=("bench", "baselines"),
        costly=True,
    ),
    "y4m": FuzzTarget(what="y4m header and frames", run=read_y4m, seeds=y4m_seeds),
    "clip": FuzzTarget(what="clip.json and its video file", run=read_clip, seeds=clip_seeds),
    "raw": FuzzTarget(
        what="headerless frames and the row that describes them",
        run=read_raw,
        seeds=lambda folder: [bytes([7, 7, 0, 0]) + bytes(96), bytes([7, 7, 1, 2]) + bytes(384)],
    ),
    "record": FuzzTarget(
        what="record.json, and the table of points from it",
        run=read_record,
        seeds=lambda folder: some_files("results/reference/**/record.json"),
    ),
    "report": FuzzTarget(
        what="encode.json, plan files, training recipes", run=read_report, seeds=report_seeds
    ),
    "configuration": FuzzTarget(
        what="YAML of conditions, codecs and the run", run=read_configuration, seeds=yaml_seeds
    ),
    "sequences": FuzzTarget(
        what="sequences.tsv and sequences.lock", run=read_sequence_table, seeds=table_seeds
    ),
    "curves": FuzzTarget(
        what="CSV of published and own curves",
        run=read_curves,
        seeds=lambda folder: some_files("baselines/reported/*.csv", most_bytes=6000),
    ),
    "points": FuzzTarget(what="rd_points.csv and frames.csv", run=read_points, seeds=points_seeds),
    "checkpoint": FuzzTarget(
        what="checkpoints of torch.save and safetensors", run=read_checkpoint_file, seeds=checkpoint_seeds
    ),
    "external": FuzzTarget(
        what="payload of an external codec",
        run=read_external_payload,
        seeds=payload_seeds,
        instrumented=("baselines",),
    ),
    "bundle": FuzzTarget(
        what="bundles: archive, index, records, codec file",
        run=read_bundle_file,
        seeds=bundle_seeds,
        costly=True,
    ),
    "archive": FuzzTarget(what="7z archives", run=read_archive, seeds=archive_seeds),
}
