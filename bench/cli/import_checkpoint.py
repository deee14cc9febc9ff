"""``bench import``: encode a checkpoint of a method's official code to a stream file and its report.

The network's configuration follows from the official arguments and the clip. Of the codec's settings only the
quantiser is used. The stream has the same format as one that ``bench encode`` writes.

Without a clip, width and height are those of the network, the number of frames is that of the arguments or of
``--frames``, and the frame rate, which no metric depends on, is set to 25.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bench
from bench.base import process
from bench.base.errors import BenchError
from bench.base.files import read_json, sha256_file
from bench.base.overrides import parse_overrides
from bench.base.strict_yaml import read_yaml
from bench.codec import registry
from bench.codec.contract import Encoded, EncodeJob
from bench.codec.device import DEVICES
from bench.codec.encode import EncodePlan, encode
from bench.video.clip import Clip, ClipInfo, check_geometry

if TYPE_CHECKING:
    from bench.codec.codec_config import CodecConfig
    from bench.inr.codec import INRCodec

_ASSUMED_FPS = Fraction(25)


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("import", help="encode a checkpoint of official code to a stream")
    parser.add_argument("--codec", required=True, metavar="ID", help="a fitted codec id, for its quantiser")
    parser.add_argument(
        "--config", required=True, type=Path, help="the official constructor's arguments, YAML or JSON"
    )
    parser.add_argument(
        "--checkpoint", required=True, type=Path, help="the file or folder that the official script saved"
    )
    clip = parser.add_mutually_exclusive_group()
    clip.add_argument("--clip", type=Path, help="clip.json of the clip that was fitted; HNeRV needs it")
    clip.add_argument("--frames", type=int, help="number of frames, if neither clip nor arguments have it")
    parser.add_argument(
        "--set", action="append", default=[], metavar="quantiser=VALUE", help="another quantiser"
    )
    parser.add_argument("--point", default="imported", help="name of its rate point in reports")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--out", required=True, type=Path, help="the stream file")
    parser.add_argument("--report", type=Path, help="encode.json, for `bench measure`")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.inr.importing.checkpoint import checkpoint_file, read_checkpoint
    from bench.inr.importing.official import encode_official

    config = registry.codec_config(args.codec)
    settings = {"quantiser": _quantiser(config, parse_overrides(args.set))}
    clip = None if args.clip is None else Clip.load(args.clip)
    process.die_with_parent()
    arguments = _read_arguments(args.config)
    official = bench.import_official(config.family, arguments, read_checkpoint(args.checkpoint))
    codec: INRCodec = registry.load_family(config.family)  # type: ignore[assignment]
    digest = sha256_file(checkpoint_file(args.checkpoint))
    length = arguments.get("N") if args.frames is None else args.frames
    plan = EncodePlan(
        config=config,
        point=args.point,
        settings=settings,
        clip=clip or _unseen_clip(official, length),
        out=args.out,
        threads=config.threads,
        device=args.device,
        report=args.report,
        command=args.command,
        imported={"checkpoint": args.checkpoint.name, "sha256": digest},
    )

    def encode_imported(clip: Clip, job: EncodeJob) -> Encoded:
        return encode_official(codec, official, clip, job)

    encode(plan, encode_imported)
    return 0


def _unseen_clip(official: Any, frames: int | None) -> Clip:
    """A clip without frames, of the geometry that an official network decodes to.

    Raises:
        BenchError: the network needs frames, their number is unknown, or a stream cannot have this geometry.
    """
    try:
        height, width = official.frame_size()
    except ValueError as error:
        raise BenchError("--clip", f"is missing: {error}", "give its clip.json") from error
    frames = getattr(official, "frames", None) if frames is None else frames
    if type(frames) is not int:
        raise BenchError("--clip", "is missing, and the arguments have no number of frames", "give --frames")
    check_geometry(width, height, frames, where="--frames")
    info = ClipInfo(name="unseen", sequence="", width=width, height=height, frames=frames, fps=_ASSUMED_FPS)
    return Clip(info, Path())  # its frames are not read


def _quantiser(config: CodecConfig, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The quantiser of a codec id, or the one that overrides it.

    Raises:
        BenchError: the codec is not a fitted network, or another setting is overridden.
    """
    if config.kind != "fitted":
        fitted = (known.id for known in registry.codec_configs().values() if known.kind == "fitted")
        problem = f"must be a fitted network, is {config.kind}"
        raise BenchError(f"--codec {config.id}", problem, f"try {', '.join(fitted)}")
    for key in overrides:
        if key != "quantiser":
            problem = "cannot be set: all but the quantiser follows from the weights"
            raise BenchError(f"--set {key}", problem, "leave it out")
    settings = {
        **registry.settings_model(config.family).default_values(),
        **config.settings,
        **overrides,
    }
    if not isinstance(settings["quantiser"], dict):
        raise BenchError("--set quantiser", "must be a table", "write quantiser='{name: affine, bits: 8}'")
    return settings["quantiser"]


def _read_arguments(path: Path) -> dict[str, Any]:
    return read_json(path, "a JSON file of arguments") if path.suffix == ".json" else read_yaml(path)
