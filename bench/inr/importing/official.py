"""Import of networks trained by the methods' official code, and coding of them as streams.

`bench.import_official` is the public entry point. Each family's module `official` maps the names of its
official arguments and weights to those of the suite.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bench.base.errors import BenchError, StreamError
from bench.base.names import unknown_name
from bench.codec import registry
from bench.inr.coding.payload import check_network, config_from_values, config_values
from bench.inr.coding.quantiser_description import parse_description
from bench.inr.encoding import code_network
from bench.inr.fit_check import invalid_settings
from bench.inr.network import runtime

if TYPE_CHECKING:
    from bench.codec.contract import Encoded, EncodeJob
    from bench.inr.codec import INRCodec
    from bench.video.clip import Clip, ClipInfo


class OfficialNetwork(nn.Module):
    """A network of the suite behind the interface of its official code.

    Attributes:
        network: the suite's network, with its configuration as `network.config`.
        frames: length of the clip that it was fitted to, where the official arguments include it.
        is_coded: whether `network` is that of a stream already, and does not need the clip's frames.
    """

    network: Any
    frames: int | None = None
    is_coded: bool = False

    def config_for(self, clip: ClipInfo) -> Any:
        """The network's configuration for the clip that it was fitted to.

        Raises:
            ValueError: the clip has another size or length. The message names it.
        """
        for name, side in zip(("height", "width"), self.frame_size(), strict=True):
            if side != getattr(clip, name):
                raise ValueError(f"{name} is {getattr(clip, name)}, the network's is {side}")
        return self.network.config

    def frame_size(self) -> tuple[int, int]:
        """Height and width of the frames that the network decodes.

        Raises:
            ValueError: they follow from the clip only.
        """
        return self.network.config.padded_size


def import_official(name: str, config: Mapping[str, Any], state_dict: Mapping[str, Any]) -> OfficialNetwork:
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


def encode_official(codec: INRCodec, official: OfficialNetwork, clip: Clip, job: EncodeJob) -> Encoded:
    """Code an official network: the result of `codec.encode` for a fit that ended in its weights.

    Args:
        official: from `import_official` for the codec's family.
        job: only the quantiser of its settings is used.

    Raises:
        BenchError: the network was fitted to another clip or quantiser, or no stream can hold it.
    """
    info = clip.info
    runtime.prepare(threads=job.threads, device=job.device)
    try:
        config = official.config_for(info)
    except ValueError as error:
        remedy = "give the clip that these weights were fitted to"
        raise BenchError(f"clip {info.name}", str(error), remedy) from error
    with invalid_settings():
        quantiser = parse_description(job.settings["quantiser"], codec.quantisers)
        codec.check_quantiser(config, quantiser)
    for name, _ in official.network.named_buffers():
        raise BenchError(name, "is a statistic, which a stream cannot hold", "fit without batch norm")
    size = {"frames": info.frames, "height": info.height, "width": info.width}
    with torch.device("meta"):  # the weights are assigned below
        build = codec.receive if official.is_coded else codec.represent
        representation = build(config, **size)
    representation.network.load_state_dict(official.network.state_dict(), assign=True)
    runtime.move(representation.network, job.device)
    encoded = code_network(
        codec, representation, _frames(clip, job.device), config=config, quantiser=quantiser, clock=job.clock
    )
    # Arguments can define a network that the limits of decoders exclude: another type, or too large.
    try:
        values = json.loads(json.dumps(config_values(config, codec.wire_defaults)))
        decoded = config_from_values(codec.config_type, values, codec.wire_defaults)
        with torch.device("meta"):
            network = codec.receive(decoded, **size).network
        payload_bytes = sum(len(piece) for piece in encoded.payload)
        check_network(network, decoded, payload_bytes=payload_bytes, height=info.height, width=info.width)
    except StreamError as error:
        problem = f"{error.problem}, so no decoder accepts the stream"
        raise BenchError("official configuration", problem, "check the arguments") from error
    return encoded


def _frames(clip: Clip, device: str) -> Iterator[Tensor]:
    for frame in clip.rgb():
        yield torch.from_numpy(frame).permute(2, 0, 1).contiguous().to(device)


def _has_official(package: str) -> bool:
    spec = importlib.util.find_spec(package)
    in_package = spec is not None and spec.submodule_search_locations is not None
    return in_package and importlib.util.find_spec(f"{package}.official") is not None
