"""``bench codecs``: list the codec ids, or print the settings, points and citation of one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import Any

from bench.base.files import json_value
from bench.codec import registry


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("codecs", help="list the codec ids")
    parser.add_argument("id", nargs="?", help="print settings, points and citation of this codec")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    text = describe(args.id) if args.id else table()
    sys.stdout.write(text)
    return 0


def table() -> str:
    """One line a codec id: id, family, kind, label, default points."""
    rows = [("id", "family", "kind", "label", "points")]
    for config in registry.codec_configs().values():
        rows.append((config.id, config.family, config.kind, config.label, " ".join(config.points) or "-"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(_line(zip(row, widths, strict=True)) for row in rows)


def describe(codec: str) -> str:
    """The configuration of one codec id as YAML, settings complete; "needed" marks one without a default."""
    import yaml

    config = registry.codec_config(codec)
    settings = {**registry.settings_model(config.family).default_values(), **config.settings}
    values = {
        "id": config.id,
        "family": config.family,
        "kind": config.kind,
        "label": config.label,
        "threads": config.threads,
        "settings": {key: "needed" if value is ... else value for key, value in settings.items()},
        "points": config.points,
        "citation": config.citation,
        "license": config.license,
        "note": config.note,
    }
    return yaml.safe_dump(json_value(values), sort_keys=False, allow_unicode=True, width=100)


def _line(cells: Iterable[tuple[str, int]]) -> str:
    return "  ".join(text.ljust(width) for text, width in cells).rstrip() + "\n"
