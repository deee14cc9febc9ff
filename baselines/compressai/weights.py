"""Trained weights of the learned codecs: names, folders, and the clips that they may code. No torch import.

A weight file is ``<folder>/<set>/<name>-<first 8 hex digits of its SHA-256>.<ext>``. A stream holds the whole
digest, which identifies the file. The setting `weights` names a set:

* ``zoo``: the weights that CompressAI publishes, under their published names. They were trained on
  Vimeo-90k, which contains no test sequence. `ZOO` lists them.
* any other name: weights trained by the user. Their training recipe, ``<architecture>-<quality>.json``,
  names the file and the sequences that it was trained on; clips of these sequences are not coded with it.
  ``{sequence}`` in the set's name is replaced by the clip's sequence.

Sets are searched in resources/weights (or the folder in the variable NVB_WEIGHTS), then in
baselines/weights, which the repository tracks.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.base.errors import BenchError, StreamError
from bench.base.files import read_json
from bench.base.paths import ROOT
from bench.codec.contract import Download

ZOO_SET = "zoo"
TRACKED = ROOT / "baselines" / "weights"
VARIABLE = "NVB_WEIGHTS"

_SUFFIXES = (".pth.tar", ".safetensors")
_ZOO_URL = "https://compressai.s3.amazonaws.com/models/v1"


@dataclass(frozen=True)
class ZooModel:
    """A published architecture: the prefix of its file names, and the digest of each quality, from 1."""

    stem: str
    digests: tuple[str, ...]

    def file_name(self, quality: int) -> str:
        return f"{self.stem}-{quality}-{self.digests[quality - 1]}.pth.tar"


#: CompressAI 1.2.8, networks trained for MSE. Only eight digits of each digest are published.
ZOO = {
    "bmshj2018-factorized": ZooModel(
        "bmshj2018-factorized-prior",
        ("446d5c7f", "87279a02", "5c6f152b", "1ed4405a", "866ba797", "9b02ea3a", "6dfd6734", "5232faa3"),
    ),
    "bmshj2018-hyperprior": ZooModel(
        "bmshj2018-hyperprior",
        ("7eb97409", "93677231", "6d87be32", "de1b779c", "f8b614e1", "1ab9c41e", "3804dcbd", "a583f0cf"),
    ),
    "mbt2018-mean": ZooModel(
        "mbt2018-mean",
        ("e522738d", "e54a039d", "723404a8", "6dba02a3", "d504e8eb", "a19628ab", "d5d441d1", "8089ae3e"),
    ),
    "cheng2020-anchor": ZooModel(
        "cheng2020-anchor",
        ("dad2ebff", "a29008eb", "e49be189", "98b0b468", "23852949", "4c052b1a"),
    ),
    "ssf2020": ZooModel(
        "ssf2020-mse",
        (
            *("c1ac1a47", "79ed4e19", "9c8b998d", "577c1eda", "1dd7d574"),
            *("59dfb6f9", "4d867411", "26439e20", "e89345c4"),
        ),
    ),
}


def folders() -> tuple[Path, Path]:
    """Folders of sets, in search order. Downloads are stored in the first."""
    return Path(os.environ.get(VARIABLE) or ROOT / "resources" / "weights").absolute(), TRACKED


def set_name(weights: str, sequence: str) -> str:
    """The set that the setting `weights` selects for a clip of this sequence."""
    return weights.replace("{sequence}", sequence)


def find_weights(name: str, architecture: str, quality: int) -> Path | None:
    """The file of one quality in the set `name`; None if it is not installed.

    Raises:
        BenchError: a training recipe cannot be read, or the name is not that of a folder.
    """
    if name == ZOO_SET:
        model = ZOO.get(architecture)
        exists = model is not None and 1 <= quality <= len(model.digests)
        return _in_folders(f"{name}/{model.file_name(quality)}") if model and exists else None
    recipe = find_recipe(name, architecture, quality)
    if recipe is None:
        return None
    path = recipe.parent / str(read_recipe(recipe)["file"])
    return path if path.is_file() else None


def find_recipe(name: str, architecture: str, quality: int) -> Path | None:
    """The training recipe of one quality in a set of the user's; None if it is not installed."""
    if not name or name != Path(name).name or name.startswith("."):
        raise BenchError("setting weights", f"{name!r} must be the name of a folder", "give a set's name")
    return _in_folders(f"{name}/{architecture}-{quality}.json")


