"""Typed settings of codec families: names, types, ranges and default values.

A family declares a `Settings` model (`Codec.settings_model`), or only a table of names and default values
(`Codec.defaults`); a model is then derived from the types of these values.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError, create_model

from bench.base.strict_model import Finite, StrictModel, config_error
from bench.codec.contract import Codec


class Settings(StrictModel):
    """Base class of a family's settings. A field without a default is a setting that must be given."""

    key_noun: ClassVar[str] = "setting"

    #: Pairs of settings of which one has a value and the other is null.
    alternatives: ClassVar[Sequence[tuple[str, str]]] = ()

    @classmethod
    def default_values(cls) -> dict[str, Any]:
        """Setting -> default value; `...` where it must be given."""
        return {
            name: ... if field.is_required() else field.get_default(call_default_factory=True)
            for name, field in cls.model_fields.items()
        }

    @classmethod
    def merged(cls, *layers: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of several layers. Later ones override earlier ones, and their alternatives."""
        settings: dict[str, Any] = {}
        for layer in layers:
            settings |= layer
            for pair in cls.alternatives:
                for name, other in (pair, pair[::-1]):
                    if layer.get(name) is not None and layer.get(other) is None:
                        settings[other] = None
        return settings


@functools.cache
def settings_model(codec: type[Codec]) -> type[Settings]:
    """The settings of a family: its own model, or one derived from its defaults."""
    declared = codec.settings_model()
    if declared is not None:
        return declared
    fields: dict[str, Any] = {name: (_type_of(value), value) for name, value in codec.defaults.items()}
    return create_model(f"{codec.__name__}Settings", __base__=Settings, **fields)


def _type_of(default: Any) -> Any:
    """The type of a setting of which only the default value is known; any where that is None or missing."""
    if isinstance(default, bool | int | float | str):
        return type(default)
    if isinstance(default, list | tuple):
        return list[Finite]
    return dict[str, Finite] if isinstance(default, Mapping) else Finite


def check_settings(
    model: type[Settings], values: Mapping[str, Any], *, where: str | Path, at: Iterable[str] = ()
) -> None:
    """Check some of a family's settings; others may be missing.

    Args:
        where: the file, for errors; at: the keys that lead to the settings in it.

    Raises:
        BenchError: a setting is unknown, or its value has the wrong type or range.
    """
    try:
        model.model_validate(values)
    except ValidationError as error:

        def ignored(details: Mapping[str, Any]) -> bool:
            return details["type"] == "missing" and len(details["loc"]) == 1

        if problem := config_error(error, values, where=where, at=tuple(at), ignored=ignored):
            raise problem from None
