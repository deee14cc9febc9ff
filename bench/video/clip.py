"""Prepared clips: 8-bit 4:2:0 frames in ``clip.y4m`` and their description in ``clip.json``.

The *truth* of a clip is the form of its frames that the source has:

| truth | source | frames | the other form |
|---|---|---|---|
| ``yuv420p`` | video | ``clip.y4m`` | RGB, converted from ``clip.y4m`` when it is read |
| ``rgb`` | PNG or JPEG frames | ``clip.rgb.npy`` | ``clip.y4m``, converted from the RGB frames once |

Both conversions are the clip's `colour` (`bench.video.colour`). RGB metrics compare with `Clip.rgb`, YUV
metrics with `Clip.frames`, whatever the truth.

y4m has no tag for the colour matrix, so ``clip.json`` is authoritative. It is written last: if it exists,
the frames beside it are complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from bench.base.errors import BenchError
from bench.base.files import FileState, file_state, read_json, sha256_of_state
from bench.video.colour import to_rgb
from bench.video.rgb_file import map_rgb_file, read_rgb_frames
from bench.video.y4m import FRAME_LINE, MAX_HEADER_BYTES, parse_y4m_header, read_y4m_frames

#: Limits of a clip and of a stream's header.
MAX_SIDE = 8192
MAX_FRAMES = 1 << 20

#: Form of a clip's frames that the source has.
Truth = Literal["yuv420p", "rgb"]

_REMEDY = "prepare the clip again"
#: Fields that an older clip.json lacks.
_NEWER_FIELDS = {"truth", "yuv_sha256", "round_trip_psnr_db"}
#: Fields of clip.json that are not strings.
_FIELD_TYPES: dict[str, Any] = {
    "width": int,
    "height": int,
    "frames": int,
    "chain": list,
    "round_trip_psnr_db": float | None,
}


@dataclass(frozen=True, kw_only=True)
class ClipInfo:
    """Description of a clip: the fields of ``clip.json``.

    Attributes:
        name: the clip's name in its condition.
        sequence: name of the source sequence, a row of config/sequences.tsv.
        width, height: in pixels, even, 2 to 8192.
        frames: number of frames, 1 to 2^20.
        fps: frames per second.
        matrix, range, siting: of the YUV samples ("bt709", "limited", "left").
        pixel_format: of clip.y4m, always "yuv420p".
        truth: "yuv420p" or "rgb": which frames are the source's.
        sha256: of the file that holds the truth, clip.y4m or clip.rgb.npy. It identifies the clip.
        yuv_sha256: of clip.y4m where the truth is "rgb"; else empty.
        chain: the steps of the preparation in order, with the exact ffmpeg arguments.
        colour: name of the conversion between YUV and RGB (`bench.video.colour`).
        licence, citation: of the source sequence.
        round_trip_psnr_db: PSNR of the frames after conversion to the other form and back, in dB: the ceiling
            of decoders of that form (`bench.video.round_trip`). None: an older clip.json does not state it.
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
    truth: Truth = "yuv420p"
    sha256: str = ""
    yuv_sha256: str = ""
    chain: tuple[str, ...] = ()
    colour: str = "bt709"
    licence: str = ""
    citation: str = ""
    round_trip_psnr_db: float | None = None

    @property
    def frame_bytes(self) -> int:
        """Bytes of one yuv420p frame."""
        return self.width * self.height * 3 // 2

    @property
    def truth_frame_bytes(self) -> int:
        """Bytes of one frame of the truth."""
        return 3 * self.width * self.height if self.truth == "rgb" else self.frame_bytes

    @property
    def pixels(self) -> int:
        """Luma samples of the whole clip: the denominator of a rate in bits per pixel."""
        return self.width * self.height * self.frames

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values; the frame rate is the string "numerator/denominator"."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        fps = f"{self.fps.numerator}/{self.fps.denominator}"
        return values | {"fps": fps, "chain": list(self.chain)}

    @classmethod
    def from_json(cls, values: Any, *, where: str | Path = "clip.json") -> ClipInfo:
        """Inverse of `to_json`.

        Raises:
            BenchError: a field is missing, unknown, of the wrong type or out of range. The error names it.
        """
        if not isinstance(values, dict):
            raise BenchError(where, "must be a JSON object", _REMEDY)
        known = {field.name for field in fields(cls)}
        for problem, names in (
            ("unknown", set(values) - known),
            ("missing", known - _NEWER_FIELDS - set(values)),
        ):
            if names:
                raise BenchError(where, f"{problem} field {', '.join(sorted(names))}", _REMEDY)
        for name in set(values) - {"fps"}:
            kind = _FIELD_TYPES.get(name, str)
            if not isinstance(values[name], kind) or isinstance(values[name], bool):
                problem = f"{name} must be of type {getattr(kind, '__name__', kind)}, not {values[name]!r}"
                raise BenchError(where, problem, _REMEDY)
        info = cls(**values | {"fps": _parse_fps(values["fps"], where), "chain": tuple(values["chain"])})
        check_geometry(info.width, info.height, info.frames, where=where)
        if info.pixel_format != "yuv420p":
            raise BenchError(where, f"pixel_format must be yuv420p, not {info.pixel_format!r}", _REMEDY)
        if info.truth not in get_args(Truth):
            raise BenchError(where, f"truth must be yuv420p or rgb, not {info.truth!r}", _REMEDY)
        return info


