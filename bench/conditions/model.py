"""Test conditions: which clips, how prepared, which codecs at which rate points, scored how.

A condition has a name with a version (``demo-v1``) and is never changed once numbers were published
under it. It owns the rate points; a codec's own ones serve where it gives none. Its `budget` is laid
over every codec of kind ``fitted``: what they share is stated once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.base.names import unknown_name
from bench.codec import registry
from bench.codec.registry import resolve_settings

#: Names of conditions in config/ablations begin with it.
ABLATION = "ablation-"


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
    """One codec in a condition: its rate points in order, and settings for all of them.

    Attributes:
        clips: clip -> point -> what the point is for this clip alone, such as the size that makes its rate.
    """

    points: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    clips: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One file of config/conditions; `name` is the file's name.

    Attributes:
        clips: clip name -> how it is made; colour: name of the conversion to RGB (`bench.video.colour`).
        codecs: codec id -> its rate points, in the order of the file (that of tables and legends).
        seeds: fitted codecs run each; the others run the first.
        device: where fitted codecs run; budget: settings laid over every fitted codec.
        reference: whether the tracked long runs of this condition are shown too.
        anchor: codec id that BD-rates refer to; metrics: those of tables; headline: that of figures.
        published: what it is compared with, the arguments of a `bench.analysis.published.Selector` each.
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
        return self.name.startswith(ABLATION)

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
    def footnotes(self) -> dict[str, str]:
        """What figures have to say of codecs, where there is something."""
        notes = {codec: registry.codec_config(codec).footnote for codec in self.codecs}
        return {codec: note for codec, note in notes.items() if note}

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
            raise unknown_name("clip", name, self.clips, where=self.path)
        return self.clips[name]

    def points(self, codec: str) -> list[str]:
        """Names of one codec's rate points, in order; BenchError for a codec that is not in the condition."""
        return list(self._plan(codec).points)

    def settings(self, codec: str, point: str, clip: str) -> dict[str, Any]:
        """All of one encode: codec's defaults and own, budget (fitted ones), condition's, point's, clip's.

        A clip that the condition does not have gets what its clips share.
        """
        plan = self._plan(codec)
        if point not in plan.points:
            raise unknown_name(f"point of {codec}", point, plan.points, where=self.path)
        config = registry.codec_config(codec)
        budget = self.budget if config.kind == "fitted" else {}
        own = plan.clips.get(clip, {}).get(point, plan.points[point])
        return resolve_settings(config, {**budget, **plan.settings}, own)

    def seeds_of(self, codec: str) -> tuple[int, ...]:
        """The seeds that a codec runs: all for fitted ones, the first for those that ignore it."""
        return self.seeds if registry.codec_config(codec).kind == "fitted" else self.seeds[:1]

    def _plan(self, codec: str) -> CodecPlan:
        if codec not in self.codecs:
            raise unknown_name("codec", codec, self.codecs, where=self.path)
        return self.codecs[codec]
