"""Reader of test conditions, by name or by path. It checks everything that needs no clip."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.base.errors import BenchError
from bench.base.names import NAME, NAME_RULE, unknown_name
from bench.base.paths import ABLATIONS_DIR, CONDITIONS_DIR
from bench.base.strict_model import validate
from bench.base.strict_yaml import read_yaml
from bench.codec import registry
from bench.codec.codec_config import CodecConfig
from bench.codec.registry import resolve_settings
from bench.codec.settings import check_settings
from bench.conditions.condition import ABLATION, RESERVED, Ablation, Condition
from bench.scoring.metrics import METRICS, check_metrics


def _paths() -> dict[str, Path]:
    """Name of every condition -> its file; the name of those in config/ablations is `ablation-<file>`."""
    conditions = {path.stem: path for path in CONDITIONS_DIR.glob("*.yaml")}
    return conditions | {f"{ABLATION}{path.stem}": path for path in ABLATIONS_DIR.glob("*.yaml")}


def condition_names() -> list[str]:
    """The names of all conditions."""
    return sorted(_paths())


def load_condition(name_or_path: str | Path) -> Condition:
    """Read a condition by its name or by the path of its YAML file.

    A name is that of a file in config/conditions, or `ablation-<name>` for a file in config/ablations.

    Raises:
        BenchError: an unknown condition, or a key or value that does not fit; file, key and value are named.
    """
    path, paths = Path(name_or_path), _paths()
    if path.suffix not in (".yaml", ".yml"):
        if str(name_or_path) not in paths:
            raise unknown_name("condition", str(name_or_path), paths)
        path = paths[str(name_or_path)]
    name = next((name for name, known in paths.items() if known == path.absolute()), path.stem)
    condition = parse_condition(read_yaml(path), name=name, path=path)
    if condition.published:
        from bench.analysis.published import Selector, select  # imports pandas, which takes a second

        select(Selector(**words) for words in condition.selectors)
    return condition


def parse_condition(values: Any, *, name: str, path: Path) -> Condition:
    """The condition in the values of a file. Sources of published curves are not checked.

    Raises:
        BenchError: see `load_condition`.
    """
    if not NAME.fullmatch(path.stem) or name.casefold() in RESERVED:
        problem = f"{path.stem!r} cannot be the name of a condition"
        raise BenchError(path, problem, f"{NAME_RULE}; mean and partial are reserved")
    condition = condition_of(values, name=name, path=path)
    _check_codecs(condition)
    for metric in condition.measured_metrics:
        if metric not in METRICS:
            raise unknown_name("metric", metric, METRICS, where=f"{path}: metrics")
    check_metrics(condition.measured_metrics)
    return condition


def condition_of(values: Any, *, name: str, path: Path) -> Condition:
    """The condition with these values, as its file or a plan file has them; nothing else is read.

    Raises:
        BenchError: a key or a value does not fit; it is named.
    """
    model = Ablation if name.startswith(ABLATION) else Condition
    condition = validate(model, values, where=path)
    condition._name, condition._path = name, path
    return condition


def _check_codecs(condition: Condition) -> None:
    """Check codec ids, their points, and the type and range of every setting that the condition gives."""
    path = condition.path
    for codec, plan in condition.codecs.items():
        config = registry.codec_config(codec)
        model, at = registry.settings_model(config.family), ("codecs", codec)
        if config.fitted_by_suite:
            check_settings(model, condition.budget, where=path, at=["budget"])
        check_settings(model, plan.settings, where=path, at=[*at, "settings"])
        points = condition.point_settings(codec)
        for point, settings in points.items():
            check_settings(model, settings, where=path, at=[*at, "points", point])
        for clip, of_clip in plan.clips.items():
            for point, own in (of_clip or {}).items():
                if point not in points:
                    raise unknown_name(
                        "point", point, points, where=f"{path}: codecs: {codec}: clips: {clip}"
                    )
                check_settings(model, own or {}, where=path, at=[*at, "clips", clip, point])


def settings_of(
    config: CodecConfig, point: str, clip: str, overrides: Mapping[str, Any], condition: Condition | None
) -> dict[str, Any]:
    """The settings of one encode on the command line: those of the point, overridden by `overrides`."""
    if condition is not None:
        base = condition.settings(config.id, point, clip)
    elif point in config.points:
        base = resolve_settings(config, {}, config.points[point])
    else:
        raise unknown_name(f"point of {config.id}", point, config.points, where=config.path)
    return resolve_settings(config, base, overrides)
