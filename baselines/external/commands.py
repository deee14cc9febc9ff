"""Command lines of an external codec: arguments with ``{placeholders}``, which no shell interprets.

| placeholder | value |
|---|---|
| ``{input}`` | the clip in the working folder (encode only) |
| ``{stream}`` | the first file of the setting `stream` |
| ``{output}`` | the decoded video (decode only) |
| ``{width}``, ``{height}``, ``{frames}`` | geometry of the clip |
| ``{fps}``, ``{fps_rounded}`` | frame rate as a decimal and as a whole number |
| ``{fps_numerator}``, ``{fps_denominator}`` | frame rate as a ratio |
| ``{bit_depth}`` | of the input (encode) or output (decode) |
| ``{threads}`` | CPU threads: the codec's for an encode, 1 for a decode |
| ``{seed}`` | seed of the run (encode only) |
| ``{kilobits_per_second}``, ``{bits_per_second}``, ``{target_bytes}`` | from `rate_bpp` (encode only) |
| names of `programs`, `files` and parameters | paths and values |

A parameter that `decode` uses is stored in the stream, as JSON, and counts in its rate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bench.base.errors import BenchError
from bench.base.names import suggestion

if TYPE_CHECKING:
    from baselines.external.settings import ExternalSettings

_PLACEHOLDER = re.compile(r"\{([A-Za-z][A-Za-z0-9_.-]*)\}")
_GEOMETRY = (
    *("width", "height", "frames", "fps", "fps_rounded", "fps_numerator", "fps_denominator"),
    *("bit_depth", "threads"),
)
_OF_RATE = ("kilobits_per_second", "bits_per_second", "target_bytes")
BUILT_IN = {
    "encode": frozenset(["input", "stream", "seed", *_GEOMETRY, *_OF_RATE]),
    "decode": frozenset(["output", "stream", *_GEOMETRY]),
}
Kind = Literal["encode", "decode"]


class Geometry(Protocol):
    """Size and frame rate, of a clip or of a stream's header."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def frames(self) -> int: ...
    @property
    def fps(self) -> Fraction: ...


def placeholders(commands: Iterable[Iterable[str]]) -> list[str]:
    """Names of the placeholders in commands, each once, in order."""
    words = [word for command in commands for word in command]
    return list(dict.fromkeys(name for word in words for name in _PLACEHOLDER.findall(word)))


def fill(command: Iterable[str], values: Mapping[str, Any]) -> list[str]:
    """The command with each placeholder replaced; KeyError for one without a value."""
    return [_PLACEHOLDER.sub(lambda match: _text(values[match[1]]), word) for word in command]


def geometry_values(geometry: Geometry, *, bit_depth: int, threads: int) -> dict[str, Any]:
    """Values of the placeholders that describe a clip or the header of a stream."""
    fps = geometry.fps
    return {
        **{name: getattr(geometry, name) for name in ("width", "height", "frames")},
        "fps": fps.numerator if fps.denominator == 1 else f"{float(fps):.6f}",
        "fps_rounded": round(fps),
        "fps_numerator": fps.numerator,
        "fps_denominator": fps.denominator,
        "bit_depth": bit_depth,
        "threads": threads,
    }


def rate_values(geometry: Geometry, rate_bpp: float | None) -> dict[str, Any]:
    """Values of the placeholders of a target rate; none without one."""
    if rate_bpp is None:
        return {}
    bits = rate_bpp * geometry.width * geometry.height
    per_second = bits * float(geometry.fps)
    return {
        "kilobits_per_second": max(1, round(per_second / 1000)),
        "bits_per_second": max(1, round(per_second)),
        "target_bytes": max(1, round(bits * geometry.frames / 8)),
    }


def check_commands(settings: ExternalSettings, where: str) -> None:
    """Check placeholders, parameters and programs of both commands against each other.

    Raises:
        BenchError: see `ExternalSettings.check`.
    """
    names = {*settings.programs, *settings.files}
    used: set[str] = set()
    searched = {settings.search.parameter} if settings.search else set()
    kinds: tuple[Kind, ...] = ("encode", "decode")
    for kind in kinds:
        commands = settings.commands(kind)
        for command in commands:
            if command[0] not in settings.programs:
                remedy = f"add it to programs; {suggestion(command[0], settings.programs)}"
                raise BenchError(f"{where}: {kind}", f"unknown program {command[0]!r}", remedy)
        known = {*names, *settings.parameters, *searched, *BUILT_IN[kind]}
        for name in placeholders(commands):
            if name not in known:
                remedy = f"give it in a point or with --set, or {suggestion(name, known)}"
                raise BenchError(f"{where}: {kind}", f"{{{name}}} has no value", remedy)
            if name in _OF_RATE and settings.rate_bpp is None:
                raise BenchError(
                    f"{where}: {kind}", f"{{{name}}} needs a target rate", "set rate_bpp in the points"
                )
        used |= set(placeholders(commands))
        for name, file in settings.files.items():
            if kind == "decode" and not file.decoder and name in placeholders(commands):
                raise BenchError(
                    f"{where}: decode", f"uses the encoder's file {name}", "set decoder: true for it"
                )
        missing = {"encode": {"input"}, "decode": {"output"}}[kind] - set(placeholders(commands))
        if missing:
            raise BenchError(
                f"{where}: {kind}", f"does not use {{{missing.pop()}}}", "add it to the arguments"
            )
    for name in settings.parameters:
        if name in names or name in BUILT_IN["encode"] | BUILT_IN["decode"]:
            raise BenchError(
                where, f"the parameter {name!r} has the name of another placeholder", "rename it"
            )
        if name not in used:
            known = {*type(settings).model_fields, *used}
            raise BenchError(where, f"no command uses the setting {name!r}", suggestion(name, known))


def _text(value: Any) -> str:
    """A value as an argument: 23.0 as 23, true as 1."""
    whole = isinstance(value, bool) or (isinstance(value, float) and value.is_integer())
    return str(int(value) if whole else value)
