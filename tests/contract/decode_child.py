"""Runs `bench decode STREAM --pipe` and writes what it opened: ``decode_child.py STREAM LOG``."""

from __future__ import annotations

import json
import os
import sys
import tempfile

opened: list[str] = []
started: list[list[str]] = []


def watch(event: str, args: tuple[object, ...]) -> None:
    """Audit hook: every file that Python opens, and every program that it starts."""
    if event == "open" and isinstance(args[0], str | bytes):
        name = os.fsdecode(args[0])
        if name not in sys.path:  # importlib.metadata tries whether an entry is an archive
            opened.append(name)
    elif event == "subprocess.Popen":
        started.append([str(args[0]), *map(str, args[1][1:])])


if __name__ == "__main__":
    tempfile.gettempdir()  # tries once which folder it can write to; libraries ask while they are imported
    sys.addaudithook(watch)
    from bench.cli import main

    status = main(["decode", sys.argv[1], "--pipe", "--device", "cpu"])
    told = {"opened": sorted(set(opened)), "started": started}
    with open(sys.argv[2], "w") as file:
        json.dump(told, file)
    sys.exit(status)
