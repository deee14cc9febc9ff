"""Reading test conditions: their YAML files, by name or path, checked before anything is spent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.base.errors import BenchError
from bench.base.names import check_names, unknown_name
from bench.base.paths import ABLATIONS_DIR, CONDITIONS_DIR
from bench.base.strict_yaml import read_yaml
from bench.codec import registry
from bench.codec.codec_config import CodecConfig
from bench.codec.registry import resolve_settings
from bench.conditions.model import ABLATION, ClipPlan, CodecPlan, Condition, Strip
from bench.conditions.table_reader import TableReader

_DEVICES = ("auto", "cpu", "cuda")


def _paths() -> dict[str, Path]:
    """Every condition by its name: that of its file, `ablation-<file>` for those in config/ablations."""
    conditions = {path.stem: path for path in CONDITIONS_DIR.glob("*.yaml")}
    return conditions | {f"{ABLATION}{path.stem}": path for path in ABLATIONS_DIR.glob("*.yaml")}


def condition_names() -> list[str]:
    """The names of all conditions that there are."""
    return sorted(_paths())


def load_condition(name_or_path: str | Path) -> Condition:
    """Read a condition by its name or by the path of its YAML file.

    Names are those of the files in config/conditions; an ablation, which is a condition whose points are
    variants of one method, is `ablation-<name>` and lies in config/ablations.

    Raises:
        BenchError: no such condition, or a key or value that it cannot have; both are named.
    """
    path, paths = Path(name_or_path), _paths()
    if path.suffix not in (".yaml", ".yml"):
        if str(name_or_path) not in paths:
            raise unknown_name("condition", str(name_or_path), paths)
        path = paths[str(name_or_path)]
    values = read_yaml(path)
    check_names(path, "file name", [path.stem])
    name = next((name for name, known in paths.items() if known == path.absolute()), path.stem)
    reader = _Reader(path, values)
    condition = reader.condition(name)
    reader.finish()
    _check_references(condition)
    return condition


def settings_of(
    config: CodecConfig, point: str, clip: str, overrides: Mapping[str, Any], condition: Condition | None
) -> dict[str, Any]:
    """The settings of one encode on the command line: those of the point, then `overrides`."""
    if condition is not None:
        base = condition.settings(config.id, point, clip)
    elif point in config.points:
        base = resolve_settings(config, {}, config.points[point])
    else:
        raise unknown_name(f"point of {config.id}", point, config.points, where=config.path)
    return resolve_settings(config, base, overrides)


def _check_references(condition: Condition) -> None:
    """Names of codecs, metrics and colours: better wrong now than after hours of fits."""
    from bench.scoring.metrics import METRICS
    from bench.video.colour import CONVERSIONS

    codecs, metrics = condition.codecs, condition.metrics
    named: list[tuple[str, str, Collection[str], str]]
    named = [("metric", name, METRICS, "metrics") for name in metrics]
    named.append(("metric", condition.headline, metrics, "headline"))
    named.append(("conversion", condition.colour, CONVERSIONS, "colour"))
    if condition.anchor is not None:
        named.append(("codec", condition.anchor, codecs, "anchor"))
    for words in condition.published:
        if "codec" in words:
            named.append(("codec", words["codec"], codecs, "published"))
    for what, name, known, key in named:
        if name not in known:
            raise unknown_name(what, name, known, where=f"{condition.path}: {key}")
    if condition.published:
        from bench.analysis.published import (  # pandas takes a while, which few conditions need
            Selector,
            select,
        )

        select(Selector(**words) for words in condition.published)


def _check_points(points: Iterable[str], known: Collection[str], what: str, where: str | Path) -> None:
    for point in points:
        if point not in known:
            raise unknown_name(what, point, known, where=where)


class _Reader(TableReader):
    """Reads the file of a condition."""

    def condition(self, name: str) -> Condition:
        return Condition(
            name=name,
            path=self.path,
            title=self.take("title", str),
            description=self.take("description", str, ""),
            clips=self.clips(),
            colour=self.take("colour", str, "bt709"),
            seeds=self.numbers("seeds", [0]),
            device=self.device(),
            budget=self.take("budget", dict, {}),
            codecs=self.codecs(),
            reference=self.take("reference", bool, False),
            anchor=self.take("anchor", str, None),
            metrics=self.words("metrics", Condition.metrics),
            headline=self.take("headline", str, Condition.headline),
            strip=self.strip(),
            published=self.published(),
        )

    def device(self) -> str:
        value = self.take("device", str, "auto")
        if value not in _DEVICES:
            raise unknown_name("device", value, _DEVICES, where=self.path)
        return value

    def clips(self) -> dict[str, ClipPlan]:
        plans = {}
        for name, reader in self.tables("clips"):
            plans[name] = ClipPlan(
                sequence=reader.take("sequence", str),
                trim=reader.numbers("trim", None, 2),
                crop=reader.numbers("crop", None, 4),
                scale=reader.numbers("scale", None, 2),
                filter=reader.take("filter", str, "lanczos"),
            )
            reader.finish()
        return plans

    def codecs(self) -> dict[str, CodecPlan]:
        plans = {}
        for codec, reader in self.tables("codecs"):
            points = reader.points(registry.codec_config(codec))
            plans[codec] = CodecPlan(
                points=points, settings=reader.take("settings", dict, {}), clips=reader.own_points(points)
            )
            for clip in plans[codec].clips:
                if clip not in self.values["clips"]:
                    raise unknown_name(
                        "clip", clip, self.values["clips"], where=f"{self.path}: {reader.prefix}clips"
                    )
            reader.finish()
        return plans

    def points(self, config: CodecConfig) -> Mapping[str, Mapping[str, Any]]:
        """Of a codec: its own, a choice among them, or the condition's."""
        points = self.values.get("points", config.points)
        self.taken.add("points")
        if isinstance(points, list):
            check_names(self.path, f"{self.prefix}points", points)
            _check_points(points, config.points, f"point of {config.id}", self.path)
            points = {point: config.points[point] for point in points}
        return self.settings_of_points("points", points)

    def own_points(self, points: Mapping[str, Any]) -> dict[str, Mapping[str, Mapping[str, Any]]]:
        """Of a codec: what single clips have otherwise, point by point."""
        clips = self.take("clips", dict, {})
        for clip, own in clips.items():
            self.settings_of_points(f"clips: {clip}", own)
            _check_points(own, points, "point", f"{self.path}: {self.prefix}clips: {clip}")
        return clips

    def settings_of_points(self, key: str, points: Any) -> Mapping[str, Mapping[str, Any]]:
        """`points`, checked to be a table of tables."""
        if not isinstance(points, dict) or not all(isinstance(p, dict) for p in points.values()):
            raise BenchError(self.path, f"{self.prefix}{key}: no table", "write `name: {key: value}`")
        check_names(self.path, f"{self.prefix}{key}", points)
        return points

    def strip(self) -> Strip | None:
        if self.take("strip", dict, None) is None:
            return None
        reader = _Reader(self.path, self.values["strip"], "strip: ")
        strip = Strip(
            frame=reader.take("frame", int),
            crop=reader.numbers("crop", ..., 4),
            rate_bpp=reader.take("rate_bpp", float, None),
        )
        reader.finish()
        return strip

    def published(self) -> tuple[dict[str, str], ...]:
        found = []
        for index, values in enumerate(self.take("published", list, [])):
            if not isinstance(values, dict):
                raise BenchError(self.path, f"published: {values!r} is no table", "write {source: ...}")
            reader = _Reader(self.path, values, f"published: {index}: ")
            words = {"source": reader.take("source", str)}
            words |= {key: reader.take(key, str, None) for key in ("label", "codec")}
            reader.finish()
            found.append({key: value for key, value in words.items() if value})
        return tuple(found)
