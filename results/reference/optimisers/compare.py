"""Compare optimisers on another clip than the evaluated ones: float weights, a grid of learning rates each.

    python results/reference/optimisers/compare.py            # fit what is missing in optimisers.csv
    python results/reference/optimisers/compare.py nerv       # of some networks only

Clip and networks are those of the condition learning-rates-v0, with 40 epochs and the mean squared error.
Every finished fit is a group of rows in optimisers.csv, one row an epoch, so an interrupted comparison
resumes. The table in README.md is computed from it:

* equal epochs: PSNR of the rendered clip, for the best learning rate;
* equal time: the same for a fit at that rate with so many epochs that it takes the CPU time of Adam's fit.

Needs `pip install --no-deps pytorch-optimizer==4.1.0`. The suite itself does not use it.
"""

from __future__ import annotations

import csv
import itertools
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
#: The learning rate of a network's matched recipe, which was found with Adam for 150 epochs; HNeRV's is
#: doubled, because the best was at the end of the grid.
RATES = {"nerv": 8e-3, "ffnerv": 8e-3, "enerv": 2e-3, "hnerv": 2e-3, "hinerv": 4e-3}
#: Factors of that rate, and the settings of the fit.
GRID = {
    "adam": ((0.5, 1, 2), {}),
    "muon": ((0.5, 1, 2, 4), {"optimiser": "muon"}),
    "adan": ((1, 2, 4), {}),
    "soap": ((0.5, 1, 2, 4), {}),
    "schedule-free": ((0.5, 1, 2), {"floor": 1.0}),  # a constant rate after the warm-up
}
COLUMNS = ("network", "optimiser", "learning_rate", "epochs", "epoch", "psnr_rgb_db", "cpu_s", "rendered_db")
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


def fit(
    clip: Clip, network: str, optimiser: str, learning_rate: float, epochs: int
) -> Iterator[dict[str, Any]]:
    """Fit a network. Yields one row an epoch."""
    runtime.prepare(threads=1, device="cpu")
    config, condition = registry.codec_config(f"{network}-matched"), load_condition(CONDITION)
    changes = {"epochs": epochs, "rounding": None, "loss": "L2", "learning_rate": learning_rate}
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
            "epochs": epochs,
            "epoch": row.epoch,
            "psnr_rgb_db": round(row.psnr_rgb_db, 3),
            "cpu_s": round(row.cpu_s, 2),
            "rendered_db": round(rendered, 3) if row.epoch + 1 == epochs else "",
        }


def read() -> list[dict[str, str]]:
    """The rows of the table's file."""
    if not TABLE.exists():
        return []
    with TABLE.open(newline="") as file:
        return list(csv.DictReader(file))


def best_fit(rows: list[dict[str, str]], network: str, optimiser: str) -> dict[str, str]:
    """Last row of the fit with the best learning rate, of those with EPOCHS epochs."""
    last = [row for row in rows if row["rendered_db"] and int(row["epochs"]) == EPOCHS]
    last = [row for row in last if (row["network"], row["optimiser"]) == (network, optimiser)]
    return max(last, key=lambda row: float(row["rendered_db"]))


def equal_time_epochs(rows: list[dict[str, str]], network: str, optimiser: str) -> int:
    """Epochs of this optimiser in the CPU time of Adam's best fit."""
    seconds = [float(best_fit(rows, network, name)["cpu_s"]) for name in ("adam", optimiser)]
    return round(EPOCHS * seconds[0] / seconds[1])


def summary(rows: list[dict[str, str]]) -> str:
    """Markdown table: for every network and optimiser the best learning rate."""
    lines = []
    for network, optimiser in itertools.product(RATES, GRID):
        best = best_fit(rows, network, optimiser)
        key = {name: best[name] for name in ("network", "optimiser", "learning_rate")}
        key["epochs"] = str(equal_time_epochs(rows, network, optimiser))
        (timed,) = [row for row in rows if row["rendered_db"] and key.items() <= row.items()]
        ratio = float(best["cpu_s"]) / float(best_fit(rows, network, "adam")["cpu_s"])
        values = [f"{float(best['learning_rate']):g}", f"{float(best['rendered_db']):.2f}", f"{ratio:.2f}"]
        lines.append([network, optimiser, *values, key["epochs"], f"{float(timed['rendered_db']):.2f}"])
    header = [
        "network",
        "optimiser",
        "learning rate",
        "PSNR, dB",
        "CPU time",
        "epochs in Adam's time",
        "PSNR, dB",
    ]
    return markdown(TextTable(header, lines, [False] * 2 + [True] * 5))


def complete(clip: Clip, network: str, optimiser: str, rate: float, epochs: int) -> None:
    """Fit, and add the rows to the table, unless it has them."""
    key = (network, optimiser, rate, epochs)
    done = {(r["network"], r["optimiser"], float(r["learning_rate"]), int(r["epochs"])) for r in read()}
    if key in done:
        return
    rows = list(fit(clip, *key))
    new = not TABLE.exists()
    with TABLE.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(rows)
    sys.stderr.write(f"{network} {optimiser} {rate:g}, {epochs} epochs: {rows[-1]['rendered_db']} dB\n")


def main(networks: list[str]) -> None:
    folder = ROOT / "results" / "state" / "optimisers" / CLIP
    if not (folder / "clip.json").exists():
        prepare(load_condition(CONDITION), CLIP, folder)
    clip = Clip.load(folder / "clip.json")
    for network in networks:
        for optimiser, (factors, _) in GRID.items():
            for factor in factors:
                complete(clip, network, optimiser, factor * RATES[network], EPOCHS)
        for optimiser in GRID:
            rate = float(best_fit(read(), network, optimiser)["learning_rate"])
            complete(clip, network, optimiser, rate, equal_time_epochs(read(), network, optimiser))
    sys.stdout.write(summary(read()) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:] or list(RATES))
