"""One stream -> one record. There is no other way into a table or a figure.

The stream is decoded twice by a process of its own (`bench.codec.decoder_process`). The first time the
frames are only checksummed, as fast as they come: its wall time, from the process's start to its last
frame, is the decode time of the record, and no metric slows it. The second time they are scored. Whether
both gave the same frames is recorded too (`repeatable`).

Controls have known answers, which are checked in every run: where one is off, nothing that this
machine measures can be trusted, and the run fails.
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.base.csv_files import write_csv
from bench.base.errors import BenchError, StreamError
from bench.base.files import atomic_file, read_json, sha256_file
from bench.codec import registry
from bench.codec.container import Header, read_stream
from bench.codec.decoder_process import DecodeCost, decode_process, time_decode
from bench.codec.provenance import device_name, provenance
from bench.scoring.metrics import PSNR_CAP_DB, FramePair, mse, psnr_db
from bench.scoring.record import Record
from bench.scoring.score import Scores, check_names, held_out_means, score
from bench.video.clip import Clip, planes

if TYPE_CHECKING:
    from bench.conditions.model import Condition, Strip

_TOLERANCE_DB = 0.01
#: Width and height at most of the region that is kept where a condition names none.
_PICTURE = (320, 180)
_RUN = re.compile(r"(reference-)?seed(\d+)")


def measure(
    *,
    stream: Path,
    clip: Path,
    report: Path | None,
    condition: Condition,
    codec: str,
    point: str,
    run: str,
    out: Path,
    frames_csv: Path,
    crop: Path | None = None,
    device: str = "auto",
) -> Record:
    """Decode, score and record one stream.

    Args:
        stream, clip: stream file and clip.json; report: encode.json, None where there is none.
        run: seed<k> or reference-seed<k>.
        out, frames_csv, crop: what is written, `out` last; `crop` is the condition's strip.
        device: what the decoder runs on.

    Raises:
        StreamError: the stream does not decode to the clip's geometry.
        BenchError: files that do not belong together, an unknown metric, or a control that is off.
    """
    source, opened = Clip.load(clip), read_stream(stream)
    header = opened.header
    _check_geometry(stream, header, source)
    encoded = _read_report(report, stream, codec, point, run)
    check_names(condition.metrics)
    out.unlink(missing_ok=True)  # an older one would speak of a stream that may fail now
    cost, checksums = time_decode(stream, header, device)
    scores, picture, again = _score(stream, header, source, condition, device)
    _check_control(encoded, stream, source, scores)
    every = encoded["settings"].get("fit_every", 1)
    record = _record(
        condition=condition.name,
        source=source,
        stream=stream,
        header=header,
        encoded=encoded,
        run=run,
        scores=scores,
        held_out=held_out_means(scores, fit_every=every, metrics=condition.metrics),
        decode=_decode_entry(cost, repeatable=again == checksums),
    )
    if crop is not None:
        _write_picture(crop, picture)
    write_csv(frames_csv, scores.rows)
    record.write(out)
    return record


def _score(
    stream: Path, header: Header, source: Clip, condition: Condition, device: str
) -> tuple[Scores, np.ndarray, list[int]]:
    """Decode once more and score: also the condition's strip as RGB, and a checksum of each frame."""
    pictures: list[np.ndarray] = []
    checksums: list[int] = []

    def see(pair: FramePair) -> None:
        decoded = pair.decoded_rgb if header.pixel_format == "rgb24" else pair.decoded_yuv
        checksums.append(zlib.crc32(decoded.data))
        if pair.index == _strip_frame(condition.strip, source):
            pictures.append(pair.decoded_rgb[_strip_region(condition.strip, source)].copy())

    with decode_process(stream, header, device) as process:
        scores = score(
            process.frames(), source, pixel_format=header.pixel_format, metrics=condition.metrics, see=see
        )
    return scores, pictures[0], checksums


def _decode_entry(cost: DecodeCost, *, repeatable: bool) -> dict[str, Any]:
    """What a record tells of a decode; `repeatable`: whether two decodes gave the same frames."""
    told = ("stages", "peak_memory_bytes", "peak_device_memory_bytes", "device")
    return {
        "wall_s": cost.wall_s,
        "cpu_s": cost.cpu_s,
        **{key: cost.told.get(key) for key in told},
        "repeatable": repeatable,
    }


