"""Model of config/config.yaml: what `snakemake` runs and draws."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from bench.base.paths import ROOT
from bench.base.strict_model import AS_TUPLE, UNIQUE, Name, Problem, StrictModel, validate
from bench.base.strict_yaml import read_yaml

CONFIG_FILE = ROOT / "config" / "config.yaml"
#: `--config key=true` is text; Snakemake parses only True and False.
_TRUE_OR_FALSE = BeforeValidator(lambda value: {"true": True, "false": False}.get(str(value), value))


def _check_is_name(value: Any) -> Any:
    if isinstance(value, int | float):  # `--config condition=01` is 1 for Snakemake, with quotes too
        raise Problem(f"{value!r} must be a name", "rename a condition whose name is a number: 01 to v01")
    return value


class RunConfig(StrictModel):
    """What the workflow runs by default. `--config key=value` on the command line overrides a key."""

    condition: Annotated[Name, BeforeValidator(_check_is_name)]
    """The test condition: the name of a file in config/conditions, without .yaml."""

    figures: Annotated[tuple[Literal["rd", "frames", "strip", "fit", "parts"], ...], AS_TUPLE, *UNIQUE]
    """Figures to draw. `rd`: quality over rate, one figure for each metric. `frames`: quality of each frame.
    `strip`: the same region of one frame from every codec. `fit`: quality while networks are fitted.
    `parts`: the parts of FFNeRV's frames. All but `rd` show each codec at its point nearest to the
    condition's `strip: rate_bpp`, and are left out without this rate."""

    my_curves: str | None = None
    """A CSV file of your curves, drawn beside the measured ones. The columns label, rate_bpp and one metric
    are enough (bench/analysis/curve_file.py). null: none."""

    bundles: str | None = None
    """A folder with bundles of others (`bench bundle`). Their streams are decoded and scored here, and drawn
    beside those of the condition. null: none."""

    adopt: Annotated[bool, _TRUE_OR_FALSE] = False
    """Whether a fit continues the state of other settings in its folder that has the most epochs, where that
    is sound (`bench encode --adopt`). The record of the point contains the adoption."""


def check_config(values: Mapping[str, Any], *, where: str | Path = CONFIG_FILE) -> RunConfig:
    """The configuration in the values of config.yaml.

    Raises:
        BenchError: a key is unknown or missing, or a value does not fit; file, key and value are named.
    """
    return validate(RunConfig, dict(values), where=where)


def default_condition() -> str:
    """The condition of config/config.yaml."""
    return check_config(read_yaml(CONFIG_FILE)).condition
