"""Command lines of the official scripts: what of them makes a network, as the constructor's arguments."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

#: Flags of FFNeRV's and NeRV's scripts that make a decoder, and their defaults.
DECODER_FLAGS = {
    "fc_hw_dim": "9_16_128",
    "expansion": 8.0,
    "reduction": 2,
    "lower_width": 32,
    "strides": [5, 3, 2, 2, 2],
    "num_blocks": 1,
    "act": "gelu",
    "norm": "none",
    "conv_type": "conv",
    "sigmoid": False,
}

#: Flags whose argument has another name.
_ARGUMENTS = {"strides": "stride_list", "single_res": "sin_res"}

_FLAG = re.compile(r"(?<=^--)[a-z][\w-]*")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def _underlined(flag: re.Match[str]) -> str:
    return flag[0].replace("-", "_")


def arguments_of(words: str | Iterable[Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The constructor's arguments that a command line makes; flags that make no network are passed over.

    As the official parsers do, it takes a flag's first letters for the flag. Words within a flag may be
    joined by `-` or by `_`: published commands have both.

    Args:
        words: the flags with their values, with or without `python train.py` before them.
        defaults: flag, with `_`, -> its official default. That of a list takes several values, that of
            a truth value none, and any other one value of the default's type.

    Raises:
        ValueError: a flag has a value of another type, or none.
    """
    parser = _Parser(add_help=False)
    for name, default in defaults.items():
        takes: dict[str, Any] = {"type": type(default), "default": default}
        if isinstance(default, bool):
            takes = {"action": "store_true"}
        elif isinstance(default, list):
            takes = {"type": type(default[0]), "default": default, "nargs": "+"}
        parser.add_argument(f"--{name}", dest=_ARGUMENTS.get(name, name), **takes)
    split = shlex.split(words) if isinstance(words, str) else map(str, words)
    given, _ = parser.parse_known_args([_FLAG.sub(_underlined, word) for word in split])
    return vars(given)
