"""Import of networks trained by the official HiNeRV code (commit fdb92ec)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from baselines.hinerv.config import HiNeRVConfig
from baselines.hinerv.model import HiNeRV
from bench.base.errors import BenchError
from bench.inr.importing.arguments import official_arguments
from bench.inr.importing.official import OfficialNetwork
from bench.inr.importing.weights import copy_weights, plain_names
from bench.inr.network.decoder_config import check_choice

if TYPE_CHECKING:
    from bench.video.clip import ClipInfo

_LAYER_NORM = "layernorm-no-affine"

#: Flag -> the only value that this network implements, as numbers if they are numbers; None: any value.
_FLAGS: dict[str, list[Any] | None] = {
    "model": ["HiNeRV"],
    "block-type": ["convnext"],
    "stem-kernels": [3],
    "stem-paddings": [-1, -1, -1],
    "paddings": [-1, -1, -1],
    "enc-type": ["normalized+temp_local_grid"],
    "enc-grid-level-scale": [2, 0.5],
    "enc-grid-depth-scale": [1, 0.5],
    "base-grid-level-scale": [2, 1, 1, 0.5],
    "upsample-type": ["trilinear"],
    "upsample-norm": None,  # `none` in the b-variants; other models do not have the flag
    "upsample-config": None,  # variants of the same function, except `_OTHER_UPSAMPLING`
    "channels-reduce-base": [1],  # here and below: the official defaults
    "channels-min": [1],
    "stem-type": ["conv_stem"],
    "head-type": ["linear_head"],
    "block-norm": [_LAYER_NORM],
    "block-act": ["gelu"],
    "head-act": ["sigmoid"],
    "stem-norm": ["none"],
    "stem-act": ["none"],
    "head-norm": ["none"],
    "upsample-act": ["none"],
    "block-bias": ["false"],
    "stem-bias": ["true"],
    "head-bias": ["true"],
    "enc-align-corners": ["false"],
    # Flags of initial values, of training and evaluation by patches, and of other types of encodings.
    **dict.fromkeys(("block-dropout", "block-droppath", "eval-patch-size", "enc-pe", "enc-pe-no-t")),
    "base-grid-init-scale": None,
    "enc-grid-init-scale": None,
    **dict.fromkeys(("channels", "channels-reduce", "depths", "exps", "kernels", "scales-t", "scales-hw")),
    **dict.fromkeys(("base-size", "base-grid-size", "base-grid-level", "enc-grid-size", "enc-grid-level")),
}
#: Words of --upsample-config that select another function, at the edges of patches or everywhere.
_OTHER_UPSAMPLING = {"align", "interpolate"}


class OfficialHiNeRV(OfficialNetwork):
    """A HiNeRV with the official interface: positions in, five-dimensional video out."""

    def __init__(self, network: HiNeRV) -> None:
        super().__init__()
        self.network, self.frames = network, network.frames

    def config_for(self, clip: ClipInfo) -> HiNeRVConfig:
        if self.frames != clip.frames:
            raise ValueError(f"frames is {clip.frames}, the network's is {self.frames}")
        return super().config_for(clip)

    def forward(self, idx: Tensor) -> Tensor:
        """Whole frames (B, 3, 1, H, W) for `idx` (B, 3) of t, y, x; only t is used (official evaluation)."""
        return self.network(idx[:, 0])[:, :, None]

    def patches(self, idx: Tensor) -> Tensor:
        """Patches (B, 3, 1, h, w) at `idx` (B, 3) of t, y, x (official training).

        y and x count patches of the size `patch` in the configuration.
        """
        return self.network(idx[:, 0], idx[:, 1:])[:, :, None]


def read_flags(flags: str) -> dict[str, list[Any]]:
    """The flags of an official command line: name -> values, converted to numbers if possible.

    Raises:
        BenchError: a flag is unknown, or has a value that this network does not implement.
    """
    values: dict[str, list[Any]] = {}
    name = ""
    for word in flags.split():
        if word.startswith("--"):
            name = word[2:]
            values[name] = []
        else:
            values.setdefault(name, []).append(_number(word))
    for name, given in values.items():
        if name not in _FLAGS:
            raise BenchError(f"--{name}", "is not a flag of a published model", "leave it out")
        published = _FLAGS[name]
        if published not in (None, given):
            words = " ".join(map(str, published))
            raise BenchError(f"--{name}", f"{given} is not implemented", f"published models have {words}")
    return values


def config_from_official(config: Mapping[str, Any]) -> HiNeRVConfig:
    """The configuration of an official model.

    Args:
        config: `flags` (the official command line; -1 where the official code derives a value),
            `video_size` (T, H, W) and, for patches, `patch` (1, h, w).

    Raises:
        BenchError: a flag has a value that this network does not implement.
        ValueError: the clip's size contradicts the flags.
    """
    config = official_arguments(config, "args")
    flags = read_flags(config["flags"])
    depth = config["patch"][0] if "patch" in config else 1
    if depth != 1:
        raise BenchError("patch", f"has {depth} frames, must have one", "give the patch of a published model")
    for word in flags.get("upsample-config", ()):
        if other := _OTHER_UPSAMPLING & set(str(word).split(",")):
            raise BenchError(
                "--upsample-config", f"{min(other)} is not implemented", "use a published model's"
            )
    (norm,) = flags.get("upsample-norm", [_LAYER_NORM])
    check_choice("--upsample-norm", norm, ("none", _LAYER_NORM))
    base = _base(flags, *config["video_size"])
    length, *_, channels = _whole(flags, "base-grid-size")
    _, local_channels = _whole(flags, "enc-grid-size")
    try:
        return HiNeRVConfig(
            base=base,
            channels=_whole(flags, "channels")[0],
            strides=tuple(_whole(flags, "scales-hw")),
            depths=tuple(_whole(flags, "depths")),
            expansions=tuple(map(float, _values(flags, "exps"))),
            reduction=float(_values(flags, "channels-reduce")[0]),
            base_length=None if length == -1 else length,
            base_channels=8 if channels == -1 else channels,
            base_levels=_whole(flags, "base-grid-level")[0],
            local_channels=local_channels,
            local_levels=_whole(flags, "enc-grid-level")[0],
            upsample_norm=norm == _LAYER_NORM,
            patch=tuple(config["patch"][1:]) if "patch" in config else None,
        )
    except ValueError as error:
        raise BenchError("flags", str(error), "give a published model's flags") from error


def _base(flags: Mapping[str, list[Any]], frames: int, height: int, width: int) -> tuple[int, int]:
    """(h0, w0) of the latent, after checking that all flags of sizes agree with it."""
    strides = _whole(flags, "scales-hw")
    scale = math.prod(strides)
    if height % scale or width % scale:
        raise ValueError(
            f"video_size: {height}x{width} must be a multiple of {scale}, the product of --scales-hw"
        )
    base = height // scale, width // scale
    _expect(flags, "base-size", [frames, *base], derived=True)
    _expect(flags, "kernels", [3] * len(strides))
    _expect(flags, "scales-t", [1] * len(strides))
    area = _whole(flags, "base-grid-size")[1:-1]
    if not _matches(area, list(base), derived=True):
        raise BenchError("--base-grid-size", f"is {area} in space", f"give -1 -1 or {base[0]} {base[1]}")
    local_length = _whole(flags, "enc-grid-size")[0]
    if local_length not in (-1, frames):
        raise BenchError("--enc-grid-size", f"is {local_length} in time", "give -1")
    return base


def network_from_official(config: Mapping[str, Any], state_dict: Mapping[str, Any]) -> OfficialHiNeRV:
    """The network of official arguments, with official weights (tensors or arrays).

    Raises:
        BenchError: a flag has a value that this network does not implement, or a weight is missing, unknown
            or has another shape.
    """
    settings = config_from_official(config)
    frames, height, width = official_arguments(config, "args")["video_size"]
    settings.check_clip(frames=frames, height=height, width=width)
    network = HiNeRV(settings, frames=frames)
    entries = plain_names(state_dict)
    for name, level in network.base.levels.named_parameters():
        entry = entries.get(f"encoding.grids.{name}.weight")
        if entry is not None and tuple(entry.shape) == (level[..., 0].numel(), level.shape[2]):
            # Time and space are one axis in the official grid, and two here.
            entries[f"encoding.grids.{name}.weight"] = entry.reshape(level.shape)
    copy_weights(network, entries, official_name)
    return OfficialHiNeRV(network)


def official_name(name: str) -> str:
    """The official name of a parameter."""
    name = re.sub(r"^base\.levels\.(\d+)$", r"encoding.grids.\1.weight", name)
    name = re.sub(r"^stem\.", "decoder.stem.conv.", name)
    name = re.sub(r"^head\.", "decoder.head.linear.", name)
    name = re.sub(
        r"^stages\.(\d+)\.encoding\.levels\.(\d+)$", r"decoder.blocks.\1.1.enc.grids.\2.weight", name
    )
    name = re.sub(r"^stages\.(\d+)\.encoding\.linear\.", r"decoder.blocks.\1.1.enc.linear.", name)
    # The official list of a stage has upsampling and encoding before the blocks.
    name = re.sub(
        r"^stages\.(\d+)\.blocks\.(\d+)\.",
        lambda match: f"decoder.blocks.{match[1]}.{int(match[2]) + 2}.",
        name,
    )
    for ours, theirs in (("spatial", "dconv"), ("widen", "fc1"), ("narrow", "fc2")):
        name = name.replace(f".{ours}.", f".{theirs}.")
    return name


def _number(word: str) -> Any:
    try:
        value = float(word)
    except ValueError:
        return word.lower() if word in ("True", "False") else word
    return int(value) if value.is_integer() else value


def _values(flags: Mapping[str, list[Any]], name: str) -> list[Any]:
    if not flags.get(name):
        raise BenchError(f"--{name}", "is missing", "give the model's whole command line")
    return flags[name]


def _whole(flags: Mapping[str, list[Any]], name: str) -> list[int]:
    values = _values(flags, name)
    if any(not isinstance(value, int) for value in values):
        raise BenchError(f"--{name}", f"{values} must be whole numbers", "give the model's command line")
    return values


def _matches(given: list[int], wanted: list[int], *, derived: bool) -> bool:
    pairs = zip(given, wanted, strict=False)
    return len(given) == len(wanted) and all(a == b or (derived and a == -1) for a, b in pairs)


def _expect(flags: Mapping[str, list[Any]], name: str, wanted: list[int], *, derived: bool = False) -> None:
    """Raise BenchError if a flag has other values than the only valid ones (or -1 if `derived`)."""
    given = flags.get(name, wanted)
    if not _matches(given, wanted, derived=derived):
        words = " ".join(map(str, wanted))
        raise BenchError(
            f"--{name}", f"{given} is not implemented", f"give {'-1 or ' if derived else ''}{words}"
        )
