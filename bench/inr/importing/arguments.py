"""Arguments of the official constructors, by their own names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.base.errors import BenchError
from bench.inr.importing.command_line import arguments_of


class _Arguments(dict[str, Any]):
    """Arguments by name; a missing one raises a BenchError with its name."""

    def __missing__(self, key: str) -> Any:
        raise BenchError("official configuration", f"the argument {key!r} is missing", "add it")


def official_arguments(
    config: Mapping[str, Any], section: str, flags: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The constructor's arguments in `config`, which may hold them in a table `section`.

    Looking up a missing argument in the result raises a BenchError that names it.

    Args:
        flags: official defaults of the flags that define a network. With them, `config` may have the script's
            command line instead, under the key `argv`.

    Raises:
        ValueError: the command line cannot be parsed.
    """
    nested = config.get(section)
    if nested is None and flags is not None and "argv" in config:
        nested = arguments_of(config["argv"], flags)
    return _Arguments({**config, **nested} if isinstance(nested, Mapping) else config)


def decoder_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `DecoderConfig` from the arguments that FFNeRV, NeRV and E-NeRV share.

    Args:
        given: from `official_arguments`.

    Raises:
        BenchError: an argument is missing.
    """
    height, width, channels = (int(x) for x in str(given["fc_hw_dim"]).split("_"))
    return {
        "base": (height, width),
        "channels": channels,
        "strides": tuple(int(stride) for stride in given["stride_list"]),
        "expansion": float(given["expansion"]),
        "reduction": int(given["reduction"]),
        "lower_width": int(given["lower_width"]),
        "activation": given["act"],
        "head": "sigmoid" if given["sigmoid"] else "tanh",
        "norm": given.get("norm", "none"),
        "bias": bool(given.get("bias", True)),
    }


def check_one_block(given: Mapping[str, Any]) -> None:
    """Raise ValueError for more than one block per stage, of which FFNeRV's and NeRV's code drop some."""
    if int(given.get("num_blocks", 1)) != 1:
        raise ValueError(f"num_blocks is {given['num_blocks']}; only 1 gives a complete network")
