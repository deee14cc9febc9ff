"""``bench equal-time``: epochs of each fitted network for the same seconds of encoding on this machine.

It prints a part of a condition to copy. Equal encoding time is an alternative to equal epochs.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from bench.base import process
from bench.codec import registry
from bench.codec.device import DEVICES

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise ValueError
    return seconds


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("equal-time", help="choose epochs so that all fits encode equally long")
    parser.add_argument(
        "--encode-s", required=True, type=_seconds, metavar="SECONDS", help="of each fit alone"
    )
    parser.add_argument("--condition", help="name or YAML file; default: that of config.yaml")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import yaml

    from bench.codec.device import device_name, resolve_device
    from bench.conditions.reader import load_condition
    from bench.conditions.run_config import default_condition
    from bench.inr.study.equal_time import epochs_for
    from bench.workflow.plan import planned_info

    condition = load_condition(args.condition or default_condition())
    codecs: dict[str, Any] = {}
    names = set()
    for codec_id in condition.codecs:
        config = registry.codec_config(codec_id)
        if not config.fitted_by_suite:
            continue
        codec: INRCodec = registry.load_family(config.family)  # type: ignore[assignment]
        names.add(device_name(resolve_device(args.device, codec)))
        plan, points = condition.codecs[codec_id], condition.point_settings(codec_id)
        keys = [(clip, point) for clip in condition.clips for point in points if plan.codes(clip, point)]
        fits = [
            (planned_info(condition, clip), condition.settings(codec_id, point, clip)) for clip, point in keys
        ]
        epochs = epochs_for(
            codec,
            fits,
            args.encode_s,
            threads=config.threads,
            device=args.device,
            progress=process.progress(f"equal-time {codec_id}"),
        )
        clips: dict[str, Any] = {}
        for (clip, point), count in zip(keys, epochs, strict=True):
            own = (plan.clips.get(clip) or {}).get(point) or points[point]
            clips.setdefault(clip, {})[point] = {**own, "epochs": count}
        codecs[codec_id] = {"clips": clips}
    sys.stdout.write(
        f"# Epochs of {args.encode_s:g} s of encoding on {', '.join(sorted(names))}, each fit alone\n"
    )
    sys.stdout.write(yaml.safe_dump({"codecs": codecs}, sort_keys=False, default_flow_style=None, width=110))
    return 0
