"""Citations: BibTeX of every method, clip, metric and tool that results, a table or a figure used.

Curated entries are in config/references.bib. A codec or a sequence without one gets an entry from the
field `citation` of its configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

import bench
from bench.base.csv_files import read_table
from bench.base.errors import BenchError
from bench.base.paths import ROOT
from bench.codec import registry
from bench.conditions.reader import condition_names, load_condition
from bench.reproduce.result_set import read_result_set
from bench.scoring.metrics import METRICS, metric_of
from bench.sequences.table import read_sequences

REFERENCES = ROOT / "config" / "references.bib"
#: Names of files whose numbers are BD-rates.
BD_RATE_FILES = ("bd_rate", "complexity", "summary", "rate_difference", "metrics_agree", "matched", "curves")
#: Tools that every result depends on, and tools of networks.
TOOLS, NETWORK_TOOLS = ("ffmpeg", "snakemake"), ("torch", "constriction")
_ENTRY = re.compile(r"^@\w+\{.*?^\}", re.MULTILINE | re.DOTALL)
_KEYWORDS = re.compile(r"^\s*keywords\s*=\s*\{([^}]*)\}", re.MULTILINE)


@dataclass
class Usage:
    """Names of codecs, sequences and metrics that a result used, and whether it has BD-rates."""

    codecs: set[str] = field(default_factory=set)
    sequences: set[str] = field(default_factory=set)
    metrics: set[str] = field(default_factory=set)
    bd_rates: bool = False


def usage_of(text: str) -> Usage:
    """What a table, a figure, a folder of results, a condition or a git revision used.

    A table is a CSV file with columns `codec` or `series`. A figure is a path below results/figures; it used
    what the rd_points.csv of the same selection has.

    Raises:
        BenchError: none of these, or a table without a codec.
    """
    path = Path(text)
    if path.suffix and path.suffix != ".csv" and "figures" in path.parts:
        return _of_figure(path)
    if path.suffix == ".csv":
        return _of_table(path)
    records = read_result_set(text).records.values()
    usage = Usage()
    for record in records:
        usage.codecs.add(record.codec)
        usage.sequences.add(_sequence(record.condition, record.clip))
        usage.metrics |= {name for name, value in record.metrics.items() if value is not None}
    return usage


def _of_figure(path: Path) -> Usage:
    """Usage of a figure: that of its selection's points, with the metric of its name."""
    at = path.parts.index("figures")
    points = Path(*path.parts[:at], "tables", path.parts[at + 1], "rd_points.csv")
    if not points.is_file():
        raise BenchError(path, f"needs {points}, which is missing", "run the workflow, or give a table")
    usage = _of_table(points)
    named = {name for name in METRICS if path.stem.endswith((name, f"{name}_db"))}
    usage.metrics = {max(named, key=len)} if named else usage.metrics
    usage.bd_rates = path.stem.startswith(BD_RATE_FILES)
    return usage


def _of_table(path: Path) -> Usage:
    """Usage of a CSV file with a column codec or series, and the columns condition, clip and metric."""
    table = read_table(path, remedy="give a table of results")
    column = next((name for name in ("codec", "series") if name in table), None)
    if column is None:
        raise BenchError(path, "has no column codec or series", "give a table of results")
    usage = Usage(bd_rates=path.stem.startswith(BD_RATE_FILES))
    usage.codecs = set(table[column].str.removesuffix(" (reference)"))
    if "anchor" in table:
        usage.codecs |= set(table["anchor"])
    if {"condition", "clip"} <= set(table):
        pairs = table[["condition", "clip"]].drop_duplicates()
        usage.sequences = {_sequence(*pair) for pair in pairs.to_numpy() if pair[1] != "mean"}
    columns = {name for name in table if metric_of(str(name)) and table[name].ne("").any()}
    usage.metrics = set(table["metric"]) if "metric" in table else {str(name) for name in columns}
    return usage


def _sequence(condition: str, clip: str) -> str:
    """Name of the clip's sequence; the name of the clip if the condition is not installed."""
    if condition not in condition_names():
        return clip
    return load_condition(condition).sequences.get(clip, clip)


def bibtex(usage: Usage, references: Path = REFERENCES) -> str:
    """BibTeX of the suite and of everything in `usage`, each entry once."""
    entries = read_references(references)
    configs, sequences = registry.codec_configs(), read_sequences()
    wanted = [f"tool:{name}" for name in TOOLS] + ["table:bd_rate"] * usage.bd_rates
    chosen = [_suite()]
    for codec in sorted(usage.codecs):
        config = configs.get(codec)
        if config is not None:
            wanted.append(f"family:{config.family}")
            wanted += [f"tool:{name}" for name in NETWORK_TOOLS if config.kind in ("fitted", "learned")]
            if config.kind == "control":
                continue
        chosen += _entries(entries, f"codec:{codec}") or _own(codec, config.citation if config else "")
    for name in sorted(usage.sequences):
        row = sequences.get(name)
        chosen += _entries(entries, f"sequence:{name}") or _own(name, row.citation if row else "")
    wanted += [f"metric:{name}" for name in sorted(usage.metrics)]
    chosen += [entry for name in wanted for entry in _entries(entries, name)]
    return "\n\n".join(dict.fromkeys(chosen)) + "\n"


def read_references(path: Path = REFERENCES) -> dict[str, list[str]]:
    """Keyword -> the entries that have it, without the field `keywords`.

    Raises:
        BenchError: the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BenchError(path, error.strerror or "cannot be read", "restore it") from None
    entries: dict[str, list[str]] = {}
    for match in _ENTRY.finditer(text):
        keywords = _KEYWORDS.search(match[0])
        entry = re.sub(r",\s*\}$", "\n}", _KEYWORDS.sub("", match[0]))
        for keyword in keywords[1].split(",") if keywords else ():
            entries.setdefault(keyword.strip(), []).append(entry)
    return entries


def _entries(entries: Mapping[str, list[str]], name: str) -> list[str]:
    """The entries whose keyword is the name or the beginning of it, up to a hyphen or an underscore."""
    chosen: list[str] = []
    for keyword, of_keyword in entries.items():
        if name == keyword or name.startswith((f"{keyword}-", f"{keyword}_")):
            chosen += of_keyword
    return chosen


def _own(name: str, citation: str) -> list[str]:
    """An entry for a codec or a sequence that references.bib does not have; none without a citation."""
    if not citation or citation.startswith("none"):
        return []
    text = re.sub(r"([&%$#_{}])", r"\\\1", citation)
    return [f"@misc{{{name},\n  title = {{{{{text}}}}}\n}}"]


def _suite() -> str:
    """The entry of this suite, from CITATION.cff."""
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    title = yaml.safe_load(text)["title"]
    lines = [
        "@software{neuralvideobench,",
        f"  title   = {{{{{title}}}}},",
        "  author  = {{The maintainers of the suite}},",
        f"  version = {{{bench.__version__}}}",
        "}",
    ]
    return "\n".join(lines)


def cite(texts: Iterable[str]) -> str:
    """BibTeX of everything that the tables, figures or results used."""
    total = Usage()
    for text in texts:
        usage = usage_of(text)
        total.codecs |= usage.codecs
        total.sequences |= usage.sequences
        total.metrics |= usage.metrics
        total.bd_rates |= usage.bd_rates
    return bibtex(total)
