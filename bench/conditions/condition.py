"""Model of a test condition: clips and their preparation, codecs and their rate points, metrics.

A condition has a name with a version (``demo-v1``) and is never changed once numbers were published under it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from bench.base.errors import BenchError
from bench.base.names import suggestion, unknown_name
from bench.base.strict_model import (
    AS_TUPLE,
    DISTINCT,
    UNIQUE,
    Name,
    Problem,
    StrictModel,
    one_of,
)
from bench.codec import registry
from bench.conditions.sections import (
    ClipPlan,
    CodecPlan,
    PointSettings,
    PublishedSelection,
    ReportPlan,
    Strip,
)
from bench.scoring.metrics import describe
from bench.video.colour import CONVERSIONS

if TYPE_CHECKING:
    from bench.video.clip import ClipInfo

#: Prefix of the names of conditions in config/ablations.
ABLATION = "ablation-"
#: Names with another meaning in results: the mean over clips in tables, and the folder of partial figures.
RESERVED = ("mean", "partial")


def _check_clip_name(name: str) -> str:
    if name.casefold() in RESERVED:
        raise Problem(f"{name!r} is a reserved name", "rename the clip")
    return name


class Condition(StrictModel):
    """A test condition. The name of its file is its name, with a version; a published one is never edited.

    The settings of an encode are, each overriding those before: the family's defaults, the codec's file, the
    condition's `budget` (fitted codecs only), the codec's `settings` in the condition, and the point.
    """

    title: Annotated[str, Field(min_length=1)]
    """One line for figures and tables."""

    description: str = ""
    """What the condition is for, and what its numbers do not show."""

    clips: Annotated[
        dict[Annotated[Name, AfterValidator(_check_clip_name)], ClipPlan], Field(min_length=1), DISTINCT
    ]
    """Name of each clip -> how it is prepared. `mean` and `partial` are reserved names."""

    colour: Annotated[str, *one_of(CONVERSIONS)] = "bt709"
    """Conversion between YUV and RGB (bench/video/colour.py)."""

    seeds: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], Field(min_length=1), AS_TUPLE, *UNIQUE
    ] = (0,)
    """Seeds that each fitted codec runs; the others run the first alone."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where networks run; auto: on a GPU if there is one."""

    budget: PointSettings = {}
    """Settings of every fitted codec, such as `epochs`, or `encode_s` for equal seconds of encoding."""

    codecs: Annotated[dict[Name, CodecPlan], Field(min_length=1), DISTINCT]
    """Codec id of config/codecs -> its points and settings, in the order of tables and legends."""

    reference: bool = False
    """Whether the tracked streams of results/reference/CONDITION are measured and drawn, too."""

    anchor: Name | None = None
    """Codec id that BD-rates refer to; null: no table of BD-rates."""

    curves: Literal["monotonic", "upper_hull"] = "monotonic"
    """Points that BD-rates use. `monotonic`: those that no other point of the curve beats in both rate and
    quality. `upper_hull`: of these, the ones on the upper convex hull over the logarithm of the rate."""

    metrics: Annotated[tuple[Name, ...], Field(min_length=1), AS_TUPLE, *UNIQUE] = (
        *("psnr_rgb_db", "psnr_yuv_db", "ms_ssim_rgb", "ms_ssim_y", "vmaf"),
    )
    """Quality metrics of tables and rate-distortion figures."""

    table_metrics: Annotated[tuple[Name, ...], AS_TUPLE, *UNIQUE] = ()
    """Further metrics of tables, the figure of ranks and the report page, without figures over rate."""

    headline: Name = "psnr_rgb_db"
    """Metric of the summary, and of figures that show one; one of `metrics`."""

    strip: Strip | None = None
    """What the figures of single points show."""

    report: ReportPlan = ReportPlan()
    """The frames of the report page. Each codec is shown at its point nearest to the strip's rate."""

    published: Annotated[tuple[PublishedSelection, ...], AS_TUPLE] = ()
    """Published curves that are drawn beside the measured ones."""

    #: Whether its points are variants of one method rather than rates.
    ablates: ClassVar[bool] = False

    _name: str = PrivateAttr("")
    _path: Path = PrivateAttr(Path())

    @model_validator(mode="after")
    def _check_names_within(self) -> Self:
        """Refuse names of clips, codecs and metrics that the condition does not have."""
        _check_known("codec", "anchor", self.anchor, self.codecs)
        _check_known("metric", "headline", self.headline, self.metrics)
        for index, curve in enumerate(self.published):
            _check_known("codec", f"published: {index}: codec", curve.codec, self.codecs)
        for codec, plan in self.codecs.items():
            for clip in plan.clips:
                _check_known("clip", f"codecs: {codec}: clips", clip, self.clips)
        return self

    @property
    def name(self) -> str:
        return self._name

    @property
    def path(self) -> Path:
        """The YAML file."""
        return self._path

    @property
    def measured_metrics(self) -> tuple[str, ...]:
        """All metrics of its tables; each once."""
        return tuple(dict.fromkeys((*self.metrics, *self.table_metrics)))

    @property
    def compared_metrics(self) -> tuple[str, ...]:
        """Metrics of BD-rates and ranks: those of its tables that compare with the source, if any does."""
        compared = tuple(name for name in self.measured_metrics if describe(name).full_reference)
        return compared or self.metrics

    @property
    def upper_hull(self) -> bool:
        """Whether BD-rates use only points on the upper convex hull."""
        return self.curves == "upper_hull"

    @property
    def interpolates(self) -> bool:
        """Whether its fits hold frames out."""
        return self.budget.get("fit_every", 1) != 1

    @property
    def variants(self) -> dict[str, list[str]]:
        """Fitted codec -> its points, in order."""
        fitted = (codec for codec in self.codecs if registry.codec_config(codec).kind == "fitted")
        return {codec: self.points(codec) for codec in fitted}

    @property
    def sequences(self) -> dict[str, str]:
        """Clip -> its sequence."""
        return {name: plan.sequence for name, plan in self.clips.items()}

    @property
    def footnotes(self) -> dict[str, str]:
        """Codec -> the footnote of its figures, for codecs that have one."""
        notes = {codec: registry.codec_config(codec).footnote for codec in self.codecs}
        return {codec: note for codec, note in notes.items() if note}

    @property
    def selectors(self) -> list[dict[str, str]]:
        """Arguments of a `bench.analysis.published.Selector` for each published curve."""
        return [curve.model_dump(exclude_none=True) for curve in self.published]

    @property
    def report_settings(self) -> dict[str, Any]:
        """The settings of the report page as JSON values."""
        return self.report.model_dump(mode="json")

    @property
    def strip_frame(self) -> int | None:
        """The frame that the strip shows; None without a strip."""
        return self.strip.frame if self.strip else None

    @property
    def strip_rate_bpp(self) -> float | None:
        """The rate of figures of single points; None without one."""
        return self.strip.rate_bpp if self.strip else None

    def clip(self, name: str) -> ClipPlan:
        """The preparation of one clip; BenchError for an unknown clip."""
        if name not in self.clips:
            raise unknown_name("clip", name, self.clips, where=self.path)
        return self.clips[name]

    def points(self, codec: str) -> list[str]:
        """Names of one codec's rate points, in order; BenchError for a codec that is not in the condition."""
        return list(self.point_settings(codec))

    def point_settings(self, codec: str) -> Mapping[str, Mapping[str, Any]]:
        """Rate point -> its settings for clips that have none of their own.

        Raises:
            BenchError: the codec or a point in its list is unknown, or it has no points.
        """
        if codec not in self.codecs:
            raise unknown_name("codec", codec, self.codecs, where=self.path)
        points = self.codecs[codec].points
        if isinstance(points, dict):
            return points
        codec_points = registry.codec_config(codec).points
        where = f"{self.path}: codecs: {codec}: points"
        for point in points or ():
            if point not in codec_points:
                raise unknown_name("point", point, codec_points, where=where)
        if not codec_points:
            raise BenchError(
                where, "the codec has no points of its own", "add `points: {name: {key: value}}`"
            )
        return {point: codec_points[point] for point in (codec_points if points is None else points)}

    def settings(self, codec: str, point: str, clip: str) -> dict[str, Any]:
        """All settings of one encode. A clip that the condition does not have gets what its clips share.

        Raises:
            BenchError: the codec or the point is unknown, or a setting is missing.
        """
        points = self.point_settings(codec)
        if point not in points:
            raise unknown_name(f"point of {codec}", point, points, where=self.path)
        config, plan = registry.codec_config(codec), self.codecs[codec]
        budget = self.budget if config.fitted_by_suite else {}
        of_clip = (plan.clips.get(clip) or {}).get(point)
        of_point = points[point] if of_clip is None else of_clip
        overrides = registry.settings_model(config.family).merged(budget, plan.settings)
        return registry.resolve_settings(config, overrides, of_point)

    def seeds_of(self, codec: str) -> tuple[int, ...]:
        """The seeds that a codec runs: all of a fitted codec, the first of others, which ignore it."""
        return self.seeds if registry.codec_config(codec).kind == "fitted" else self.seeds[:1]

    def check_strip(self, clips: Iterable[ClipInfo]) -> None:
        """Refuse a strip of which no clip has the frame, or no clip the region.

        Raises:
            BenchError: see above.
        """
        if self.strip is None:
            return
        clips = list(clips)
        x, y, width, height = self.strip.crop
        if all(self.strip.frame >= clip.frames for clip in clips):
            last = max(clip.frames for clip in clips) - 1
            problem = f"{self.strip.frame} is outside of every clip"
            raise BenchError(f"{self.path}: strip: frame", problem, f"write a frame from 0 to {last}")
        if all(x + width > clip.width or y + height > clip.height for clip in clips):
            sizes = ", ".join(f"{clip.width}x{clip.height}" for clip in clips)
            problem = f"{list(self.strip.crop)} is outside of every clip ({sizes})"
            raise BenchError(f"{self.path}: strip: crop", problem, "write a region within a clip")


class Ablation(Condition):
    """A condition whose points are variants of one method. The first one is the whole method."""

    ablates: ClassVar[bool] = True


def _check_known(what: str, key: str, name: str | None, known: Iterable[str]) -> None:
    known = list(known)
    if name is not None and name not in known:
        raise Problem(f"{key}: unknown {what} {name!r}", suggestion(name, known))
