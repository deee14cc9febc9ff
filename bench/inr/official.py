"""Copying weights of a method's official code into the suite's network, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from bench.errors import BenchError

_REMEDY = "give the configuration that these weights were trained with"


def copy_weights(
    network: nn.Module, state_dict: Mapping[str, Any], official_name: Callable[[str], str]
) -> None:
    """Fill every parameter from the entry that `official_name` names (a tensor or an array).

    Raises:
        BenchError: an entry is missing or of another shape; the line names it.
    """
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            official = official_name(name)
            if official not in state_dict:
                raise BenchError(official, "missing in the state dict", _REMEDY)
            weight = torch.as_tensor(state_dict[official])
            if weight.shape != parameter.shape:
                problem = f"has the shape {tuple(weight.shape)}, the network {tuple(parameter.shape)}"
                raise BenchError(official, problem, _REMEDY)
            parameter.copy_(weight)
