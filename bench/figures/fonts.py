"""Fonts for labels in any script: DejaVu Sans, then fonts of this system that have the missing characters."""

from __future__ import annotations

import functools
import sys
import unicodedata
from pathlib import Path

import matplotlib
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

#: matplotlib's own fonts with characters at their code points in Unicode. Of its others, some have symbols
#: there, and one has an empty box for every character.
_BUNDLED = ("DejaVu Sans", "STIXGeneral")
#: Characters that a warning was printed for.
_reported: set[str] = set()


def use_fonts_for(text: str) -> None:
    """Append fonts that have the characters of a text to `font.family`.

    A warning names characters that no font of this system has, once. If DejaVu Sans has all characters, the
    figure is the same on every machine.
    """
    if text.isascii():
        return
    families: list[str] = list(matplotlib.rcParams["font.family"])
    missing = {character for character in text if not _is_invisible(character)}
    for family in families:
        missing -= _characters(font_manager.findfont(family))
    while missing:
        path = max(_candidates(), key=lambda path: len(missing & _characters(path)), default=None)
        if path is None or not missing & _characters(path):
            break
        missing -= _characters(path)
        font_manager.fontManager.addfont(path)
        families.append(font_manager.get_font(path).family_name)
    matplotlib.rcParams["font.family"] = families
    if new := missing - _reported:
        _reported.update(new)
        names = "".join(sorted(new))
        sys.stderr.write(f"warning: no font of this system has {names}; install one, such as Noto Sans CJK\n")


def set_fonts(figure: Figure) -> None:
    """Give all texts of a figure fonts that have their characters."""
    texts = figure.findobj(Text)
    use_fonts_for("".join(text.get_text() for text in texts))
    for text in texts:
        text.set_fontfamily(matplotlib.rcParams["font.family"])


def _is_invisible(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in ("Cc", "Cf")


@functools.cache
def _characters(path: str) -> frozenset[str]:
    """The characters of a font file; none of one that cannot be read."""
    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (OSError, RuntimeError):
        return frozenset()


@functools.cache
def _candidates() -> list[str]:
    """Font files of matplotlib and of this system, in a fixed order."""
    own = Path(matplotlib.get_data_path())
    fonts = [font_manager.findfont(family) for family in _BUNDLED]
    return [*fonts, *sorted(path for path in font_manager.findSystemFonts() if own not in Path(path).parents)]
