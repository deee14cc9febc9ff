"""The command line: ``python -m bench prepare | encode | decode | describe | measure | ...``.

Each subcommand is a module with `add` (its arguments) and a function that does the work. Results go
to files that appear only when complete, progress and errors to stderr. Exit status: 0 done, 1 a check
failed (`verify`), 2 something the user can mend (one line says what), 130 and 143 interrupted.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import bench
from bench.base import process
from bench.base.errors import BenchError
from bench.codec.registry import PACKAGES

#: Modules of this package, found by name: what the package imports would count among what every record
#: depends on (bench/codec/provenance.py), and no figure may measure a stream again.
_COMMANDS = (
    *("fetch", "fetch_weights", "prepare", "encode", "decode", "inspect", "measure", "verify", "rerun"),
    *(
        "import_checkpoint",
        "inspect_condition",
        "coders",
        "size",
        "speed",
        "retime",
        "codecs",
        "targets",
        "plan",
    ),
)

#: A module of these that is not there is a mistake of ours.
_OWN = ("bench", *PACKAGES)
#: What the operating system refuses, in the words of who has to mend it.
_REFUSALS = {
    errno.ENOSPC: ("no space left", "free some space or choose another folder"),
    errno.EDQUOT: ("the quota is used up", "free some space or choose another folder"),
    errno.EFBIG: ("the file may not grow as large", "raise the limit or choose another folder"),
    errno.EROFS: ("the file system is read-only", "choose a folder that you may write to"),
    errno.EACCES: ("permission denied", "choose a path that you may use"),
    errno.EPERM: ("not permitted", "choose a path that you may use"),
    errno.ENOENT: ("no such file or folder", "check the path"),
    errno.ENOTDIR: ("a part of the path is no folder", "check the path"),
    errno.EEXIST: ("a file stands where a folder has to be", "check the path"),
    errno.EISDIR: ("is a folder", "give the path of a file"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
    errno.EIO: ("the device cannot be read or written", "check the disk"),
}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {self.prog}: {message}; see {self.prog} --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status comes back."""
    args = parser().parse_args(argv)
    args.command = ["python", "-m", "bench", *(sys.argv[1:] if argv is None else argv)]
    process.end_cleanly_on_sigterm()
    try:
        return args.run(args)
    except BenchError as error:
        return _refuse(str(error))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in _OWN:
            raise
        return _refuse(f"the package {error.name} is not installed; run make env")
    except BrokenPipeError:  # who read our standard output has gone; nothing can be told there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        problem, remedy = _REFUSALS[error.errno]
        return _refuse(f"{error.filename or 'standard output'}: {problem}; {remedy}")
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = _Parser(prog="bench", description=__doc__.splitlines()[0])
    top.add_argument("--version", action="version", version=bench.__version__)
    subparsers = top.add_subparsers(dest="name", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        importlib.import_module(f"bench.cli.{command}").add(subparsers)
    return top


def _refuse(message: str) -> int:
    sys.stderr.write(f"error: {' '.join(message.split())}\n")
    return 2
