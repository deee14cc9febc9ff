"""Settings of the family `external`: commands, programs, environment, files and limits of a codec.

Any other key is a *parameter*: a value that the commands use as ``{name}``. Rate points set parameters.
"""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from baselines.external.commands import check_commands, placeholders
from bench.base.errors import BenchError
from bench.base.names import suggestion
from bench.base.paths import ROOT
from bench.base.sizes import parse_bytes
from bench.base.strict_model import Name, Problem, StrictModel
from bench.codec.search import Search
from bench.codec.settings import Settings

VideoFormat = Literal["y4m", "yuv420p", "yuv420p10le", "png"]
PARAMETER = re.compile(r"[a-z][a-z0-9_]{0,39}")
_SHA256 = re.compile("[0-9a-f]{64}")
#: A file or folder inside the working folder: no `..`, no absolute path.
_INSIDE = re.compile(r"(?!.*(^|/)\.)[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*/?")
_PICTURE = re.compile(r"[A-Za-z0-9_-]*%0[3-9]d\.png")


def _check_inside(name: str) -> str:
    if not _INSIDE.fullmatch(name) or len(name) > 200:
        raise Problem(
            f"{name!r} must be a relative path inside the working folder", "write a name such as out.bin"
        )
    return name


def _check_size(text: str) -> str:
    try:
        parse_bytes(text, where="")
    except BenchError as error:
        raise Problem(error.problem, error.remedy) from None
    return text


def _check_sha256(text: str) -> str:
    if text and not _SHA256.fullmatch(text):
        raise Problem(f"{text!r} must be 64 hexadecimal digits", "write the output of sha256sum")
    return text


def _check_picture(text: str) -> str:
    if not _PICTURE.fullmatch(text):
        raise Problem(f"{text!r} must be a name with a number", "write for example im%05d.png")
    return text


def expand_path(path: str) -> pathlib.Path:
    """The absolute path that a setting means: `~` and variables replaced, relative to the suite's folder."""
    return ROOT / os.path.expanduser(os.path.expandvars(path))


Inside = Annotated[str, AfterValidator(_check_inside)]
Size = Annotated[str, AfterValidator(_check_size)]
Path = Annotated[str, Field(min_length=1)]
Word = Annotated[str, Field(min_length=1)]
Command = Annotated[list[Word], Field(min_length=1)]
Seconds = Annotated[float, Field(gt=0, le=31_536_000)]


class Program(StrictModel):
    """A program or a folder with code, and how it is found: by the variable, else the path, else on PATH."""

    name: str = ""
    """Name on PATH; empty for the key of this table."""

    path: str = ""
    """Path of the program, or of a folder with scripts. `~` is the home folder. A relative path begins in the
    suite's folder or in the environment."""

    variable: str = ""
    """Environment variable that holds the path."""

    version: list[Word] = []
    """Arguments with which the program prints its version; empty: none, only its SHA-256 is recorded."""

    version_line: str = ""
    """Text within the line of this output that has the version; empty: the first with a number."""

    hint: str = ""
    """How to install it; a part of the error and of skipped.csv."""


class DeclaredFile(StrictModel):
    """A file besides the stream that a command reads, such as trained weights."""

    path: Path
    """Its path, as for a program."""

    decoder: bool = True
    """Whether the decoder reads it. Its SHA-256 is then in every stream, and decoding checks it."""

    sha256: Annotated[str, AfterValidator(_check_sha256)] = ""
    """Its SHA-256, to detect another version; empty: any version, which is recorded."""


class Environment(StrictModel):
    """Where the commands run. Exactly one of venv, conda and container is given."""

    venv: str = ""
    """Folder of a Python virtual environment."""

    conda: str = ""
    """Folder of a conda environment."""

    container: str = ""
    """Container image; the programs are those inside it."""

    variable: str = ""
    """Environment variable that holds the folder, in place of `venv` or `conda`."""

    engine: Literal["docker", "podman", "apptainer"] = "docker"
    """What runs the container image."""

    @model_validator(mode="after")
    def _check_kind(self) -> Environment:
        if sum(map(bool, (self.venv, self.conda, self.container))) != 1:
            raise Problem("needs one of venv, conda and container", "give one of the three")
        return self


