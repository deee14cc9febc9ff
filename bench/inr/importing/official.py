"""Networks of the methods' official code: their arguments and weights, by their own names.

`bench.import_official` is the way in; each method's module `official` knows its names.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bench.base.errors import BenchError, StreamError
from bench.base.names import unknown_name
from bench.codec import registry
from bench.inr.importing.command_line import arguments_of
from bench.inr.network import runtime

if TYPE_CHECKING:
    from bench.codec.contract import Encoded, EncodeJob
    from bench.inr.codec import INRCodec
    from bench.video.clip import Clip

#: What several GPUs and compilation put before a weight's name.
_BEFORE_NAMES = re.compile(r"^(?:module\.|_orig_mod\.)+")
#: A weight that torch keeps in parts, by pruning or by a parametrisation, and the parts that official
#: codes have. Quantisation noise (HiNeRV) says what training does to a weight and nothing of its value.
_IN_PARTS = (
    re.compile(r"(?P<before>.*)\b(?P<name>weight|bias)_(?P<part>orig|mask)"),
    re.compile(
        r"(?P<before>.*)\bparametrizations\.(?P<name>\w+)\.(?:\d+\.)?"
        r"(?P<part>original|mask|bitwidth|noise_ratio)"
    ),
)
_REMEDY = "give the configuration that these weights were trained with"


class _Arguments(dict[str, Any]):
    def __missing__(self, key: str) -> Any:
        raise BenchError("official configuration", f"the argument {key!r} is missing", "add it")


def official_arguments(
    config: Mapping[str, Any], section: str, flags: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The constructor's arguments out of `config`, which may hold them beside others under `section`.

    Looking up one that is missing raises a BenchError that names it.

    Args:
        flags: official defaults of the flags that make a network. With them `config` may have the
            script's command line instead, under `argv`.

    Raises:
        ValueError: the command line cannot be read.
    """
    nested = config.get(section)
    if nested is None and flags is not None and "argv" in config:
        nested = arguments_of(config["argv"], flags)
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
    """Refuse (ValueError) more blocks a stage than one, of which FFNeRV's and NeRV's code drop some."""
    if int(given.get("num_blocks", 1)) != 1:
        raise ValueError(f"num_blocks is {given['num_blocks']}, and only 1 makes a whole network")


def plain_names(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """The entries as the official forward uses them, by the names that its modules give.

    Names lose what several GPUs (`module.`) and compilation put before them, and pruned weights
    (`weight_orig`, `parametrizations.weight.original`) come multiplied by their masks.
    """
    entries: dict[str, Any] = {}
    parts: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for name, value in state_dict.items():
        name = _BEFORE_NAMES.sub("", name)
        if found := next(filter(None, (pattern.fullmatch(name) for pattern in _IN_PARTS)), None):
            parts[found["before"] + found["name"]][found["part"]] = value
        else:
            entries[name] = value
    for name, part in parts.items():
        original = part.get("orig", part.get("original"))
        if original is not None:
            entries[name] = _masked(name, original, part.get("mask"))
    return entries


def _masked(name: str, weight: Any, mask: Any) -> Any:
    if mask is None:
        return weight
    if tuple(weight.shape) != tuple(mask.shape):
        raise BenchError(name, f"has a mask of the shape {tuple(mask.shape)}", _REMEDY)
    return torch.as_tensor(weight) * torch.as_tensor(mask)


def copy_weights(
    network: nn.Module,
    state_dict: Mapping[str, Any],
    official_name: Callable[[str], str],
    *,
    beside: Iterable[str] = (),
) -> None:
    """Fill every parameter and statistic from the entry that `official_name` names (tensor or array).

    Args:
        beside: names of entries that are no weights.

    Raises:
        BenchError: an entry is missing or of another shape, or one is left over, which says that the
            weights are another network's; the line names it.
    """
    entries = plain_names(state_dict)
    with torch.no_grad():
        for name, ours in network.state_dict().items():
            official = official_name(name)
            if official not in entries:
                raise BenchError(official, "missing in the state dict", _REMEDY)
            weight = _tensor(official, entries.pop(official))
            if weight.shape != ours.shape:
                problem = f"has the shape {tuple(weight.shape)}, the network {tuple(ours.shape)}"
                raise BenchError(official, problem, _REMEDY)
            ours.copy_(weight)
    if unknown := sorted(entries.keys() - set(beside)):
        raise BenchError(unknown[0], "is no weight of this network", _REMEDY)


def _tensor(name: str, value: Any) -> Tensor:
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise BenchError(name, f"is no array of numbers ({error})", "give tensors or NumPy arrays") from error


def import_official(name: str, config: Mapping[str, Any], state_dict: Mapping[str, Any]) -> nn.Module:
    """See `bench.import_official`."""
    packages = {family: path.removesuffix(".codec") for family, path in registry.families().items()}
    known = [family for family, package in packages.items() if _has_official(package)]
    if name not in known:
        raise unknown_name("method", name, known)
    official = importlib.import_module(f"{packages[name]}.official")
    try:
        return official.network_from_official(config, state_dict)
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:  # of arguments
        raise BenchError(f"official configuration of {name}", str(error), "check the arguments") from error


def encode_official(codec: INRCodec, official: Any, clip: Clip, job: EncodeJob) -> Encoded:
    """What `codec.encode` would give, had its fit of this clip ended in an official network's weights.

    Args:
        official: what `import_official` gives for the codec's family.
        job: of its settings the quantiser alone counts.

    Raises:
        BenchError: the network is not one of this clip, or none that a stream can hold.
    """
    info = clip.info
    runtime.prepare(threads=job.threads, device=job.device)
    try:
        config = codec.adopt(info, official, job.settings)
    except ValueError as error:
        remedy = "give the clip that these weights were fitted to"
        raise BenchError(f"clip {info.name}", str(error), remedy) from error
    for name, _ in official.network.named_buffers():
        raise BenchError(name, "is a statistic, which streams have no place for", "fit without batch norm")
    with torch.device("meta"):  # its weights come with the next line
        made = codec.represent(config, frames=info.frames, height=info.height, width=info.width)
    made.network.load_state_dict(official.network.state_dict(), assign=True)
    runtime.place(made.network, job.device)
    encoded = codec.pack(made, _frames(clip, job.device), config=config, job=job)
    _check_decodable(codec, config, clip, sum(map(len, encoded.payload)))
    return encoded


def _frames(clip: Clip, device: str) -> Iterator[Tensor]:
    for frame in clip.rgb():
        yield torch.from_numpy(frame).permute(2, 0, 1).contiguous().to(device)


def _check_decodable(codec: INRCodec, config: Any, clip: Clip, payload_bytes: int) -> None:
    """Refuse arguments that made a network but are beyond what decoders take (of another type, too large)."""
    from bench.inr.coding.payload import check_network, config_from_values, config_values

    info = clip.info
    try:
        read = config_from_values(codec.config_type(), json.loads(json.dumps(config_values(config))))
        with torch.device("meta"):
            network = codec.receive(read, frames=info.frames, height=info.height, width=info.width).network
        check_network(network, read, payload_bytes=payload_bytes, height=info.height, width=info.width)
    except StreamError as error:
        problem = f"{error.problem}, so that no decoder would take it"
        raise BenchError("official configuration", problem, "check the arguments") from error


def _has_official(package: str) -> bool:
    spec = importlib.util.find_spec(package)
    in_package = spec is not None and spec.submodule_search_locations is not None
    return in_package and importlib.util.find_spec(f"{package}.official") is not None
