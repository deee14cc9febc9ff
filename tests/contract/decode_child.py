"""Run `bench decode STREAM --pipe` and log the files it opens: ``decode_child.py STREAM LOG``."""

from __future__ import annotations

import json
import os
import sys
import tempfile

opened: list[str] = []
started: list[list[str]] = []


def watch(event: str, args: tuple[object, ...]) -> None:
    """Audit hook: record every file that Python opens and every program that it starts."""
    if event == "open" and isinstance(args[0], str | bytes):
        name = os.fsdecode(args[0])
        if name not in sys.path:  # importlib.metadata opens each entry to check whether it is an archive
            opened.append(name)
    elif event == "subprocess.Popen":
        started.append([str(args[0]), *map(str, args[1][1:])])


if __name__ == "__main__":
    tempfile.gettempdir()  # tests once which folder is writable; libraries call it during import
    sys.addaudithook(watch)
    from bench.cli import main

    status = main(["decode", sys.argv[1], "--pipe", "--device", "cpu"])
    report = {"opened": sorted(set(opened)), "started": started}
    with open(sys.argv[2], "w") as file:
        json.dump(report, file)
    sys.exit(status)
