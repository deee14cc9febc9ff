"""The README's worked example, done to the letter in a fresh copy of the repository."""

from __future__ import annotations

import re
import sys

import pandas as pd
from tiny_repo import Repo

from bench.base.paths import ROOT

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str, str]]:
    """(language, first comment, text) of every fenced block of the README's worked example."""
    text = (ROOT / "README.md").read_text()
    example = text.partition("## Add your own")[2].partition("\n## ")[0]
    return [
        (language, body.partition("\n")[0].removeprefix("# "), body)
        for language, body in _BLOCK.findall(example)
    ]


def test_adding_a_codec_a_clip_and_a_metric(repo: Repo) -> None:
    written = set()
    for language, first, body in blocks():
        match language:
            case "python" if "append" in first:
                path = repo.root / first.split()[-1]
                path.write_text(path.read_text() + "\n\n" + body)
            case "python" | "yaml":
                path = repo.root / first
                path.write_text(body)
            case "text":  # a row of a table, its columns apart by tabs
                path = repo.root / "config/sequences.tsv"
                path.write_text(path.read_text().rstrip("\n") + "\n" + body)
            case _:
                continue
        written.add(path.relative_to(repo.root).as_posix())
    assert written == {
        "baselines/hold.py",
        "config/codecs/hold.yaml",
        "config/sequences.tsv",
        "bench/scoring/metrics.py",
        "config/conditions/mine.yaml",
    }
    mine = Repo(repo.root, condition="mine")
    mine.snakemake("--cores", "2")
    rows = pd.read_csv(repo.root / "results/tables/mine/rd_points.csv")
    assert {"hold", "x264-medium"} <= set(rows.codec)
    hold = rows[rows.codec == "hold"]
    assert list(hold.point) == ["n8", "n4", "n2"]
    assert hold.rate_bpp.is_monotonic_increasing
    assert hold.max_error_y.between(1, 255).all()
    assert (repo.root / "results/figures/mine/rd_psnr_rgb_db.png").stat().st_size > 10_000
    done = mine.run(sys.executable, "-m", "bench", "codecs")
    assert re.search(r"^hold +hold +classical", done.stdout, re.MULTILINE)
