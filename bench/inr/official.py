"""Networks of the methods' official code: their arguments and weights, by their own names.

`bench.import_official` is the way in; each method's module `official` knows its names.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import nn

from bench import registry
from bench.errors import BenchError

_REMEDY = "give the configuration that these weights were trained with"


class _Arguments(dict[str, Any]):
    def __missing__(self, key: str) -> Any:
        raise BenchError("official configuration", f"the argument {key!r} is missing", "add it")


def official_arguments(config: Mapping[str, Any], section: str) -> dict[str, Any]:
    """The constructor's arguments out of `config`, which may hold them beside others under `section`.

    Looking up one that is missing raises a BenchError that names it.
    """
    nested = config.get(section)
    return _Arguments({**config, **nested} if isinstance(nested, Mapping) else config)


def decoder_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the official constructors of FFNeRV, NeRV and E-NeRV share, as fields of a `DecoderConfig`.

    Raises:
        BenchError: an argument is missing (`given` is of `official_arguments`).
    """
    height, width, channels = (int(x) for x in str(given["fc_hw_dim"]).split("_"))
    return {
        "base": (height, width),
        "channels": channels,
        "strides": tuple(given["stride_list"]),
        "expansion": given["expansion"],
        "reduction": given["reduction"],
        "lower_width": given["lower_width"],
        "activation": given["act"],
        "head": "sigmoid" if given["sigmoid"] else "tanh",
    }


def plain_names(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """The entries without the `module.` that a checkpoint of several GPUs puts before its names."""
    return {name.removeprefix("module."): value for name, value in state_dict.items()}


def check_known(state_dict: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuse entries that the network has no place for (BenchError names the first)."""
    if unknown := sorted(set(plain_names(state_dict)) - set(names)):
        raise BenchError(unknown[0], "is no weight of this network", _REMEDY)


def copy_weights(
    network: nn.Module, state_dict: Mapping[str, Any], official_name: Callable[[str], str]
) -> None:
    """Fill every parameter and statistic from the entry that `official_name` names (tensor or array).

    Raises:
        BenchError: an entry is missing or of another shape; the line names it.
    """
    entries = plain_names(state_dict)
    with torch.no_grad():
        for name, ours in network.state_dict().items():
            official = official_name(name)
            if official not in entries:
                raise BenchError(official, "missing in the state dict", _REMEDY)
            weight = torch.as_tensor(entries[official])
            if weight.shape != ours.shape:
                problem = f"has the shape {tuple(weight.shape)}, the network {tuple(ours.shape)}"
                raise BenchError(official, problem, _REMEDY)
            ours.copy_(weight)


def import_official(name: str, config: Mapping[str, Any], state_dict: Mapping[str, Any]) -> nn.Module:
    """See `bench.import_official`."""
    packages = {family: path.removesuffix(".codec") for family, path in registry.families().items()}
    known = [family for family, package in packages.items() if _has_official(package)]
    if name not in known:
        raise registry.unknown("method", name, known)
    official = importlib.import_module(f"{packages[name]}.official")
    try:
        return official.network_from_official(config, state_dict)
    except (ValueError, TypeError) as error:  # arguments that make no network
        raise BenchError(f"official configuration of {name}", str(error), "check the arguments") from error


def _has_official(package: str) -> bool:
    spec = importlib.util.find_spec(package)
    in_package = spec is not None and spec.submodule_search_locations is not None
    return in_package and importlib.util.find_spec(f"{package}.official") is not None
