"""Types and ranges of the values of a record. Numbers are finite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from bench.base.result_files import RUN
from bench.base.strict_model import Name, Problem, config_error
from bench.scoring.metrics import FITTED, HELD_OUT, METRICS, ROUND_TRIP_PREFIX

_MOST = 1 << 53  # JSON numbers up to it are exact
#: Characters that a spreadsheet takes for the beginning of a formula.
FORMULA = ("=", "+", "-", "@")


def _check_text(text: str) -> str:
    """Text for a table cell: printable, in one line, and not a formula of a spreadsheet."""
    if not text.isprintable() or text.startswith(FORMULA):
        raise Problem(f"{text!r} must be one line of text that is not a formula", "write other text")
    return text


def _check_metrics(values: Mapping[str, float | None]) -> Mapping[str, float | None]:
    for name, value in values.items():
        base = name.removeprefix(ROUND_TRIP_PREFIX).removesuffix(FITTED).removesuffix(HELD_OUT)
        metric = METRICS.get(base)
        if value is None or metric is None:
            continue
        low, high = (metric.worst, metric.ceiling)[:: metric.direction]
        if low is not None and value < low:
            raise Problem(f"{name}: {value!r} must be at least {low:g}", "measure it again")
        if high is not None and value > high:
            raise Problem(f"{name}: {value!r} must be at most {high:g}", "measure it again")
    return values


Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_check_text)]
Count = Annotated[int, Field(ge=0, le=_MOST)]
Size = Annotated[int, Field(ge=1, le=_MOST)]
Amount = Annotated[float, Field(ge=0)]


class _StageCost(TypedDict):
    wall_s: Amount
    cpu_s: Amount


def _check_printable(text: str) -> str:
    if not text.isprintable():
        raise Problem(f"{text!r} must be one line of text", "write other text")
    return text


_Printable = Annotated[str, Field(max_length=300), AfterValidator(_check_printable)]
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{0,64}$")]


class _Program(TypedDict, total=False):
    version: _Printable
    sha256: _Sha256


class _Energy(TypedDict, total=False):
    """Joules a frame of an encode or a decode; None with the reason where they were not measured."""

    cpu_j_per_frame: Amount | None
    gpu_j_per_frame: Amount | None
    reason: Text


class _Probe(TypedDict):
    """Seconds that a probe measured (`bench.inr.fitting.budget.Probe`)."""

    spent_s: Amount
    epoch_s: list[Amount]
    once_s: Amount
    save_s: Amount
    refresh_s: Amount
    coding_s: Amount


class _Budget(TypedDict):
    """Budget of an encode in seconds, and the epochs of the first phase that follow from its probe."""

    encode_s: Amount
    epochs: Size
    predicted_s: Amount
    probe: _Probe


class _File(TypedDict):
    bytes: Count
    sha256: _Sha256


class _Cost(TypedDict, total=False):
    """Cost of an encode or a decode; None for what was not measured."""

    wall_s: Amount | None
    cpu_s: Amount | None
    stages: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,39}$")], _StageCost] | None
    peak_memory_bytes: Count | None
    peak_device_memory_bytes: Count | None
    device: Text | None
    threads: Count | None
    repeatable: bool | None
    frames_md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    disturbed: Text
    energy: _Energy
    budget: _Budget
    isolation: Text
    programs: dict[Name, _Program]
    files: dict[Name, _File]


class _Machine(TypedDict, total=False):
    cpu: Text | None


class _Provenance(TypedDict, total=False):
    suite_version: Text
    date_utc: Text
    machine: _Machine | None


class _Values(TypedDict, total=False):
    __pydantic_config__ = ConfigDict(strict=True, allow_inf_nan=False)  # type: ignore[misc]

    condition: Name
    clip: Name
    codec: Name
    family: Name
    kind: Literal["fitted", "learned", "classical", "control"]
    label: Text
    point: Name
    run: Annotated[str, Field(pattern=f"^{RUN.pattern}$")]
    seed: Count
    reference: bool
    epochs: Count | None
    rate_bpp: Annotated[float, Field(gt=0)]
    rate_bpp_paper: Amount | None
    stream_bytes: Size
    frames: Size
    width: Size
    height: Size
    fps: Annotated[str, Field(pattern="^[1-9][0-9]{0,9}/[1-9][0-9]{0,9}$")]
    metrics: Annotated[
        dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,99}$")], float | None],
        AfterValidator(_check_metrics),
    ]
    reasons: dict[str, str]
    parameters: Count | None
    macs_per_pixel: Amount | None
    encode: _Cost
    decode: _Cost
    settings: dict[str, Any]
    clip_sha256: str
    stream_sha256: str
    provenance: _Provenance
    truth: Literal["yuv420p", "rgb"]


_VALUES = TypeAdapter(_Values)


def problem_of(values: Mapping[str, Any]) -> str | None:
    """The first value of a record that has another type or range, with its key; None if all are valid."""
    try:
        _VALUES.validate_python(values)
    except ValidationError as error:
        found = config_error(error, values, where="record")
        assert found is not None  # no error is ignored
        return found.problem
    return None
