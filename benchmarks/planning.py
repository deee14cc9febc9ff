"""Dry run of a large condition over that of a trivial Snakemake workflow with as many jobs.

python -m benchmarks.planning [--seeds 3 28]
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from bench.base.paths import ROOT
from benchmarks.report import write_report

_TRIVIAL = """
rule all:
    input: [f"measured/{{k}}" for k in range({count})]
rule encode:
    output: "encoded/{{k}}"
    shell: "touch {{output}}"
rule measure:
    input: "encoded/{{k}}"
    output: "measured/{{k}}"
    shell: "touch {{output}}"
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 28], help="seeds of each point")
    values: dict[str, float] = {}
    for seeds in parser.parse_args().seeds:
        with tempfile.TemporaryDirectory() as folder:
            condition = yaml.safe_load((ROOT / "config/conditions/uvg-1080p-v1.yaml").read_text())
            text = yaml.safe_dump({**condition, "seeds": list(range(seeds))})
            (Path(folder) / "uvg-seeds-v1.yaml").write_text(text)
            for name in ("Snakefile", "bench", "config", "workflow"):
                (Path(folder) / name).symlink_to(ROOT / name)
            arguments = ["--config", "condition=uvg-seeds-v1.yaml", "--", "all"]
            ours, jobs = _dry_run(arguments, Path(folder))
            (Path(folder) / "Snakefile").unlink()
            (Path(folder) / "Snakefile").write_text(_TRIVIAL.format(count=jobs // 2))
            trivial, _ = _dry_run([], Path(folder))
        values |= {
            f"{jobs} jobs: suite, CPU s": ours,
            f"{jobs} jobs: trivial workflow, CPU s": trivial,
            f"{jobs} jobs: ratio": ours / trivial,
        }
    write_report("planning", values)


def _dry_run(arguments: list[str], folder: Path) -> tuple[float, int]:
    """CPU seconds of a dry run, and its number of jobs."""
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--nolock", *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if result.returncode:
        sys.exit(result.stderr[-2000:])
    match = re.search(r"^total +(\d+)$", result.stdout + result.stderr, re.MULTILINE)
    assert match
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, int(match[1])


if __name__ == "__main__":
    main()
