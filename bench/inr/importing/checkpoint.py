"""Files of weights that others saved: read without running anything that they hold."""

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

#: Where training scripts put the weights among what else they save.
_KEYS = ("state_dict", "model", "model_state_dict", "network", "net")
#: What torch's readers raise on files that are none of its own, or damaged.
_UNREADABLE = (
    *(pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError),
    AssertionError,
)
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The weights of a file of `torch.save` or safetensors, by their names there, on the CPU.

    Raises:
        BenchError: there is no such file, it cannot be read without running code of its own, or it
            holds no weights where training scripts put them.
        OSError: the file cannot be opened.
    """
    if not path.is_file():
        raise BenchError(path, "no such file", "give the checkpoint that the official code saved")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # of what is refused below, in lines of torch's own
            saved = torch.load(path, map_location="cpu", weights_only=True)
    except (*_UNREADABLE, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # EINVAL: a place beyond its end
            raise
        raise _refused(path, error) from error
    for candidate in (saved, *(saved.get(key) for key in _KEYS if isinstance(saved, Mapping))):
        if weights := _weights(candidate):
            return weights
    held = ", ".join(map(str, list(saved)[:8])) if isinstance(saved, Mapping) else type(saved).__name__
    remedy = f"save the network's state dict, alone or under {_KEYS[0]!r}"
    raise BenchError(path, f"has no weights by their names ({held or 'nothing'})", remedy)


def _weights(value: Any) -> dict[str, Tensor] | None:
    """`value` if it is a state dict, else None."""
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


def _refused(path: Path, error: Exception) -> BenchError:
    """One line for what torch tells in many."""
    if found := _GLOBAL.search(str(error)):
        remedy = "where you trust it, load it and save its state dict alone with torch.save"
        return BenchError(path, f"holds more than weights and plain values ({found[1]})", remedy)
    return BenchError(path, "is no file of torch.save, or damaged", "copy it again")
