"""Containers of external codecs: command lines of docker, podman and apptainer, and digests of images."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from baselines.external.settings import Environment, expand_path
from baselines.external.versions import output_of
from bench.base.errors import printable
from bench.base.files import sha256_of_state

_REMOVE_S = 60


def container_command(
    environment: Environment,
    command: list[str],
    *,
    folder: Path | None = None,
    variables: Mapping[str, str] | None = None,
    gpu: bool = False,
    name: str = "",
    memory_bytes: int = 0,
) -> list[str]:
    """The command line that runs a command in a container without network.

    Args:
        folder: working folder of the command, /job inside.
        name: of the container, with which `remove_container` ends it; empty: a name of the engine.
        memory_bytes: limit of docker and podman, whose containers are no children of this process; 0: none.
    """
    engine = environment.engine
    variable_words = [f"--env={name}={value}" for name, value in (variables or {}).items()]
    if engine == "apptainer":
        words = ["apptainer", "exec", "--containall", "--cleanenv", "--net", "--network", "none"]
        words += ["--bind", f"{folder}:/job", "--pwd", "/job"] if folder else []
        words += ["--nv"] if gpu else []
        return [*words, *variable_words, str(expand_path(environment.container)), *command]
    words = [engine, "run", "--rm", "--network=none", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL"]
    # The files that the commands write belong to the user.
    words += ["--userns=keep-id"] if engine == "podman" else [f"--user={os.getuid()}:{os.getgid()}"]
    words += [f"--volume={folder}:/job", "--workdir=/job"] if folder else []
    words += [f"--name={name}"] if name else []
    words += [f"--memory={memory_bytes}"] if memory_bytes else []
    words += ["--gpus=all"] if gpu else []
    return [*words, *variable_words, environment.container, *command]


def remove_container(environment: Environment, name: str) -> None:
    """End a container of docker or podman: killing the engine's client leaves it running."""
    if environment.engine != "apptainer":
        command = [environment.engine, "rm", "--force", name]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_REMOVE_S, check=False)


def image_digest(environment: Environment) -> str:
    """SHA-256 of a container image: of the file of apptainer, else the engine's id.

    Raises:
        ValueError: the engine or the image is missing; the message has the engine's last line.
    """
    if shutil.which(environment.engine) is None:
        raise ValueError(f"{environment.engine} is not on PATH")
    image = environment.container
    if environment.engine == "apptainer":
        if not expand_path(image).is_file():
            raise ValueError("it must be a file, as `apptainer pull` writes it")
        return sha256_of_state(expand_path(image))
    output = output_of(
        (environment.engine, "image", "inspect", "--format", "{{.Id}}", image), (), None
    ).strip()
    if match := re.fullmatch(r"(?:sha256:)?([0-9a-f]{64})", output):
        return match[1]
    raise ValueError(printable(output.rpartition("\n")[2])[:200] or "the engine prints no id of it")
