"""Copy an official state dict into a network of the suite, entry by entry."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bench.base.errors import BenchError

#: Prefixes that data parallelism and compilation add to a weight's name.
_PREFIXES = re.compile(r"^(?:module\.|_orig_mod\.)+")
#: Names of a weight that torch stores in parts, after pruning or under a parametrisation. `bitwidth` and
#: `noise_ratio` belong to HiNeRV's quantisation noise: they control training and do not change the value.
_PARTS = (
    re.compile(r"(?P<before>.*)\b(?P<name>weight|bias)_(?P<part>orig|mask)"),
    re.compile(
        r"(?P<before>.*)\bparametrizations\.(?P<name>\w+)\.(?:\d+\.)?"
        r"(?P<part>original|mask|bitwidth|noise_ratio)"
    ),
)
_REMEDY = "give the configuration that these weights were trained with"


def plain_names(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a state dict under the names of its modules.

    Prefixes of data parallelism (`module.`) and compilation are removed. A pruned weight (`weight_orig` or
    `parametrizations.weight.original`) is multiplied by its mask, as in the official forward.
    """
    entries: dict[str, Any] = {}
    stored_in_parts: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for full_name, value in state_dict.items():
        name = _PREFIXES.sub("", full_name)
        if match := next(filter(None, (pattern.fullmatch(name) for pattern in _PARTS)), None):
            stored_in_parts[match["before"] + match["name"]][match["part"]] = value
        else:
            entries[name] = value
    for name, parts in stored_in_parts.items():
        weight, mask = parts.get("orig", parts.get("original")), parts.get("mask")
        if weight is None:
            continue
        if mask is not None:
            if tuple(weight.shape) != tuple(mask.shape):
                raise BenchError(name, f"has a mask of the shape {tuple(mask.shape)}", _REMEDY)
            weight = torch.as_tensor(weight) * torch.as_tensor(mask)
        entries[name] = weight
    return entries


def copy_weights(
    network: nn.Module,
    state_dict: Mapping[str, Any],
    official_name: Callable[[str], str],
    *,
    ignored: Iterable[str] = (),
) -> None:
    """Fill every parameter and buffer of a network from a state dict of tensors or arrays.

    Args:
        official_name: the suite's parameter name -> the official one.
        ignored: official entries that are not weights.

    Raises:
        BenchError: an entry is missing, has another shape, or has no counterpart in the network, which means
            that the weights belong to another network. The error names the entry.
    """
    entries = plain_names(state_dict)
    with torch.no_grad():
        for name, parameter in network.state_dict().items():
            official = official_name(name)
            if official not in entries:
                raise BenchError(official, "missing in the state dict", _REMEDY)
            weight = _tensor(official, entries.pop(official))
            if weight.shape != parameter.shape:
                problem = f"has the shape {tuple(weight.shape)}, the network {tuple(parameter.shape)}"
                raise BenchError(official, problem, _REMEDY)
            parameter.copy_(weight)
    if unknown := sorted(entries.keys() - set(ignored)):
        raise BenchError(unknown[0], "is not a weight of this network", _REMEDY)


def _tensor(name: str, value: Any) -> Tensor:
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        problem = f"must be an array of numbers ({error})"
        raise BenchError(name, problem, "give tensors or NumPy arrays") from error
