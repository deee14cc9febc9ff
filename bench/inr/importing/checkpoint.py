"""Reading of checkpoint files. Nothing in a file is executed."""

from __future__ import annotations

import errno
import re
import warnings
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.base.errors import BenchError
from bench.base.progress_bar import format_megabytes

#: Keys under which training scripts save the weights, beside other values. `module` is DeepSpeed's.
_KEYS = ("state_dict", "model", "model_state_dict", "network", "net", "module")
#: Weight files in the folder that `accelerator.save_state` of Hugging Face's accelerate writes (HiNeRV).
_IN_FOLDER = ("model.safetensors", "pytorch_model.bin", "pytorch_model/mp_rank_00_model_states.pt")
#: Entry of the ZIP file that HiNeRV's code writes as its bitstream.
_HINERV_BITSTREAM = "model_compressed.pth.tar"
#: Fields of a tensor in the quantised file of HNeRV's code (quant_vid.pth).
_QUANTISED = {"quant", "min", "scale"}
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")


def checkpoint_file(path: Path) -> Path:
    """The file with the weights: `path` itself, or the one in a checkpoint folder of accelerate.

    Raises:
        BenchError: there is none.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise BenchError(path, "no such file", "give the checkpoint that the official code saved")
    for name in _IN_FOLDER:
        if (path / name).is_file():
            return path / name
    inner = sorted(other.name for other in path.iterdir() if other.is_dir())
    remedy = f"give one of its folders: {', '.join(inner[:8])}" if inner else "give the file of the weights"
    raise BenchError(path, f"is a folder without {', '.join(_IN_FOLDER)}", remedy)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The state dict in a file of `torch.save` or safetensors, or in a checkpoint folder, on the CPU.

    Quantised tensors of HNeRV's file are returned as min + scale * quant, and its embeddings as `embed`.

    Raises:
        BenchError: the file is missing, cannot be read without executing code, or has no state dict at its
            top level or under one of the usual keys.
        OSError: the file cannot be opened.
    """
    path = checkpoint_file(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    _check_unpacked_size(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # the errors below say the same
            saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen types for files that are damaged or of another format
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # EINVAL: an offset beyond its end
            raise
        raise _unreadable(path, error) from error
    candidates = [saved, *(saved.get(key) for key in _KEYS if isinstance(saved, Mapping))]
    for candidate in candidates:
        if weights := _weights(path, candidate):
            if candidate is not saved and (embedding := _dequantised(path, saved.get("embed"))) is not None:
                weights["embed"] = embedding
            return weights
    keys = ", ".join(map(str, list(saved)[:8])) if isinstance(saved, Mapping) else type(saved).__name__
    remedy = f"save the network's state dict, alone or under {_KEYS[0]!r}"
    raise BenchError(path, f"has no state dict ({keys or 'nothing'})", remedy)


def _check_unpacked_size(path: Path) -> None:
    """Refuse a ZIP file whose entries are compressed: `torch.save` stores them as they are.

    A megabyte of compressed zeros can have a gigabyte.
    """
    size = 0
    with suppress(Exception), zipfile.ZipFile(path) as archive:  # the error of torch is clearer
        size = sum(entry.file_size for entry in archive.infolist())
    if size > 2 * path.stat().st_size + (1 << 20):
        problem = f"has {format_megabytes(path.stat().st_size)}, but unpacks to {format_megabytes(size)}"
        raise BenchError(path, problem, "save it again with torch.save")


def _weights(path: Path, value: Any) -> dict[str, Tensor] | None:
    """`value` if it is a state dict of tensors or quantised tensors, otherwise None."""
    if not isinstance(value, Mapping) or not value or not all(isinstance(name, str) for name in value):
        return None
    weights = {}
    for name, item in value.items():
        tensor = item if isinstance(item, Tensor) else _dequantised(path, item)
        if tensor is None:
            return None
        if tensor.layout is not torch.strided or tensor.is_quantized or not _is_stored(tensor):
            raise BenchError(path, f"{name} must be a plain tensor", "save the network's state dict")
        weights[name] = tensor
    return weights


def _is_stored(tensor: Tensor) -> bool:
    """Whether each entry is in the file: a tensor with strides of 0 has any size in a few bytes."""
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def _dequantised(path: Path, value: Any) -> Tensor | None:
    """min + scale * quant in float32, as HNeRV's decoder computes it; None if `value` is something else.

    Raises:
        BenchError: the shapes of the three tensors do not fit together.
    """
    if not isinstance(value, Mapping) or set(value) != _QUANTISED:
        return None
    if not all(isinstance(item, Tensor) and item.layout is torch.strided for item in value.values()):
        return None
    quant, least, scale = value["quant"], value["min"].float(), value["scale"].float()
    try:
        if not _is_stored(quant):
            raise RuntimeError
        return least.expand_as(quant) + scale.expand_as(quant) * quant
    except RuntimeError:
        shapes = ", ".join(f"{key} {list(value[key].shape)}" for key in sorted(_QUANTISED))
        problem = f"has a quantised tensor of contradicting shapes ({shapes})"
        raise BenchError(path, problem, "copy it again") from None


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ModuleNotFoundError as error:
        raise BenchError(path, "needs the package safetensors", "install it, or use torch.save") from error
    try:
        return load_file(path)
    except (SafetensorError, RuntimeError, ValueError, LookupError, TypeError) as error:
        raise BenchError(path, f"cannot be read ({error})", "copy it again") from error


def _unreadable(path: Path, error: Exception) -> BenchError:
    """One line for torch's error message of several lines."""
    if match := _GLOBAL.search(str(error)):
        command = (
            f"import torch; saved = torch.load({path.name!r}, weights_only=False); "
            "torch.save(saved['state_dict'], 'weights.pth')"
        )
        remedy = f'if you trust it, save only its state dict: python -c "{command}"'
        return BenchError(path, f"must contain only weights and plain values ({match[1]})", remedy)
    with suppress(Exception), zipfile.ZipFile(path) as archive:  # of any kind: the file is damaged
        if _HINERV_BITSTREAM in archive.namelist():
            problem = "is a bitstream of HiNeRV's code, which only that code decodes"
            return BenchError(path, problem, "give the checkpoint folder that it was coded from")
    return BenchError(path, "is damaged, or not a file of torch.save", "copy it again")
