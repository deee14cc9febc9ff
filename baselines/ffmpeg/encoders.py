"""ffmpeg's encoders: their names, and the arguments for their settings.

Matched settings: one run of the encoder codes the whole clip, with B-frames (or the counterpart of the
format), one keyframe at the start (some encoders insert more at scene cuts) and the true frame rate, because
a constant rate factor depends on the frame rate. The number of threads is fixed, because it changes the
output. The preset decides everything else, except for the options with a comment below.

To add an encoder, add a row to `ENCODERS`, and to `formats.FORMATS` if its format is new.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.base.errors import BenchError

if TYPE_CHECKING:
    from bench.video.clip import ClipInfo

#: Settings of which exactly one chooses the rate.
RATES = ("crf", "qp", "rate_bpp")
#: Keyframe interval longer than any clip, for encoders without a value for "never".
_NEVER = 1 << 20
_VVENC_GOP = 32


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """One of ffmpeg's encoders.

    Attributes:
        name: ffmpeg's name; format: row of `formats.FORMATS` that it writes.
        options: settings and threads -> its arguments, without name and rate.
        presets: names or numbers of its presets.
        tunes: its tunings; x264 and x265 accept several, joined by commas.
        settings: the settings that it has besides encoder, preset and keyint, among them crf, qp or rate_bpp.
        highest: largest crf and qp. ffmpeg refuses larger ones, or encodes with the largest.
        whole: whether crf and qp must be whole numbers.
        pixel_format: of its input; 10-bit samples are the 8-bit samples times 4. The setting bit_depth
            overrides it.
        passes: 2 if a first run only collects statistics for the second. With rate_bpp there are always 2.
        qp_in_options: whether `options` contains the quantiser, for encoders without the option -qp.
        min_side: smallest width and height in pixels.
    """

    name: str
    format: str
    options: Callable[[Mapping[str, Any], int], list[str]]
    presets: Collection[str | int]
    settings: tuple[str, ...]
    highest: int = 63
    tunes: Collection[str] = ()
    whole: bool = True
    pixel_format: str = "yuv420p"
    passes: int = 1
    min_side: int = 2
    qp_in_options: bool = False

    def arguments(self, settings: Mapping[str, Any], threads: int, clip: ClipInfo) -> list[str]:
        """ffmpeg's arguments for checked settings (see `find_encoder`)."""
        rate = next(key for key in RATES if settings[key] is not None)
        chosen = [f"-{rate}", f"{settings[rate]:g}"]
        if rate == "rate_bpp":
            chosen = ["-b:v", str(round(settings[rate] * clip.width * clip.height * clip.fps))]
        elif self.qp_in_options:
            chosen = []
        pixels = "yuv420p10le" if settings["bit_depth"] == 10 else self.pixel_format
        return ["-c:v", self.name, *chosen, *self.options(settings, threads), "-pix_fmt", pixels]

    def runs(self, settings: Mapping[str, Any]) -> int:
        """Number of passes over the clip."""
        return 2 if settings["rate_bpp"] is not None else self.passes

    def coded_format(self, settings: Mapping[str, Any]) -> str:
        """Row of `formats.FORMATS` that it writes with these settings."""
        return f"{self.format}10" if settings["bit_depth"] == 10 else self.format


def find_encoder(settings: Mapping[str, Any]) -> Encoder:
    """The encoder of the settings.

    Raises:
        BenchError: there is no such encoder, or it does not have a setting, a preset or a tuning.
    """
    from baselines.ffmpeg.settings import FfmpegSettings

    name, defaults = settings["encoder"], FfmpegSettings.default_values()
    search = settings["search"]
    if search is not None:  # either end of the range must be valid
        if search["parameter"] not in ("crf", "qp"):
            raise BenchError(
                f"encoder {name}: search", "parameter must be crf or qp", "search one of the two"
            )
        low, high = (
            {**settings, "search": None, search["parameter"]: search[end]} for end in ("low", "high")
        )
        find_encoder(high)
        return find_encoder(low)
    if name not in ENCODERS:
        raise BenchError("family ffmpeg", f"unknown encoder {name!r}", f"use one of {', '.join(ENCODERS)}")
    encoder, where = ENCODERS[name], f"encoder {name}"
    for key in ("crf", "qp", "rate_bpp", "tune", "bframes", "scenecut", "bit_depth"):
        if settings[key] != defaults[key] and key not in encoder.settings:
            raise BenchError(
                where, f"has no setting {key!r}", f"beside preset: {', '.join(encoder.settings)}"
            )
    if settings["preset"] not in encoder.presets:
        remedy = f"use one of {', '.join(map(str, encoder.presets))}"
        raise BenchError(where, f"unknown preset {settings['preset']!r}", remedy)
    for tune in settings["tune"].split(",") if settings["tune"] else ():
        if tune not in encoder.tunes:
            raise BenchError(where, f"unknown tune {tune!r}", f"use one of {', '.join(encoder.tunes)}")
    _check_rate(where, encoder, settings)
    if encoder.name == "libvvenc" and settings["keyint"] % _VVENC_GOP:
        problem = f"keyint: {settings['keyint']} must be a multiple of its group of {_VVENC_GOP} pictures"
        raise BenchError(where, problem, "give a multiple, or 0 for the whole clip")
    return encoder


