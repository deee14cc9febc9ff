"""Compare optimisers on another clip than the evaluated ones: float weights, a grid of learning rates each.

    python results/reference/optimisers/compare.py            # fit what is missing in optimisers.csv
    python results/reference/optimisers/compare.py nerv       # of some networks only

Clip and networks are those of the condition learning-rates-v0, with 40 epochs and the mean squared error. Every
finished fit is a group of rows in optimisers.csv, one row an epoch, so an interrupted comparison resumes. The
table in README.md is computed from it:

* equal epochs: PSNR of the rendered clip after the last epoch;
* equal time: PSNR of the last epoch that ended within the CPU time of Adam's fit. Its learning rate has not
  reached the end of its schedule.

Needs `pip install --no-deps pytorch-optimizer==4.1.0`. The suite itself does not use it.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from bench.codec import registry  # noqa: E402
from bench.conditions.reader import load_condition, settings_of  # noqa: E402
from bench.inr.fitting.trainer import Fit  # noqa: E402
from bench.inr.network import runtime  # noqa: E402
from bench.inr.network.representation import Representation  # noqa: E402
from bench.sequences.prepare import prepare  # noqa: E402
from bench.tables.text_table import TextTable, markdown  # noqa: E402
from bench.video.clip import Clip  # noqa: E402

CONDITION, CLIP, EPOCHS, SEED = "learning-rates-v0", "bikes-160x68", 40, 0
#: The learning rate of a network's matched recipe, which was found with Adam for 150 epochs; HNeRV's is doubled,
#: because the mean squared error has smaller gradients than L1.
RATES = {"nerv": 8e-3, "ffnerv": 8e-3, "enerv": 2e-3, "hnerv": 2e-3, "hinerv": 4e-3}
#: Factors of that rate, and the settings of the fit.
GRID = {
    "adam": ((0.5, 1, 2), {}),
    "muon": ((0.5, 1, 2, 4), {"optimiser": "muon"}),
    "adan": ((1, 2, 4), {}),
    "soap": ((0.5, 1, 2, 4), {}),
    "schedule-free": ((0.5, 1, 2), {"floor": 1.0}),  # a constant rate after the warm-up
}
COLUMNS = ("network", "optimiser", "learning_rate", "epoch", "psnr_rgb_db", "cpu_s", "rendered_db")
TABLE = FOLDER / "optimisers.csv"


def make_other(name: str, representation: Representation, learning_rate: float) -> Any:
    """An optimiser of the package pytorch-optimizer, without weight decay."""
    import pytorch_optimizer

    weights = list(representation.network.parameters())
    if name == "adan":
        return pytorch_optimizer.Adan(weights, lr=learning_rate)
    if name == "soap":
        return pytorch_optimizer.SOAP(weights, lr=learning_rate, weight_decay=0.0, precondition_frequency=10)
    return pytorch_optimizer.ScheduleFreeAdamW(weights, lr=learning_rate, weight_decay=0.0)


def fit(clip: Clip, network: str, optimiser: str, learning_rate: float) -> Iterator[dict[str, Any]]:
    """Fit a network. Yields one row an epoch."""
    runtime.prepare(threads=1, device="cpu")
    config, condition = registry.codec_config(f"{network}-matched"), load_condition(CONDITION)
    changes = {"epochs": EPOCHS, "rounding": None, "loss": "L2", "learning_rate": learning_rate}
    changes |= GRID[optimiser][1]
    point = next(iter(condition.point_settings(config.id)))
    settings = settings_of(config, point, CLIP, changes, condition)
    codec = registry.load_family(config.family)
    representation = codec.start(clip.info, settings, seed=SEED)
    frames = torch.from_numpy(clip.rgb_array()).permute(0, 3, 1, 2).contiguous()
    run = Fit(representation, frames, codec.resolve(clip.info, settings).recipe, seed=SEED)
    if optimiser not in ("adam", "muon"):
        run.optimiser = make_other(optimiser, representation, learning_rate)
    log = run.run()
    if optimiser == "schedule-free":
        run.optimiser.eval()  # the average of the weights
        representation.refresh()
    representation.finish(frames)  # an HNeRV renders from the embeddings that this computes
    errors = [
        (frame - true / 255).square().mean()
        for frame, true in zip(representation.render(0, len(frames)), frames, strict=True)
    ]
    rendered = float((-10 * torch.stack(errors).log10()).mean())
    for row in log:
        yield {
            "network": network,
            "optimiser": optimiser,
            "learning_rate": learning_rate,
            "epoch": row.epoch,
            "psnr_rgb_db": round(row.psnr_rgb_db, 3),
            "cpu_s": round(row.cpu_s, 2),
            "rendered_db": round(rendered, 3) if row.epoch + 1 == EPOCHS else "",
        }


def read() -> list[dict[str, str]]:
    """The rows of the table's file."""
    if not TABLE.exists():
        return []
    with TABLE.open(newline="") as file:
        return list(csv.DictReader(file))


def summary(rows: list[dict[str, str]]) -> str:
    """Markdown table: for every network and optimiser the best learning rate at equal epochs."""
    groups: dict[tuple[str, str], dict[str, list[dict[str, str]]]] = {}
    for row in rows:
        of_optimiser = groups.setdefault((row["network"], row["optimiser"]), {})
        of_optimiser.setdefault(row["learning_rate"], []).append(row)
    lines = []
    for (network, optimiser), rates in groups.items():
        best = max(rates.values(), key=lambda fit: float(fit[-1]["rendered_db"]))
        adam = max(groups[network, "adam"].values(), key=lambda fit: float(fit[-1]["rendered_db"]))
        budget = float(adam[-1]["cpu_s"])
        within = [row for row in best if float(row["cpu_s"]) <= budget] or best[:1]
        tried = ", ".join(f"{float(rate):g}" for rate in rates)
        lines.append(
            [
                *(network, optimiser, f"{float(best[-1]['learning_rate']):g} of {tried}"),
                *(f"{float(best[-1]['rendered_db']):.2f}", f"{float(within[-1]['psnr_rgb_db']):.2f}"),
                f"{float(best[-1]['cpu_s']) / budget:.2f}",
            ]
        )
    header = ["network", "optimiser", "learning rate", "equal epochs, dB", "equal time, dB", "CPU time"]
    return markdown(TextTable(header, lines, [False] * 3 + [True] * 3))


def main(networks: list[str]) -> None:
    folder = ROOT / "results" / "state" / "optimisers" / CLIP
    if not (folder / "clip.json").exists():
        prepare(load_condition(CONDITION), CLIP, folder)
    clip = Clip.load(folder / "clip.json")
    done = {(row["network"], row["optimiser"], float(row["learning_rate"])) for row in read()}
    for network in networks:
        for optimiser, (factors, _) in GRID.items():
            for factor in factors:
                rate = factor * RATES[network]
                if (network, optimiser, rate) in done:
                    continue
                rows = list(fit(clip, network, optimiser, rate))
                new = not TABLE.exists()
                with TABLE.open("a", newline="") as file:
                    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                    if new:
                        writer.writeheader()
                    writer.writerows(rows)
                sys.stderr.write(f"{network} {optimiser} {rate:g}: {rows[-1]['rendered_db']} dB\n")
    sys.stdout.write(summary(read()) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:] or list(RATES))
