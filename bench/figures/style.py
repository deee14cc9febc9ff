"""How a series looks, everywhere and always: colour, marker and line as functions of its codec id.

Hues are those of Okabe and Ito and of Paul Tol, which readers with any common colour vision tell
apart; markers, their filling and line styles tell the same story on a grey printout.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
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
#: Hues and markers of codecs that the suite does not know; a name gives the place to look from. A
#: triple is a regular shape: corners, 1 for a star or 2 for its rays alone, angle.
SPARE: tuple[tuple[str, Marker], ...] = (
    ("#8C510A", "X"),
    ("#44AA99", "*"),
    ("#AA4499", (4, 1, 0)),
    ("#6699CC", (3, 2, 0)),
    ("#B8860B", "H"),
    ("#661100", (3, 2, 180)),
    ("#1B9AAA", (6, 1, 0)),
)
#: The first look of a family (full colour, filled marker) and the second (tint, open marker).
VARIANTS = {"matched": 0, "veryslow": 0, "official": 1, "medium": 1}
#: Markers that fill their square; others are drawn larger, to weigh the same.
COMPACT = ("o", "s", "^", "D", "v", ">", "<", "d", "h", "H", "8")
CONTROL_COLOUR = "#767676"
SOLID, DASHED = "-", (0, (3.6, 1.6))


@dataclass(frozen=True)
class Style:
    """Colour (hex), marker, how it is filled, line style and width (points) of one series."""

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

    A known codec's style depends on its id alone; codecs that the suite does not know share out
    the spare ones in the order of their ids.
    """
    ids = sorted(set(codecs))
    known = {codec: split_id(codec) for codec in ids}
    styles: dict[str, Style] = {}
    taken: set[int] = set()
    for codec, (family, _) in known.items():
        if family is None:
            slot = _free_slot(codec, taken)
            taken.add(slot)
            colour, marker = SPARE[slot % len(SPARE)]
            styles[codec] = _variant(colour, marker, slot // len(SPARE))
    for family in FAMILIES:
        looks: set[int] = set()
        members = [codec for codec in ids if known[codec][0] == family]
        # Those with a place of their own come first, so that a stranger cannot take it.
        for codec in sorted(members, key=lambda codec: (known[codec][1] not in VARIANTS, codec)):
            look = _free_look(VARIANTS.get(known[codec][1], 0), looks)
            looks.add(look)
            styles[codec] = _variant(*FAMILIES[family], look)
    return styles


def split_id(codec: str) -> tuple[str | None, str]:
    """Family and variant of a codec id: ("x264", "medium"); (None, id) where no family is known."""
    family, _, variant = codec.partition("-")
    return (family, variant) if family in FAMILIES else (None, codec)


def series_style(style: Style, *, kind: str, reference: bool, has_references: bool) -> Style:
    """The codec's style, dashed for a short fit where longer reference fits are drawn too."""
    short = kind == "fitted" and has_references and not reference
    return replace(style, line=DASHED) if short else style


def _free_slot(codec: str, taken: set[int]) -> int:
    first = zlib.crc32(codec.encode()) % len(SPARE)
    order = [(first + step) % len(SPARE) for step in range(len(SPARE))]
    rounds = (slot + len(SPARE) * turn for turn in range(len(taken) + 1) for slot in order)
    return next(slot for slot in rounds if slot not in taken)


def _free_look(wanted: int, taken: set[int]) -> int:
    return next(look for look in (wanted, *range(len(taken) + 1)) if look not in taken)


def _variant(colour: str, marker: Marker, look: int) -> Style:
    """Looks 0, 1, 2, ... of a hue: full, tint, dark, light tint; open markers for the odd ones."""
    shades = (0.0, 0.38, -0.4, 0.55)
    lines = (SOLID, (0, (5, 1.2, 1, 1.2)), (0, (1, 1)))
    return Style(
        colour=shade(colour, shades[look % len(shades)]),
        marker=marker,
        filled=look % 2 == 0,
        line=lines[look // len(shades) % len(lines)],
    )


def shade(colour: str, amount: float) -> str:
    """Mix a colour with white (`amount` > 0) or with black (< 0)."""
    target = 1.0 if amount > 0 else 0.0
    red, green, blue = (c + (target - c) * abs(amount) for c in to_rgb(colour))
    return to_hex((red, green, blue))
