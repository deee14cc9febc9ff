"""``bench import``: a checkpoint of a method's official code as one stream file and its report.

The network's configuration follows from the official arguments and the clip; of the codec's settings the
quantiser alone counts. From there on the stream is what ``bench encode`` would have written.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bench
from bench import registry
from bench.cli import process
from bench.cli.encode import EncodePlan, parse_overrides, write_coded
from bench.clip import Clip
from bench.codec import Encoded, EncodeJob
from bench.config import read_yaml
from bench.errors import BenchError
from bench.files import read_json, sha256_file
from bench.registry import CodecConfig

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("import", help="make a stream of an official checkpoint")
    parser.add_argument("--codec", required=True, metavar="ID", help="a fitted codec id, for its quantiser")
    parser.add_argument(
        "--config", required=True, type=Path, help="the official constructor's arguments, YAML or JSON"
    )
    parser.add_argument("--checkpoint", required=True, type=Path, help="what the official script saved")
    parser.add_argument("--clip", required=True, type=Path, help="clip.json of the clip that was fitted")
    parser.add_argument(
        "--set", action="append", default=[], metavar="quantiser=VALUE", help="another quantiser"
    )
    parser.add_argument("--point", default="imported", help="the name of its rate point in reports")
    parser.add_argument("--device", choices=process.DEVICES, default="auto")
    parser.add_argument("--out", required=True, type=Path, help="the stream file")
    parser.add_argument("--report", type=Path, help="what `bench measure` takes, as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    config = registry.codec_config(args.codec)
    plan = EncodePlan(
        config=config,
        point=args.point,
        settings={"quantiser": _quantiser(config, parse_overrides(args.set))},
        clip=Clip.load(args.clip),
        out=args.out,
        threads=config.threads,
        device=args.device,
        report=args.report,
        command=args.command,
    )
    process.die_with_parent()
    import_checkpoint(plan, arguments=_read_arguments(args.config), checkpoint=args.checkpoint)
    return 0


def import_checkpoint(plan: EncodePlan, *, arguments: Mapping[str, Any], checkpoint: Path) -> dict[str, Any]:
    """Write the stream of a checkpoint, then its report; the report comes back.

    Args:
        plan: its setting `quantiser` is used; arguments: of the official constructor.

    Raises:
        BenchError: the checkpoint cannot be read, does not fit its arguments, or is not of this clip.
        OSError: an output cannot be written. Nothing stands under a final name then.
    """
    from bench.inr.checkpoint import read_checkpoint
    from bench.inr.official import encode_official

    family = plan.config.family
    official = bench.import_official(family, arguments, read_checkpoint(checkpoint))
    codec: INRCodec = registry.load_family(family)  # type: ignore[assignment]

    def code(clip: Clip, job: EncodeJob) -> Encoded:
        return encode_official(codec, official, clip, job)

    origin = {"checkpoint": checkpoint.name, "sha256": sha256_file(checkpoint)}
    keeps_nothing = nullcontext(plan.out.parent)
    return write_coded(replace(plan, imported=origin), codec, code, keeps_nothing)


def _quantiser(config: CodecConfig, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The quantiser of a codec id, or the one given instead.

    Raises:
        BenchError: the codec fits no networks, or another setting is given.
    """
    if config.kind != "fitted":
        fitted = (known.id for known in registry.codec_configs().values() if known.kind == "fitted")
        problem = f"is {config.kind}: it has no network to import"
        raise BenchError(f"--codec {config.id}", problem, f"try {', '.join(fitted)}")
    for key in overrides:
        if key != "quantiser":
            raise BenchError(f"--set {key}", "all but the quantiser follows from the weights", "leave it out")
    settings = {**registry.load_family(config.family).defaults, **config.settings, **overrides}
    if not isinstance(settings["quantiser"], dict):
        raise BenchError("--set quantiser", "is no table", "write quantiser='{name: affine, bits: 8}'")
    return settings["quantiser"]


def _read_arguments(path: Path) -> dict[str, Any]:
    return read_json(path, "a JSON file of arguments") if path.suffix == ".json" else read_yaml(path)
