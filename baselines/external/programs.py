"""Programs, declared files and environments of external codecs: where they are, and which versions they are.

A program's identity is its version output and the SHA-256 of its file, or of all files below its folder. An
encode runs again when the identity changes.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.external.commands import Kind
from baselines.external.containers import container_command, image_digest
from baselines.external.settings import DeclaredFile, Environment, ExternalSettings, Program, expand_path
from baselines.external.versions import output_of, version_line
from bench.base.errors import BenchError
from bench.base.files import file_state, sha256_of_state
from bench.base.paths import ROOT

#: Parts of a code folder that do not decide what it computes.
_IGNORED = frozenset([".git", "__pycache__", ".venv", "venv"])
_SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
_MOST_FOLDER_FILES = 20_000


class MissingProgram(BenchError):
    """A program or an environment of a codec is not installed."""


@dataclass(frozen=True)
class Installed:
    """The programs and files of a codec on this machine.

    Attributes:
        programs, files: name -> absolute path; a program of a container keeps its name.
        environment: the codec's.
    """

    programs: Mapping[str, str]
    files: Mapping[str, str]
    environment: Environment | None

    @property
    def placeholders(self) -> dict[str, str]:
        """Name -> path, of programs and files."""
        return {**self.programs, **self.files}

    def readable(self, settings: ExternalSettings, kind: Kind) -> list[Path]:
        """Everything besides system folders that the commands of one kind may read.

        A program or file that only the commands of the other kind use is hidden, as are files that belong to
        the encoder: a decoder must not find data there.
        """
        other: Kind = "decode" if kind == "encode" else "encode"
        hidden = settings.used_names(other) - settings.used_names(kind)
        if kind == "decode":
            hidden |= {name for name, file in settings.files.items() if not file.decoder}
        paths = [Path(path) for name, path in self.placeholders.items() if name not in hidden]
        paths = [path for path in paths if path.is_absolute()]
        paths += [Path(os.path.realpath(path)) for path in paths]
        paths += [expand_path(path) for path in settings.reads]
        return [*paths, *environment_folders(self.environment)]

    def variables(self, settings: ExternalSettings, *, threads: int) -> dict[str, str]:
        """Environment variables of the commands: nothing of this process is inherited."""
        variables = {"PATH": os.pathsep.join([*_bin_folders(self.environment), *_SYSTEM_PATH])}
        variables |= {"HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        variables |= {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "OPENBLAS", "MKL")}
        if self.environment and (prefix := _prefix(self.environment)):
            variables["VIRTUAL_ENV" if self.environment.venv else "CONDA_PREFIX"] = str(prefix)
        return variables | settings.variables


def install(settings: ExternalSettings, where: str) -> Installed:
    """Find the programs, files and environment of a codec.

    Raises:
        MissingProgram: one is not there; the error has the codec's hint how to install it.
        BenchError: a declared file is missing, or has another SHA-256.
    """
    environment = settings.environment
    hint = next((program.hint for program in settings.programs.values() if program.hint), "")
    if (prefix := _prefix(environment)) and not (prefix / "bin").is_dir():
        raise MissingProgram(where, f"its environment {prefix} is missing", hint or "create it")
    if environment and environment.container:
        try:
            image_digest(environment)
        except ValueError as error:
            problem = f"its container image {environment.container} cannot be used ({error})"
            raise MissingProgram(where, problem, hint or "build or pull it") from None
    programs = {name: _find(name, program, environment, where) for name, program in settings.programs.items()}
    files = {name: str(_declared(name, file, where)) for name, file in settings.files.items()}
    return Installed(programs, files, environment)


def identity(settings: ExternalSettings, installed: Installed) -> dict[str, dict[str, Any]]:
    """Name of each program -> its `version` and `sha256`, of the environment -> its packages."""
    result: dict[str, dict[str, Any]] = {}
    for name, program in settings.programs.items():
        path = installed.programs[name]
        result[name] = {"version": _version(path, program, installed, settings)}
        if os.path.isabs(path):
            result[name]["sha256"] = digest_of(Path(path))
    environment = settings.environment
    if environment and environment.container:
        result["container"] = {"version": environment.container, "sha256": image_digest(environment)}
    elif environment:
        packages = _packages(environment)
        digest = hashlib.sha256("\n".join(packages).encode()).hexdigest()
        result["environment"] = {"version": f"{len(packages)} packages", "sha256": digest}
    return result


def digest_of(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of all files below a folder."""
    if path.is_file():
        return sha256_of_state(path)
    digest = hashlib.sha256()
    for count, file in enumerate(_code_files(path), start=1):
        if count > _MOST_FOLDER_FILES:
            problem = f"has more than {_MOST_FOLDER_FILES} files"
            raise BenchError(path, problem, "give a folder with the codec's code alone")
        digest.update(f"{file.relative_to(path)}\0{sha256_of_state(file)}\n".encode())
    return digest.hexdigest()


