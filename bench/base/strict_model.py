"""Base class of the configuration models (pydantic), and the one-line error of a value that does not fit.

A `StrictModel` converts no types: 1.5 and true are not whole numbers, "8" is not a number. It refuses unknown
keys, NaN and infinities. `validate` raises a `BenchError` with the file, the path of the key, the value and a
remedy.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from bench.base.errors import BenchError
from bench.base.names import NAME, NAME_RULE, suggestion

Model = TypeVar("Model", bound="StrictModel")


class Problem(ValueError):
    """Raised by a validator: what is wrong with a value, and the remedy. `validate` adds file and key."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(f"{problem}; {remedy}")


class StrictModel(BaseModel):
    """A table of a configuration file. Docstrings below the fields describe the keys."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    #: What errors call a key of this table.
    key_noun: ClassVar[str] = "key"

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, values: Any) -> Any:
        known = {field.alias or name for name, field in cls.model_fields.items()}
        for key in values if isinstance(values, Mapping) else ():
            if key not in known:
                raise Problem(f"unknown {cls.key_noun} {_shown(key)}", suggestion(str(key), known))
        return values


def validate(model: type[Model], values: Any, *, where: str | Path, at: Sequence[str] = ()) -> Model:
    """The model of a table.

    Args:
        where: the file, for errors; at: the keys that lead to the table in it.

    Raises:
        BenchError: a key is unknown or missing, or a value does not fit; the first one is named.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problem = config_error(error, values, where=where, at=at)
        assert problem is not None  # no error is ignored
        raise problem from None


def config_error(
    error: ValidationError,
    values: Any,
    *,
    where: str | Path,
    at: Sequence[str] = (),
    ignored: Callable[[Mapping[str, Any]], bool] = lambda details: False,
) -> BenchError | None:
    """The first of pydantic's errors as one line; None if all are ignored."""
    found = [details for details in error.errors(include_url=False) if not ignored(details)]
    if not found:
        return None
    key = _key_of(found[0], values)
    problem, remedy = _explain([details for details in found if _key_of(details, values) == key])
    return BenchError(where, ": ".join([*map(str, (*at, *key)), problem]), remedy)


def _key_of(details: Any, values: Any) -> tuple[str | int, ...]:
    """The keys that lead to a value; pydantic's location also names branches of unions and the like."""
    steps = details["loc"][:-2] if details["loc"][-1:] == ("[key]",) else details["loc"]
    key: list[str | int] = []
    for step in steps:
        inside = isinstance(values, Mapping) and step in values
        inside = inside or (isinstance(values, list | tuple) and isinstance(step, int) and step < len(values))
        if inside:
            key.append(step)
            values = values[step]
    if details["type"] == "union_tag_invalid":  # the key that chooses the branch
        key.append(details["ctx"]["discriminator"].strip("'"))
    return tuple(key)


#: pydantic's error type -> what the value must be.
_NOUNS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_REMEDIES = {
    "text": "put it in quotes",
    "true or false": "write true or false",
    "a list": "write [value, value]",
    "a table": "write {key: value}, or {} for an empty one",
}
_LIMITS = {
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
}


