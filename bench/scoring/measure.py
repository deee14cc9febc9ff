"""Measurement of one stream: decode, score, write a record. Every table and figure is computed from records.

The stream is decoded once, by a separate process (`bench.codec.decoder_process`), and the frames are scored
as they come. The decode time of the record is that of the process up to its last frame, less the time in
which it waited for the scores. Up to 256 MB of frames are read before the first is scored, so short clips
decode with no metric beside them. frames.csv has the MD5 of each decoded frame. On a GPU, whose sums may have
another order in every run, and for programs outside the suite, the stream is decoded once more, and the
record states whether the frames were the same (`repeatable`).

Control codecs have known scores. They are checked in every run, and a deviation is an error: it means that
the measurement itself is wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from hashlib import md5
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.base.csv_files import write_csv
from bench.base.errors import BenchError, StreamError
from bench.base.files import atomic_file, read_json, sha256_file
from bench.base.result_files import RUN
from bench.base.stage_clock import disturbance
from bench.codec import registry
from bench.codec.container import Header, read_stream
from bench.codec.decoder_process import DecodeCost, decode_process, frame_md5, time_decode
from bench.codec.device import device_name
from bench.codec.provenance import provenance
from bench.scoring.frame_pair import FramePair
from bench.scoring.metrics import METRICS, check_metrics
from bench.scoring.record import Record
from bench.scoring.score import held_out_means, score
from bench.video.clip import Clip, planes
from bench.video.psnr import PSNR_CAP_DB, mse, psnr_db

#: Rectangle of a frame in pixels: x, y, width, height.
Region = tuple[int, int, int, int]
#: Largest region that is cropped where none is given: width, height.
_DEFAULT_CROP = (320, 180)
#: Decoded frames that are in memory before the first is scored.
_AHEAD_BYTES = 256 << 20
_CONTROL_TOLERANCE_DB = 0.01
#: Entries of the report of an encode or a decode that not every codec or machine has.
_FACTS = ("energy", "budget", "isolation", "programs", "files")


def measure(
    *,
    stream: Path,
    clip: Path,
    report: Path | None,
    condition: str,
    metrics: Sequence[str],
    codec: str,
    point: str,
    run: str,
    out: Path,
    frames_csv: Path,
    crop: Path | None = None,
    crop_frame: int | None = None,
    crop_region: Region | None = None,
    label: str | None = None,
    device: str = "auto",
    repeat: bool = False,
    threads: int = 1,
) -> Record:
    """Decode and score one stream, then write its record.

    Args:
        stream, clip: the stream file, and clip.json of its clip.
        report: encode.json of the stream; None where there is none.
        condition: name for the record. metrics: names of metrics to compute besides those that always are.
        run: seed<k>, reference-seed<k> or bundle-<name>-seed<k>.
        out, frames_csv, crop: output files: record.json (written last), one row a frame, and a PNG of a
            region of one decoded frame.
        crop_frame, crop_region: default, also where the clip does not have them: the middle frame, and its
            centre (at most 320 x 180 pixels).
        label: the codec's name in tables and figures; default: that of the report.
        device: device that the decoder runs on.
        repeat: whether to decode once more and compare the frames. It is done in any case on a GPU, and for
            programs outside the suite, which must repeat their frames unless they use a GPU.
        threads: number of frames that are scored at a time. More than one slow a decoder on the CPU.

    Raises:
        StreamError: the stream does not decode to the clip's geometry.
        BenchError: files that do not belong together, an unknown metric, or a control with a wrong score.
    """
    check_metrics(metrics)
    source, header = Clip.load(clip), read_stream(stream).header
    _check_geometry(stream, header, source)
    encoded = _read_report(report, stream, codec, point, run)
    encoded["label"] = label or encoded["label"]
    out.unlink(missing_ok=True)  # A failure must not leave an older record beside the stream.

    frame, rows, columns = _crop_place(source, crop_frame, crop_region)
    checksums, crops = [], []

    def keep(pair: FramePair) -> None:
        checksums.append(frame_md5(pair.decoded))
        if pair.index == frame:
            crops.append(pair.decoded_rgb[rows, columns].copy())

    with decode_process(stream, header, device) as process:
        decoded = process.frames(ahead_bytes=_AHEAD_BYTES)
        scores = score(
            decoded,
            source,
            pixel_format=header.pixel_format,
            metrics=metrics,
            on_frame=keep,
            threads=threads,
        )
        cost = process.cost
    assert cost is not None  # set, since frames() raised nothing
    repeatable = _decodes_the_same_twice(stream, header, device, encoded, cost, checksums, asked=repeat)
    _check_control(encoded, stream, source, scores.values)

    fit_every = encoded["settings"].get("fit_every", 1)
    values = scores.values | held_out_means(scores, fit_every=fit_every, metrics=metrics)
    digests = {"repeatable": repeatable, "frames_md5": md5("\n".join(checksums).encode()).hexdigest()}
    record = _record(condition, run, stream, header, source, encoded, values, scores.reasons, cost, digests)
    if crop is not None:
        with atomic_file(crop) as file:
            Image.fromarray(crops[0]).save(file, format="PNG")
    write_csv(frames_csv, [row | {"md5": digest} for row, digest in zip(scores.rows, checksums, strict=True)])
    record.write(out)
    return record


def _decodes_the_same_twice(
    stream: Path,
    header: Header,
    device: str,
    encoded: Mapping[str, Any],
    cost: DecodeCost,
    checksums: Sequence[str],
    *,
    asked: bool,
) -> bool | None:
    """Whether another decode gives the frames with these checksums; None: it was not tried.

    Raises:
        BenchError: a program outside the suite does not, although it uses no GPU.
    """
    external = "isolation" in cost.reported
    if not (asked or external or cost.reported.get("device") != "cpu"):
        return None
    same = time_decode(stream, header, device)[1] == checksums
    if external and not same and not encoded["settings"].get("gpu"):
        names = [name for name in cost.reported["programs"] if name not in ("environment", "container")]
        decoder = f"codec {encoded['codec']}, point {encoded['point']}: {', '.join(names)}"
        problem = f"{decoder} decoded it to other frames the second time"
        raise BenchError(stream, problem, "make the decoder deterministic, for example with one thread")
    return same


def _check_geometry(stream: Path, header: Header, clip: Clip) -> None:
    for field in ("width", "height", "frames", "fps"):
        of_stream, of_clip = getattr(header, field), getattr(clip.info, field)
        if of_stream != of_clip:
            problem = f"{field} is {of_stream}, but that of clip {clip.info.name} is {of_clip}"
            raise StreamError(stream, problem, "measure it with the clip that it was encoded from")


def _read_report(report: Path | None, stream: Path, codec: str, point: str, run: str) -> dict[str, Any]:
    """encode.json of this stream; without one, the values that the codec's configuration has."""
    match = RUN.fullmatch(run)
    if match is None:
        raise BenchError(f"run {run!r}", "is not the name of a run", "use seed<k> or reference-seed<k>")
    expected = {"codec": codec, "point": point, "seed": int(match[3])}
    if report is None:
        config = registry.codec_config(codec)
        kind, settings = config.kind, dict(config.settings)
        return expected | {"kind": kind, "label": config.label, "settings": settings, "details": {}}
    values = read_json(report, "an encode report")
    for key in ("codec", "kind", "label", "point", "seed", "settings", "details", "stream_sha256"):
        if key not in values:
            raise BenchError(report, f"key {key!r} is missing", "encode the clip again")
    for key, value in expected.items():
        if values[key] != value:
            raise BenchError(
                report, f"{key} is {values[key]!r}, not {value!r}", "give the report of this stream"
            )
    if values["stream_sha256"] != sha256_file(stream):
        raise BenchError(report, f"is the report of a stream other than {stream}", "encode the clip again")
    return values


