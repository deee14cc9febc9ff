"""Facts of a video file, read from the log of the ffmpeg process that decodes it.

The filter `showinfo` logs each decoded frame: size, pixel format, time stamp, colour tags, field order and
sample aspect ratio. So the facts are those of the decode that the clip consists of, from the same binary, and
each frame has its own. A second library could read a file differently from ffmpeg.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from bench.base.errors import BenchError
from bench.base.ffmpeg import pipe_frames, video_file_args
from bench.base.files import FileState, file_state

#: The filter that logs each frame, without its costly checksums; it changes no sample.
LOG_FILTER = "showinfo=checksum=0"
#: Options of ffmpeg before and after its input. The first decoding error ends the process. Frames keep the
#: orientation in which they are stored. `V` selects the first video stream that is not cover art.
DECODE_OPTIONS = ("-xerror", "-noautorotate", "-flags", "bitexact")
STREAM_OPTIONS = ("-map", "0:V:0", "-fps_mode", "passthrough", "-an")

#: ffmpeg's names of tags -> those of sequences.tsv.
_RANGES = {"tv": "limited", "pc": "full"}
_MATRICES = {"bt709": "bt709", "smpte170m": "bt601", "bt470bg": "bt601"}
_SITINGS = {"left": "left", "center": "center", "topleft": "topleft"}
_UNKNOWN = ("unknown", "unspecified", "reserved")

_STREAM = re.compile(r"\[info\]   Stream #0:\d+\S*: Video: (.*)")
_CONFIG = re.compile(r"config in time_base: (\d+)/(\d+), frame_rate: (\d+)/(\d+)")
_ROTATION = re.compile(r"displaymatrix: rotation of (-?\d+(?:\.\d+)?) degrees")
_FRAME = re.compile(
    r"n: *\d+ pts: *(\S+) pts_time:.* fmt:(\S+) cl:(\S+) sar:(\d+)/(\d+) s:(\d+)x(\d+) i:(\S)"
)
_COLOUR = re.compile(r"color_range:(\S+) color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)")
_SHOWINFO = re.compile(r"\[Parsed_showinfo_\d+ @ [^\]]*\] \[info\] ")
_ERROR = re.compile(r"(?:\[[^\]]*\] )?\[(?:error|fatal|panic)\] (.*)")


@dataclass(frozen=True, kw_only=True)
class FrameFacts:
    """What the decoder states about one frame. Unknown tags are empty.

    Attributes:
        width, height: of the stored frame in pixels, before any rotation.
        pixel_format: ffmpeg's name.
        range: "limited" or "full". matrix: "bt709", "bt601", or ffmpeg's name of another one.
        primaries, transfer: ffmpeg's names.
        siting: "left", "center", "topleft", or ffmpeg's name of another one.
        aspect: sample aspect ratio; 1 if it is not stated.
        interlaced: whether the frame consists of two fields.
        rotation: degrees, clockwise, by which a player turns the frame.
        display_matrix: whether the file has the matrix that the rotation comes from. It may mirror, too.
    """

    width: int
    height: int
    pixel_format: str
    range: str
    matrix: str
    primaries: str
    transfer: str
    siting: str
    aspect: Fraction
    interlaced: bool
    rotation: float = 0
    display_matrix: bool = False

    def tags(self) -> str:
        """The facts as text for ``clip.json``."""
        tags = {"range": self.range, "matrix": self.matrix, "primaries": self.primaries}
        tags |= {"transfer": self.transfer, "siting": self.siting}
        known = [f"{name} {value}" for name, value in tags.items() if value]
        unknown = [name for name, value in tags.items() if not value]
        return ", ".join(
            [
                *(f"{self.width}x{self.height}", self.pixel_format, *known),
                *([f"not stated: {' '.join(unknown)}"] if unknown else []),
                f"sample aspect ratio {self.aspect.numerator}:{self.aspect.denominator}",
                *(f"rotation {self.rotation:g}", "interlaced" if self.interlaced else "progressive"),
            ]
        )


@dataclass
class DecodeLog:
    """The log of one decode, line by line.

    Attributes:
        first: facts of the first frame; None before it.
        changed: facts of the first frame that differs from it, and its index.
        frames: number of decoded frames.
        fps: frame rate of the stream; None where the container has none.
        streams: number of video streams without cover art.
        errors: what demuxer and decoder reported as errors. ffmpeg conceals most of these.
    """

    first: FrameFacts | None = None
    changed: tuple[int, FrameFacts] | None = None
    frames: int = 0
    fps: Fraction | None = None
    streams: int = 0
    errors: list[str] = field(default_factory=list)
    _time_base: Fraction = Fraction(0)
    _times: list[Fraction | None] = field(default_factory=list)
    _pending: re.Match[str] | None = None
    _rotation: float | None = None
    _in_output: bool = False

    def add(self, line: str) -> None:
        """Read one line. Lines of no interest, of any form, are ignored."""
        if error := _ERROR.match(line):
            self.errors.append(error[1].strip())
        elif line.startswith("[info] Output #"):
            self._in_output = True
        elif (stream := _STREAM.match(line)) and not self._in_output:
            self.streams += "(attached pic)" not in stream[1]
        elif prefix := _SHOWINFO.match(line):
            self._add_showinfo(line[prefix.end() :])

    def _add_showinfo(self, text: str) -> None:
        if config := _CONFIG.match(text):
            base, below, rate, per = map(int, config.groups())
            self._time_base = Fraction(base, below) if below else Fraction(0)
            self.fps = Fraction(rate, per) if rate and per else None
        elif frame := _FRAME.match(text):
            self._pending, self._rotation = frame, None
        elif rotation := _ROTATION.search(text):
            # ffmpeg counts anticlockwise.
            self._rotation = -float(rotation[1]) % 360
        elif (colour := _COLOUR.match(text)) and self._pending:
            self._add_frame(self._pending, colour)
            self._pending = None

    def _add_frame(self, frame: re.Match[str], colour: re.Match[str]) -> None:
        """One frame is complete: its line with the colour tags is the last."""
        pts, pixel_format, siting, over, under, width, height, field_order = frame.groups()
        color_range, matrix, primaries, transfer = (
            "" if tag in _UNKNOWN or tag.startswith("reserved") else tag for tag in colour.groups()
        )
        if pixel_format.startswith("yuvj"):  # an older name of full range
            pixel_format, color_range = f"yuv{pixel_format.removeprefix('yuvj')}", "pc"
        facts = FrameFacts(
            width=int(width),
            height=int(height),
            pixel_format=pixel_format,
            range=_RANGES.get(color_range, color_range),
            matrix=_MATRICES.get(matrix, matrix),
            primaries=primaries,
            transfer=transfer,
            siting="" if siting in _UNKNOWN else _SITINGS.get(siting, siting),
            aspect=Fraction(int(over), int(under)) if int(over) and int(under) else Fraction(1),
            interlaced=field_order not in "P?",
            rotation=self._rotation or 0,
            display_matrix=self._rotation is not None,
        )
        self.first = self.first or facts
        if facts != self.first and self.changed is None:
            self.changed = self.frames, facts
        self.frames += 1
        self._times.append(int(pts) * self._time_base if pts.lstrip("-").isdigit() else None)

    def largest_deviation(self) -> Fraction:
        """How far a frame is displayed from its time at the constant rate `fps`, in frames.

        A container without time stamps has no deviation.
        """
        times = self._times_in_frames()
        return max((abs(time - times[0] - index) for index, time in enumerate(times)), default=Fraction(0))

    def largest_gap(self) -> Fraction:
        """How far the distance of two consecutive frames is from 1, in frames: 1 where a frame is missing."""
        times = self._times_in_frames()
        return max((abs(after - before - 1) for before, after in pairwise(times)), default=Fraction(0))

    def _times_in_frames(self) -> list[Fraction]:
        times = [time for time in self._times if time is not None]
        complete = self.fps is not None and len(times) == len(self._times)
        return [time * (self.fps or 0) for time in times] if complete else []

    @property
    def tick(self) -> Fraction:
        """The unit of time stamps, in frames: they are rounded to it."""
        return self._time_base * (self.fps or 0)


def probe(path: Path, *, frames: int | None = 1) -> DecodeLog:
    """Decode the first frames of a container (None: all) and return the log.

    The log of one file state is kept, so that a plan of many clips of one file decodes it once.

    Raises:
        BenchError: ffmpeg cannot open or decode the file, or there is no frame.
    """
    return _probe(path, frames, file_state(path))


def is_mirrored(path: Path, facts: FrameFacts) -> bool:
    """Whether a player mirrors the frames, which the log does not state.

    ffmpeg applies the whole display matrix by default. The result is compared with the rotated frame.
    """
    output = ["-map", "0:V:0", "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"]
    shown, stored = (
        next(pipe_frames([*options, *output], frame_bytes=facts.width * facts.height, where=path))
        for options in (video_file_args(path), ["-noautorotate", *video_file_args(path)])
    )
    turned = np.rot90(stored.reshape(facts.height, facts.width), -int(facts.rotation) // 90)
    return not np.array_equal(turned.ravel(), shown)


@functools.lru_cache(maxsize=1024)
def _probe(path: Path, frames: int | None, state: FileState) -> DecodeLog:
    log = DecodeLog()
    limit = [] if frames is None else ["-frames:v", str(frames)]
    command = [*DECODE_OPTIONS, *video_file_args(path), *STREAM_OPTIONS, "-vf", LOG_FILTER, *limit]
    remedy = "give a video in a container such as mp4, mkv or y4m; convert others with ffmpeg"
    # The muxer `null` writes nothing: there is no frame in the output.
    for _ in pipe_frames(
        [*command, "-f", "null", "-"], frame_bytes=1, where=path, remedy=remedy, on_log=log.add
    ):
        pass
    if log.first is None:
        raise BenchError(path, "has no frame", "give a video with at least one frame")
    return log
