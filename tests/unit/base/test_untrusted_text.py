"""Text and numbers of strangers' files: bounded when they are read, harmless where they are printed."""

from __future__ import annotations

import ast
import io
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from bench.analysis.curve_file import load_curves
from bench.base.errors import BenchError
from bench.base.paths import ROOT
from bench.base.process import progress
from bench.base.progress_bar import ProgressBar
from bench.base.strict_json import parse_json
from bench.base.strict_yaml import parse_yaml, read_yaml
from bench.cli import main
from bench.tables.text_table import TextTable, html, latex, markdown

SOURCES = [
    path for room in ("bench", "baselines", "ffnerv", "workflow") for path in (ROOT / room).rglob("*.py")
]
ESCAPE = "\x1b[2Jx\x9b31m\u202e"


def test_every_checkpoint_is_read_without_executing_it() -> None:
    """Each call of torch.load has weights_only=True, and nothing else unpickles."""
    calls = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
                assert not {"dill", "joblib", "shelve", "marshal"} & set(names), path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called = ast.unparse(node.func)
                assert called not in ("pickle.load", "pickle.loads", "yaml.unsafe_load"), path
                options = {keyword.arg: keyword.value for keyword in node.keywords}
                if called == "np.load" and "allow_pickle" in options:
                    assert ast.unparse(options["allow_pickle"]) == "False", path
                if called == "torch.load":
                    calls.append(path)
                    value = options.get("weights_only")
                    assert isinstance(value, ast.Constant), path
                    assert value.value is True, path
    assert len(calls) >= 4


def test_torch_is_new_enough_for_weights_only() -> None:
    """Before 2.10, a checkpoint could execute code in spite of weights_only=True."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "torch>=2.10" in project["dependencies"]
    [locked] = [
        line for line in (ROOT / "requirements.lock").read_text().splitlines() if line[:7] == "torch=="
    ]
    environment = yaml.safe_load((ROOT / "workflow" / "envs" / "suite.yaml").read_text())
    assert locked in environment["dependencies"][-1]["pip"]
    assert tuple(map(int, locked.split("==")[1].split(".")[:2])) >= (2, 10)


@pytest.mark.parametrize("text", ["[" * 64 + "]" * 64, '{"a": 18446744073709551615, "b": -1e308}', "null"])
def test_json_within_the_limits_is_read(text: str) -> None:
    parse_json(text)


@pytest.mark.parametrize(
    "text", ["[" * 66 + "]" * 66, "NaN", "[-Infinity]", "1e309", "1" * 21, '{"a": 1, "a": 1}', "\x00", "'"]
)
def test_json_beyond_the_limits_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 30))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (LAUGHS, "has more than 1000000 values"),
        ("a: " + "[" * 70 + "]" * 70, "has more than 64 levels"),
        ("a: " + "[" * 900 + "]" * 900, "levels"),
        ("a: &a [*a]", "has more than 64 levels"),
        ("a: &a {<<: *a}", ""),
        ("a: 1\na: 2", "duplicate key 'a'"),
        ("a: !!python/object/apply:os.system [true]", "could not determine a constructor"),
        ("? [1]\n: 2", ""),
        ("a: 2024-99-99", ""),
    ],
)
def test_hostile_yaml_is_refused_in_one_line(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(BenchError) as error:
        read_yaml(path)
    assert str(error.value).startswith(f"{path}: ")
    assert problem in str(error.value)


def test_aliases_and_merge_keys_within_the_limits_are_read() -> None:
    values = parse_yaml("base: &base {x: 1}\nnext: {<<: *base, y: [2, *base]}")
    assert values["next"] == {"x": 1, "y": [2, {"x": 1}]}


def test_control_characters_do_not_reach_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names of files, headers and answers of servers are quoted in messages."""
    assert main(["describe", str(tmp_path / f"{ESCAPE}é.bin")]) == 2
    progress("clip")(f"server sent {ESCAPE}é")
    log = io.StringIO()
    ProgressBar("fetch", stream=log).log(ESCAPE)
    printed = capsys.readouterr().err + log.getvalue()
    assert all(character.isprintable() or character == "\n" for character in printed)
    assert r"\x1b[2Jx\x9b31m\u202e" in printed
    assert "é" in printed


@pytest.mark.parametrize("label", ["=1+1", "+x", "-x", "@x", "a\x1b[2J", "a\u202eb"])
def test_a_curve_name_that_is_a_formula_or_a_control_sequence_is_refused(label: str, tmp_path: Path) -> None:
    path = tmp_path / "curves.csv"
    path.write_text(f"label,rate_bpp,psnr_rgb_db\n{label},0.1,30\n", "utf-8")
    with pytest.raises(BenchError, match=r"column label: .* must be text that is not a formula"):
        load_curves(path)


def test_tables_quote_html_and_latex() -> None:
    row = ["<img src=x onerror=alert(1)>", r"\input{/etc/passwd} 5 % & $x$ < 3"]
    table = TextTable(header=["a", "b"], rows=[row], right=[False, False], notes=["</table><script>"])
    assert "<img" not in markdown(table)
    assert "<script" not in markdown(table) + html(table)
    assert "<img" not in html(table)
    assert "< 3" in markdown(table)
    assert r"\input" not in latex(table)
    assert r"\textbackslash{}input\{/etc/passwd\} 5 \% \& \$x\$ \textless{} 3" in latex(table)


def test_every_wildcard_of_the_workflow_is_constrained_and_quoted() -> None:
    """A wildcard matches any text unless it is constrained, and the name of a folder becomes its value."""
    rules = {path: path.read_text("utf-8") for path in (ROOT / "workflow" / "rules").glob("*.smk")}
    everything = "\n".join(rules.values())
    constrained = set(
        re.findall(r"^ +(\w+)=(?:NAME\.pattern|CONDITIONS|f?\"[^\"]+\"),$", everything, re.MULTILINE)
    )
    for path, text in rules.items():
        used = set(re.findall(r"wildcards\.(\w+)", text))
        assert used <= constrained, path
        for shell in re.findall(r"shell:\n((?: +\"[^\n]*\"\n)+)", text):
            quoted = re.findall(r"\{wildcards\.\w+(:q)?\}", shell)
            assert all(quoted), path
