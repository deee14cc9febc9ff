"""The files around the workflow: style, schemas, lock file, and the targets of the Makefile."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from tiny_repo import Repo

from bench.base.paths import ROOT
from bench.workflow import configuration_reference

SCHEMAS = ROOT / "workflow" / "schemas"
SHIPPED = [
    *(("config", path) for path in sorted((ROOT / "config").glob("*.yaml"))),
    *(("condition", path) for path in sorted((ROOT / "config/conditions").glob("*.yaml"))),
    *(("condition", path) for path in sorted((ROOT / "config/ablations").glob("*.yaml"))),
    *(("codec", path) for path in sorted((ROOT / "config/codecs").glob("*.yaml"))),
]


def pins() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pairs = [line.partition("==") for line in lines if line and not line.startswith("#")]
    assert all(equals for _, equals, _ in pairs), "only exact versions"
    return {name.lower().replace("_", "-"): version for name, _, version in pairs}


@pytest.mark.parametrize("entry", ["Snakefile", "workflow/Snakefile"])
def test_the_workflow_is_clean(entry: str, repo: Repo) -> None:
    assert "in a good condition" in repo.snakemake("--lint", "--snakefile", entry)


def test_the_workflow_is_formatted() -> None:
    command = [Path(sys.executable).with_name("snakefmt"), "--check", "Snakefile", "workflow"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_rules_hold_no_logic() -> None:
    assert len((ROOT / "workflow/rules/common.smk").read_text().splitlines()) <= 100
    for path in (ROOT / "workflow").rglob("*.smk"):
        text = path.read_text()
        assert "lambda" not in text, path
        assert not re.search(r"^\s*run:", text, re.MULTILINE), path
        assert path.name == "common.smk" or "def " not in text, path
    for path in (ROOT / "workflow/scripts").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 40, path


@pytest.mark.parametrize(("schema", "path"), SHIPPED, ids=lambda value: getattr(value, "stem", value))
def test_a_shipped_file_fits_its_schema(schema: str, path: Path) -> None:
    validator = Draft202012Validator(yaml.safe_load((SCHEMAS / f"{schema}.schema.yaml").read_text()))
    values = yaml.safe_load(path.read_text())
    assert [error.message for error in validator.iter_errors(values)] == []
    typo = {**values, "tpyo": 1}
    assert any("'tpyo' was unexpected" in error.message for error in validator.iter_errors(typo))


def test_the_schemas_are_those_of_the_models() -> None:
    assert {path.name for path in SCHEMAS.glob("*")} == set(configuration_reference.SCHEMAS)


@pytest.mark.parametrize("file", configuration_reference.SCHEMAS)
def test_a_schema_is_valid_generated_and_describes_every_key(file: str) -> None:
    text = (SCHEMAS / file).read_text()
    assert text == configuration_reference.json_schema(file), "run python docs/generate.py"
    schema = yaml.safe_load(text)
    Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False
    tables = [schema, *schema.get("$defs", {}).values()]
    keys = [(table["description"], *pair) for table in tables for pair in table["properties"].items()]
    assert [name for _, name, key in keys if not key.get("description")] == []


def test_the_lock_has_every_dependency_of_the_project() -> None:
    """Except two that not every machine can install: the coverage-guided fuzzer (`make test-fuzz` needs
    none), and ColorVideoVDP, whose torchvision must be of the same build as torch.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    extras = {name: lines for name, lines in extras.items() if name not in ("fuzz", "cvvdp")}
    asked = [*project["dependencies"], *(line for lines in extras.values() for line in lines)]
    names = {re.match(r"[\w.-]+", line)[0].lower() for line in asked}
    assert names <= set(pins())
    text = (ROOT / "requirements.lock").read_text()
    assert [mark for mark in ("+", "://", "--") if mark in text] == []


def test_the_conda_environment_has_the_versions_of_the_lock() -> None:
    environment = yaml.safe_load((ROOT / "workflow/envs/suite.yaml").read_text())
    (named,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    for line in named:
        name, _, version = line.partition("==")
        assert pins()[name.lower()] == version


def test_the_conda_environment_has_all_packages_of_the_workflow() -> None:
    """Those of the suite, of learned codecs, and of the report."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["learned"], *extras["report"]]
    environment = yaml.safe_load((ROOT / "workflow/envs/suite.yaml").read_text())
    (named,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    names = {line.partition("==")[0].lower() for line in named}
    assert {re.split("[<>=]", line)[0].lower() for line in needed} <= names


@pytest.mark.slow
def test_profiles_name_only_options_that_snakemake_has() -> None:
    snakemake = Path(sys.executable).with_name("snakemake")
    text = subprocess.run([snakemake, "--help"], capture_output=True, text=True, check=True).stdout
    for path in (ROOT / "profiles").rglob("profile.yaml"):
        for key in yaml.safe_load(path.read_text()):
            assert f"--{key}" in text or key.startswith(("slurm-", "kubernetes-")), f"{path}: {key}"


def test_help_lists_the_targets_of_the_makefile() -> None:
    output = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [name for name in ("env", "demo", "test", "lint", "clean") if f"make {name} " not in output] == []


def made(venv: Path, *args: str) -> str:
    command = ["make", "--no-print-directory", "--dry-run", *args, f"VENV={venv}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_the_environment_is_created_only_when_the_lock_changed(tmp_path: Path) -> None:
    def output() -> str:
        command = ["make", "--no-print-directory", "env", f"VENV={tmp_path}", "PYTHON=no-such-python"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stderr

    shutil.copy(ROOT / "requirements.lock", tmp_path / "installed.lock")
    assert output() == ""
    (tmp_path / "installed.lock").write_text("torch==1.0\n")
    assert "no-such-python is not Python 3.11 or 3.12" in output()


def test_an_incomplete_environment_is_created_anew(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    venv.mkdir()
    (venv / "half-unpacked").touch()
    python = tmp_path / "python"  # makes an environment in no time: what is tested is the Makefile
    python.write_text('#!/bin/sh\n[ "$2" != venv ] && echo "$0" || mkdir -p "$3/bin"\n')
    python.chmod(0o755)
    install = ["make", "install", f"VENV={venv}", f"PYTHON={python}", "PIP=echo pip"]

    # An environment that a user made is added to; one whose making began here and did not end is not.
    subprocess.run(install, cwd=ROOT, capture_output=True, check=True)
    assert (venv / "half-unpacked").exists()
    (venv / "installed.lock").rename(venv / "started.lock")
    subprocess.run(install, cwd=ROOT, capture_output=True, check=True)
    assert not (venv / "half-unpacked").exists()
    assert not (venv / "started.lock").exists()
    assert (venv / "installed.lock").read_bytes() == (ROOT / "requirements.lock").read_bytes()
    assert (venv / "bin").is_dir()


def test_torch_comes_from_the_given_index(tmp_path: Path) -> None:
    lines = [
        line for line in made(tmp_path, "install", "TORCH_INDEX=index").splitlines() if "pip install" in line
    ]
    assert "--index-url index" in lines[0]
    assert "--index-url" not in "".join(lines[1:])
    assert not any("--index-url" in line for line in made(tmp_path, "install").splitlines())
