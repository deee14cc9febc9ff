"""A clip: 8-bit 4:2:0 frames in ``clip.y4m`` and all that is known of them in ``clip.json``.

y4m carries no colour matrix, so ``clip.json`` is the truth. It is written last: where it exists,
the frames beside it are complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from bench.base.errors import BenchError
from bench.base.files import read_json

_REMEDY = "prepare the clip again"
_FRAME_LINE = b"FRAME\n"
_MAX_SIDE = 8192
_MAX_FRAMES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ClipInfo:
    """What is known of a clip.

    Attributes:
        name: the clip's name in its condition; sequence: the source's name in sequences.tsv.
        width, height: in pixels, both even; frames: their number; fps: their rate.
        matrix, range, siting: of the YUV samples ("bt709", "limited", "left").
        pixel_format: "yuv420p" always.
        sha256: of clip.y4m.
        chain: every step of the preparation, exact ffmpeg arguments included.
        colour: name of the conversion to RGB (`bench.video.colour`).
        licence, citation: of the source.
    """

    name: str
    sequence: str
    width: int
    height: int
    frames: int
    fps: Fraction
    matrix: str = "bt709"
    range: str = "limited"
    siting: str = "left"
    pixel_format: str = "yuv420p"
    sha256: str = ""
    chain: tuple[str, ...] = ()
    colour: str = "bt709"
    licence: str = ""
    citation: str = ""

    @property
    def frame_bytes(self) -> int:
        """Bytes of one yuv420p frame."""
        return self.width * self.height * 3 // 2

    @property
    def pixels(self) -> int:
        """Luma samples of the whole clip: what a rate in bits per pixel is divided by."""
        return self.width * self.height * self.frames

    def to_json(self) -> dict[str, Any]:
        """JSON values; the frame rate as "numerator/denominator"."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        fps = f"{self.fps.numerator}/{self.fps.denominator}"
        return values | {"fps": fps, "chain": list(self.chain)}

    @classmethod
    def from_json(cls, values: Any, *, where: str | Path = "clip.json") -> ClipInfo:
        """The reverse of `to_json`.

        Raises:
            BenchError: a field is missing, unknown, of the wrong type or out of bounds; it is named.
        """
        known = {field.name for field in fields(cls)}
        if not isinstance(values, dict):
            raise BenchError(where, "is not a JSON object", _REMEDY)
        for problem, names in (("unknown", set(values) - known), ("missing", known - set(values))):
            if names:
                raise BenchError(where, f"{problem} field {', '.join(sorted(names))}", _REMEDY)
        for field, kind in (("width", int), ("height", int), ("frames", int), ("chain", list)):
            if not isinstance(values[field], kind) or isinstance(values[field], bool):
                raise BenchError(where, f"{field} is {values[field]!r}, not of type {kind.__name__}", _REMEDY)
        info = cls(**values | {"fps": _fps(values["fps"], where), "chain": tuple(values["chain"])})
        check_geometry(info.width, info.height, info.frames, where=where)
        if info.pixel_format != "yuv420p":
            raise BenchError(where, f"pixel_format is {info.pixel_format!r}, not yuv420p", _REMEDY)
        return info


