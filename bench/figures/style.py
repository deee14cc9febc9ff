"""Styles of series: colour, marker and line as functions of the codec id, the same in all figures.

Hues are those of Okabe and Ito and of Paul Tol, which readers with any common colour vision can distinguish.
Markers, their filling and line styles distinguish the same series on a grey printout.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from matplotlib.colors import to_hex, to_rgb

Marker = str | tuple[int, int, int]

FAMILIES: dict[str, tuple[str, Marker]] = {
    "ffnerv": ("#D55E00", "o"),
    "nerv": ("#0072B2", "s"),
    "enerv": ("#009E73", "^"),
    "hnerv": ("#CC79A7", "D"),
    "hinerv": ("#E69F00", "v"),
    "x264": ("#3C3C3C", ">"),
    "x265": ("#4B3A9E", "<"),
    "vp9": ("#999933", "p"),
    "svtav1": ("#117733", "h"),
    "aom": ("#5E7F3E", "8"),
    "vvenc": ("#882255", "d"),
    "compressai": ("#56B4E9", "P"),
}
#: Hues and markers of codecs of other families. The hash of the codec id chooses the first one to try. A
#: triple is a regular shape: number of corners, 1 for a star or 2 for an asterisk, angle.
SPARE: tuple[tuple[str, Marker], ...] = (
    ("#8C510A", "X"),
    ("#44AA99", "*"),
    ("#AA4499", (4, 1, 0)),
    ("#6699CC", (3, 2, 0)),
    ("#B8860B", "H"),
    ("#661100", (3, 2, 180)),
    ("#1B9AAA", (6, 1, 0)),
)
#: Codec variant -> style in its family: 0 is full colour with filled marker, 1 is a tint with open marker.
VARIANTS = {"matched": 0, "veryslow": 0, "official": 1, "medium": 1}
#: Markers that fill their square; the others are drawn larger, so that all look equally large.
COMPACT = ("o", "s", "^", "D", "v", ">", "<", "d", "h", "H", "8")
#: Beginning of a published curve's label (lower-case letters and digits only) -> family.
ALIASES = {"h264": "x264", "avc": "x264", "h265": "x265", "hevc": "x265", "hm": "x265", "vtm": "vvenc"}
ALIASES |= {"ssf": "compressai"}
CONTROL_COLOUR = "#767676"
SOLID, DASHED, DOTTED = "-", (0, (3.6, 1.6)), (0, (1.0, 1.4))
#: Lines of curves that were not measured here: thin, with dashes that no measured curve has.
PUBLISHED_LINES = ((0, (2, 1.4)), (0, (1, 1)), (0, (6, 1.4, 1, 1.4)))
PUBLISHED_WIDTH = 0.8


@dataclass(frozen=True)
class Style:
    """Colour (hex), marker, whether it is filled, line style and line width (points) of one series."""

    colour: str
    marker: Marker
    filled: bool = True
    line: str | tuple = SOLID
    width: float = 1.3

    def line_kwargs(self) -> dict:
        """Keyword arguments of `Axes.plot`."""
        return {
            "color": self.colour,
            "linestyle": self.line,
            "linewidth": self.width,
            "marker": self.marker,
            "markersize": 3.6 if self.marker in COMPACT else 4.6,
            "markerfacecolor": self.colour if self.filled else "white",
            "markeredgecolor": self.colour,
            "markeredgewidth": 0.9,
            "solid_capstyle": "round",
        }


def codec_styles(codecs: Iterable[str]) -> dict[str, Style]:
    """A style for each codec id of a condition, all different.

    The style of a codec of a known family depends on its id only. Other codecs get the spare styles, in the
    order of their ids.
    """
    ids = sorted(set(codecs))
    known = {codec: split_id(codec) for codec in ids}
    styles: dict[str, Style] = {}
    used_slots: set[int] = set()
    for codec, (family, _) in known.items():
        if family is None:
            slot = _free_slot(codec, used_slots)
            used_slots.add(slot)
            colour, marker = SPARE[slot % len(SPARE)]
            styles[codec] = _variant(colour, marker, slot // len(SPARE))
    for family in FAMILIES:
        used: set[int] = set()
        members = [codec for codec in ids if known[codec][0] == family]
        # Codecs in VARIANTS come first, so that another one cannot take their style.
        for codec in sorted(members, key=lambda codec: (known[codec][1] not in VARIANTS, codec)):
            preferred = VARIANTS.get(known[codec][1], 0)
            index = next(i for i in (preferred, *range(len(used) + 1)) if i not in used)
            used.add(index)
            styles[codec] = _variant(*FAMILIES[family], index)
    return styles


def split_id(codec: str) -> tuple[str | None, str]:
    """Family and variant of a codec id: ("x264", "medium"), or (None, id) without a known family."""
    family, _, variant = codec.partition("-")
    return (family, variant) if family in FAMILIES else (None, codec)


def series_style(style: Style, *, kind: str, reference: bool, has_references: bool) -> Style:
    """The style of the codec, dashed for a short fit where the condition also has reference fits."""
    short = kind == "fitted" and has_references and not reference
    return replace(style, line=DASHED) if short else style


def reported_styles(names: Sequence[tuple[str, str]], codecs: Iterable[str]) -> list[Style]:
    """Styles of published curves: hue and marker of their method, lighter, thin, dashed, with open markers.

    Args:
        names: label of each curve, and the codec id that it is the counterpart of (empty: none).
        codecs: all codec ids of the condition.
    """
    known = codec_styles(codecs)
    styles: list[Style] = []
    for label, codec in names:
        base = known.get(codec) or _label_style(label)
        count = sum(style.marker == base.marker for style in styles)
        shades = (0.35, 0.0, 0.55)
        styles.append(_published(replace(base, colour=shade(base.colour, shades[count % 3])), count))
    return styles


def user_styles(labels: Sequence[str], codecs: Iterable[str]) -> list[Style]:
    """Styles of a user's curves: spare hues that no codec of the condition has; thin, dashed, open."""
    # "~" sorts after all codec ids, which therefore choose their styles first.
    ids = [f"~{label}" for label in labels]
    styles = codec_styles([*codecs, *ids])
    return [_published(styles[name], 0) for name in ids]


