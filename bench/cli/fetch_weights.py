"""``bench fetch-weights``: download the published weights that learned codecs need, and check them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.base import process
from bench.base.errors import BenchError
from bench.base.files import sha256_file
from bench.base.names import unknown_name
from bench.codec import registry
from bench.codec.contract import Download


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "fetch-weights", help="download the weights of learned codecs, and check them"
    )
    parser.add_argument("codecs", nargs="*", metavar="ID", help="codec ids; default: every one that has some")
    parser.add_argument("--point", action="append", help="only these rate points of the codecs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    process.die_with_parent()
    for wanted in wanted_files(args.codecs or registry.codec_configs(), args.point):
        fetch(wanted)
    return 0


def wanted_files(codecs: Iterable[str], points: Iterable[str] | None = None) -> list[Download]:
    """The files of these codec ids' own rate points, each once.

    Raises:
        BenchError: there is no such codec or point.
    """
    found: dict[Path, Download] = {}
    for config in map(registry.codec_config, codecs):
        codec = registry.load_family(config.family)
        for name in config.points if points is None else points:
            if name not in config.points:
                raise unknown_name(f"point of {config.id}", name, config.points, where=config.path)
            settings = registry.resolve_settings(config, {}, config.points[name])
            found |= {item.path: item for item in codec.downloads(settings)}
    return list(found.values())


def fetch(wanted: Download) -> None:
    """Bring one file, which has its name only once its digest is right; one that is here is only checked.

    Raises:
        BenchError: it cannot be had, or is another file than the codec knows.
    """
    from bench.base.progress_bar import ProgressBar
    from bench.sequences.download import RemoteFile, download

    progress_bar = ProgressBar(f"fetch-weights {wanted.path.name}")
    if wanted.path.is_file():
        _check(wanted.path, wanted)
        progress_bar.log("is here")
        return
    unchecked = wanted.path.with_name(f"{wanted.path.name}.unchecked")
    download(RemoteFile(urls=[wanted.url]), unchecked, progress_bar=progress_bar)
    try:
        _check(unchecked, wanted)
    except BenchError:
        unchecked.unlink()
        raise
    os.replace(unchecked, wanted.path)


def _check(path: Path, wanted: Download) -> None:
    digest = sha256_file(path)
    if not digest.startswith(wanted.sha256):
        problem = f"its sha256 begins with {digest[:8]}, not with {wanted.sha256[:8]}"
        raise BenchError(path, problem, f"get it again from {wanted.url}")
