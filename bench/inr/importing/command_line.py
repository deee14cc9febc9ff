"""Command lines of the official scripts: the constructor's arguments that they define."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

#: Flags of FFNeRV's and NeRV's scripts that define a decoder, with their official defaults.
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

#: Flag -> name of the constructor's argument, if it differs.
_ARGUMENTS = {"strides": "stride_list", "single_res": "sin_res"}

_FLAG = re.compile(r"(?<=^--)[a-z][\w-]*")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def arguments_of(words: str | Iterable[Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The constructor's arguments in a command line. Flags that do not define a network are ignored.

    As in the official parsers, a flag can be abbreviated. The words of a flag can be joined by `-` or `_`:
    published commands have both.

    Args:
        words: the flags with their values, with or without `python train.py` before them.
        defaults: flag, with `_`, -> its official default. A flag takes several values if the default is a
            list, no value if it is a truth value, and otherwise one value of the default's type.

    Raises:
        ValueError: a value is missing or has another type.
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
    given, _ = parser.parse_known_args(
        [_FLAG.sub(lambda flag: flag[0].replace("-", "_"), word) for word in split]
    )
    return vars(given)
