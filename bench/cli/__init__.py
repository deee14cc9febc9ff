"""The command line: ``python -m bench prepare | encode | decode | describe | measure | ...``.

Each command is a module with two functions: `add` defines its arguments, `run` calls the library and
prints. Output files appear when they are complete. Progress and errors go to stderr and, with ``--log``, to
a file, too. Exit status: 0 success, 1 a check failed (`verify`, `compare`) or the reader of stdout left, 2 an
error that the user can fix (one line on stderr), 130 and 143 interrupted.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

import bench
from bench.base import process
from bench.base.errors import BenchError, printable
from bench.base.log_file import copy_stderr
from bench.codec.registry import PACKAGES

_COMMANDS = (
    *("add", "fetch", "fetch_weights", "prepare", "encode", "decode", "measure", "verify", "rerun", "retime"),
    *("compare", "curve", "merge", "cite", "crate", "clips"),
    *("inspect", "inspect_condition", "import_checkpoint", "report", "size", "speed"),
    *("codecs", "list_figures", "plan", "states", "status", "bundle", "check"),
)
#: If a module of these packages is missing, that is an error of the suite and not of its environment.
_SUITE = ("bench", *PACKAGES)
_OS_ERRORS = {
    errno.ENOSPC: ("no space left", "free some space or choose another folder"),
    errno.EDQUOT: ("the quota is used up", "free some space or choose another folder"),
    errno.EFBIG: ("the file may not grow as large", "raise the limit or choose another folder"),
    errno.EROFS: ("the file system is read-only", "choose a folder that you may write to"),
    errno.EACCES: ("permission denied", "choose a path that you may use"),
    errno.EPERM: ("not permitted", "choose a path that you may use"),
    errno.ENOENT: ("no such file or folder", "check the path"),
    errno.ENOTDIR: ("a part of the path is not a folder", "check the path"),
    errno.EEXIST: ("a file has the name of a folder that is needed", "check the path"),
    errno.EISDIR: ("is a folder", "give the path of a file"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
    errno.ENOMEM: ("not enough memory is free", "run fewer jobs at once or raise the memory limit"),
    errno.EIO: ("the device cannot be read or written", "check the disk"),
}
_MEMORY_REMEDY = "run fewer jobs at once, raise the memory limit, or use a smaller clip or network"
#: Torch reports its allocations as RuntimeError, the dynamic linker as ImportError.
_NO_MEMORY = re.compile(
    "can't allocate memory|out of memory|cannot allocate memory|failed to map segment|can't start new thread",
    re.IGNORECASE,
)


class _Parser(argparse.ArgumentParser):
    """Reports a wrong argument in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {self.prog}: {message}; see {self.prog} --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Return the exit status."""
    words = sys.argv[1:] if argv is None else argv
    args = parser(words[0] if words else "").parse_args(argv)
    args.command = ["python", "-m", "bench", *(sys.argv[1:] if argv is None else argv)]
    process.end_cleanly_on_signals()
    process.keep_freed_memory()
    try:
        with copy_stderr(args.log):
            return _run(args)
    except OSError as error:  # of the log file
        return _report_os_error(error)


def parser(only: str = "") -> argparse.ArgumentParser:
    """The parser of all commands, or of one alone: then no other command's modules are imported."""
    top = _Parser(prog="bench", description=__doc__.splitlines()[0])
    top.add_argument("--version", action="version", version=bench.__version__)
    subparsers = top.add_subparsers(dest="name", required=True, metavar="COMMAND")
    module = only.replace("-", "_")
    for command in [module] if module in _COMMANDS else _COMMANDS:
        importlib.import_module(f"bench.cli.{command}").add(subparsers)
    for subparser in subparsers.choices.values():
        subparser.add_argument("--log", metavar="FILE", help="copy progress and errors to this file, too")
    return top


def _run(args: argparse.Namespace) -> int:
    try:
        return args.run(args)
    except BenchError as error:
        return _report(str(error))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in _SUITE:
            raise
        return _report(f"the package {error.name} is not installed; run make env")
    except BrokenPipeError:  # the reader of standard output has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _report_os_error(error)
    except (MemoryError, RuntimeError, ImportError) as error:
        if not isinstance(error, MemoryError) and not _NO_MEMORY.search(str(error)):
            raise
        return _report(f"memory: not enough is free ({error or 'out of memory'}); {_MEMORY_REMEDY}")
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130


def _report_os_error(error: OSError) -> int:
    if error.errno not in _OS_ERRORS:
        raise error
    problem, remedy = _OS_ERRORS[error.errno]
    return _report(f"{error.filename or 'standard output'}: {problem}; {remedy}")


def _report(message: str) -> int:
    sys.stderr.write(f"error: {printable(' '.join(message.split()))}\n")
    return 2
