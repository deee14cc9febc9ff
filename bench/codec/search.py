"""Search of the parameter of an encoder that reaches a rate or a quality, by bisection.

The rate and the quality of an encoder are monotone in its parameter, apart from small steps. The search
encodes with the lowest and the highest value, then halves the interval until two neighbouring values enclose
the target, and takes the nearer one. Every try is cached in the state folder of the encode, so an interrupted
search resumes, and another target of the same point encodes only new values.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from bench.base.errors import BenchError
from bench.base.files import read_json, write_json
from bench.base.stage_clock import StageClock
from bench.base.strict_model import Problem, StrictModel
from bench.codec.container import Header, read_stream, write_stream
from bench.codec.contract import Codec, Encoded, EncodeJob
from bench.video.clip import Clip, planes

_IDENTICAL_DB = 100.0


class Search(StrictModel):
    """A parameter and the rate or quality that it must reach. Exactly one target is given."""

    parameter: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$")]
    """The setting that changes, such as `crf`. Rate and quality must be monotone in it."""

    low: float
    """Its lowest value."""

    high: float
    """Its highest value."""

    step: Annotated[float, Field(gt=0)] = 1.0
    """Distance between the values that are tried."""

    rate_bpp: Annotated[float, Field(gt=0)] | None = None
    """Target rate in bits per pixel of the whole stream file."""

    psnr_y_db: Annotated[float, Field(gt=0, le=_IDENTICAL_DB)] | None = None
    """Target quality: mean over the frames of the PSNR of luma, in dB."""

    tolerance: Annotated[float, Field(gt=0)]
    """Largest deviation that is accepted: relative for a rate (0.02 is 2 %), in dB for a quality."""

    @model_validator(mode="after")
    def _check(self) -> Search:
        if (self.rate_bpp is None) == (self.psnr_y_db is None):
            raise Problem("needs one target: rate_bpp or psnr_y_db", "give one of the two")
        if not self.low < self.high:
            raise Problem(f"low {self.low:g} must be below high {self.high:g}", "exchange or change them")
        if (self.high - self.low) / self.step > 1 << 20:
            raise Problem(f"step {self.step:g} gives more than {1 << 20} values", "write a larger step")
        return self

    @property
    def target(self) -> float:
        """The target value, bits per pixel or dB."""
        return float(self.rate_bpp if self.rate_bpp is not None else self.psnr_y_db or 0.0)

    def value(self, index: int) -> float | int:
        """Value `index` of those that are tried; a whole number where it is one."""
        value = round(self.low + index * self.step, 9)
        return int(value) if float(value).is_integer() else value

    @property
    def last(self) -> int:
        """Index of the highest value."""
        return math.floor((self.high - self.low) / self.step + 1e-9)

    def error(self, result: float) -> float:
        """Deviation of a rate (relative) or a quality (dB) from the target."""
        difference = result - self.target
        return difference / self.target if self.rate_bpp is not None else difference


class Try(NamedTuple):
    """One encode of a search: value, rate, quality (None if it is not the target), stream file."""

    value: float | int
    rate_bpp: float
    psnr_y_db: float | None
    stream: Path


def search_encode(
    codec: Codec,
    clip: Clip,
    job: EncodeJob,
    *,
    family: str,
    identity: Mapping[str, Any],
    encode: Callable[[Clip, EncodeJob], Encoded],
) -> Encoded:
    """Encode with the value of the searched parameter that reaches the target.

    Args:
        codec: decodes the tries where the target is a quality.
        identity: what the bytes depend on besides the settings, such as versions of programs.
        encode: encodes with a job whose settings hold a value of the parameter, and no search.

    Raises:
        BenchError: no value reaches the target within the tolerance; the nearest one is named.
    """
    search = Search.model_validate(job.settings["search"])
    tries: dict[int, Try] = {}

    def result(index: int) -> float:
        if index not in tries:
            tries[index] = _try(codec, clip, job, search, search.value(index), family, identity, encode)
        done = tries[index]
        return done.rate_bpp if search.rate_bpp is not None else float(done.psnr_y_db or 0.0)

    left, right = 0, search.last
    rising = result(left) <= result(right)
    if min(result(left), result(right)) <= search.target <= max(result(left), result(right)):
        while right - left > 1:
            middle = (left + right) // 2
            if (result(middle) < search.target) == rising:
                left = middle
            else:
                right = middle
    best = min((left, right), key=lambda index: abs(search.error(result(index))))
    if abs(search.error(result(best))) > search.tolerance:
        name, unit = ("rate", "bpp") if search.rate_bpp is not None else ("PSNR-Y", "dB")
        nearest = f"{search.parameter} {search.value(best):g} is the nearest with {result(best):.6g} {unit}"
        raise BenchError(
            f"search of {search.parameter}",
            f"no value reaches {name} {search.target:g} {unit}; {nearest}",
            "change low, high or step, or raise the tolerance",
        )
    chosen = read_stream(tries[best].stream)
    details = read_json(tries[best].stream.with_suffix(".json"))["details"]
    listed = [
        {"value": done.value, "rate_bpp": done.rate_bpp, "psnr_y_db": done.psnr_y_db}
        for done in tries.values()
    ]
    return Encoded(
        payload=[bytes(chosen.payload)],
        pixel_format=chosen.header.pixel_format,
        details={
            **details,
            "search": {"parameter": search.parameter, "value": search.value(best), "tries": listed},
        },
    )


def _try(
    codec: Codec,
    clip: Clip,
    job: EncodeJob,
    search: Search,
    value: float | int,
    family: str,
    identity: Mapping[str, Any],
    encode: Callable[[Clip, EncodeJob], Encoded],
) -> Try:
    """Encode with one value, or take the cached stream of an earlier try."""
    settings = {**job.settings, "search": None, search.parameter: value}
    inputs = {"settings": settings, "threads": job.threads, "seed": job.seed, "identity": identity}
    inputs |= {"family": family, "clip": clip.info.sha256, "codec": job.codec}
    key = hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()[:24]
    stream = job.state_dir / f"try-{key}.bin"
    if not (stream.is_file() and stream.with_suffix(".json").is_file()):
        encoded = encode(clip, replace(job, settings=settings))
        header = Header.of_clip(clip.info, family=family, pixel_format=encoded.pixel_format)
        write_stream(stream, header, encoded.payload)
        write_json(stream.with_suffix(".json"), {"details": encoded.details})  # last: it completes the try
    rate = 8 * stream.stat().st_size / clip.info.pixels
    quality = _psnr_y_db(codec, stream, clip, job) if search.psnr_y_db is not None else None
    shown = f", {quality:.3f} dB" if quality is not None else ""
    job.progress(f"{search.parameter} {value:g}: {rate:.4f} bpp{shown}")
    return Try(value, rate, quality, stream)


def _psnr_y_db(codec: Codec, path: Path, clip: Clip, job: EncodeJob) -> float:
    """Mean over the frames of the PSNR of luma, in dB; identical frames count 100 dB."""
    stream, info = read_stream(path), clip.info
    frames = codec.decode(stream, device=job.device, clock=StageClock())
    if stream.header.pixel_format == "rgb24":
        from bench.video.colour import to_yuv

        frames = to_yuv(frames, width=info.width, height=info.height, colour=stream.header.matrix)
    total = 0.0
    for decoded, source in zip(frames, clip.frames(), strict=True):
        one, other = (
            planes(frame, info.width, info.height)[0].astype(np.float64) for frame in (decoded, source)
        )
        mse = float(np.mean((one - other) ** 2))
        total += 10 * math.log10(255**2 / mse) if mse else _IDENTICAL_DB
    return total / info.frames
