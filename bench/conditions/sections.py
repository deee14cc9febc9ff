"""Models of the sections of a condition: clip, codec, strip figure, report page, published curve."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from bench.base.strict_model import (
    AS_TUPLE,
    DISTINCT,
    UNIQUE,
    Finite,
    Name,
    Pair,
    PositiveNumber,
    Problem,
    Rectangle,
    StrictModel,
)
from bench.video.clip import MAX_SIDE

PointSettings = dict[str, Finite]


def _check_trim(trim: tuple[int, int]) -> tuple[int, int]:
    if not 0 <= trim[0] < trim[1]:
        remedy = "write the first frame, from 0, and the one after the last"
        raise Problem(f"{list(trim)} must be a range of at least one frame", remedy)
    return trim


def _check_even(values: tuple[int, ...]) -> tuple[int, ...]:
    """Refuse an offset or a size that 4:2:0 cannot have; the last two values are a size."""
    if any(value % 2 or not 0 <= value <= MAX_SIDE for value in values) or min(values[-2:]) < 2:
        problem = f"{list(values)} must be even numbers, sizes 2 to {MAX_SIDE}"
        raise Problem(problem, "round them to even numbers")
    return values


def _check_region(region: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    if min(region[:2]) < 0 or min(region[2:]) < 1:
        raise Problem(f"{list(region)} must be a region", "write x and y from 0, width and height from 1")
    return region


class ClipPlan(StrictModel):
    """How a clip is prepared from a sequence: trim, then crop, then scale."""

    sequence: Name
    """Name of a row of config/sequences.tsv."""

    trim: Annotated[Pair, AfterValidator(_check_trim)] | None = None
    """First frame, and the one after the last; null: all frames."""

    crop: Annotated[Rectangle, AfterValidator(_check_even)] | None = None
    """x, y, width and height in pixels of the source, all even; null: the whole frame."""

    scale: Annotated[Pair, AfterValidator(_check_even)] | None = None
    """Width and height after the crop, both even; null: not scaled."""

    filter: Literal["lanczos", "bicubic", "bilinear", "area", "spline"] = "lanczos"
    """Filter of the scaling."""


class Strip(StrictModel):
    """What the figures of single points show."""

    frame: Annotated[int, Field(ge=0)]
    """Index of the frame. A clip without it shows its middle frame."""

    crop: Annotated[Rectangle, AfterValidator(_check_region)]
    """x, y, width and height in pixels of the clip. A clip without this region shows its middle."""

    rate_bpp: PositiveNumber | None = None
    """Bits per pixel: each codec is shown at its nearest point. null: no figures of single points."""


#: Rules that choose frames for the report page (`bench.report.frame_choice`).
FrameRule = Literal["first", "motion", "worst", "even"]


class ReportPlan(StrictModel):
    """What the report page shows of single frames."""

    frames: Annotated[tuple[FrameRule, ...], AS_TUPLE, *UNIQUE] = ("first", "motion", "worst", "even")
    """Rules that choose frames, in this order. `first`: frame 0. `motion`: the frame that differs most from
    the one before it. `worst`: of each codec the frame with the lowest headline metric. `even`: evenly
    spaced."""

    even: Annotated[int, Field(ge=1, le=100)] = 4
    """Number of evenly spaced frames."""

    most: Annotated[int, Field(ge=1, le=1000)] = 12
    """Largest number of chosen frames; later ones are left out."""

    region: Annotated[Rectangle, AfterValidator(_check_region)] | None = None
    """x, y, width and height in pixels of the clip. null, or outside the clip: the whole frame, or 640x360
    pixels around the strip's region if the frame is larger."""

    excerpt: Annotated[Pair, AfterValidator(_check_trim)] | None = None
    """First frame, and the one after the last, of consecutive frames for playback; null: none."""


class PublishedSelection(StrictModel):
    """A published curve (baselines/reported), or a CSV of the user's, that the condition is compared with."""

    source: Annotated[str, Field(min_length=1)]
    """An id of baselines/reported/sources.csv, or the path of a CSV file."""

    label: Annotated[str, Field(min_length=1)] | None = None
    """The method there; null: all methods of the source."""

    codec: Name | None = None
    """Codec id of the condition whose counterpart it is; null: drawn, but not in the table `reproduction`."""


def _points_kind(value: Any) -> str:
    return "list" if isinstance(value, list) else "table"


_PointTable = Annotated[dict[Name, PointSettings], Field(min_length=1), DISTINCT]
_PointList = Annotated[list[Name], Field(min_length=1), *UNIQUE]


class CodecPlan(StrictModel):
    """A codec in a condition."""

    points: (
        Annotated[
            Annotated[_PointTable, Tag("table")] | Annotated[_PointList, Tag("list")],
            Discriminator(_points_kind),
        ]
        | None
    ) = None
    """Rate points from the lowest rate to the highest, each with its settings; or a list of points of the
    codec's own; null: all of these."""

    settings: PointSettings = {}
    """Settings for all points."""

    clips: dict[Name, Annotated[dict[Name, PointSettings | None], Field(min_length=1)] | None] = {}
    """Clip -> point -> settings that replace those of the point for this clip, such as the size that yields
    its rate; null: not coded at this point. Clip -> null: not coded at all."""

    def codes(self, clip: str, point: str) -> bool:
        """Whether a clip is coded at a rate point."""
        points = self.clips.get(clip, {})
        return points is not None and points.get(point, {}) is not None
