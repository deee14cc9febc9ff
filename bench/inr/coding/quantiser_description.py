"""Descriptions of quantisers, as settings and streams hold them. No torch import: plans check them.

A description is a table with the quantiser's name and its fields. Some parts of the network may have other
values, selected by the start of their parameters' names:

    {name: affine, bits: 8, overrides: {embeddings: {bits: 6}}}

An override inherits every field of the description unless it has a name of its own; then it inherits none.

A stream holds the description as it was given. So the default of a field is part of the stream format:
it must never change, or old streams would decode to other weights. `tests/unit/inr/test_wire_format.py`
fails if it does. To make another value the usual one, write it into the codecs' settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.base.names import unknown_name


@dataclass(frozen=True)
class DescriptionField:
    """One field of a description.

    Attributes:
        default: the value of a description that leaves the field out. Part of the stream format.
        allowed: whether a value is valid; expected: the valid values, for error messages.
    """

    default: Any
    allowed: Callable[[Any], bool]
    expected: str


#: Quantiser's name -> its fields.
FieldTable = Mapping[str, Mapping[str, DescriptionField]]


def whole_bits(default: int) -> DescriptionField:
    """The code width of a quantiser whose levels are counted: 2 to 10 bits."""
    return DescriptionField(default, lambda bits: type(bits) is int and 2 <= bits <= 10, "2 to 10, whole")


_MEAN_BITS = DescriptionField(8, lambda bits: type(bits) in (int, float) and 2 <= bits <= 10, "2 to 10")
_AXIS = DescriptionField(None, lambda axis: axis is None or (type(axis) is int and axis == 0), "null or 0")
_ZERO_POINT = DescriptionField("float", lambda value: value in ("float", "integer"), "float or integer")
_ALLOCATE = DescriptionField(False, lambda value: type(value) is bool, "true or false")

#: The quantisers that every family has; `bench.inr.coding.quantisers` implements them. A family with a
#: quantiser of its own adds it to this table in its codec.
QUANTISERS: FieldTable = {
    "float32": {},
    "affine": {"bits": whole_bits(8), "axis": _AXIS, "zero_point": _ZERO_POINT},
    "hnerv": {"bits": whole_bits(8)},
    "uniform": {"bits": _MEAN_BITS, "allocate": _ALLOCATE},
}


@dataclass(frozen=True)
class QuantiserDescription:
    """A checked description in which every field has a value.

    Attributes:
        usual: name and fields for all parameters without an override.
        overrides: start of parameter names -> name and fields for these parameters.
        given: the description as settings and streams hold it.
    """

    usual: Mapping[str, Any]
    overrides: Mapping[str, Mapping[str, Any]]
    given: Mapping[str, Any]

    @property
    def allocates(self) -> bool:
        """Whether the encoder chooses the step size of every tensor (`bench.inr.coding.allocation`)."""
        return bool(self.usual.get("allocate"))


def parse_description(given: Any, table: FieldTable = QUANTISERS) -> QuantiserDescription:
    """Check a description and complete it with the defaults.

    Args:
        table: the quantisers that the family has.

    Raises:
        ValueError: an unknown name or field, a value out of range, or overrides that cannot be combined.
    """
    usual, overrides = _expand(given)
    complete = _complete(usual, table, "quantiser")
    parts = {
        part: _complete(fields, table, f"quantiser: overrides: {part}") for part, fields in overrides.items()
    }
    if parts:
        if any(fields.get("allocate") for fields in (complete, *parts.values())):
            raise ValueError("quantiser: overrides cannot be combined with allocate, which sets every step")
        names = {fields["name"] for fields in (complete, *parts.values())}
        if "float32" in names:
            raise ValueError("quantiser: overrides cannot mix float32 weights with quantised ones")
    return QuantiserDescription(complete, parts, dict(given))


def _expand(given: Any) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The fields of most parameters, and the inherited and own fields of each override."""
    if not isinstance(given, Mapping):
        raise ValueError(f"quantiser: {given!r} must be a table such as {{name: affine, bits: 8}}")
    usual = {key: value for key, value in given.items() if key != "overrides"}
    overrides = given.get("overrides", {})
    if not isinstance(overrides, Mapping) or not all(isinstance(v, Mapping) for v in overrides.values()):
        raise ValueError("quantiser: overrides: must be a table of parameter names and their fields")
    return usual, {
        part: dict(fields) if "name" in fields else {**usual, **fields} for part, fields in overrides.items()
    }


def _complete(fields: Mapping[str, Any], table: FieldTable, where: str) -> dict[str, Any]:
    name = fields.get("name")
    if not isinstance(name, str) or name not in table:
        raise ValueError(str(unknown_name("quantiser", str(name), table, where=where)))
    known = table[name]
    for key, value in fields.items():
        if key == "name":
            continue
        if key not in known:
            raise ValueError(f"{where}: {name} has no field {key!r}; it has {', '.join(known) or 'none'}")
        if not known[key].allowed(value):
            raise ValueError(f"{where}: {key}: {value!r} must be {known[key].expected}")
    return {"name": name, **{key: fields.get(key, known[key].default) for key in known}}


def check_pruned(description: QuantiserDescription) -> None:
    """Raise ValueError if pruned weights meet an affine quantiser whose `zero_point` is not given.

    `float`, the official code's behaviour, moves pruned weights away from zero; `integer` keeps them. Either
    choice changes rate and quality, so it must be explicit.
    """
    usual, overrides = _expand(description.given)
    if any(part["name"] == "affine" and "zero_point" not in part for part in (usual, *overrides.values())):
        raise ValueError(
            "quantiser: affine moves the zeros that prune creates; give zero_point: integer, which keeps "
            "them, or zero_point: float, as in NeRV's code"
        )


def check_rounding(description: QuantiserDescription) -> None:
    """Raise ValueError unless every weight is a multiple of a step (`bench.inr.fitting.rounding`)."""
    names = {fields["name"] for fields in (description.usual, *description.overrides.values())}
    if names != {"uniform"}:
        raise ValueError("rounding and rate need the quantiser {name: uniform}; leave them out for others")


def covers(part: str, name: str) -> bool:
    """Whether an override for `part` applies to a parameter: its whole name, or its start up to a dot."""
    return name == part or name.startswith(f"{part}.")