def _crop_place(clip: Clip, frame: int | None, region: Region | None) -> tuple[int, slice, slice]:
    """Frame, rows and columns of the crop."""
    info = clip.info
    if frame is None or frame >= info.frames:
        frame = info.frames // 2
    if region is None or region[0] + region[2] > info.width or region[1] + region[3] > info.height:
        width, height = min(_DEFAULT_CROP[0], info.width), min(_DEFAULT_CROP[1], info.height)
        region = (info.width - width) // 2, (info.height - height) // 2, width, height
    x, y, width, height = region
    return frame, slice(y, y + height), slice(x, x + width)


def _check_control(
    encoded: Mapping[str, Any], stream: Path, clip: Clip, values: Mapping[str, float | None]
) -> None:
    """Compare the scores of a control codec with the known ones."""
    if encoded["kind"] != "control":
        return
    mode, problem = encoded["settings"].get("mode"), ""
    if mode == "identity":
        identical, db = values["identical_frames"], values["psnr_rgb_db"]
        if identical != clip.info.frames or db != PSNR_CAP_DB:
            problem = f"identity has {identical} of {clip.info.frames} frames identical and PSNR-RGB {db} dB"
    elif mode == "mean-frame":
        metric = METRICS["psnr_rgb_db" if clip.info.truth == "rgb" else "psnr_y_db"]
        expected, db = mean_frame_psnr_db(clip), values[metric.name]
        if db is None or abs(expected - db) > _CONTROL_TOLERANCE_DB:
            problem = (
                f"mean-frame has {metric.label} {db} dB, but the clip's own statistics give {expected} dB"
            )
    if problem:
        remedy = "use no measurement of this installation until the cause is found"
        raise BenchError(stream, f"the measurement is wrong: {problem}", remedy)


