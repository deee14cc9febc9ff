"""Figures and tables by name: what ``snakemake <name>`` creates, and from which condition.

The only list of them. The workflow's rules, ``bench list-figures`` and the table of the documentation are
generated from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

from bench.tables.text_table import TextTable
from bench.workflow.outputs import Selection

#: Kinds of figures. Only targets by name draw those that `figures` of config.yaml cannot name.
FIGURE_KINDS = (
    *("rd", "frames", "strip", "fit", "parts", "complexity"),
    *("rate_difference", "metrics_agree"),
)


@dataclass(frozen=True, kw_only=True)
class NamedTarget:
    """One target by name.

    Attributes:
        shows: content of the figure or table. needs: inputs and time.
        conditions: whose points it shows; empty: the chosen condition's.
        page: whether it is the report page.
        tables, figures: names of `Selection.tables` and `Selection.figures`; `*` matches any text.
    """

    name: str
    shows: str
    needs: str = "the condition's records"
    conditions: Sequence[str] = ()
    tables: Sequence[str] = ()
    figures: Sequence[str] = ()
    page: bool = False

    def files(self, selection: Selection) -> list[str]:
        """Paths of the target's files for one selection of points."""
        names = selection.figures(FIGURE_KINDS)
        figures = [name for name in names if any(fnmatch(name, pattern) for pattern in self.figures)]
        page = [selection.page] if self.page else []
        return [*page, *selection.files(tables=self.tables, figures=figures)]


#: Targets that compute no points: they print, list, or draw what exists.
UTILITY_TARGETS = ("partial", "show", "plan", "list_figures", "train_learned")

NAMED_TARGETS = (
    NamedTarget(
        name="report_page", shows="one page in a browser: curves, frames, bits, points, trust", page=True
    ),
    NamedTarget(name="fig_rd", shows="quality over rate, every metric", figures=["rd_*", "*/rd_*"]),
    NamedTarget(name="fig_frames", shows="quality of each frame at one rate", figures=["frames_*"]),
    NamedTarget(name="fig_strip", shows="the same region from every codec", figures=["strip_*"]),
    NamedTarget(name="fig_fit", shows="quality while networks are fitted", figures=["fit_*"]),
    NamedTarget(
        name="fig_parts",
        shows="FFNeRV's frames before and after aggregation, and its flows",
        figures=["parts_*"],
    ),
    NamedTarget(name="table_points", shows="every rate point", tables=["points"]),
    NamedTarget(name="table_bd_rate", shows="BD-rates against the anchor", tables=["bd_rate"]),
    NamedTarget(
        name="table_matched",
        shows="quality at equal rate, rate at equal quality, times at both",
        tables=["matched"],
    ),
    NamedTarget(
        name="table_frame_statistics",
        shows="worst frame, 5th percentile, harmonic mean, changes in time",
        tables=["frame_statistics"],
    ),
    NamedTarget(
        name="fig_rate_difference",
        shows="difference of rate from the anchor over quality",
        figures=["rate_difference_*"],
    ),
    NamedTarget(
        name="fig_metrics_agree",
        shows="rank of each series by each metric",
        figures=["metrics_agree"],
    ),
    NamedTarget(
        name="table_complexity",
        shows="sizes, operations, times and memory; decoders are timed alone",
        needs="the same, and every stream decoded three times",
        tables=["complexity"],
    ),
    NamedTarget(
        name="fig_complexity",
        shows="BD-rate over the time to decode and to encode a frame",
        needs="the same, and every stream decoded three times",
        figures=["complexity"],
    ),
    NamedTarget(
        name="fig_rd_demo",
        shows="quality over rate on the two bundled clips",
        needs="a quarter of an hour on two cores",
        conditions=["demo-v2"],
        figures=["rd_*"],
    ),
    NamedTarget(
        name="fig_rd_uvg",
        shows="PSNR and MS-SSIM over rate on UVG, mean and each sequence",
        needs="5.3 GB of UVG, and GPUs",
        conditions=["uvg-1080p-v1"],
        figures=["rd_psnr_rgb_db", "rd_ms_ssim_rgb", "*/rd_psnr_rgb_db", "*/rd_ms_ssim_rgb"],
    ),
    NamedTarget(
        name="fig_rd_uvg_paper",
        shows="the same under FFNeRV's published protocol, beside the published curves",
        needs="5.3 GB of UVG, and GPUs",
        conditions=["uvg-ffnerv-paper"],
        figures=["rd_*", "*/rd_*"],
    ),
    NamedTarget(
        name="fig_bunny_table",
        shows="HNeRV's table 2: NeRV, E-NeRV and HNeRV at four sizes",
        needs="days on a CPU, or a GPU",
        conditions=["bunny-hnerv-table2"],
        figures=["rd_*"],
        tables=["reproduction"],
    ),
    NamedTarget(
        name="table_representation",
        shows="quality at published model sizes, published against measured",
        needs="days on a CPU, or a GPU",
        conditions=["bunny-hnerv-table2", "bunny-nerv"],
        tables=["points", "reproduction"],
    ),
    NamedTarget(
        name="table_interpolation",
        shows="frames that were held out of the fit",
        needs="two hours or more on a CPU",
        conditions=["interpolation-v1"],
        tables=["interpolation"],
    ),
    NamedTarget(
        name="table_ablation",
        shows="gain of each part of FFNeRV, as a table",
        needs="an hour or so on a CPU",
        conditions=["ablation-ffnerv"],
        tables=["ablation"],
    ),
    NamedTarget(
        name="fig_ablation",
        shows="the same as a figure",
        needs="an hour or so on a CPU",
        conditions=["ablation-ffnerv"],
        figures=["ablation"],
    ),
    NamedTarget(
        name="ablation",
        shows="both",
        needs="an hour or so on a CPU",
        conditions=["ablation-ffnerv"],
        tables=["ablation"],
        figures=["ablation"],
    ),
)


def listing() -> TextTable:
    """The targets by name, one row each."""
    rows = [
        [target.name, target.shows, ", ".join(target.conditions) or "the chosen one", target.needs]
        for target in NAMED_TARGETS
    ]
    return TextTable(["Target", "What it shows", "Condition", "Needs"], rows, [False] * 4)
