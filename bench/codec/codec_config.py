"""One file of config/codecs: a codec id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Field, PrivateAttr, Tag, model_validator

from bench.base.names import unknown_name
from bench.base.strict_model import DISTINCT, Finite, Name, PositiveNumber, Problem, StrictModel, validate
from bench.codec import registry
from bench.codec.contract import Kind
from bench.codec.settings import check_settings


class SizeRange(StrictModel):
    """Whole numbers from `from` to `to`, both included, in steps of `step`."""

    first: Annotated[int, Field(ge=1, alias="from")]
    """The lowest number."""

    last: Annotated[int, Field(ge=1, alias="to")]
    """The highest number."""

    step: Annotated[int, Field(ge=1)]
    """The distance from one number to the next."""

    @model_validator(mode="after")
    def _check_order(self) -> SizeRange:
        if self.first > self.last:
            raise Problem(f"from {self.first} is above to {self.last}", "write the lowest number first")
        return self

    @property
    def values(self) -> Sequence[int]:
        return range(self.first, self.last + 1, self.step)


def _size_kind(value: Any) -> str:
    return "list" if isinstance(value, list) else "range"


_SizeList = Annotated[list[PositiveNumber], Field(min_length=1)]
SizeValues = Annotated[
    Annotated[SizeRange, Tag("range")] | Annotated[_SizeList, Tag("list")], Discriminator(_size_kind)
]


class CodecConfig(StrictModel):
    """A codec id: a family with settings, under the name that tables print. The file's name is the id."""

    family: str
    """The decoder: the package `ffnerv`, or a module of `baselines`."""

    label: Annotated[str, Field(min_length=1)]
    """The name in figures and tables."""

    kind: Kind
    """`fitted` networks are trained on the clip itself and share the condition's budget and seeds; `learned`
    ones are trained beforehand; `classical` ones are encoders; the results of a `control` are known."""

    settings: dict[str, Finite] = {}
    """Settings that replace the family's defaults."""

    points: Annotated[dict[Name, dict[str, Finite]], DISTINCT] = {}
    """Rate points for conditions that give none, from the lowest rate to the highest: name -> settings."""

    threads: Annotated[int, Field(ge=1)] = 1
    """CPU threads of an encode. Fixed, because encoders change their output with it."""

    test: dict[str, Finite] = {}
    """Settings of the contract tests, with which a tiny clip takes seconds. They replace all others."""

    size: dict[str, SizeValues] = {}
    """Settings that `bench size` changes to reach a rate, with their values, the width first. The first value
    of a list is the proportion to keep."""

    citation: str
    """The paper or the program."""

    license: str
    """Licence of the implementation that runs here."""

    note: str = ""
    """What a reader of the results must know."""

    footnote: str = ""
    """What every figure with the codec, and the summary, must state about it."""

    _path: Path = PrivateAttr(Path())

    @classmethod
    def of_values(cls, values: Any, path: Path) -> CodecConfig:
        """The configuration in the values of a file. Its settings are checked, too.

        Raises:
            BenchError: a key or setting is unknown or missing, or a value does not fit; it is named.
        """
        config = validate(cls, values, where=path)
        config._path = path
        config._check_settings()
        return config

    def _check_settings(self) -> None:
        families = registry.families()
        if self.family not in families:
            raise unknown_name("family", self.family, families, where=self.path)
        model = registry.settings_model(self.family)
        check_settings(model, self.settings, where=self.path, at=["settings"])
        check_settings(model, self.test, where=self.path, at=["test"])
        for name, settings in self.points.items():
            check_settings(model, settings, where=self.path, at=["points", name])
        for name, choices in self.size.items():
            for value in (choices.first, choices.last) if isinstance(choices, SizeRange) else choices:
                check_settings(model, {name: value}, where=self.path, at=["size"])

    @property
    def path(self) -> Path:
        """The YAML file."""
        return self._path

    @property
    def fitted_by_suite(self) -> bool:
        """Whether the suite's trainer fits it: the budget, the fit log and the cost of a fit apply."""
        return self.kind == "fitted" and registry.load_family(self.family).uses_budget

    @property
    def id(self) -> str:
        return self._path.stem