def _check_rate(where: str, encoder: Encoder, settings: Mapping[str, Any]) -> None:
    keys = [key for key in RATES if key in encoder.settings]
    given = [key for key in keys if settings[key] is not None]
    if len(given) != 1:
        quantisers = [key for key in keys if key != "rate_bpp"]
        missing = "neither crf nor qp is given" if len(quantisers) == 2 else f"{keys[0]} is missing"
        problem = f"both {given[0]} and {given[1]} are given" if given else missing
        raise BenchError(where, problem, f"give {' or '.join(keys)} in a point or with --set")
    if given == ["rate_bpp"]:
        return
    value = settings[given[0]]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BenchError(where, f"{given[0]}: {value!r} must be a number", "give a number")
    if not 0 <= value <= encoder.highest:
        problem = f"{given[0]}: {value} must be 0 to {encoder.highest}"
        raise BenchError(where, problem, "give a number in this range")
    if encoder.whole and not float(value).is_integer():
        raise BenchError(where, f"{given[0]}: {value} must be a whole number", "round it")


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
    # "-b:v 0" disables the bit rate limit of crf.
    return [
        *("-cpu-used", str(settings["preset"]), *_tune(settings), "-b:v", "0", "-threads", str(threads)),
        *("-g", str(settings["keyint"] or _NEVER), "-row-mt", "1", "-tile-columns", "0"),
    ]


def _vp9(settings: Mapping[str, Any], threads: int) -> list[str]:
    # Layers of alternate references correspond to a B-frame pyramid (3 % of the rate). frame-parallel would
    # disable the adaptation of probabilities between frames (1 %).
    return [*_aom(settings, threads), "-auto-alt-ref", "6", "-frame-parallel", "0"]


def _vvenc(settings: Mapping[str, Any], threads: int) -> list[str]:
    # Its defaults are a perceptual quantiser and one intra picture per second. Access unit delimiters are 6
    # bytes per frame that decoders do not need.
    parameters = f"IntraPeriod={settings['keyint'] or -1}:AccessUnitDelimiter=0"
    return [
        *("-preset", str(settings["preset"]), "-qpa", "0", "-threads", str(threads)),
        *("-vvenc-params", parameters),
    ]


def _tune(settings: Mapping[str, Any]) -> list[str]:
    return ["-tune", settings["tune"]] if settings["tune"] else []


def _kvazaar(settings: Mapping[str, Any], threads: int) -> list[str]:
    # A period of 0 is one intra picture. Without threads there is no overlapped coding of frames (owf).
    # The SEI messages with its version and with a hash of each picture are disabled.
    parameters = f"preset={settings['preset']},qp={settings['qp']:g},period={settings['keyint']}"
    return ["-kvazaar-params", f"{parameters},threads={threads - 1},owf=0,info=0,hash=none"]


def _rav1e(settings: Mapping[str, Any], threads: int) -> list[str]:
    return [
        *("-speed", str(settings["preset"]), "-threads", str(threads)),
        *("-g", str(settings["keyint"] or _NEVER)),
    ]


def _frame_types(settings: Mapping[str, Any]) -> str:
    """B-frame and scene cut options, whose names x264 and x265 share."""
    bframes = "" if settings["bframes"] < 0 else f":bframes={settings['bframes']}"
    return bframes + ("" if settings["scenecut"] else ":scenecut=0")


_X26X = ("crf", "qp", "rate_bpp", "tune", "bframes", "scenecut")
_X26X_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
)
_X265_TUNES = ("psnr", "ssim", "grain", "fastdecode", "zerolatency", "animation")
_VPX_TUNES = ("psnr", "ssim")

ENCODERS = {
    "x264": Encoder(
        name="libx264",
        format="h264",
        options=_x264,
        presets=_X26X_PRESETS,
        tunes=(*_X265_TUNES, "film", "stillimage"),
        settings=_X26X,
        highest=51,
        whole=False,
    ),
    "x265": Encoder(
        name="libx265",
        format="hevc",
        options=_x265,
        presets=_X26X_PRESETS,
        tunes=_X265_TUNES,
        settings=(*_X26X, "bit_depth"),
        highest=51,
        whole=False,
        min_side=16,
    ),
    "svtav1": Encoder(
        name="libsvtav1",
        format="av1",
        options=_svtav1,
        presets=range(-2, 14),
        settings=("crf",),
        min_side=4,
    ),
    # Two passes are the default of aomenc (0.2 dB); one pass of vpxenc has no alternate references
    # (1.5 dB at 0.2 bpp).
    "aom": Encoder(
        name="libaom-av1",
        format="av1",
        options=_aom,
        presets=range(9),
        tunes=_VPX_TUNES,
        settings=("crf", "tune"),
        passes=2,
    ),
    "vp9": Encoder(
        name="libvpx-vp9",
        format="vp9",
        options=_vp9,
        presets=range(-2, 9),
        tunes=_VPX_TUNES,
        settings=("crf", "tune"),
        passes=2,
    ),
    "kvazaar": Encoder(
        name="libkvazaar",
        format="hevc",
        options=_kvazaar,
        presets=(
            "ultrafast",
            "superfast",
            "veryfast",
            "faster",
            "fast",
            "medium",
            "slow",
            "slower",
            "veryslow",
        ),
        settings=("qp",),
        highest=51,
        min_side=16,
        qp_in_options=True,
    ),
    "rav1e": Encoder(
        name="librav1e",
        format="av1",
        options=_rav1e,
        presets=range(11),
        settings=("qp",),
        highest=255,
        min_side=16,
    ),
    "vvenc": Encoder(
        name="libvvenc",
        format="vvc",
        options=_vvenc,
        presets=("faster", "fast", "medium", "slow", "slower"),
        settings=("qp",),
        pixel_format="yuv420p10le",
        min_side=24,
    ),
}