@dataclass(frozen=True)
class Clip:
    """A prepared clip; `path` is its ``clip.y4m``."""

    info: ClipInfo
    path: Path

    @classmethod
    def load(cls, path: str | Path) -> Clip:
        """Open a clip by the path of its ``clip.json`` or its folder. No frame is read yet.

        Raises:
            BenchError: a file is missing or invalid, or a file of frames has not the header or size that
                ``clip.json`` implies.
        """
        json_path = Path(path)
        if json_path.is_dir():
            json_path = json_path / "clip.json"
        info = ClipInfo.from_json(read_json(json_path, "a clip.json"), where=json_path)
        clip = cls(info, json_path.with_name("clip.y4m"))
        clip._check_video_file()
        if info.truth == "rgb":
            clip._map_rgb()
        return clip

    @property
    def truth_path(self) -> Path:
        """The file that holds the truth; `ClipInfo.sha256` is its digest."""
        return self.path.with_name("clip.rgb.npy") if self.info.truth == "rgb" else self.path

    @property
    def sha256_by_file(self) -> dict[Path, str]:
        """The clip's files of frames and their digests as ``clip.json`` states them."""
        if self.info.truth == "rgb":
            return {self.truth_path: self.info.sha256, self.path: self.info.yuv_sha256}
        return {self.path: self.info.sha256}

    def frames(self, first: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yield frames `first` to `stop - 1` (default: all) as flat uint8 arrays; `planes` splits one.

        Raises:
            ValueError: the frames are outside the clip.
            BenchError: the bytes of ``clip.y4m`` are not those whose SHA-256 is in ``clip.json``, or they
                change while they are read. The digest is computed once for each state of the file.
        """
        stop = self._stop(first, stop)
        state = self._check_digest(self.path)
        yield from read_y4m_frames(self.path, frame_bytes=self.info.frame_bytes, first=first, stop=stop)
        if file_state(self.path) != state:
            raise BenchError(self.path, "was changed while it was read", _REMEDY)

    def rgb(self, first: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yield frames `first` to `stop - 1` as (height, width, 3) uint8 RGB.

        They are the source's frames where the truth is RGB, else converted by the clip's `colour`.
        """
        info = self.info
        if info.truth == "rgb":
            return self._rgb_frames(first, self._stop(first, stop))
        return to_rgb(self.frames(first, stop), width=info.width, height=info.height, colour=info.colour)

    def rgb_array(self) -> np.ndarray:
        """The whole clip as one (frames, height, width, 3) uint8 array.

        Where the truth is RGB, the array is memory-mapped; changes of it do not reach the file.
        """
        info = self.info
        if info.truth == "rgb":
            self._check_digest(self.truth_path)
            return self._map_rgb()
        array = np.empty((info.frames, info.height, info.width, 3), np.uint8)
        for index, frame in enumerate(self.rgb()):
            array[index] = frame
        return array

    def _stop(self, first: int, stop: int | None) -> int:
        stop = self.info.frames if stop is None else stop
        if not 0 <= first <= stop <= self.info.frames:  # a mistake in the calling code, not the user's
            raise ValueError(f"frames {first}:{stop} of a clip of {self.info.frames}")
        return stop

    def _check_digest(self, path: Path) -> FileState:
        """Compare the SHA-256 of a file of frames with ``clip.json``. Return the state of the file."""
        state, digest = file_state(path), sha256_of_state(path)
        if digest != self.sha256_by_file[path]:
            problem = f"its sha256 is {digest}, but {self.sha256_by_file[path] or 'empty'} in clip.json"
            raise BenchError(path, problem, _REMEDY)
        return state

    def _rgb_frames(self, first: int, stop: int) -> Iterator[np.ndarray]:
        info, path = self.info, self.truth_path
        state = self._check_digest(path)
        yield from read_rgb_frames(
            path, count=info.frames, width=info.width, height=info.height, first=first, stop=stop
        )
        if file_state(path) != state:
            raise BenchError(path, "was changed while it was read", _REMEDY)

    def _map_rgb(self) -> np.ndarray:
        info = self.info
        return map_rgb_file(self.truth_path, count=info.frames, width=info.width, height=info.height)

    def _check_video_file(self) -> None:
        """Compare the header and the size of ``clip.y4m`` with ``clip.json``."""
        info = self.info
        try:
            with self.path.open("rb") as file:
                header = file.readline(MAX_HEADER_BYTES)
            size = self.path.stat().st_size
        except OSError as error:
            raise BenchError(self.path, error.strerror or "cannot be read", _REMEDY) from error
        width, height, fps = parse_y4m_header(header, where=self.path)
        for field, value in (("width", width), ("height", height), ("fps", fps)):
            if value != getattr(info, field):
                problem = f"{field} is {value}, but {getattr(info, field)} in clip.json"
                raise BenchError(self.path, problem, _REMEDY)
        expected = len(header) + info.frames * (len(FRAME_LINE) + info.frame_bytes)
        if size != expected:
            problem = f"is {size} bytes, but {info.frames} frames of {width}x{height} are {expected}"
            raise BenchError(self.path, problem, _REMEDY)


def planes(frame: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Planes of a flat yuv420p frame, without a copy: Y (height, width), U and V (height/2, width/2)."""
    luma, chroma = width * height, width * height // 4
    half = (height // 2, width // 2)
    return (
        frame[:luma].reshape(height, width),
        frame[luma : luma + chroma].reshape(half),
        frame[luma + chroma :].reshape(half),
    )


def check_geometry(width: int, height: int, frames: int, *, where: str | Path) -> None:
    """Check that 4:2:0 and the stream header can hold a clip of this size.

    Raises:
        BenchError: a side is odd or not 2 to 8192, or the number of frames is not 1 to 2^20.
    """
    for field, side in (("width", width), ("height", height)):
        if not 0 < side <= MAX_SIDE:
            raise BenchError(where, f"{field} must be 2 to {MAX_SIDE}, not {side}", "crop or scale the clip")
        if side % 2:
            raise BenchError(where, f"{field} must be even for 4:2:0, not {side}", "crop or scale the clip")
    if not 0 < frames <= MAX_FRAMES:
        raise BenchError(where, f"frames must be 1 to {MAX_FRAMES}, not {frames}", "trim the clip")


def _parse_fps(text: Any, where: str | Path) -> Fraction:
    try:
        fps = Fraction(text)
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise BenchError(where, f"fps must be a ratio such as 25/1, not {text!r}", _REMEDY) from error
    if fps <= 0:
        raise BenchError(where, f"fps must be positive, not {text!r}", _REMEDY)
    return fps
