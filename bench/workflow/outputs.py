"""What is shown of a condition: all its points, or those that exist already; in which tables and figures.

A view is named by the folder of its files: `<condition>` is the full one, which waits for every point,
`partial/<condition>` shows what has a record and waits for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.codec.registry import load_family
from bench.workflow.plan import existing

if TYPE_CHECKING:
    from bench.base.result_files import FileName, RunKey
    from bench.workflow.plan import Plan

_PARTIAL = "partial/"
SUFFIXES = (".pdf", ".png", ".svg")
TABLE_SUFFIXES = (".csv", ".md", ".tex")


def condition_of(view: str) -> str:
    """The name of a view's condition."""
    return view.removeprefix(_PARTIAL)


@dataclass(frozen=True)
class View:
    """The points that one view of a plan shows, and the files that it is made of.

    Attributes:
        name: `<condition>` or `partial/<condition>`.
    """

    plan: Plan
    name: str

    @classmethod
    def partial_of(cls, plan: Plan) -> View:
        return cls(plan, _PARTIAL + plan.condition.name)

    @property
    def partial(self) -> bool:
        return self.name.startswith(_PARTIAL)

    @property
    def points(self) -> Sequence[RunKey]:
        """All points, or those that have a record already."""
        return existing(self.plan) if self.partial else self.plan.points

    def records(self) -> list[str]:
        """The records that it shows."""
        return [point.file("record.json") for point in self.points]

    def awaited(self, name: FileName, *, clip: str | None = None) -> list[str]:
        """The files of that name that a view waits for; a partial one waits for none.

        Named as inputs, files that exist could still be found out of date, and be made again.
        """
        if self.partial:
            return []
        return [point.file(name) for point in self.plan.points if clip in (None, point.clip)]

    @property
    def metrics(self) -> list[str]:
        """Those that are drawn: MS-SSIM also in dB, which spreads out what crowds below 1."""
        metrics = self.plan.condition.metrics
        return [*metrics, *(f"{name}_db" for name in metrics if name.startswith("ms_ssim"))]

    def figures(self, kinds: Iterable[str]) -> list[str]:
        """Names of the figures that the points can fill.

        `rd_<metric>` and, of several clips, `<clip>/rd_<metric>`; `complexity`; `<kind>_<clip>`; `ablation`.
        Those of one rate are left out where the condition gives none (`strip: rate_bpp`), a strip where the
        source (the codec `identity`) is not among the points, fits where nothing is fitted, parts where no
        network has any, `complexity` where there is no anchor.
        """
        points, condition = list(self.points), self.plan.condition
        names: list[str] = ["ablation"] if points and condition.ablates else []
        for kind in kinds if points else ():
            if kind == "rd":
                names += self._rd_figures()
            elif kind == "complexity":
                names += ["complexity"] if condition.anchor and not condition.ablates else []
            else:
                names += self._of_one_rate(kind)
        return names

    def _rd_figures(self) -> list[str]:
        """Means over clips, then each clip where there are several; none where points are no rates."""
        condition = self.plan.condition
        if condition.ablates:
            return []
        clips = condition.clips if len(condition.clips) > 1 else ()
        folders = ("", *(f"{clip}/" for clip in clips))
        return [f"{folder}rd_{metric}" for folder in folders for metric in self.metrics]

    def _fills(self, kind: str, clip: str, points: Sequence[RunKey]) -> bool:
        codecs = {point.codec for point in points if point.clip == clip}
        if kind == "strip":
            return "identity" in codecs
        if kind in ("fit", "bits"):
            return any(self.plan.configs[codec].kind == "fitted" for codec in codecs)
        if kind == "parts":
            families = {self.plan.configs[codec].family for codec in codecs}
            return any(load_family(family).has_parts for family in families)
        return bool(codecs)

    def _of_one_rate(self, kind: str) -> list[str]:
        """`<kind>_<clip>` of the clips that it can be made of; none without a rate."""
        points, condition = list(self.points), self.plan.condition
        if not condition.strip or not condition.strip.rate_bpp:
            return []
        return [f"{kind}_{clip}" for clip in condition.clips if self._fills(kind, clip, points)]

    def tables(self) -> list[str]:
        """Names of the tables that the condition has; `bits_<clip>` of fitted networks at its rate."""
        condition = self.plan.condition
        which = {
            "bd_rate": condition.anchor is not None,
            "ablation": condition.ablates,
            "interpolation": condition.interpolates,
            "reproduction": any(curve.codec for curve in condition.published),
        }
        named = [name for name, there in which.items() if there]
        return ["points", "skipped", *named, *self._of_one_rate("bits")]

    def files(self, *, tables: Iterable[str] = (), figures: Iterable[str] = ()) -> list[str]:
        """The files of these tables and figures, in all formats."""
        return [
            *(f"results/tables/{self.name}/{name}{suffix}" for name in tables for suffix in TABLE_SUFFIXES),
            *(f"results/figures/{self.name}/{name}{suffix}" for name in figures for suffix in SUFFIXES),
        ]

    def targets(self, kinds: Iterable[str]) -> list[str]:
        """All files: tables, then figures of these kinds; none where no point exists."""
        if not self.points:
            return []
        first = [f"results/tables/{self.name}/{name}" for name in ("rd_points.csv", "summary.txt")]
        return [*first, *self.files(tables=self.tables(), figures=self.figures(kinds))]
