"""Try every fault of `faults.FAULTS` in a copy of the repository, and write the table of docs/reliability.md.

    python tests/reliability/matrix.py                   the whole matrix
    python tests/reliability/matrix.py --only decoder    faults whose name contains a word, and their rows
    python tests/reliability/matrix.py --tries 1         each fault once; the page is not written

The seed is printed. The same seed draws the same times; the moments differ with the load of the machine.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TESTS.parent), str(_TESTS), str(_TESTS / "workflow"), str(_TESTS / "reliability")]

from faults import FAULTS, Fault  # noqa: E402
from scene import Scene  # noqa: E402

PAGE = _TESTS.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- begin faults -->", "<!-- end faults -->"


def attempt(fault: Fault, scene: Scene, seed: int, tries: int) -> str:
    """The outcome of a fault: that of the table, or what went wrong."""
    try:
        fault.attempt(scene, random.Random(seed), tries)
    except AssertionError as error:
        traceback.print_exc()
        lines = str(error).strip().splitlines() or ["see the traceback"]
        return f"failed: {lines[0]}"
    return fault.outcome


def write_row(name: str, tries: int, outcome: str) -> None:
    """Replace the row of one fault in the page. The order is that of `FAULTS`."""
    before, rest = PAGE.read_text().split(BEGIN)
    table, after = rest.split(END)
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in table.strip().splitlines()[2:]}
    rows[name] = f"| {name} | {tries} | {outcome} |"
    lines = [rows[fault.name] for fault in FAULTS if fault.name in rows]
    table = "\n".join(["| fault | tries | outcome |", "|---|---:|---|", *lines])
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="a word in the names of faults")
    parser.add_argument("--tries", type=int, help="of each fault, instead of its own number")
    parser.add_argument("--jobs", type=int, default=1, help="faults that are tried at the same time")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 16))
    args = parser.parse_args()
    page = threading.Lock()
    chosen = [fault for fault in FAULTS if args.only in fault.name]
    with tempfile.TemporaryDirectory(prefix="reliability-") as folder, ThreadPoolExecutor(args.jobs) as pool:

        def try_fault(index: int, fault: Fault) -> bool:
            tries, started = args.tries or fault.tries, time.monotonic()
            outcome = attempt(fault, Scene(Path(folder, str(index))), args.seed, tries)
            seconds = time.monotonic() - started
            sys.stdout.write(f"{fault.name}: {tries} tries, seed {args.seed}, {seconds:.0f} s: {outcome}\n")
            sys.stdout.flush()
            if args.tries is None:
                with page:
                    write_row(fault.name, tries, outcome)
            return outcome == fault.outcome

        succeeded = list(pool.map(try_fault, range(len(chosen)), chosen))
    return int(not all(succeeded))


if __name__ == "__main__":
    sys.exit(main())
