"""Fuzz one target for some seconds: ``python tests/fuzz/run.py TARGET --seconds 60 [--report FILE]``.

With atheris (``pip install atheris``), branches of the suite guide the search. Without it, inputs are random
changes of the seeds. An input that fails is written to the folder `tests/fuzz/failures`, and the exit status
is 1. ``--list`` prints the names of the targets. With files after its name, a target runs once on each.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER.parents[1]), str(FOLDER)]

from mutation import mutate  # noqa: E402
from targets import TARGETS, FuzzTarget  # noqa: E402

from bench.base.errors import BenchError  # noqa: E402

FAILURES = FOLDER / "failures"
#: Limits of one execution.
LONGEST_S, MOST_MEMORY_MIB = 30, 4096


def execute(target: FuzzTarget, data: bytes) -> None:
    """Run a target in an empty folder. Raises what is not a `BenchError`, or has control characters."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-fuzz-") as folder,
        warnings.catch_warnings(action="ignore"),
    ):
        try:
            target.run(data, Path(folder))
        except BenchError as error:
            if not str(error).isprintable():
                raise ValueError(f"a message with control characters: {error!r}") from error


def mutation_search(target: FuzzTarget, seeds: list[bytes], seconds: float, seed: int) -> int:
    """Execute random changes of the seeds for some seconds. Returns the number of executions."""
    rng, count = random.Random(seed), 0
    end = time.monotonic() + seconds
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_MIB << 20,) * 2)
    while time.monotonic() < end:
        data = mutate(seeds, rng)
        faulthandler.dump_traceback_later(LONGEST_S, exit=True)
        try:
            execute(target, data)
        except Exception:
            path = FAILURES / hashlib.sha256(data).hexdigest()[:16]
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
            sys.stderr.write(f"{path} fails\n")
            raise
        count += 1
    faulthandler.cancel_dump_traceback_later()
    return count


def coverage_search(name: str, seeds: list[bytes], seconds: int, seed: int) -> tuple[int, bool]:
    """Run atheris in a process of its own. Returns the number of executions, and whether one failed."""
    with tempfile.TemporaryDirectory(prefix="bench-fuzz-") as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for data in seeds:
            (corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
        FAILURES.mkdir(exist_ok=True)
        options = {"max_total_time": seconds, "seed": seed, "timeout": LONGEST_S, "print_final_stats": 1}
        options |= {"rss_limit_mb": MOST_MEMORY_MIB, "artifact_prefix": f"{FAILURES}/{name}-"}
        options |= {"max_len": 2 * max(map(len, seeds)) + 4096}
        command = [sys.executable, __file__, name, "--atheris", str(corpus)]
        done = subprocess.run(
            [*command, *(f"-{key}={value}" for key, value in options.items())],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    counts = re.findall(r"number_of_executed_units: (\d+)|^#(\d+)", done.stderr, re.MULTILINE)
    if done.returncode:
        sys.stderr.write(done.stderr[-6000:])
    executions = max((int(number) for pair in counts for number in pair if number), default=0)
    return executions, done.returncode != 0


def run_atheris(name: str, arguments: list[str]) -> None:
    """Fuzz in this process; libFuzzer ends it."""
    import atheris

    target = TARGETS[name]
    seeds = [path.read_bytes() for path in Path(arguments[0]).iterdir()]
    with atheris.instrument_imports(include=list(target.instrumented)):
        for data in seeds:  # imports what the target needs
            execute(target, data)
    atheris.Setup([sys.argv[0], *arguments], lambda data: execute(target, data))
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="?", choices=TARGETS)
    parser.add_argument("--list", action="store_true", help="print the names of the targets")
    parser.add_argument("files", nargs="*", type=Path, help="run the target on these files only")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--report", type=Path, help="JSON file of results, to which this run is added")
    args = parser.parse_args()
    if args.list or not args.target:
        sys.stdout.write("\n".join(TARGETS) + "\n")
        return 0
    target = TARGETS[args.target]
    for path in args.files:
        execute(target, path.read_bytes())
    if args.files:
        return 0
    with tempfile.TemporaryDirectory(prefix="bench-fuzz-") as folder:
        os.environ["NVB_WEIGHTS"] = str(Path(folder, "weights"))
        seeds = target.seeds(Path(folder))
        for data in seeds:
            execute(target, data)
        started = time.monotonic()
        try:
            import atheris  # noqa: F401
        except ImportError:
            method, failed = "mutation", False
            executions = mutation_search(target, seeds, args.seconds, args.seed)
        else:
            method = "atheris"
            executions, failed = coverage_search(args.target, seeds, args.seconds, args.seed)
    seconds = min(round(time.monotonic() - started), args.seconds)  # without the start of the process
    sys.stderr.write(f"{args.target}: {executions} executions in {seconds} s by {method}, seed {args.seed}\n")
    if args.report and not failed:
        results = json.loads(args.report.read_text()) if args.report.is_file() else {}
        date = datetime.now(UTC).date().isoformat()
        earlier = results.get(args.target, {"executions": 0, "seconds": 0})
        results[args.target] = {
            "what": target.what,
            "method": method,
            "executions": earlier["executions"] + executions,
            "seconds": earlier["seconds"] + seconds,
            "date": date,
        }
        args.report.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    return int(failed)


if __name__ == "__main__":
    if "--atheris" in sys.argv:
        run_atheris(sys.argv[1], sys.argv[3:])
    sys.exit(main())
