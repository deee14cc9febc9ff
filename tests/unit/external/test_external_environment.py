"""Programs and environments of external codecs: how they are found and identified, and what they inherit."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from external_data import COPY, GEOMETRY, Codecs

from baselines.external.programs import container_command, digest_of, install
from baselines.external.settings import Environment, ExternalSettings
from bench.base.paths import ROOT
from bench.codec import registry

FAMILY = registry.load_family("external")

#: A container engine that runs the command in the mounted folder, and records its arguments.
ENGINE = """#!{python}
import json, os, subprocess, sys
words = sys.argv[1:]
if words[:2] == ["image", "inspect"]:
    print("sha256:" + "ab" * 32)
    sys.exit()
open({log!r}, "a").write(json.dumps(words) + "\\n")
(volume,) = [word for word in words if word.startswith("--volume=")]
at = words.index("an-image")
sys.exit(subprocess.run(words[at + 1 :], cwd=volume.partition("=")[2].rpartition(":")[0]).returncode)
"""


def test_the_suites_environment_does_not_leak(codecs: Codecs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("VIRTUAL_ENV", "/suite")
    monkeypatch.setenv("TOKEN", "secret")
    encoder = COPY + "\nimport os\nopen(target, 'w').write(json.dumps(dict(os.environ)))\n"
    stream = codecs.encode(codecs.add("env", encoder=encoder, variables={"CUDA_CACHE_PATH": "/tmp/x"}))
    data = stream.read_bytes()
    environment = json.loads(data[data.index(b"{") :])
    assert environment.keys() <= {
        *("PATH", "HOME", "TMPDIR", "LANG", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "CUDA_CACHE_PATH"),
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "PWD", "LC_CTYPE"),
    }
    assert environment["VIRTUAL_ENV"] == sys.prefix  # that of the codec
    assert environment["PATH"].split(":")[0] == f"{sys.prefix}/bin"
    assert environment["CUDA_CACHE_PATH"] == "/tmp/x"


def test_programs_are_not_taken_from_the_suites_environment(
    codecs: Codecs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The suite's folder comes first on PATH in jobs; a user's folder behind it is searched."""
    users = tmp_path / "bin"
    users.mkdir()
    (users / "ruff").write_text("#!/bin/sh\n")
    (users / "ruff").chmod(0o755)
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin:{users}:/usr/bin")
    settings = typed(programs={"ruff": {}}, encode=["ruff", "{input}"], decode=["ruff", "{output}"])
    assert install(settings, "codec").programs == {"ruff": str(users / "ruff")}
    monkeypatch.setenv("MY_RUFF", "/bin/sh")
    settings = typed(programs={"ruff": {"variable": "MY_RUFF"}}, encode=["ruff"], decode=["ruff"])
    assert install(settings, "codec").programs == {"ruff": "/bin/sh"}


def test_a_changed_program_changes_the_inputs_of_its_points(codecs: Codecs) -> None:
    config = codecs.add("changing")
    settings = registry.resolve_settings(config, {}, {})
    before = FAMILY.identity(settings)
    assert FAMILY.identity(settings) == before
    script = codecs.folder / "changing-encoder.py"
    script.write_text(script.read_text() + "# changed\n")
    after = FAMILY.identity(settings)
    assert after["programs"]["encoder"] != before["programs"]["encoder"]
    assert after["programs"]["decoder"] == before["programs"]["decoder"]


def test_a_folder_of_code_is_identified_by_its_files(tmp_path: Path) -> None:
    code = tmp_path / "code"
    (code / "models").mkdir(parents=True)
    (code / "models" / "net.py").write_text("1")
    before = digest_of(code)
    (code / "__pycache__").mkdir()
    (code / "__pycache__" / "net.pyc").write_bytes(b"cache")
    assert digest_of(code) == before
    (code / "models" / "net.py").write_text("2")
    assert digest_of(code) != before


@pytest.mark.parametrize("engine", ["docker", "podman", "apptainer"])
def test_a_container_has_no_network_and_only_the_working_folder(engine: Any) -> None:
    environment = Environment(container="image:1", engine=engine)
    words = container_command(environment, Path("/work"), ["x265", "-o"], variables={"A": "b"}, gpu=False)
    assert words[-3:] == ["image:1", "x265", "-o"]
    line = " ".join(words)
    assert line.count("/work:/job") == 1
    assert "--network=none" in line or "--network none" in line
    assert "--env=A=b" in line


def test_a_container_encodes_and_decodes(
    codecs: Codecs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for the engine, which is not in the tests' environment."""
    folder, log = tmp_path / "engine", tmp_path / "engine.log"
    folder.mkdir()
    (folder / "docker").write_text(ENGINE.format(python=sys.executable, log=str(log)))
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    script = tmp_path / "copy.py"
    script.write_text(COPY)
    commands = {
        mode: [sys.executable, str(script), mode, *names, *GEOMETRY]
        for mode, names in (("encode", ("{input}", "{stream}")), ("decode", ("{stream}", "{output}")))
    }
    programs = {"python": {"name": sys.executable, "version": ["--version"]}}
    config = codecs.add(
        "boxed",
        programs=programs,
        environment={"container": "an-image"},
        encode=["python", *commands["encode"][1:]],
        decode=["python", *commands["decode"][1:]],
    )
    stream = codecs.encode(config)
    frames, clock = codecs.decode(stream)
    assert [frame.tobytes() for frame in frames] == [frame.tobytes() for frame in codecs.clip.frames()]
    assert clock.facts["isolation"] == "container"
    assert clock.facts["programs"]["container"] == {"version": "an-image", "sha256": "ab" * 32}
    assert clock.facts["programs"]["python"]["version"].startswith("Python 3")
    for words in map(json.loads, log.read_text().splitlines()):
        assert "--network=none" in words


def typed(**settings: Any) -> ExternalSettings:
    return ExternalSettings.model_validate(settings)
