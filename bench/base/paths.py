"""Folders of the repository and of results."""

from __future__ import annotations

from pathlib import Path

#: The repository. Configuration is read from it, whatever the working directory is.
ROOT = Path(__file__).resolve().parents[2]
CODECS_DIR = ROOT / "config" / "codecs"
CONDITIONS_DIR = ROOT / "config" / "conditions"
ABLATIONS_DIR = ROOT / "config" / "ablations"

REPORTED_DIR = ROOT / "baselines" / "reported"


def reported_files(folder: Path = REPORTED_DIR) -> list[Path]:
    """The tracked files of published curves and their sources."""
    return sorted(folder.glob("*.csv"))