def read_recipe(path: Path) -> Mapping[str, Any]:
    """A training recipe, whose keys `file` (a name) and `sequences` (a list) are checked."""
    recipe = read_json(path, "a training recipe")
    file, sequences = recipe.get("file"), recipe.get("sequences")
    if not isinstance(file, str) or file != Path(file).name or not isinstance(sequences, list):
        raise BenchError(path, "must have the keys file and sequences", "train the weights again")
    return recipe


def missing(weights: str, architecture: str, quality: int, *, sequence: str) -> str | None:
    """Why a clip of this sequence cannot be coded with these weights; None if it can."""
    name = set_name(weights, sequence)
    if name == ZOO_SET:
        last = len(ZOO[architecture].digests)
        if not 1 <= quality <= last:
            return f"{architecture} has the qualities 1 to {last}, not {quality}"
        if find_weights(name, architecture, quality) is None:
            return (
                f"{ZOO[architecture].file_name(quality)} is not installed: bench fetch-weights downloads it"
            )
        return None
    recipe = find_recipe(name, architecture, quality)
    if recipe is None:
        return f"the set {name} has no weights of {architecture} at quality {quality}"
    if sequence in read_recipe(recipe)["sequences"]:
        return f"{recipe.name} of {name} was trained on {sequence}"
    if find_weights(name, architecture, quality) is None:
        return f"{read_recipe(recipe)['file']} of {name} is missing"
    return None


def download(architecture: str, quality: int) -> Download:
    """URL of CompressAI's weights of one quality, and their path in the first folder."""
    model = ZOO[architecture]
    name = model.file_name(quality)
    path = folders()[0] / ZOO_SET / name
    return Download(url=f"{_ZOO_URL}/{name}", path=path, sha256=model.digests[quality - 1])


def read_weights(path: Path) -> tuple[bytes, str]:
    """A weight file's bytes and their SHA-256.

    Raises:
        BenchError: the digest contradicts the file's name.
    """
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if not digest.startswith(path.name.split(".")[0].rpartition("-")[2]):
        raise BenchError(
            path, f"its sha256 begins with {digest[:8]}, which contradicts its name", "download it again"
        )
    return data, digest


def locate(digest: str, *, where: str | Path) -> Path:
    """The weight file of this SHA-256 (64 hex digits), found by its name.

    Args:
        where: what an error names.

    Raises:
        StreamError: it is not installed.
    """
    path = find_digest(digest)
    if path is None:
        remedy = f"put them into a folder of {folders()[0]}"
        if zoo_file := _zoo_file(digest[:8]):
            remedy = f"{zoo_file}: bench fetch-weights downloads them"
        raise StreamError(where, f"needs weights of sha256 {digest}, which are not installed", remedy)
    return path


def find_digest(digest: str) -> Path | None:
    """The weight file whose name has the first digits of this SHA-256; None if it is not installed."""
    for folder in folders():
        for suffix in _SUFFIXES:
            for path in sorted(folder.glob(f"*/*-{digest[:8]}{suffix}")):
                return path
    return None


def _zoo_file(digits: str) -> str | None:
    for model in ZOO.values():
        if digits in model.digests:
            return model.file_name(model.digests.index(digits) + 1)
    return None


def _in_folders(name: str) -> Path | None:
    return next((path for folder in folders() if (path := folder / name).is_file()), None)
