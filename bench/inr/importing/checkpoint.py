"""Reading of checkpoint files. Nothing in a file is executed."""

from __future__ import annotations

import errno
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.base.errors import BenchError

#: Keys under which training scripts save the weights, beside other values.
_KEYS = ("state_dict", "model", "model_state_dict", "network", "net")
#: Exceptions of torch's readers for files that are damaged or of another format.
_UNREADABLE = (
    *(pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError),
    AssertionError,
)
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The state dict in a file of `torch.save` or safetensors, on the CPU.

    Raises:
        BenchError: the file is missing, cannot be read without executing code, or has no state dict at its
            top level or under one of the usual keys.
        OSError: the file cannot be opened.
    """
    if not path.is_file():
        raise BenchError(path, "no such file", "give the checkpoint that the official code saved")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # the errors below say the same
            saved = torch.load(path, map_location="cpu", weights_only=True)
    except (*_UNREADABLE, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # EINVAL: an offset beyond its end
            raise
        raise _unreadable(path, error) from error
    for candidate in (saved, *(saved.get(key) for key in _KEYS if isinstance(saved, Mapping))):
        if weights := _weights(candidate):
            return weights
    keys = ", ".join(map(str, list(saved)[:8])) if isinstance(saved, Mapping) else type(saved).__name__
    remedy = f"save the network's state dict, alone or under {_KEYS[0]!r}"
    raise BenchError(path, f"has no state dict ({keys or 'nothing'})", remedy)


def _weights(value: Any) -> dict[str, Tensor] | None:
    """`value` if it is a state dict, otherwise None."""
    if not isinstance(value, Mapping):
        return None
    named = all(isinstance(name, str) and isinstance(item, Tensor) for name, item in value.items())
    return dict(value) if value and named else None


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ModuleNotFoundError as error:
        raise BenchError(path, "needs the package safetensors", "install it, or use torch.save") from error
    try:
        return load_file(path)
    except SafetensorError as error:
        raise BenchError(path, f"cannot be read ({error})", "copy it again") from error


def _unreadable(path: Path, error: Exception) -> BenchError:
    """One line for torch's error message of several lines."""
    if match := _GLOBAL.search(str(error)):
        remedy = "if you trust it, load it and save only its state dict with torch.save"
        return BenchError(path, f"must contain only weights and plain values ({match[1]})", remedy)
    return BenchError(path, "is damaged, or not a file of torch.save", "copy it again")
