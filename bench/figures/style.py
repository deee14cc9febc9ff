"""How a series looks, everywhere and always: colour, marker and line as functions of its codec id.

Hues are those of Okabe and Ito and of Paul Tol, which readers with any common colour vision tell
apart; markers, their filling and line styles tell the same story on a grey printout.
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
#: How a published curve's name begins, letters and digits alone, where it is not a family's own name.
NICKNAMES = {"h264": "x264", "avc": "x264", "h265": "x265", "hevc": "x265", "hm": "x265", "vtm": "vvenc"}
NICKNAMES |= {"ssf": "compressai"}
CONTROL_COLOUR = "#767676"
SOLID, DASHED = "-", (0, (3.6, 1.6))
#: Lines of curves that were not measured here: thin, and unlike those of any measured one.
ELSEWHERE = ((0, (2, 1.4)), (0, (1, 1)), (0, (6, 1.4, 1, 1.4)))
ELSEWHERE_WIDTH = 0.8


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


def reported_styles(names: Sequence[tuple[str, str]], codecs: Iterable[str]) -> list[Style]:
    """Styles of published curves: the hue and marker of their method, lighter, thin, dashed and open.

    Args:
        names: each curve's method, and the codec id that it is the counterpart of, if any.
        codecs: all codec ids of the condition, whose styles stay what they are.
    """
    known = codec_styles(codecs)
    found: list[Style] = []
    for label, codec in names:
        base = known.get(codec) or _label_style(label)
        turn = sum(style.marker == base.marker for style in found)
        shades = (0.35, 0.0, 0.55)
        found.append(_elsewhere(replace(base, colour=shade(base.colour, shades[turn % 3])), turn))
    return found


def own_styles(labels: Sequence[str], codecs: Iterable[str]) -> list[Style]:
    """Styles of a user's own curves: spare hues that no codec of the condition has, thin, dashed and open."""
    # Behind all ids of codecs, so that those choose their places first.
    ids = [f"~{label}" for label in labels]
    styles = codec_styles([*codecs, *ids])
    return [_elsewhere(styles[name], 0) for name in ids]


def _elsewhere(style: Style, turn: int) -> Style:
    return replace(style, filled=False, line=ELSEWHERE[turn % len(ELSEWHERE)], width=ELSEWHERE_WIDTH)


def _label_style(label: str) -> Style:
    """The first look of the family that a published label begins with; grey where there is none."""
    slug = re.sub("[^a-z0-9]", "", label.lower())
    names = {**{family: family for family in FAMILIES}, **NICKNAMES}
    for name in names:
        if slug.startswith(name):
            return _variant(*FAMILIES[names[name]], 0)
    return _variant(CONTROL_COLOUR, SPARE[zlib.crc32(slug.encode()) % len(SPARE)][1], 0)


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