def _published(style: Style, index: int) -> Style:
    return replace(
        style, filled=False, line=PUBLISHED_LINES[index % len(PUBLISHED_LINES)], width=PUBLISHED_WIDTH
    )


def _label_style(label: str) -> Style:
    """First style of the family that a published label begins with; grey where there is none."""
    slug = re.sub("[^a-z0-9]", "", label.lower())
    names = {**{family: family for family in FAMILIES}, **ALIASES}
    for name in names:
        if slug.startswith(name):
            return _variant(*FAMILIES[names[name]], 0)
    return _variant(CONTROL_COLOUR, SPARE[zlib.crc32(slug.encode()) % len(SPARE)][1], 0)


def _free_slot(codec: str, used: set[int]) -> int:
    """Index of the first unused spare style, counted on beyond `SPARE` in further shades."""
    first = zlib.crc32(codec.encode()) % len(SPARE)
    order = [(first + step) % len(SPARE) for step in range(len(SPARE))]
    rounds = (slot + len(SPARE) * turn for turn in range(len(used) + 1) for slot in order)
    return next(slot for slot in rounds if slot not in used)


def _variant(colour: str, marker: Marker, index: int) -> Style:
    """Style 0, 1, 2, ... of a hue: full colour, tint, dark, light tint; open markers for odd indices."""
    shades = (0.0, 0.38, -0.4, 0.55)
    lines = (SOLID, (0, (5, 1.2, 1, 1.2)), (0, (1, 1)))
    return Style(
        colour=shade(colour, shades[index % len(shades)]),
        marker=marker,
        filled=index % 2 == 0,
        line=lines[index // len(shades) % len(lines)],
    )


def shade(colour: str, amount: float) -> str:
    """Mix a colour with white (`amount` > 0) or with black (< 0)."""
    target = 1.0 if amount > 0 else 0.0
    red, green, blue = (c + (target - c) * abs(amount) for c in to_rgb(colour))
    return to_hex((red, green, blue))
