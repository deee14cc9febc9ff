"""Folders of the repository and of results."""

from __future__ import annotations

from pathlib import Path

#: The repository: the configuration belongs to it, wherever a command is started.
ROOT = Path(__file__).resolve().parents[2]
CODECS_DIR = ROOT / "config" / "codecs"
CONDITIONS_DIR = ROOT / "config" / "conditions"
ABLATIONS_DIR = ROOT / "config" / "ablations"

REPORTED_DIR = ROOT / "baselines" / "reported"


def reported_files(folder: Path = REPORTED_DIR) -> list[Path]:
    """The tracked files of published curves and their sources."""
    return sorted(folder.glob("*.csv"))