def mean_frame_psnr_db(clip: Clip) -> float:
    """PSNR (mean over the frames, dB) of the clip's mean frame, computed from the clip alone.

    PSNR-Y where the truth is YUV, PSNR-RGB where it is RGB.
    """
    width, height = clip.info.width, clip.info.height

    def frames() -> Iterator[np.ndarray]:
        if clip.info.truth == "rgb":
            return clip.rgb()
        return (planes(frame, width, height)[0] for frame in clip.frames())

    total = np.zeros((height, width, 3) if clip.info.truth == "rgb" else (height, width))
    for frame in frames():
        total += frame
    mean = np.floor(total / clip.info.frames + 0.5).astype(np.uint8)
    return float(np.mean([psnr_db(mse(frame, mean)) for frame in frames()]))


def _record(
    condition: str,
    run: str,
    stream: Path,
    header: Header,
    clip: Clip,
    encoded: Mapping[str, Any],
    values: Mapping[str, float | None],
    reasons: Mapping[str, str],
    cost: DecodeCost,
    digests: Mapping[str, Any],
) -> Record:
    info, details, stream_bytes = clip.info, encoded["details"], stream.stat().st_size
    costs = ("stages", "peak_memory_bytes", "peak_device_memory_bytes", "device")
    decode: dict[str, Any] = {"wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "energy": cost.energy}
    decode |= {key: cost.reported.get(key) for key in costs}
    encode = {key: encoded.get(key) for key in ("wall_s", "cpu_s", *costs, "threads")}
    for times, report in ((encode, encoded), (decode, cost.reported)):
        times |= {key: report[key] for key in _FACTS if report.get(key)}
        # A GPU computes without CPU time, and so may an external program.
        if times["device"] == "cpu" and "isolation" not in times:
            reason = disturbance(times["wall_s"], times["cpu_s"])
            if reason:
                energy = {**dict.fromkeys(times.get("energy") or ()), "reason": reason}
                times |= {"disturbed": reason, "energy": energy}
    device, command = device_name(str(decode["device"] or "cpu")), ["python", "-m", "bench", *sys.argv[1:]]
    block = provenance(family=header.family, device=device, command=command)
    measured = [metric for name, metric in METRICS.items() if values[name] is not None]
    block["models"] = {metric.name: metric.model for metric in measured if metric.model}
    return Record(
        condition=condition,
        clip=info.name,
        codec=encoded["codec"],
        family=header.family,
        kind=encoded["kind"],
        label=encoded["label"],
        point=encoded["point"],
        run=run,
        seed=encoded["seed"],
        reference=run.startswith("reference-"),
        epochs=len(details.get("fit_log") or []) or None,
        rate_bpp=8 * stream_bytes / info.pixels,
        rate_bpp_paper=details.get("rate_bpp_paper"),
        stream_bytes=stream_bytes,
        frames=info.frames,
        width=info.width,
        height=info.height,
        fps=f"{info.fps.numerator}/{info.fps.denominator}",
        truth=info.truth,
        metrics=values,
        reasons=reasons,
        parameters=details.get("parameters"),
        macs_per_pixel=details.get("macs_per_pixel"),
        encode=encode,
        decode={**decode, **digests},
        settings=encoded["settings"],
        clip_sha256=info.sha256,
        stream_sha256=sha256_file(stream),
        provenance={**block, "encode": encoded.get("provenance")},
    )
