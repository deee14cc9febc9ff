"""Programs and environments of external codecs: how they are found and identified, and what they inherit."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from external_data import COPY, GEOMETRY, Codecs

from baselines.external.programs import MissingProgram, digest_of, install
from baselines.external.settings import ExternalSettings
from bench.base.paths import ROOT
from bench.codec import registry

FAMILY = registry.load_family("external")

#: An executable in place of docker, podman or apptainer, none of which runs where these tests do. It runs the
#: command in the mounted folder, and records its arguments.
ENGINE = """#!{python}
import json, os, subprocess, sys
words = sys.argv[1:]
open({log!r}, "a").write(json.dumps(words) + "\\n")
if words[:2] == ["image", "inspect"]:
    if "an-image" not in words[-1]:
        sys.exit("Error: No such image: " + words[-1])
    print("sha256:" + "ab" * 32)
elif words[0] in ("run", "exec"):
    mounts = [word.removeprefix("--volume=") for word in words if word.endswith(":/job")]
    at = next(index for index, word in enumerate(words) if word.endswith("an-image"))
    folder = mounts[0].partition(":")[0] if mounts else None
    sys.exit(subprocess.run(words[at + 1 :], cwd=folder).returncode)
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


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of the three engines on PATH: one list of arguments a line."""
    folder, log = tmp_path / "engines", tmp_path / "engine.log"
    folder.mkdir()
    for name in ("docker", "podman", "apptainer"):
        (folder / name).write_text(ENGINE.format(python=sys.executable, log=str(log)))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return log


@pytest.mark.parametrize("engine", ["docker", "podman", "apptainer"])
def test_a_container_encodes_and_decodes(codecs: Codecs, engines: Path, tmp_path: Path, engine: str) -> None:
    """Without network, with the working folder alone, and removed at the end."""
    script, image = tmp_path / "copy.py", "an-image"
    script.write_text(COPY)
    if engine == "apptainer":  # its image is a file
        image = str(tmp_path / "an-image")
        Path(image).write_bytes(b"image")
    config = codecs.add(
        "boxed",
        programs={"python": {"name": sys.executable, "version": ["--version"]}},
        environment={"container": image, "engine": engine},
        encode=["python", str(script), "encode", "{input}", "{stream}", *GEOMETRY],
        decode=["python", str(script), "decode", "{stream}", "{output}", *GEOMETRY],
        memory_limit="4G",
    )
    frames, clock = codecs.decode(codecs.encode(config))
    assert [frame.tobytes() for frame in frames] == [frame.tobytes() for frame in codecs.clip.frames()]
    assert clock.facts["isolation"] == "container"
    digest = hashlib.sha256(b"image").hexdigest() if engine == "apptainer" else "ab" * 32
    assert clock.facts["programs"]["container"] == {"version": image, "sha256": digest}
    assert clock.facts["programs"]["python"]["version"].startswith("Python 3")
    calls = [json.loads(line) for line in engines.read_text().splitlines()]
    runs = [words for words in calls if words[0] in ("run", "exec")]
    lines = list(map(" ".join, runs))
    assert all("--network=none" in line or "--network none" in line for line in lines)
    assert sorted(line.count(":/job") for line in lines) == [0, 1, 1], "a version, an encode and a decode"
    if engine != "apptainer":
        names = [word for words in runs for word in words if word.startswith("--name=")]
        removed = [f"--name={words[-1]}" for words in calls if words[:2] == ["rm", "--force"]]
        assert removed == names
        assert sum("--memory=4294967296" in words for words in runs) == 2


def test_a_container_that_cannot_run_is_a_missing_program(
    engines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = {"programs": {"x": {}}, "encode": ["x", "{input}"], "decode": ["x", "{output}"]}
    for environment, printed in (
        (
            {"container": "other:1"},
            r"its container image other:1 cannot be used \(Error: No such image: other:1\)",
        ),
        ({"container": "other:1", "engine": "apptainer"}, "it must be a file, as `apptainer pull` writes it"),
    ):
        with pytest.raises(MissingProgram, match=printed):
            install(typed(environment=environment, **commands), "codec")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingProgram, match="podman is not on PATH"):
        install(typed(environment={"container": "other:1", "engine": "podman"}, **commands), "codec")


def test_a_conda_environment_is_a_prefix_with_its_packages(codecs: Codecs, tmp_path: Path) -> None:
    """Its bin comes first on PATH; a package of another version is another environment."""
    prefix = tmp_path / "conda"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "conda-meta").mkdir()
    (prefix / "conda-meta" / "ffmpeg-6.1-h0.json").write_text("{}")
    (prefix / "bin" / "mycodec").write_text('#!/bin/sh\necho "prefix $CONDA_PREFIX path $PATH" > "$1"\n')
    (prefix / "bin" / "mycodec").chmod(0o755)
    config = codecs.add(
        "conda",
        programs={"mycodec": {}},
        environment={"conda": str(prefix)},
        encode=["mycodec", "{stream}", "{input}"],
        decode=["mycodec", "{output}"],
    )
    data = codecs.encode(config).read_bytes()
    assert f"prefix {prefix} path {prefix}/bin:".encode() in data
    settings = registry.resolve_settings(config, {}, {})
    before = FAMILY.identity(settings)["programs"]
    assert before["environment"]["version"] == "1 packages"
    (prefix / "conda-meta" / "ffmpeg-6.1-h0.json").rename(prefix / "conda-meta" / "ffmpeg-7.0-h0.json")
    assert FAMILY.identity(settings)["programs"]["environment"] != before["environment"]


def typed(**settings: Any) -> ExternalSettings:
    return ExternalSettings.model_validate(settings)
