"""Figures and tables by name: what `snakemake <name>` makes, and of which condition.

One list that the workflow's targets, `snakemake list_figures` and the README's table agree with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

from bench.tables.text_table import TextTable
from bench.workflow.outputs import View

#: Figures that a view may draw, as `View.figures` asks for them. The last is drawn by name alone: for its
#: sake every stream is decoded again.
KINDS = ("rd", "frames", "strip", "fit", "parts", "complexity")


@dataclass(frozen=True, kw_only=True)
class Named:
    """One target by name.

    Attributes:
        shows: what a reader sees; needs: what it takes beyond the chosen condition's records.
        conditions: whose points; none: the chosen one's.
        tables, figures: names of `View.tables` and `View.figures`, `*` for any text.
    """

    name: str
    shows: str
    needs: str = "the condition's records"
    conditions: Sequence[str] = ()
    tables: Sequence[str] = ()
    figures: Sequence[str] = ()

    def files(self, view: View) -> list[str]:
        """The files of this target in one view."""
        drawn = view.figures(KINDS)
        figures = [name for name in drawn if any(fnmatch(name, wanted) for wanted in self.figures)]
        return view.files(tables=self.tables, figures=figures)


NAMED = (
    Named(name="fig_rd", shows="quality over rate, every metric", figures=["rd_*", "*/rd_*"]),
    Named(name="fig_frames", shows="quality of each frame at one rate", figures=["frames_*"]),
    Named(name="fig_strip", shows="the same region from every codec", figures=["strip_*"]),
    Named(name="fig_fit", shows="quality while networks are fitted", figures=["fit_*"]),
    Named(name="fig_parts", shows="what FFNeRV makes of its neighbours, at one rate", figures=["parts_*"]),
    Named(name="table_points", shows="every rate point", tables=["points"]),
    Named(name="table_bd_rate", shows="BD-rates against the anchor", tables=["bd_rate"]),
    Named(
        name="table_complexity",
        shows="sizes, operations, times and memory; decoders are timed alone",
        needs="the same, and every stream decoded three times",
        tables=["complexity"],
    ),
    Named(
        name="fig_complexity",
        shows="BD-rate over the time to decode and to encode a frame",
        needs="the same, and every stream decoded three times",
        figures=["complexity"],
    ),
    Named(
        name="fig_rd_demo",
        shows="quality over rate on the bundled clip",
        needs="a quarter of an hour on two cores",
        conditions=["demo-v1"],
        figures=["rd_*"],
    ),
    Named(
        name="fig_rd_uvg",
        shows="PSNR and MS-SSIM over rate on UVG, mean and each sequence",
        needs="5.3 GB of UVG, and GPUs",
        conditions=["uvg-1080p-v1"],
        figures=["rd_psnr_rgb_db", "rd_ms_ssim_rgb", "*/rd_psnr_rgb_db", "*/rd_ms_ssim_rgb"],
    ),
    Named(
        name="fig_rd_uvg_paper",
        shows="the same under FFNeRV's published protocol, beside the published curves",
        needs="5.3 GB of UVG, and GPUs",
        conditions=["uvg-ffnerv-paper"],
        figures=["rd_*", "*/rd_*"],
    ),
    Named(
        name="fig_bunny_table",
        shows="HNeRV's table 2: NeRV, E-NeRV and HNeRV at four sizes",
        needs="days on a CPU, or a GPU",
        conditions=["bunny-hnerv-table2"],
        figures=["rd_*"],
        tables=["reproduction"],
    ),
    Named(
        name="table_representation",
        shows="quality at published model sizes, published against measured",
        needs="days on a CPU, or a GPU",
        conditions=["bunny-hnerv-table2", "bunny-nerv"],
        tables=["points", "reproduction"],
    ),
    Named(
        name="table_interpolation",
        shows="frames that were held out of the fit",
        needs="two hours or more on a CPU",
        conditions=["interpolation-v1"],
        tables=["interpolation"],
    ),
    Named(
        name="table_ablation",
        shows="what each part of FFNeRV brings, as a table",
        needs="an hour or so on a CPU",
        conditions=["ablation-ffnerv"],
        tables=["ablation"],
    ),
    Named(
        name="fig_ablation",
        shows="the same as a figure",
        needs="an hour or so on a CPU",
        conditions=["ablation-ffnerv"],
        figures=["ablation"],
    ),
    Named(
        name="ablation",
        shows="both",
        needs="an hour or so on a CPU",
        conditions=["ablation-ffnerv"],
        tables=["ablation"],
        figures=["ablation"],
    ),
)


def listing() -> TextTable:
    """The targets by name, a row each."""
    rows = [[one.name, one.shows, ", ".join(one.conditions) or "the chosen one", one.needs] for one in NAMED]
    return TextTable(["Target", "What it shows", "Condition", "Needs"], rows, [False] * 4)
