"""Quantisers of network weights: from a description to the objects that quantise each parameter.

`affine` is the post-training quantiser of NeRV and E-NeRV, `hnerv` that of HNeRV. `float32` keeps the weights
as they are, for tables of representation quality. `uniform` is the suite's own: a weight is an integer code
times its tensor's step size. A family with a quantiser of its own builds it in its codec.

The official codes' `affine` and `hnerv` move zero weights to the nearest of their levels. `affine` with
`zero_point: integer` keeps zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from bench.base.errors import BenchError
from bench.inr.coding.quantiser_description import QuantiserDescription, covers
from bench.inr.coding.uniform import AffineQuantiser, AxisChoice, Quantiser, StepQuantiser, ZeroPointQuantiser
from bench.inr.coding.uniform import MinMaxQuantiser as MinMaxQuantiser
from bench.inr.coding.uniform import Quantised as Quantised
from bench.inr.coding.uniform import wide_axes as wide_axes

#: The quantiser of one parameter. An `AxisChoice` is resolved per tensor by the encoder.
SingleQuantiser: TypeAlias = Quantiser | AxisChoice


@dataclass(frozen=True)
class ByName:
    """One quantiser for most parameters, and others for named parts of the network.

    Attributes:
        usual: for all parameters without an override.
        overrides: start of a parameter's name, up to its end or a dot -> quantiser. The longest match wins.
    """

    usual: SingleQuantiser
    overrides: Mapping[str, SingleQuantiser]

    def of(self, name: str) -> SingleQuantiser:
        matches = [part for part in self.overrides if covers(part, name)]
        return self.overrides[max(matches, key=len)] if matches else self.usual


#: The quantiser of a whole network.
AnyQuantiser: TypeAlias = SingleQuantiser | ByName
#: Name and fields of a description -> the quantiser; None for float32 weights.
Builder: TypeAlias = Callable[[Mapping[str, Any]], SingleQuantiser | None]


def build_single(fields: Mapping[str, Any]) -> SingleQuantiser | None:
    """The quantiser of complete fields (`quantiser_description.QUANTISERS`); None for float32 weights."""
    name = fields["name"]
    if name == "float32":
        return None
    if name == "hnerv":
        return AxisChoice(fields["bits"])
    if name == "uniform":
        return StepQuantiser(fields["bits"])
    affine = ZeroPointQuantiser if fields["zero_point"] == "integer" else AffineQuantiser
    return affine(bits=fields["bits"], axis=fields["axis"])


def build_quantiser(description: QuantiserDescription, build: Builder = build_single) -> AnyQuantiser | None:
    """The quantiser of a network; None for float32 weights.

    Args:
        build: builds the quantiser of one part. A family passes its own for more than the shared names.
    """
    usual = build(description.usual)
    if usual is None or not description.overrides:
        return usual
    overrides = {part: build(fields) for part, fields in description.overrides.items()}
    return ByName(usual, {part: chosen for part, chosen in overrides.items() if chosen is not None})


def check_parts(quantiser: AnyQuantiser | None, names: Iterable[str]) -> None:
    """Raise BenchError if an override matches no parameter of a network.

    Args:
        names: the network's parameters.
    """
    names = list(names)
    for part in quantiser.overrides if isinstance(quantiser, ByName) else ():
        if not any(covers(part, name) for name in names):
            known = ", ".join(dict.fromkeys(name.split(".")[0] for name in names))
            problem = f"overrides: the network has no part {part!r}"
            raise BenchError("quantiser", problem, f"use one of {known}")


def options(quantiser: AnyQuantiser, name: str, shape: tuple[int, ...]) -> Sequence[Quantiser]:
    """The quantisers that an encoder may choose from for one parameter, in the stream's order."""
    chosen = quantiser.of(name) if isinstance(quantiser, ByName) else quantiser
    return chosen.options(shape) if isinstance(chosen, AxisChoice) else [chosen]