class ExternalSettings(Settings):
    """Two programs as a codec. All other keys are parameters, which the commands use as `{name}`."""

    model_config = ConfigDict(extra="allow")
    key_noun: ClassVar[str] = "setting"

    programs: Annotated[dict[Name, Program], Field(min_length=1)]
    """Name -> how the program is found. The first word of every command is one of these names."""

    encode: Command | Annotated[list[Command], Field(min_length=1)]
    """Command that encodes, as a list of arguments; or a list of commands. No shell runs them."""

    decode: Command | Annotated[list[Command], Field(min_length=1)]
    """Command that decodes, as `encode`."""

    stream: Annotated[list[Inside], Field(min_length=1, max_length=16)] = ["stream.bin"]
    """Files that `encode` writes and `decode` reads, the first is `{stream}`. A name with `/` at its end is a
    folder, of which every file counts. All of them are packed into the one stream file."""

    input: VideoFormat = "y4m"
    """Format of the encoder's input. yuv420p10le has the 8-bit samples times 4; png is a folder."""

    input_name: Annotated[str, Field(pattern="^[A-Za-z0-9_{}-]{1,100}$")] = "input"
    """Name of the input without its suffix, with placeholders of the geometry. Some programs read the size of
    a raw video from its name."""

    output: VideoFormat = "y4m"
    """Format of the decoder's output. y4m may have 8 or 10 bits; png is a folder of 8-bit RGB pictures."""

    pictures: Annotated[str, AfterValidator(_check_picture)] = "%06d.png"
    """Names of the pictures of a PNG folder; the first number is 1."""

    environment: Environment | None = None
    """Environment of the commands; null: the system's programs. The suite's own never leaks into it."""

    files: dict[Annotated[str, Field(pattern=f"^{PARAMETER.pattern}$")], DeclaredFile] = {}
    """Files that the commands read as `{name}`: trained weights and other data."""

    reads: list[Path] = []
    """Further folders and files that the commands may read, such as libraries. They are not hashed."""

    variables: dict[Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$")], str] = {}
    """Environment variables of the commands."""

    min_side: Annotated[int, Field(ge=2)] = 2
    """Smallest width and height in pixels that the encoder codes; smaller clips are skipped."""

    gpu: bool = False
    """Whether the commands may use an NVIDIA GPU."""

    encode_time_limit_s: Seconds = 86400.0
    """Seconds after which an encode command is killed with all its children."""

    decode_time_limit_s: Seconds = 3600.0
    """Seconds after which a decode command is killed with all its children."""

    memory_limit: Size = "16G"
    """Resident memory of a command and its children, above which they are killed."""

    disk_limit: Size = "64G"
    """Size of the files in the working folder, above which the command is killed."""

    stage_times: Annotated[str, AfterValidator(lambda name: name and _check_inside(name))] = ""
    """JSON file in which a command may report seconds of its stages: {"network": 1.5}."""

    skip_if_missing: bool = False
    """Whether a missing program skips the codec's points (skipped.csv) instead of ending the run."""

    rate_bpp: Annotated[float, Field(gt=0)] | None = None
    """Target rate of a codec with rate control, for `{kilobits_per_second}` and `{target_bytes}`."""

    search: Search | None = None
    """Search of the parameter that reaches a rate or a quality."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, values: Any) -> Any:
        """Check the names and values of parameters. Slips are found when the commands use no such name."""
        for key, value in values.items() if isinstance(values, Mapping) else ():
            if key in cls.model_fields:
                continue
            if not isinstance(key, str) or not PARAMETER.fullmatch(key):
                raise Problem(f"unknown setting {key!r}", suggestion(str(key), cls.model_fields))
            if not isinstance(value, str | int | float):
                raise Problem(f"the parameter {key} must be a number or text", "write one value")
        return values

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameter -> value."""
        return dict(self.__pydantic_extra__ or {})

    def commands(self, kind: Literal["encode", "decode"]) -> list[list[str]]:
        """The commands of one kind, each a list of words with placeholders."""
        words: Any = self.encode if kind == "encode" else self.decode
        return [words] if isinstance(words[0], str) else words

    def used_names(self, kind: Literal["encode", "decode"]) -> set[str]:
        """Names that the commands of one kind use: of programs, files and parameters."""
        commands = self.commands(kind)
        return {*placeholders(commands), *(command[0] for command in commands)}

    def check(self, where: str) -> None:
        """Check that the commands and the values belong together.

        Raises:
            BenchError: a placeholder has no value, a parameter is never used, or a program is not declared.
        """
        check_commands(self, where)
