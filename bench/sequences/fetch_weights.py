"""Download of the published weights of learned codecs, checked against their SHA-256."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bench.base.errors import BenchError
from bench.base.files import sha256_file
from bench.base.names import unknown_name
from bench.codec import registry
from bench.codec.contract import Download

#: Largest weight file; those of CompressAI have up to 130 MB.
_MOST_BYTES = 4 << 30


def weight_files(codecs: Iterable[str], points: Iterable[str] | None = None) -> list[Download]:
    """The weight files that rate points of these codec ids need, each file once.

    Args:
        points: names of rate points; None takes all points of each codec's file.

    Raises:
        BenchError: there is no such codec or point.
    """
    files: dict[Path, Download] = {}
    for config in map(registry.codec_config, codecs):
        codec = registry.load_family(config.family)
        for name in config.points if points is None else points:
            if name not in config.points:
                raise unknown_name(f"point of {config.id}", name, config.points, where=config.path)
            settings = registry.resolve_settings(config, {}, config.points[name])
            files |= {file.path: file for file in codec.downloads(settings)}
    return list(files.values())


def fetch_weights(file: Download) -> None:
    """Download one file, unless it exists; check it in both cases.

    Raises:
        BenchError: the download fails, or the file has another digest.
    """
    from bench.base.progress_bar import ProgressBar
    from bench.sequences.download import RemoteFile, download

    progress_bar = ProgressBar(f"fetch-weights {file.path.name}")
    if file.path.is_file():
        _check(file.path, file)
        progress_bar.log("exists")
        return
    unchecked = file.path.with_name(f"{file.path.name}.unchecked")
    download(RemoteFile(urls=[file.url], most_bytes=_MOST_BYTES), unchecked, progress_bar=progress_bar)
    try:
        _check(unchecked, file)
    except BenchError:
        unchecked.unlink()
        raise
    os.replace(unchecked, file.path)


def _check(path: Path, file: Download) -> None:
    digest = sha256_file(path)
    if not digest.startswith(file.sha256):
        problem = f"its sha256 begins with {digest[:8]}, not with {file.sha256[:8]}"
        raise BenchError(path, problem, f"download it again from {file.url}")
