"""Quantisers: how a network's tensors become integer codes and come back.

`affine` is the post-training quantiser of NeRV and E-NeRV, `hnerv` that of HNeRV; `float32` keeps the
weights as they are (representation tables). A method with a quantiser of its own registers it on its
codec. What settings and streams hold is a description; for some parameters it may say something else,
by the start of their names:

    {name: affine, bits: 8, overrides: {embeddings: {bits: 6}}}

Both move weights that are zero to the nearest of their levels, as the official codes do. With `zero_point:
integer` the affine one keeps them; who prunes with it has to say which of the two is meant (`check_zeros`).

`uniform` is the suite's own: a weight is a code times its tensor's step. With `allocate: true` the encoder
finds every tensor's step on the clip, and `bits` is the mean width (`bench.inr.coding.allocation`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from bench.base.errors import BenchError
from bench.inr.coding.uniform import AffineQuantiser, AxisChoice, Quantiser, StepQuantiser, ZeroPointQuantiser
from bench.inr.coding.uniform import MinMaxQuantiser as MinMaxQuantiser
from bench.inr.coding.uniform import Quantised as Quantised
from bench.inr.coding.uniform import wide_axes as wide_axes

#: What one parameter may have.
SingleQuantiser: TypeAlias = Quantiser | AxisChoice


@dataclass(frozen=True)
class ByName:
    """One quantiser for all parameters but those of named parts of the network.

    Attributes:
        usual: of all other parameters.
        overrides: by a parameter's name up to its end or a dot; the longest that fits counts.
    """

    usual: SingleQuantiser
    overrides: Mapping[str, SingleQuantiser]

    def of(self, name: str) -> SingleQuantiser:
        fitting = [part for part in self.overrides if _covers(part, name)]
        return self.overrides[max(fitting, key=len)] if fitting else self.usual


#: What a description can stand for.
AnyQuantiser: TypeAlias = SingleQuantiser | ByName


def _covers(part: str, name: str) -> bool:
    return name == part or name.startswith(f"{part}.")


def check_parts(quantiser: AnyQuantiser | None, names: Iterable[str]) -> None:
    """Refuse overrides for parts that a network with parameters of these names has not (BenchError)."""
    names = list(names)
    for part in quantiser.overrides if isinstance(quantiser, ByName) else ():
        if not any(_covers(part, name) for name in names):
            known = ", ".join(dict.fromkeys(name.split(".")[0] for name in names))
            raise BenchError("quantiser", f"overrides: the network has no part {part!r}", f"it has {known}")


def options(quantiser: AnyQuantiser, name: str, shape: tuple[int, ...]) -> Sequence[Quantiser]:
    """The quantisers that a parameter may have been coded with; mostly one."""
    chosen = quantiser.of(name) if isinstance(quantiser, ByName) else quantiser
    return chosen.options(shape) if isinstance(chosen, AxisChoice) else [chosen]


#: Name of a quantiser -> what a description of it may set.
_PARAMETERS = {
    "float32": (),
    "affine": ("bits", "axis", "zero_point"),
    "hnerv": ("bits",),
    "uniform": ("bits", "allocate"),
}


def single_quantiser(description: Mapping[str, Any]) -> SingleQuantiser | None:
    """What a description without `overrides` stands for; None keeps float32 weights.

    Raises:
        ValueError: there is no such quantiser.
    """
    name, bits, axis = description.get("name", ""), description.get("bits", 8), description.get("axis")
    unknown = set(description) - {"name", *_PARAMETERS.get(name, ())}
    zero_point = description.get("zero_point", "float")
    good = type(bits) in ((int, float) if name == "uniform" else (int,)) and 2 <= bits <= 10
    good = good and axis in (None, 0) and zero_point in ("float", "integer")
    good = good and type(description.get("allocate", False)) is bool
    if name not in _PARAMETERS or unknown or not good:
        raise ValueError(f"quantiser {dict(description)}")
    if name == "float32":
        return None
    if name == "hnerv":
        return AxisChoice(bits)
    if name == "uniform":
        return StepQuantiser(bits)
    return (ZeroPointQuantiser if zero_point == "integer" else AffineQuantiser)(bits=bits, axis=axis)


def _described(description: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What a description says of most parameters, and in full what it says of each part in `overrides`."""
    usual = {key: value for key, value in description.items() if key != "overrides"}
    overrides = description.get("overrides", {})
    if not (isinstance(overrides, dict) and all(isinstance(value, dict) for value in overrides.values())):
        raise ValueError("quantiser overrides: a table of names and what is different there")
    return usual, {
        part: changes if "name" in changes else {**usual, **changes} for part, changes in overrides.items()
    }


def check_zeros(description: Mapping[str, Any]) -> None:
    """Refuse (ValueError) an affine quantiser for pruned weights that does not say what becomes of zeros.

    Neither is a good default: `float` alone is the official code's, `integer` alone keeps what pruning made.
    """
    usual, overrides = _described(description)
    if any(part["name"] == "affine" and "zero_point" not in part for part in (usual, *overrides.values())):
        raise ValueError(
            "quantiser: affine moves the zeros that prune makes; say zero_point: integer, which "
            "keeps them, or zero_point: float, as NeRV's code has it"
        )


def make_quantiser(
    description: Mapping[str, Any],
    single: Callable[[Mapping[str, Any]], SingleQuantiser | None] = single_quantiser,
) -> AnyQuantiser | None:
    """What a description stands for, `overrides` included; None keeps float32 weights.

    Args:
        description: an override has what the whole description says, but for what it sets itself; one
            with a name of its own starts anew.
        single: makes one quantiser (a method may know more of them than are here).

    Raises:
        ValueError: there is no such quantiser.
    """
    usual, overrides = _described(description)
    made, parts = single(usual), {part: single(changed) for part, changed in overrides.items()}
    if not parts:
        return made
    if any(part.get("allocate") for part in (usual, *overrides.values())):
        raise ValueError("quantiser overrides: with allocate every part's width follows from the clip")
    quantisers = {part: quantiser for part, quantiser in parts.items() if quantiser is not None}
    if made is None or len(quantisers) < len(parts):
        raise ValueError("quantiser overrides: float32 weights cannot be mixed with codes")
    return ByName(made, quantisers)