def _record(
    *,
    condition: str,
    source: Clip,
    stream: Path,
    header: Header,
    encoded: Mapping[str, Any],
    run: str,
    scores: Scores,
    held_out: Mapping[str, float | None],
    decode: Mapping[str, Any],
) -> Record:
    info, details = source.info, encoded["details"]
    size = stream.stat().st_size
    device = device_name(str(decode["device"] or "cpu"))
    made = provenance(family=header.family, device=device, command=["python", "-m", "bench", *sys.argv[1:]])
    encode_keys = (
        *("wall_s", "cpu_s", "stages", "peak_memory_bytes", "peak_device_memory_bytes"),
        *("device", "threads"),
    )
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
        rate_bpp=8 * size / info.pixels,
        rate_bpp_paper=details.get("rate_bpp_paper"),
        stream_bytes=size,
        frames=info.frames,
        width=info.width,
        height=info.height,
        fps=f"{info.fps.numerator}/{info.fps.denominator}",
        metrics={**scores.metrics, **held_out},
        reasons=scores.reasons,
        parameters=details.get("parameters"),
        macs_per_pixel=details.get("macs_per_pixel"),
        encode={key: encoded.get(key) for key in encode_keys},
        decode=decode,
        settings=encoded["settings"],
        clip_sha256=info.sha256,
        stream_sha256=sha256_file(stream),
        provenance={**made, "encode": encoded.get("provenance")},
    )


def _read_report(report: Path | None, stream: Path, codec: str, point: str, run: str) -> dict[str, Any]:
    """encode.json, checked to be that of this stream; what is known without it where there is none."""
    named = _RUN.fullmatch(run)
    if named is None:
        raise BenchError(f"run {run!r}", "is no name of a run", "use seed<k> or reference-seed<k>")
    if report is None:
        config = registry.codec_config(codec)
        known = {"codec": codec, "kind": config.kind, "label": config.label, "point": point}
        return known | {"seed": int(named[2]), "settings": dict(config.settings), "details": {}}
    values = read_json(report, "an encode report")
    for key in ("codec", "kind", "label", "point", "seed", "settings", "details", "stream_sha256"):
        if key not in values:
            raise BenchError(report, f"key {key!r} is missing", "encode the clip again")
    for key, wanted in (("codec", codec), ("point", point), ("seed", int(named[2]))):
        if values[key] != wanted:
            raise BenchError(
                report, f"{key} is {values[key]!r}, not {wanted!r}", "give the stream's own report"
            )
    if values["stream_sha256"] != sha256_file(stream):
        raise BenchError(report, f"is the report of another stream than {stream}", "encode the clip again")
    return values


def _check_geometry(stream: Path, header: Header, clip: Clip) -> None:
    for field in ("width", "height", "frames", "fps"):
        found, wanted = getattr(header, field), getattr(clip.info, field)
        if found != wanted:
            problem = f"{field} is {found}, that of clip {clip.info.name} is {wanted}"
            raise StreamError(stream, problem, "measure it with the clip that it was made from")


def _check_control(encoded: Mapping[str, Any], stream: Path, clip: Clip, scores: Scores) -> None:
    """Compare a control's scores with what they must be."""
    if encoded["kind"] != "control":
        return
    mode = encoded["settings"].get("mode")
    if mode == "identity":
        same, db = scores.metrics["identical_frames"], scores.metrics["psnr_rgb_db"]
        if same != clip.info.frames or db != PSNR_CAP_DB:
            told = f"identity has {same} of {clip.info.frames} frames identical and PSNR-RGB {db} dB"
            raise _harness_is_off(stream, told)
    elif mode == "mean-frame":
        known, db = mean_frame_psnr_y_db(clip), scores.metrics["psnr_y_db"]
        if db is None or abs(known - db) > _TOLERANCE_DB:
            told = f"mean-frame has PSNR-Y {db} dB, the clip's own statistics say {known} dB"
            raise _harness_is_off(stream, told)


def mean_frame_psnr_y_db(clip: Clip) -> float:
    """PSNR-Y (mean over the frames, dB) of the clip's average frame, from the clip alone."""
    info = clip.info
    total = np.zeros((info.height, info.width))
    for frame in clip.frames():
        total += planes(frame, info.width, info.height)[0]
    average = np.floor(total / info.frames + 0.5).astype(np.uint8)
    lumas = (planes(frame, info.width, info.height)[0] for frame in clip.frames())
    return float(np.mean([psnr_db(mse(luma, average)) for luma in lumas]))


def _harness_is_off(stream: Path, told: str) -> BenchError:
    return BenchError(stream, f"the harness is off: {told}", "trust no number before this is found")


def _strip_frame(strip: Strip | None, clip: Clip) -> int:
    """The frame to show; the middle one where the condition names none that the clip has."""
    frames = clip.info.frames
    return strip.frame if strip and strip.frame < frames else frames // 2


def _strip_region(strip: Strip | None, clip: Clip) -> tuple[slice, slice]:
    """Rows and columns to show; the frame's middle where the condition names none within the clip's."""
    width, height = (min(*pair) for pair in zip(_PICTURE, (clip.info.width, clip.info.height), strict=True))
    x, y = (clip.info.width - width) // 2, (clip.info.height - height) // 2
    if (
        strip
        and strip.crop[0] + strip.crop[2] <= clip.info.width
        and strip.crop[1] + strip.crop[3] <= clip.info.height
    ):
        x, y, width, height = strip.crop
    return slice(y, y + height), slice(x, x + width)


def _write_picture(path: Path, picture: np.ndarray) -> None:
    from PIL import Image

    with atomic_file(path) as file:
        Image.fromarray(picture).save(file, format="PNG")
