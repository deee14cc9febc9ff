"""Import of networks trained by the official HNeRV code (commit 4872129)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from baselines.hnerv.config import HNeRVConfig
from baselines.hnerv.model import CodedHNeRV, Decoder, HNeRV
from bench.base.errors import BenchError
from bench.inr.importing.arguments import official_arguments
from bench.inr.importing.official import OfficialNetwork
from bench.inr.importing.weights import copy_weights

if TYPE_CHECKING:
    from bench.video.clip import ClipInfo

#: Part of the names in older files, which the official code removes when it reads one.
_OLD_NAME = re.compile(r"\bblocks\.0\.")
#: Values of official arguments that this network implements.
_SUPPORTED = {"norm": "none", "conv_type": ["convnext", "pshuffel"]}


class OfficialHNeRV(OfficialNetwork):
    """An HNeRV with the official forward, without the official third output (seconds of decoding).

    Attributes:
        network: encoder and decoder, or the embeddings of all frames and the decoder.
        pixels: of one frame of the clip that it was fitted to, where the official arguments include it.
    """

    def __init__(
        self, network: HNeRV | CodedHNeRV, *, frames: int | None = None, pixels: int | None = None
    ) -> None:
        super().__init__()
        self.network, self.frames, self.pixels = network, frames, pixels
        self.is_coded = isinstance(network, CodedHNeRV)

    def forward(self, source: Tensor | None, embedding: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        """Frames (B, 3, H, W), and a list of features: embeddings, then outputs of the decoder's stages.

        Args:
            source: frames (B, 3, H, W), or times i / N (B,) of a network with a positional encoding, in
                float64 as in the official code: float32 changes the phases of high frequencies.
            embedding: embeddings (B, C, h, w) to use instead of encoding `source`.
        """
        if embedding is None:
            if source is None or self.is_coded:
                raise ValueError("give frames (or times) or their embeddings")
            embedding = self.network.encode(source)
        decoder = self.network.decoder
        features = [embedding, *decoder.features(embedding)]
        return decoder.to_rgb(features[-1]), features

    def config_for(self, clip: ClipInfo) -> HNeRVConfig:
        """With an encoder the weights do not depend on the frame size, so it is the clip's."""
        if self.frames not in (None, clip.frames):
            raise ValueError(f"frames is {clip.frames}, full_data_length {self.frames}")
        if self.pixels not in (None, clip.height * clip.width):
            raise ValueError(f"height times width is {clip.height * clip.width}, final_size {self.pixels}")
        config = self.network.config
        if config.embed or self.is_coded:
            return super().config_for(clip)
        scale = config.downsampling
        for name in ("height", "width"):
            if getattr(clip, name) % scale:
                raise ValueError(
                    f"{name} is {getattr(clip, name)}, which must be a multiple of the encoder's {scale}"
                )
        return replace(config, base=(clip.height // config.upsampling, clip.width // config.upsampling))

    def frame_size(self) -> tuple[int, int]:
        if not (self.network.config.embed or self.is_coded):
            raise ValueError("the embeddings are computed from its frames")
        return super().frame_size()


def config_from_official(config: Mapping[str, Any], *, size: tuple[int, int] | None = None) -> HNeRVConfig:
    """The configuration of official arguments, including `fc_dim`, which the official script adds.

    Args:
        config: the arguments by their official names, at the top level or in a table `args`.
        size: (height, width) of a frame. The arguments do not include it, and with an encoder the weights
            do not depend on it. None: the smallest frame.

    Raises:
        BenchError: an argument is missing, or selects a layer that published models do not have.
    """
    args = official_arguments(config, "args")
    for key, supported in _SUPPORTED.items():
        given = args.get(key, supported)
        if (given if isinstance(given, str) else list(given)) != supported:
            raise BenchError(key, f"{args[key]!r} is not supported", f"published models have {supported!r}")
    try:
        return _config(args, size)
    except (ValueError, TypeError, AttributeError) as error:
        raise BenchError("official configuration", str(error), "give that of a published model") from error


def _config(args: Mapping[str, Any], size: tuple[int, int] | None) -> HNeRVConfig:
    _, first, last = (int(x) for x in args["ks"].split("_"))
    encoder_blocks, decoder_blocks = (int(x) for x in args["num_blks"].split("_"))
    strides, encoder_strides = (tuple(int(x) for x in args[key]) for key in ("dec_strds", "enc_strds"))
    embedding: dict[str, Any]
    if encoder_strides:
        side = math.prod(encoder_strides)
        height, width = size or (side, side)
        base = (height // math.prod(strides), width // math.prod(strides))
        encoder_width, channels = (int(float(x)) for x in args["enc_dim"].split("_"))
        embedding = {"encoder_width": encoder_width, "embedding_channels": channels}
    else:
        height, width = (int(x) for x in args["fc_hw"].split("_"))
        base, embedding = (height, width), {"embed": args["embed"]}
    return HNeRVConfig(
        base=base,
        channels=int(args["fc_dim"]),
        decoder_strides=strides,
        encoder_strides=encoder_strides,
        encoder_blocks=encoder_blocks,
        kernels=(first, last),
        reduction=float(args["reduce"]),
        lower_width=int(args["lower_width"]),
        decoder_blocks=decoder_blocks,
        activation=args["act"],
        head=str(args["out_bias"]),
        **embedding,
    )


def official_name(name: str) -> str:
    """The official name of a parameter."""
    name = name.replace("encoder.downsamplers.", "encoder.downsample_layers.")
    for ours, theirs in {"depthwise": "dwconv", "widen": "pwconv1", "narrow": "pwconv2"}.items():
        name = name.replace(f".{ours}.", f".{theirs}.")
    name = re.sub(r"\.scale$", ".gamma", name)
    # The official decoder is a list whose first entry is the stem.
    name = name.replace("decoder.stem.", "decoder.0.conv.downconv.")
    name = re.sub(r"decoder\.stages\.(\d+)\.", lambda m: f"decoder.{int(m[1]) + 1}.conv.upconv.0.", name)
    return name.replace("decoder.head.", "head_layer.")


def network_from_official(
    config: Mapping[str, Any] | HNeRVConfig, state_dict: Mapping[str, Any]
) -> OfficialHNeRV:
    """The network of official arguments, with official weights (tensors or arrays).

    Args:
        config: the argument of `config_from_official`, or its result. The arguments `full_data_length` and
            `final_size`, which the official script adds, are used if they are included.

    Raises:
        BenchError: an argument or a weight is missing, or a weight is unknown or has another shape.
    """
    args = official_arguments({} if isinstance(config, HNeRVConfig) else config, "args")
    frames, pixels = args.get("full_data_length"), args.get("final_size")
    entries = {_OLD_NAME.sub("", name): value for name, value in state_dict.items()}
    settings = config if isinstance(config, HNeRVConfig) else config_from_official(config)
    embeddings = entries.pop("embed", None)
    if embeddings is None or settings.embed:
        network: HNeRV | CodedHNeRV = HNeRV(settings)
    else:
        count, *shape = (int(size) for size in embeddings.shape)
        if len(shape) != 3 or shape[0] != settings.embedding_channels:
            raise BenchError("embed", f"has the shape {[count, *shape]}", "give the arguments of this file")
        scale = settings.stem_scale[0]
        settings = replace(settings, base=(shape[1] * scale, shape[2] * scale))
        network = CodedHNeRV(Decoder(settings), frames=count, embeddings=torch.as_tensor(embeddings).float())
        frames = count
        entries["embeddings"] = embeddings
    copy_weights(network, entries, official_name)
    return OfficialHNeRV(network, frames=frames, pixels=pixels)
