"""Generate the parts of the documentation that follow from code and configuration, and the JSON schemas.

    python docs/generate.py           write them
    python docs/generate.py --graph   also draw the rule graph (needs graphviz's `dot`)

A generated part is enclosed in `<!-- begin NAME -->` and `<!-- end NAME -->`. The text around it is written
by hand. `tests/unit/docs` fails if a page differs from what this script generates.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS)]

import result_tables  # noqa: E402

from bench.cli import parser  # noqa: E402
from bench.codec.codec_config import CodecConfig  # noqa: E402
from bench.codec.registry import codec_configs  # noqa: E402
from bench.scoring.metrics import METRICS  # noqa: E402
from bench.tables.text_table import markdown  # noqa: E402
from bench.workflow.configuration_reference import (  # noqa: E402
    SCHEMAS,
    files_tables,
    json_schema,
    settings_tables,
)
from bench.workflow.targets import listing  # noqa: E402

KINDS = ("fitted", "classical", "learned", "control")
RULE_GRAPH = DOCS / "images" / "rules.svg"


def codecs(kind: str) -> str:
    """One section per codec id of a kind: family, threads, settings, points, citation, licence, note."""
    return "\n\n".join(_codec(config) for config in codec_configs().values() if config.kind == kind)


def _codec(config: CodecConfig) -> str:
    rows = {
        "label": config.label,
        "family": f"`{config.family}`",
        "threads": config.threads,
        "settings": f"`{_flow(config.settings)}`" if config.settings else "the family's defaults",
        "points": ", ".join(f"`{name}`" for name in config.points) or "given by each condition",
        "cite": config.citation,
        "licence": config.license,
        "note": config.note,
        "footnote": config.footnote,
    }
    lines = [f"| {name} | {_cell(value)} |" for name, value in rows.items() if value]
    return "\n".join([f"### `{config.id}`", "", "| | |", "| --- | --- |", *lines])


def _flow(settings: Mapping[str, Any]) -> str:
    """Settings as one line of YAML."""
    return yaml.safe_dump(settings, default_flow_style=True, sort_keys=False, width=10_000).strip()[1:-1]


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", r"\|")


def commands() -> str:
    """A section per command of `python -m bench`: help line and options."""
    (subparsers,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    helps = {action.dest: action.help for action in subparsers._choices_actions}
    return "\n\n".join(_command(name, helps[name], sub) for name, sub in subparsers.choices.items())


def _command(name: str, summary: str | None, sub: argparse.ArgumentParser) -> str:
    actions = [action for action in sub._actions if not isinstance(action, argparse._HelpAction)]
    lines = [f"| {_option(action)} | {_cell(action.help or '')} |" for action in actions]
    table = ["", "| argument | meaning |", "| --- | --- |", *lines] if lines else []
    sentence = f"{(summary or '')[:1].upper()}{(summary or '')[1:]}."
    return "\n".join([f"## `bench {name}`", "", sentence, *table])


def _option(action: argparse.Action) -> str:
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    return "`" + ", ".join(action.option_strings) + ("" if action.nargs == 0 else f" {value}") + "`"


def metrics() -> str:
    """A row per metric of the registry: range, direction, tolerance and what it needs."""
    lines = [
        "| metric | label | worst to best | `verify` tolerance | measured | needs |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for metric in METRICS.values():
        ends = ("" if end is None else f"{end:.3g}" for end in (metric.worst, metric.ceiling))
        needs = [f"model `{metric.model}`"] if metric.model else [f"filter {metric.ffmpeg_filter}"]
        needs = needs if metric.ffmpeg_filter else []
        needs += [f"package `{metric.package}`"] * bool(metric.package)
        needs += [f"sides of {metric.min_side}"] * bool(metric.min_side)
        needs += [f"a side of {metric.min_long_side}"] * bool(metric.min_long_side)
        cells = [
            f"`{metric.name}`",
            metric.label,
            f"{' to '.join(end or 'unbounded' for end in ends)} {metric.unit}".rstrip(),
            "exact" if metric.tolerance is None else f"{metric.tolerance:g}",
            "always" if metric.always else "where listed",
            ", ".join(needs),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def fuzz_results() -> str:
    """A row per fuzz target: its last run, from tests/fuzz/results.json."""
    results = json.loads((DOCS.parent / "tests" / "fuzz" / "results.json").read_text())
    lines = [
        "| target | what is read | search | executions | seconds | date |",
        "| - | - | - | -: | -: | - |",
    ]
    for name, run in results.items():
        cells = [f"`{name}`", _cell(run["what"]), run["method"], f"{run['executions']:,}"]
        lines.append(f"| {' | '.join([*cells, str(run['seconds']), run['date']])} |")
    return "\n".join(lines)


PAGES = {
    "../README.md": {"headline": result_tables.comparison},
    "codecs.md": {kind: lambda kind=kind: codecs(kind) for kind in KINDS},
    "commands.md": {"commands": commands},
    "configuration.md": {"files": files_tables, "settings": settings_tables},
    "figures-and-tables.md": {"targets": lambda: markdown(listing())},
    "measurement.md": {"metrics": metrics},
    "reliability.md": {"fuzz": fuzz_results},
    "results.md": {
        "comparison": lambda: result_tables.comparison(details=True),
        "whole_curves": result_tables.whole_curves,
        "second_clip": result_tables.second_clip,
        "recipes": result_tables.recipes,
        "learning_rates": result_tables.learning_rates,
        "points": lambda: result_tables.points("demo-v2"),
        "points_v1": lambda: result_tables.points("demo-v1"),
    },
}


def page(name: str) -> str:
    """The text of a page with its generated parts made anew."""
    text = (DOCS / name).read_text()
    for part, generate in PAGES[name].items():
        pattern = rf"(<!-- begin {part} -->\n).*?(<!-- end {part} -->)"
        body = generate().replace("\\", r"\\")
        text, found = re.subn(pattern, rf"\g<1>\n{body}\n\n\g<2>", text, flags=re.DOTALL)
        assert found == 1, f"{name}: exactly one part `{part}` expected"
    return text


def rule_graph_edges() -> set[tuple[str, str]]:
    """(rule, rule that needs it) of the default condition, from `snakemake --rulegraph`."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--rulegraph",
        "--snakefile",
        "workflow/Snakefile",
        "--cores",
        "1",
        "all",
    ]
    done = subprocess.run(command, cwd=DOCS.parent, capture_output=True, text=True, check=True)
    names = dict(re.findall(r'(\d+)\[label = "(\w+)"', done.stdout))
    return {(names[a], names[b]) for a, b in re.findall(r"(\d+) -> (\d+)", done.stdout)}


def draw_rule_graph() -> None:
    """Draw the rule graph as SVG."""
    edges = "\n".join(f"{a} -> {b}" for a, b in sorted(rule_graph_edges()))
    style = (
        'node [shape=box style="rounded,filled" fillcolor="#eef3fa" color="#4a6fa5" fontname="sans-serif"]'
    )
    dot = f'digraph rules {{\nbgcolor="transparent"\n{style}\nedge [color="#888888"]\n{edges}\n}}'
    done = subprocess.run(["dot", "-Tsvg"], input=dot, capture_output=True, text=True, check=True)
    RULE_GRAPH.write_text(done.stdout)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--graph", action="store_true", help="draw the rule graph, too")
    for name in PAGES:
        (DOCS / name).write_text(page(name))
    for name in SCHEMAS:
        (DOCS.parent / "workflow" / "schemas" / name).write_text(json_schema(name))
    if arguments.parse_args().graph:
        draw_rule_graph()


if __name__ == "__main__":
    main()