@dataclass(frozen=True)
class Clip:
    """A prepared clip; `path` is its clip.y4m."""

    info: ClipInfo
    path: Path

    @classmethod
    def load(cls, path: str | Path) -> Clip:
        """Open the clip whose ``clip.json`` (or folder) is given; the frames are not read yet.

        Raises:
            BenchError: a file is missing, cut short, too long, or the two do not agree.
        """
        json_path = Path(path)
        if json_path.is_dir():
            json_path = json_path / "clip.json"
        values = read_json(json_path, "a clip.json")
        clip = cls(ClipInfo.from_json(values, where=json_path), json_path.with_name("clip.y4m"))
        clip._check_file()
        return clip

    def frames(self, first: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yield frames `first` to `stop` as flat uint8 arrays: Y, U and V planes (see `planes`)."""
        stop = self.info.frames if stop is None else stop
        if not 0 <= first <= stop <= self.info.frames:  # the caller's mistake, not the user's
            raise ValueError(f"frames {first}:{stop} of a clip of {self.info.frames}")
        size = self.info.frame_bytes
        with self.path.open("rb") as file:
            file.seek(len(file.readline()) + first * (len(_FRAME_LINE) + size))
            for index in range(first, stop):
                if file.read(len(_FRAME_LINE)) != _FRAME_LINE:
                    raise BenchError(self.path, f"frame {index} does not begin with a FRAME line", _REMEDY)
                frame = np.empty(size, np.uint8)
                if file.readinto(frame.data) != size:
                    raise BenchError(self.path, f"frame {index} is cut short", _REMEDY)
                yield frame

    def rgb(self, first: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yield frames `first` to `stop` as (height, width, 3) uint8 RGB, by the clip's own conversion."""
        from bench.video.colour import to_rgb

        info = self.info
        return to_rgb(self.frames(first, stop), width=info.width, height=info.height, colour=info.colour)

    def rgb_array(self) -> np.ndarray:
        """The whole clip as one (frames, height, width, 3) uint8 array."""
        info = self.info
        array = np.empty((info.frames, info.height, info.width, 3), np.uint8)
        for index, frame in enumerate(self.rgb()):
            array[index] = frame
        return array

    def _check_file(self) -> None:
        info = self.info
        try:
            with self.path.open("rb") as file:
                header = file.readline(256)
            size = self.path.stat().st_size
        except OSError as error:
            raise BenchError(self.path, error.strerror or "cannot be read", _REMEDY) from error
        width, height, fps = parse_y4m_header(header, where=self.path)
        for field, found, wanted in (
            ("width", width, info.width),
            ("height", height, info.height),
            ("fps", fps, info.fps),
        ):
            if found != wanted:
                raise BenchError(self.path, f"{field} is {found}, clip.json says {wanted}", _REMEDY)
        wanted = len(header) + info.frames * (len(_FRAME_LINE) + info.frame_bytes)
        if size != wanted:
            problem = f"is {size} bytes, {info.frames} frames of {width}x{height} make {wanted}"
            raise BenchError(self.path, problem, _REMEDY)


def planes(frame: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Views of a flat yuv420p frame's planes: Y (height, width), U and V (height/2, width/2)."""
    luma, chroma = width * height, width * height // 4
    half = (height // 2, width // 2)
    return (
        frame[:luma].reshape(height, width),
        frame[luma : luma + chroma].reshape(half),
        frame[luma + chroma :].reshape(half),
    )


def check_geometry(width: int, height: int, frames: int, *, where: str | Path) -> None:
    """Refuse a clip that 4:2:0 or the stream header cannot hold."""
    for field, side in (("width", width), ("height", height)):
        if not 0 < side <= _MAX_SIDE:
            raise BenchError(where, f"{field} is {side}", f"use 2 to {_MAX_SIDE}")
        if side % 2:
            raise BenchError(where, f"{field} is {side}, 4:2:0 needs an even one", "crop or scale it")
    if not 0 < frames <= _MAX_FRAMES:
        raise BenchError(where, f"frames is {frames}", f"use a clip of 1 to {_MAX_FRAMES} frames")


def y4m_header(width: int, height: int, fps: Fraction) -> bytes:
    """The header line of our y4m files (8-bit limited 4:2:0, left siting, square pixels)."""
    rate = f"{fps.numerator}:{fps.denominator}"
    return f"YUV4MPEG2 W{width} H{height} F{rate} Ip A1:1 C420mpeg2 XCOLORRANGE=LIMITED\n".encode()


def parse_y4m_header(line: bytes, *, where: str | Path) -> tuple[int, int, Fraction]:
    """Width, height and frame rate of an 8-bit 4:2:0 y4m header line.

    Raises:
        BenchError: it is no such line.
    """
    words = line.split()
    if not line.endswith(b"\n") or words[:1] != [b"YUV4MPEG2"]:
        raise BenchError(where, "does not begin with a YUV4MPEG2 line", _REMEDY)
    tags = {chr(word[0]): word[1:].decode("ascii", "replace") for word in words[1:] if word[:1] != b"X"}
    if tags.get("C", "420") not in ("420", "420jpeg", "420mpeg2", "420paldv"):
        raise BenchError(where, f"colour space C{tags['C']} is not 8-bit 4:2:0", _REMEDY)
    try:
        return int(tags["W"]), int(tags["H"]), Fraction(tags["F"].replace(":", "/"))
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise BenchError(where, "its YUV4MPEG2 line lacks a valid W, H or F", _REMEDY) from error


def y4m_chunks(
    frames: Iterable[np.ndarray], *, width: int, height: int, fps: Fraction
) -> Iterator[bytes | memoryview]:
    """The bytes of a y4m file, piece by piece."""
    yield y4m_header(width, height, fps)
    for frame in frames:
        yield _FRAME_LINE
        yield np.ascontiguousarray(frame).data.cast("B")


def _fps(text: Any, where: str | Path) -> Fraction:
    try:
        fps = Fraction(text)
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise BenchError(where, f"fps is {text!r}, not like 25/1", _REMEDY) from error
    if fps <= 0:
        raise BenchError(where, f"fps is {text!r}, not positive", _REMEDY)
    return fps