def environment_folders(environment: Environment | None) -> list[Path]:
    """Folders that a virtual or conda environment needs: its own, its interpreter's, those of .pth files."""
    prefix = _prefix(environment)
    if prefix is None:
        return []
    folders = [prefix, Path(os.path.realpath(prefix / "bin" / "python")).parents[1]]
    for file in sorted(prefix.glob("lib/python*/site-packages/*.pth")):
        lines = file.read_text("utf-8", "replace").splitlines()
        folders += [Path(line) for line in lines if os.path.isabs(line) and os.path.isdir(line)]
    return [folder for folder in folders if str(folder) != "/"]


def _find(name: str, program: Program, environment: Environment | None, where: str) -> str:
    """Absolute path of a program; its name inside a container."""
    if environment and environment.container:
        return program.path or program.name or name
    path = os.environ.get(program.variable, "") if program.variable else ""
    path = path or program.path
    hint = program.hint or "install it, or correct programs in the codec's file"
    if path:
        prefix = _prefix(environment)
        for candidate in (expand_path(path), *([prefix / path] if prefix else [])):
            if candidate.is_dir():
                _check_folder(candidate, where)
            if candidate.exists():
                return os.path.abspath(candidate)
        raise MissingProgram(where, f"program {name} is missing: {path}", hint)
    wanted = program.name or name
    for folder in (*_bin_folders(environment), *_users_path()):
        candidate = Path(folder, wanted)
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    raise MissingProgram(where, f"program {wanted} is not on PATH", hint)


def _check_folder(folder: Path, where: str) -> None:
    """Refuse a folder of code that contains the suite, the home folder or the results."""
    for kept in (ROOT, Path.home(), Path.cwd()):
        if kept.resolve().is_relative_to(folder.resolve()):
            problem = f"the program folder {folder} contains {kept}, which a decoder must not read"
            raise BenchError(where, problem, "move the codec's code to a folder of its own")


def _declared(name: str, file: DeclaredFile, where: str) -> Path:
    path = expand_path(file.path)
    if not path.is_file():
        raise MissingProgram(where, f"file {name} is missing: {file.path}", "get it, or correct files")
    if file.sha256 and sha256_of_state(path) != file.sha256:
        problem = f"file {name} has sha256 {sha256_of_state(path)[:12]}, not {file.sha256[:12]}"
        raise BenchError(where, problem, "get the version that the codec's file names")
    return path


def _prefix(environment: Environment | None) -> Path | None:
    """Folder of a virtual or conda environment; None without one."""
    if environment is None or environment.container:
        return None
    return expand_path(os.environ.get(environment.variable) or environment.venv or environment.conda)


def _bin_folders(environment: Environment | None) -> list[str]:
    prefix = _prefix(environment)
    return [str(prefix / "bin")] if prefix else []


def _users_path() -> Iterator[str]:
    """The folders of PATH without those of the suite's environment, then the system's."""
    suite = (os.path.realpath(sys.prefix), os.path.abspath(sys.prefix))
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if os.path.isabs(folder) and not os.path.abspath(folder).startswith(suite):
            yield folder
    yield from _SYSTEM_PATH


def _version(path: str, program: Program, installed: Installed, settings: ExternalSettings) -> str:
    """The line of the program's version output that has a version; empty without `version` arguments."""
    if not program.version:
        return ""
    environment, variables = installed.environment, installed.variables(settings, threads=1)
    command = [path, *program.version]
    if environment and environment.container:
        command = container_command(environment, command)
    state = file_state(path) if os.path.isabs(path) else None
    output = output_of(tuple(command), tuple(sorted(variables.items())), state)
    return version_line(output, program.version_line)


def _packages(environment: Environment) -> list[str]:
    """Names and versions of the packages in an environment, and in the folders of its .pth files.

    Those of Python have a folder *.dist-info, those of conda a file in conda-meta.
    """
    names = {
        path.name.removesuffix(path.suffix)
        for folder in environment_folders(environment)
        for pattern in ("*.dist-info", "lib/python*/site-packages/*.dist-info", "conda-meta/*.json")
        for path in folder.glob(pattern)
    }
    return sorted(names)


def _code_files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _IGNORED)
        yield from (Path(parent, name) for name in sorted(names) if Path(parent, name).is_file())
