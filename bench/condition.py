"""Test conditions: which clips, how prepared, which codecs at which rate points, scored how.

A condition has a name with a version (``demo-v0``) and is never changed once numbers were published
under it. It owns the rate points; a codec's own ones serve where it gives none. Its `budget` is laid
over every codec of kind ``fitted``: what they share is stated once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import registry
from bench.config import ABLATIONS_DIR, CONDITIONS_DIR, read_yaml
from bench.errors import BenchError
from bench.registry import CodecConfig, check_names, resolve_settings, unknown
from bench.table_reader import TableReader

_DEVICES = ("auto", "cpu", "cuda")
_ABLATION = "ablation-"


@dataclass(frozen=True, kw_only=True)
class ClipPlan:
    """How one clip is made from a sequence.

    Attributes:
        sequence: name in config/sequences.tsv.
        trim: first frame and the one after the last; None takes all.
        crop: x, y, width, height in source pixels; scale: width, height after the crop.
        filter: the scaler's name.
    """

    sequence: str
    trim: tuple[int, int] | None = None
    crop: tuple[int, int, int, int] | None = None
    scale: tuple[int, int] | None = None
    filter: str = "lanczos"


@dataclass(frozen=True, kw_only=True)
class Strip:
    """The frame and the region (x, y, width, height) that are shown side by side, and at which rate."""

    frame: int
    crop: tuple[int, int, int, int]
    rate_bpp: float | None = None


@dataclass(frozen=True, kw_only=True)
class CodecPlan:
    """One codec in a condition: its rate points in order, and settings for all of them."""

    points: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One file of config/conditions; `name` is the file's name.

    Attributes:
        clips: clip name -> how it is made; colour: name of the conversion to RGB (`bench.colour`).
        codecs: codec id -> its rate points, in the order of the file (that of tables and legends).
        seeds: fitted codecs run each; the others run the first.
        device: where fitted codecs run; budget: settings laid over every fitted codec.
        reference: whether the tracked long runs of this condition are shown too.
        anchor: codec id that BD-rates refer to; metrics: those of tables; headline: that of figures.
        published: what it is compared with, the arguments of a `bench.reported.Selector` each.
    """

    name: str
    title: str
    clips: Mapping[str, ClipPlan]
    codecs: Mapping[str, CodecPlan]
    description: str = ""
    colour: str = "bt709"
    seeds: tuple[int, ...] = (0,)
    device: str = "auto"
    budget: Mapping[str, Any] = field(default_factory=dict)
    reference: bool = False
    anchor: str | None = None
    metrics: tuple[str, ...] = ("psnr_rgb_db", "psnr_yuv_db", "ms_ssim_rgb", "ms_ssim_y", "vmaf")
    headline: str = "psnr_rgb_db"
    strip: Strip | None = None
    published: tuple[Mapping[str, str], ...] = ()
    path: Path = field(default=Path(), compare=False)

    @property
    def ablates(self) -> bool:
        """Whether its points are variants of one method rather than rates."""
        return self.name.startswith(_ABLATION)

    @property
    def interpolates(self) -> bool:
        """Whether its fits hold frames out."""
        return self.budget.get("fit_every", 1) != 1

    @property
    def variants(self) -> dict[str, list[str]]:
        """The points of every fitted codec, in order."""
        fitted = (codec for codec in self.codecs if registry.codec_config(codec).kind == "fitted")
        return {codec: self.points(codec) for codec in fitted}

    @property
    def sequences(self) -> dict[str, str]:
        """The sequence of every clip."""
        return {name: plan.sequence for name, plan in self.clips.items()}

    @property
    def strip_frame(self) -> int | None:
        """The frame that is shown side by side; None where the condition names none."""
        return self.strip.frame if self.strip else None

    @property
    def strip_rate_bpp(self) -> float | None:
        """The rate that figures of single points are drawn at; None where the condition gives none."""
        return self.strip.rate_bpp if self.strip else None

    def clip(self, name: str) -> ClipPlan:
        """The plan of one clip; BenchError names close matches."""
        if name not in self.clips:
            raise unknown("clip", name, self.clips, where=self.path)
        return self.clips[name]

    def points(self, codec: str) -> list[str]:
        """Names of one codec's rate points, in order; BenchError for a codec that is not in the condition."""
        return list(self._plan(codec).points)

    def settings(self, codec: str, point: str) -> dict[str, Any]:
        """All settings of one encode: defaults, codec's, budget (fitted codecs), condition's, point's."""
        plan = self._plan(codec)
        if point not in plan.points:
            raise unknown(f"point of {codec}", point, plan.points, where=self.path)
        config = registry.codec_config(codec)
        budget = self.budget if config.kind == "fitted" else {}
        return resolve_settings(config, {**budget, **plan.settings}, plan.points[point])

    def seeds_of(self, codec: str) -> tuple[int, ...]:
        """The seeds that a codec runs: all for fitted ones, the first for those that ignore it."""
        return self.seeds if registry.codec_config(codec).kind == "fitted" else self.seeds[:1]

    def _plan(self, codec: str) -> CodecPlan:
        if codec not in self.codecs:
            raise unknown("codec", codec, self.codecs, where=self.path)
        return self.codecs[codec]


def _paths() -> dict[str, Path]:
    """Every condition by its name: that of its file, `ablation-<file>` for those in config/ablations."""
    conditions = {path.stem: path for path in CONDITIONS_DIR.glob("*.yaml")}
    return conditions | {f"{_ABLATION}{path.stem}": path for path in ABLATIONS_DIR.glob("*.yaml")}


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
            raise unknown("condition", str(name_or_path), paths)
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
    config: CodecConfig, point: str, overrides: Mapping[str, Any], condition: Condition | None
) -> dict[str, Any]:
    """The settings of one encode on the command line: those of the point, then `overrides`."""
    if condition is not None:
        base = condition.settings(config.id, point)
    elif point in config.points:
        base = resolve_settings(config, {}, config.points[point])
    else:
        raise unknown(f"point of {config.id}", point, config.points, where=config.path)
    return resolve_settings(config, base, overrides)


def _check_references(condition: Condition) -> None:
    """Names of codecs, metrics and colours: better wrong now than after hours of fits."""
    from bench.colour import CONVERSIONS
    from bench.score import METRICS

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
            raise unknown(what, name, known, where=f"{condition.path}: {key}")
    if condition.published:
        from bench.reported import Selector, select  # pandas takes a while, which few conditions need

        select(Selector(**words) for words in condition.published)


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
            raise unknown("device", value, _DEVICES, where=self.path)
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
            config = registry.codec_config(codec)
            points = reader.values.get("points", config.points)
            reader.taken.add("points")
            if isinstance(points, list):  # a choice among the codec's own points
                check_names(self.path, f"codecs: {codec}: points", points)
                for point in points:
                    if point not in config.points:
                        raise unknown(f"point of {codec}", point, config.points, where=self.path)
                points = {point: config.points[point] for point in points}
            if not isinstance(points, dict) or not all(isinstance(p, dict) for p in points.values()):
                raise BenchError(
                    self.path, f"codecs: {codec}: points: no table", "write `name: {key: value}`"
                )
            check_names(self.path, f"codecs: {codec}: points", points)
            plans[codec] = CodecPlan(points=points, settings=reader.take("settings", dict, {}))
            reader.finish()
        return plans

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