def _explain(errors: Sequence[Any]) -> tuple[str, str]:
    """Problem and remedy of one value; of a union every branch has failed."""
    first = errors[0]
    kind, value, context = first["type"], first["input"], first.get("ctx", {})
    text = _shown(value)
    if isinstance(problem := context.get("error"), Problem):
        return problem.problem, problem.remedy
    if kind == "missing":
        return f"key {str(first['loc'][-1])!r} is missing", "add it"
    if kind in _LIMITS:
        limit = _LIMITS[kind].format(**context)
        return f"{text} must be {limit}", f"write a number {limit.replace('at', 'of at')}"
    if kind in ("too_short", "too_long", "string_too_short"):
        least, most = context.get("min_length"), context.get("max_length")
        wanted = "at least one value" if least == 1 else f"{least or most} values"
        if kind == "string_too_short":
            return "must not be empty", "write some text"
        return f"{text} has {context['actual_length']} values", f"give {wanted}"
    if kind in ("literal_error", "union_tag_invalid", "enum"):
        choices = re.findall("'([^']*)'", context.get("expected") or context["expected_tags"])
        value = context.get("tag", value)
        return f"unknown value {_shown(value)}", suggestion(str(value), choices)
    if kind == "union_tag_not_found":
        return "key 'name' is missing", "add it"
    nouns = list(dict.fromkeys(_NOUNS.get(error["type"], "") for error in errors))
    if not all(nouns):
        return f"{text}: {first['msg']}", "see docs/configuration.md"
    if {"a number", "a finite number"} & set(nouns):  # a whole number is one, too
        nouns = [noun for noun in nouns if noun != "a whole number"]
    noun = " or ".join(nouns)
    return f"{text} must be {noun}", _REMEDIES.get(noun) or _number_remedy(value, noun)


def _shown(value: Any) -> str:
    """A value in an error: one line of at most 100 characters."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _number_remedy(value: Any, noun: str) -> str:
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        number = math.nan
    if math.isfinite(number):  # a quoted number
        return f"write {number!r} without quotes and with a decimal point"
    return f"write {noun}"


def one_of(names: Collection[str]) -> Any:
    """Annotation of a text that must be one of these names."""

    def check(value: str) -> str:
        if value not in names:
            raise Problem(f"unknown value {_shown(value)}", suggestion(value, names))
        return value

    return Field(json_schema_extra={"enum": [*sorted(names)]}), AfterValidator(check)


def _check_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise Problem(f"{_shown(name)} cannot be the name of a folder", NAME_RULE)
    return name


def _check_distinct(names: Iterable[str]) -> Any:
    """Refuse names that are the same folder where a file system ignores case."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise Problem(f"{other!r} and {name!r} differ only in case", "rename one of the two")
    return names


def _check_unique(values: Sequence[Any]) -> Sequence[Any]:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise Problem(f"{_shown(value)} is listed twice", "remove one of the two")
    return values


def _check_finite(value: Any) -> Any:
    """Refuse NaN and infinities anywhere in a value whose type is open."""
    for part in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        _check_finite(part)
    if isinstance(value, float) and not math.isfinite(value):
        raise Problem(f"{value!r} must be a finite number", "write a finite number")
    return value


def _list_of_whole_numbers(count: int) -> BeforeValidator:
    """Turn a list of `count` whole numbers, as YAML has them, into a tuple."""

    def convert(value: Any) -> Any:
        good = isinstance(value, list | tuple) and len(value) == count
        if not good or any(type(number) is not int for number in value):
            raise Problem(
                f"{_shown(value)} must be a list of {count} whole numbers", f"write {count} whole numbers"
            )
        return tuple(value)

    return BeforeValidator(convert)


def _to_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


#: Text that can be the name of a folder.
Name = Annotated[
    str,
    Field(json_schema_extra={"pattern": f"^{NAME.pattern}$"}),
    AfterValidator(_check_name),
]
#: Validators: of a table's or list's names; of a list's values; of a value of any type.
DISTINCT = AfterValidator(_check_distinct)
UNIQUE: Any = (Field(json_schema_extra={"uniqueItems": True}), AfterValidator(_check_unique))
AS_TUPLE = BeforeValidator(_to_tuple)
Finite = Annotated[Any, AfterValidator(_check_finite)]
#: A number above 0 that stays an int or a float.
PositiveNumber = Annotated[
    Annotated[int, Field(gt=0)] | Annotated[float, Field(gt=0)],
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
]
#: Lists of two and of four whole numbers, as tuples.
Pair = Annotated[tuple[int, int], _list_of_whole_numbers(2)]
Rectangle = Annotated[tuple[int, int, int, int], _list_of_whole_numbers(4)]
