"""Tables and figures of a condition: which exist, their paths, and the points that they cover.

A selection is named by the folder of its files: ``<condition>`` covers all points and waits for them,
``partial/<condition>`` covers the points that have a record and waits for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.base.result_files import FileName, RunKey
from bench.codec.registry import load_family
from bench.workflow.plan import Plan

_PARTIAL = "partial/"
SUFFIXES = (".pdf", ".png", ".svg")
TABLE_SUFFIXES = (".csv", ".md", ".tex", ".html")


def condition_of(selection: str) -> str:
    """The condition in the name of a selection."""
    return selection.removeprefix(_PARTIAL)


@dataclass(frozen=True)
class Selection:
    """Points of a plan, and the tables and figures that show them.

    Attributes:
        name: `<condition>` or `partial/<condition>`.
    """

    plan: Plan
    name: str

    @classmethod
    def partial_of(cls, plan: Plan) -> Selection:
        """The points of a plan that have a record."""
        return cls(plan, _PARTIAL + plan.condition.name)

    @property
    def partial(self) -> bool:
        return self.name.startswith(_PARTIAL)

    @property
    def points(self) -> Sequence[RunKey]:
        return self.plan.measured() if self.partial else self.plan.points

    def records(self) -> list[str]:
        """Paths of the records."""
        return [point.file("record.json") for point in self.points]

    def result_files(self, name: FileName, *, clip: str | None = None) -> list[str]:
        """Files of that name as inputs of a rule: of all points, or of one clip's.

        None for a partial selection: as inputs, existing files could be found out of date and computed again.
        """
        if self.partial:
            return []
        return [point.file(name) for point in self.plan.points if clip in (None, point.clip)]

    @property
    def metrics(self) -> list[str]:
        """The metrics of figures: the condition's, and MS-SSIM in dB, which separates values near 1."""
        metrics = self.plan.condition.metrics
        return [*metrics, *(f"{name}_db" for name in metrics if name.startswith("ms_ssim"))]

    def figures(self, kinds: Iterable[str]) -> list[str]:
        """Names of the figures of these kinds (`targets.FIGURE_KINDS`) that the points can fill.

        | name | exists if |
        |---|---|
        | `rd_<metric>` | the points are rates, not variants of an ablation |
        | `<clip>/rd_<metric>` | the same, and there are several clips |
        | `complexity` | the same, and the condition has an anchor |
        | `rate_difference_<metric>` | the same |
        | `metrics_agree` | the same, and it has several metrics that compare with the source |
        | `frames_<clip>` | the condition has a rate (`strip: rate_bpp`) |
        | `strip_<clip>` | the same, and the source (codec `identity`) is among the points |
        | `fit_<clip>` | the same, and a fitted codec is among the points |
        | `parts_<clip>` | the same, and a network whose frames have parts is among the points |
        | `ablation` | the points are variants of an ablation |
        """
        condition = self.plan.condition
        if not self.points:
            return []
        names: list[str] = ["ablation"] if condition.ablates else []
        for kind in kinds:
            if kind == "rd":
                clips = condition.clips if len(condition.clips) > 1 else ()
                folders = () if condition.ablates else ("", *(f"{clip}/" for clip in clips))
                names += [f"{folder}rd_{metric}" for folder in folders for metric in self.metrics]
            elif kind in ("complexity", "rate_difference", "metrics_agree"):
                if condition.anchor and not condition.ablates:
                    names += self._against_anchor(kind)
            else:
                names += self._at_one_rate(kind)
        return names

    def _against_anchor(self, kind: str) -> list[str]:
        """Names of the figures of one kind that compare all series with the anchor."""
        if kind == "rate_difference":
            return [f"rate_difference_{metric}" for metric in self.metrics]
        several = len(self.plan.condition.compared_metrics) > 1
        return [kind] if kind == "complexity" or several else []

    def tables(self) -> list[str]:
        """Names of the condition's tables."""
        condition = self.plan.condition
        optional = {
            "bd_rate": condition.anchor is not None,
            "ablation": condition.ablates,
            "interpolation": condition.interpolates,
            "programs": any(
                load_family(self.plan.configs[p.codec].family).runs_programs for p in self.points
            ),
            "reproduction": any(curve.codec for curve in condition.published),
        }
        names = [name for name, exists in optional.items() if exists]
        return ["points", "skipped", *names, *self._at_one_rate("bits")]

    def files(self, *, tables: Iterable[str] = (), figures: Iterable[str] = ()) -> list[str]:
        """Paths of these tables and figures, in all formats."""
        return [
            *(f"results/tables/{self.name}/{name}{suffix}" for name in tables for suffix in TABLE_SUFFIXES),
            *(f"results/figures/{self.name}/{name}{suffix}" for name in figures for suffix in SUFFIXES),
        ]

    @property
    def page(self) -> str:
        """Folder of the report page."""
        return f"results/report/{self.name}"

    def page_frames(self) -> list[str]:
        """Folders of the frames of the report page, one for each clip that has a point of a codec."""
        kinds = {point.clip: set[str]() for point in self.points}
        for point in self.points:
            kinds[point.clip].add(self.plan.configs[point.codec].kind)
        return [f"results/report-frames/{self.name}/{clip}" for clip in kinds if kinds[clip] - {"control"}]

    def page_bits(self) -> list[str]:
        """The tables of bits that the report page shows."""
        return [f"results/tables/{self.name}/{name}.csv" for name in self._at_one_rate("bits")]

    def targets(self, kinds: Iterable[str]) -> list[str]:
        """Paths of all tables, of the figures of these kinds and of the report page; none without a point."""
        if not self.points:
            return []
        first = [f"results/tables/{self.name}/{name}" for name in ("rd_points.csv", "summary.txt")]
        return [*first, *self.files(tables=self.tables(), figures=self.figures(kinds)), self.page]

    def _at_one_rate(self, kind: str) -> list[str]:
        """`<kind>_<clip>` of the clips whose points can fill it, if the condition has a rate."""
        strip = self.plan.condition.strip
        if not strip or not strip.rate_bpp:
            return []
        return [f"{kind}_{clip}" for clip in self.plan.condition.clips if self._can_fill(kind, clip)]

    def _can_fill(self, kind: str, clip: str) -> bool:
        codecs = {point.codec for point in self.points if point.clip == clip}
        if kind == "strip":
            return "identity" in codecs
        if kind in ("fit", "bits"):
            return any(self.plan.configs[codec].fitted_by_suite for codec in codecs)
        if kind == "parts":
            return any(load_family(self.plan.configs[codec].family).has_parts for codec in codecs)
        return bool(codecs)
