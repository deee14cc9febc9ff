"""How each encoder is called: its name in ffmpeg and the arguments that its settings make.

Matched settings: the whole clip is one run of the encoder with B-frames (or what its format has for
them), one keyframe at its start (some encoders place more at scene cuts) and the true frame rate,
because a constant rate factor means something else at another rate. Threads are fixed, because
encoders change their output with them. Whatever a preset decides is left to it; what is set beyond
presets is said beside it.

Another encoder is one row of `ENCODERS` (and one of `formats.FORMATS` where its format is new).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.base.errors import BenchError

#: Longer than any clip of the suite: for encoders that know no "never".
_NEVER = 1 << 20
_VVENC_GOP = 32


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """One of ffmpeg's encoders.

    Attributes:
        name: what ffmpeg calls it; format: the row of `formats.FORMATS` that it writes.
        options: settings and threads -> its arguments, without name and rate.
        knows: the settings that it has beside encoder, preset and keyint. The first of crf and qp is
            the one that is asked for; `whole`: it takes whole numbers only.
        pixel_format: of what it is given (10 bit are 8 bit with two zeros below).
        passes: 2 where the first run only takes statistics for the second.
        min_side: pixels; smaller pictures end in an error.
    """

    name: str
    format: str
    options: Callable[[Mapping[str, Any], int], list[str]]
    knows: tuple[str, ...]
    whole: bool = True
    pixel_format: str = "yuv420p"
    passes: int = 1
    min_side: int = 2

    def arguments(self, settings: Mapping[str, Any], threads: int) -> list[str]:
        """ffmpeg's arguments for checked settings (see `find_encoder`)."""
        rate = next(key for key in self.knows if settings[key] is not None)
        chosen = ["-c:v", self.name, f"-{rate}", f"{settings[rate]:g}", *self.options(settings, threads)]
        return [*chosen, "-pix_fmt", self.pixel_format]


def find_encoder(settings: Mapping[str, Any]) -> Encoder:
    """The encoder that the settings name.

    Raises:
        BenchError: there is none, or it cannot be run with these settings.
    """
    from baselines.ffmpeg.settings import FfmpegSettings

    name, defaults = settings["encoder"], FfmpegSettings.default_values()
    if name not in ENCODERS:
        raise BenchError("family ffmpeg", f"encoder is {name!r}", f"use one of {', '.join(ENCODERS)}")
    encoder, where = ENCODERS[name], f"encoder {name}"
    for key in ("crf", "qp", "tune", "bframes", "scenecut"):
        if settings[key] != defaults[key] and key not in encoder.knows:
            raise BenchError(where, f"has no setting {key!r}", f"beside preset: {', '.join(encoder.knows)}")
    _check_rate(where, encoder, settings)
    if encoder.name == "libvvenc" and settings["keyint"] % _VVENC_GOP:
        problem = f"keyint is {settings['keyint']}, no multiple of its group of {_VVENC_GOP} pictures"
        raise BenchError(where, problem, "give a multiple, or 0 for the whole clip")
    return encoder


def _check_rate(where: str, encoder: Encoder, settings: Mapping[str, Any]) -> None:
    keys = [key for key in ("crf", "qp") if key in encoder.knows]
    given = [key for key in keys if settings[key] is not None]
    if len(given) != 1:
        said = "neither crf nor qp" if len(keys) == 2 else f"no {keys[0]}"
        problem = "both crf and qp are given" if given else f"{said} is given"
        raise BenchError(where, problem, f"give {' or '.join(keys)} in a point or with --set")
    value = settings[given[0]]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BenchError(where, f"{given[0]} is {value!r}, no number", "give a number")
    if encoder.whole and not float(value).is_integer():
        raise BenchError(where, f"{given[0]} is {value}, no whole number", "round it")


def _x264(settings: Mapping[str, Any], threads: int) -> list[str]:
    parameters = f"keyint={settings['keyint'] or 'infinite'}:open-gop=0{_frame_types(settings)}"
    # Type 6 is SEI: x264 writes its version there and has no switch against it.
    return [
        *("-preset", str(settings["preset"]), *_tune(settings), "-threads", str(threads)),
        *("-x264-params", parameters, "-bsf:v", "filter_units=remove_types=6"),
    ]


def _x265(settings: Mapping[str, Any], threads: int) -> list[str]:
    # Frame threads change the output and wavefronts cost rate: neither without threads to feed.
    pools = "none" if threads == 1 else str(threads)
    fixed = f"open-gop=0:info=0:frame-threads=1:pools={pools}:log-level=error"
    parameters = f"keyint={settings['keyint'] or -1}:{fixed}{_frame_types(settings)}"
    return ["-preset", str(settings["preset"]), *_tune(settings), "-x265-params", parameters]


def _svtav1(settings: Mapping[str, Any], threads: int) -> list[str]:
    parameters = f"keyint={settings['keyint'] or -1}:lp={threads}"
    return ["-preset", str(settings["preset"]), "-svtav1-params", parameters]


def _aom(settings: Mapping[str, Any], threads: int) -> list[str]:
    # "-b:v 0" makes crf a quality alone, not one under a bit rate.
    return [
        *("-cpu-used", str(settings["preset"]), *_tune(settings), "-b:v", "0", "-threads", str(threads)),
        *("-g", str(settings["keyint"] or _NEVER), "-row-mt", "1", "-tile-columns", "0"),
    ]


def _vp9(settings: Mapping[str, Any], threads: int) -> list[str]:
    # Layers of alternate references are what other encoders call a pyramid of B-frames (3 % of the
    # rate); frame-parallel would forgo the adaptation of probabilities from frame to frame (1 %).
    return [*_aom(settings, threads), "-auto-alt-ref", "6", "-frame-parallel", "0"]


def _vvenc(settings: Mapping[str, Any], threads: int) -> list[str]:
    # Its defaults are a perceptual quantiser and an intra picture each second; delimiters of
    # access units are 6 bytes a frame that no decoder needs.
    parameters = f"IntraPeriod={settings['keyint'] or -1}:AccessUnitDelimiter=0"
    return [
        *("-preset", str(settings["preset"]), "-qpa", "0", "-threads", str(threads)),
        *("-vvenc-params", parameters),
    ]


def _tune(settings: Mapping[str, Any]) -> list[str]:
    return ["-tune", settings["tune"]] if settings["tune"] else []


def _frame_types(settings: Mapping[str, Any]) -> str:
    """What x264 and x265 call alike."""
    bframes = "" if settings["bframes"] < 0 else f":bframes={settings['bframes']}"
    return bframes + ("" if settings["scenecut"] else ":scenecut=0")


_X26X = ("crf", "qp", "tune", "bframes", "scenecut")

ENCODERS = {
    "x264": Encoder(name="libx264", format="h264", options=_x264, knows=_X26X, whole=False),
    "x265": Encoder(name="libx265", format="hevc", options=_x265, knows=_X26X, whole=False, min_side=16),
    "svtav1": Encoder(name="libsvtav1", format="av1", options=_svtav1, knows=("crf",), min_side=4),
    # Two passes are the default of aomenc (0.2 dB); one pass of vpxenc has no alternate references
    # (1.5 dB at 0.2 bpp).
    "aom": Encoder(name="libaom-av1", format="av1", options=_aom, knows=("crf", "tune"), passes=2),
    "vp9": Encoder(name="libvpx-vp9", format="vp9", options=_vp9, knows=("crf", "tune"), passes=2),
    "vvenc": Encoder(
        name="libvvenc",
        format="vvc",
        options=_vvenc,
        knows=("qp",),
        pixel_format="yuv420p10le",
        min_side=24,
    ),
}
