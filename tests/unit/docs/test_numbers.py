"""Numbers on the pages README.md and docs/results.md are those of the tracked records and tables."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from script_module import load_script

from bench.base.paths import ROOT

REFERENCE = ROOT / "results" / "reference"
RESULTS = (ROOT / "docs" / "results.md").read_text()


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def section(title: str) -> str:
    """The text below a heading or a bold line, up to the next one."""
    (text,) = re.findall(
        rf"^(?:#+ |\*\*){re.escape(title)}(?:\*\*)?$(.*?)(?=^#|^\*\*|\Z)", RESULTS, re.M | re.S
    )
    return text


def cells(text: str) -> Iterator[list[str]]:
    """The cells of all rows of Markdown tables."""
    for line in text.splitlines():
        if line.startswith("|"):
            yield [cell.strip(" *") for cell in line.strip("|").split("|")]


@pytest.mark.parametrize(
    "path",
    sorted(REFERENCE.glob("demo-v[12]/bunny*/*/*/*/record.json")),
    ids=lambda path: "-".join(path.parts[-4:-2]),
)
def test_reference_points(path: Path) -> None:
    record = json.loads(path.read_text())
    metrics = record["metrics"]
    row = [
        *(record["point"], f"{record['rate_bpp']:.4f}"),
        *(f"{metrics[name]:.2f}" for name in ("psnr_rgb_db", "psnr_yuv_db")),
        *(f"{metrics['ms_ssim_rgb']:.4f}", f"{metrics['vmaf']:.1f}", f"{record['encode']['wall_s']:.1f}"),
    ]
    table = section(f"{record['label']}, reference fit, {record['epochs']} epochs")
    assert row in [cells[:7] for cells in cells(table)]


@pytest.mark.parametrize(
    ("title", "folder"),
    [("Parts of FFNeRV", "ablation-ffnerv"), ("Parts of recipe matched-v2", "ablation-recipe")],
)
def test_ablations_over_seeds(title: str, folder: str) -> None:
    shown = [row[1:] for row in cells(section(title)) if row[1].startswith("0.")]
    tracked, labels = [], set()
    for row in rows_of(REFERENCE / folder / "ablation.csv"):
        db = {name: float(row[f"psnr_rgb_db{name}"]) for name in ("", "_low", "_high", "_difference")}
        seeds = f"{db['']:.2f} ({db['_low']:.2f} to {db['_high']:.2f})"
        difference = (
            f"{db['_difference']:+.2f}".replace("-", "\N{MINUS SIGN}") if row["label"] in labels else ""
        )
        tracked.append([f"{float(row['rate_bpp']):.3f}", seeds, difference])
        labels.add(row["label"])
    assert shown == tracked


def test_colour_space_of_a_fit() -> None:
    shown = [row[1:] for row in cells(section("Colour space of a fit")) if row[1].startswith("0.")]
    tracked = [
        [
            f"{float(row['rate_bpp']):.3f}",
            *(f"{float(row[f'psnr_{name}_db']):.2f}" for name in ("yuv", "y", "rgb")),
        ]
        for row in rows_of(REFERENCE / "ablation-space/ablation.csv")
    ]
    assert shown == tracked


def test_ablations_of_quantisers_and_of_the_rate_in_the_loss() -> None:
    names = ("ablation-quantisers", "ablation-rate")
    tracked = {
        (f"{float(row['psnr_rgb_db']):.2f}", f"{float(row['rate_bpp']):.4f}")
        for name in names
        for row in rows_of(REFERENCE / name / "ablation.csv")
    }
    others = RESULTS.replace(section("Both recipes, point by point"), "")
    shown = set(re.findall(r"(\d+\.\d\d)\sdB\sat\s(0\.\d{4})", others))
    assert len(shown) == 20 + 1 + 10 - 1  # HiNeRV, six bits, is in both tables
    assert shown <= tracked


def test_the_tracked_runs_measured_the_references() -> None:
    """A reference in the table of a default run is the tracked stream, with the PSNR of its record."""
    for version in ("demo-v1", "demo-v2"):
        records = {
            record["stream_sha256"]: record["metrics"]["psnr_rgb_db"]
            for record in map(
                json.loads, (p.read_text() for p in REFERENCE.glob(f"{version}/*/*/*/*/record.json"))
            )
        }
        rows = [row for row in rows_of(REFERENCE / version / "rd_points.csv") if row["reference"] == "true"]
        assert rows
        for row in rows:
            assert float(row["psnr_rgb_db"]) == pytest.approx(records[row["stream_sha256"]], abs=0.005)


def test_how_far_rates_are_from_their_targets() -> None:
    """The largest deviation of long fits, the largest of the others, and the largest of short fits."""
    deviations: dict[bool, list[float]] = {True: [], False: []}
    for row in rows_of(REFERENCE / "demo-v2" / "rd_points.csv"):
        if row["kind"] == "fitted":
            target = float(row["point"].removeprefix("bpp"))
            deviations[row["reference"] == "true"].append(100 * abs(float(row["rate_bpp"]) / target - 1))
    *_, second, largest = sorted(deviations[True])
    expected = [f"{value:.1f}" for value in (largest, second, max(deviations[False]))]
    (sentence,) = re.findall(r"^Rates are within .*$", RESULTS, re.M)
    assert re.findall(r"(\d\.\d) %", sentence) == expected


def test_the_order_of_the_networks() -> None:
    rates = {
        row[0].split(",")[0]: [float(cell.strip(" %")) for cell in row[1:3]]
        for row in cells(section("Against x264 medium"))
        if "reference fit" in row[0]
    }
    (named,) = re.findall(r"of the five, (\S+) needs the most bits with `matched` and the fewest", RESULTS)
    assert len(rates) == 5
    assert named == min(rates, key=lambda name: rates[name][0]) == max(rates, key=lambda name: rates[name][1])


def test_the_readme_has_what_all_rates_add_to_bd_rates() -> None:
    rates: dict[str, list[float]] = {}
    for row in cells(section("Against x264 medium")):
        if "reference fit" in row[0] or row[0].endswith("NeRV"):
            rates.setdefault(row[0].split(",")[0], []).append(float(row[1].strip(" %")))
    added = [round(over_all - shown) for shown, over_all in rates.values()]
    readme = (ROOT / "README.md").read_text()
    assert f"the reference fits have {min(added)} to {max(added)} percentage points more" in readme


def test_the_readme_has_the_rates_on_both_clips() -> None:
    """All networks at bpp0.18, from the least rate on natural video to the largest; a sentence on bpp0.40."""
    readme = (ROOT / "README.md").read_text()
    rates: dict[str, list[list[str]]] = {}
    for network, point, *_, city, bunny in cells(section("On natural video")):
        if point.startswith("bpp"):
            rates.setdefault(point, []).append(
                [network, *(f"{float(r.strip('+%')):.0f}" for r in (city, bunny))]
            )
    low, high = rates["bpp0.18"], rates["bpp0.40"]
    assert [len(low), len(high)] == [5, 5]
    (sentence,) = re.findall(r"^\[On natural video\].*?\.$", readme, re.M | re.S)
    shown = re.findall(r"(\S+RV) (?:needs )?(\d+) %.*? (\d+) %", sentence)
    assert [list(row) for row in shown] == sorted(low, key=lambda row: int(row[1]))
    (best, rate, _), (_, second, _), *_, (_, worst, _) = sorted(high, key=lambda row: int(row[1]))
    assert f"At bpp0.40 {best} needs {rate} % there, the others {second} to {worst} %." in readme


def test_the_distance_of_seeds_on_natural_video() -> None:
    text = section("On natural video")
    ranges = re.findall(r"dB \((\d+\.\d+) to (\d+\.\d+)\)", text)
    assert len(ranges) == 2
    apart = max(float(high) - float(low) for low, high in ranges)
    assert re.findall(r"Seeds are up\s+to (\S+) dB apart", text) == [f"{apart:.2f}"]


def test_the_learning_rate_of_the_recipe_is_within_a_tenth_of_the_best() -> None:
    rows = {row[0]: row[1:] for row in cells(section("Of the recipe matched-v2")) if row[0].endswith("e-3")}
    columns = {rate: [float(value) for value in row] for rate, row in rows.items()}
    assert [len(row) for row in columns.values()] == [5, 5, 5]
    best = [max(column) for column in zip(*columns.values(), strict=True)]
    assert all(b - value < 0.1 for b, value in zip(best, columns["4e-3"], strict=True))


def test_optimisers() -> None:
    """The README beside the table has what its script prints, and the page the same as one row a network."""
    script = load_script(REFERENCE / "optimisers" / "compare.py")
    rows = script.read()
    table = script.summary(rows)
    assert table in (REFERENCE / "optimisers" / "README.md").read_text()
    shown = [row for row in cells(section("Optimisers")) if " / " in row[1]]
    networks = {"NeRV": "nerv", "FFNeRV": "ffnerv", "E-NeRV": "enerv", "HNeRV": "hnerv", "HiNeRV": "hinerv"}
    tracked = {(row[0], row[1]): f"{row[3]} / {row[6]}" for row in cells(table)}
    assert shown == [[n, *(tracked[networks[n], name] for name in script.GRID)] for n in networks]


def test_held_out_frames() -> None:
    shown = sorted(row for row in cells(section("Held-out frames")) if row[1].startswith("0."))
    tracked = sorted(
        [
            *(row["label"].partition(",")[0], f"{float(row['rate_bpp']):.3f}"),
            *(f"{float(row[f'psnr_rgb_db_{half}']):.2f}" for half in ("fitted", "held_out")),
        ]
        for row in rows_of(REFERENCE / "interpolation-v1/interpolation.csv")
    )
    assert shown == tracked


def test_published_against_measured() -> None:
    shown = [row[1:] for row in cells(section("Published numbers")) if row[1].endswith("dB")]
    tracked = [
        [f"{float(row['value']):.2f} dB", f"{float(row['published_value']):.2f} dB"]
        for row in rows_of(REFERENCE / "bunny-hnerv-table2/reproduction.csv")
    ]
    assert sorted(shown) == sorted(tracked)


def test_training_steps() -> None:
    shown = list(cells(section("Precision and speed of a training step")))
    rows = [row for row in cells((REFERENCE / "speed.md").read_text()) if row[1:2] and "x" in row[1]]
    assert len(rows) == 10
    assert [row for row in rows if row not in shown] == []


def test_weight_coders() -> None:
    columns = ("weights", "suite_bytes", "huffman_bytes", "nnc_bytes")
    shown = [[cell.partition(" ")[0] for cell in row[1:]] for row in cells(section("Weight coder"))]
    tracked = [
        [row[name] for name in columns] for row in rows_of(REFERENCE / "weight-coders/weight-coders.csv")
    ]
    assert sorted(shown[2:]) == sorted(tracked)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
