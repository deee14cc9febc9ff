"""What the workflow has to make: which points, where they lie, on what they depend, what is left out.

All of it is known before anything runs: from the condition, from the codecs' own `skip`, and from the
tracked reference streams that are there. Nothing here imports torch: a plan takes part of a second.
Paths are relative to the working directory, with `/`, as Snakemake has them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bench.base.errors import BenchError
from bench.base.result_files import REFERENCE, RunKey, clip_file, reference_folder
from bench.codec import registry
from bench.codec.codec_config import CodecConfig
from bench.codec.fingerprint import code_fingerprint
from bench.conditions.condition import Condition
from bench.conditions.reader import load_condition
from bench.sequences.geometry import clip_geometry
from bench.sequences.table import DOWNLOAD_COLUMNS, check_at_hand, find_sequence
from bench.video.clip import ClipInfo

#: Fits take the longest by far, so they start first.
_PRIORITY = {"fitted": 1000, "learned": 100, "classical": 10, "control": 0}
#: What a record's bytes do not depend on: words about a sequence, and how it is downloaded.
_WORDS = ("table", "licence", "citation", "note", *DOWNLOAD_COLUMNS)


class Wildcards(Protocol):
    """What Snakemake gives a function of a rule; a `RunKey` serves as well."""

    clip: str
    codec: str
    point: str


@dataclass(frozen=True, kw_only=True)
class Skip:
    """A point that cannot be made: no job and no crash, but a row in skipped.csv."""

    condition: str
    clip: str
    codec: str
    label: str
    point: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All points of one condition in the order of its file, references last, and what is skipped.

    Methods that take `wildcards` are what the rules ask for one job. Those that give text give all
    that a job depends on beside its files and its code: where the text changes, the job runs again.
    """

    condition: Condition
    points: tuple[RunKey, ...]
    skipped: tuple[Skip, ...]
    #: Codec id -> its configuration; (clip, codec id, point) -> its complete settings.
    configs: Mapping[str, CodecConfig]
    settings: Mapping[tuple[str, str, str], Mapping[str, Any]]

    def sequence(self, wildcards: Wildcards) -> str:
        """The name of a clip's sequence."""
        return self.condition.clip(wildcards.clip).sequence

    def fetched(self, wildcards: Wildcards) -> list[str]:
        """What says that a clip's sequence was downloaded; nothing for one that need not be."""
        receipt = clip_file(self.condition.name, wildcards.clip, "source.json")
        return [receipt] if find_sequence(self.sequence(wildcards)).kind == "url" else []

    def prepare_inputs(self, wildcards: Wildcards) -> str:
        """Of a clip: the sequence's row, the steps and the colour."""
        steps = self.condition.clip(wildcards.clip)
        row = {key: value for key, value in vars(find_sequence(steps.sequence)).items() if key not in _WORDS}
        return _text({"row": row, "steps": vars(steps), "colour": self.condition.colour})

    def encode_inputs(self, wildcards: Wildcards) -> str:
        """Of a stream: the codec's complete settings, its threads, and the weights that it reads."""
        config = self.configs[wildcards.codec]
        settings = self.settings[wildcards.clip, wildcards.codec, wildcards.point]
        info = planned_info(self.condition, wildcards.clip)
        files = registry.load_family(config.family).encoder_files(info, settings)
        inputs = {"family": config.family, "threads": config.threads, "settings": settings}
        # A weight file has a part of its digest in its name.
        return _text(inputs | ({"files": [path.name for path in files]} if files else {}))

    def measure_inputs(self, wildcards: Wildcards) -> str:
        """Of a record: the label, the metrics, and the region that is kept as a picture."""
        strip = vars(self.condition.strip) if self.condition.strip else None
        label = self.configs[wildcards.codec].label
        return _text({"label": label, "strip": strip, "metrics": self.condition.metrics})

    def encode_sources(self, wildcards: Wildcards) -> str:
        """Fingerprint of the code that one encode runs: its family's, and no other's."""
        return code_fingerprint(family=self.configs[wildcards.codec].family)

    def measure_sources(self, wildcards: Wildcards) -> str:
        """Fingerprint of the code that decodes and scores one stream."""
        return code_fingerprint(
            "bench.scoring.measure", "bench.codec.decode", family=self.configs[wildcards.codec].family
        )

    def threads(self, wildcards: Wildcards) -> int:
        """CPU threads of an encode, for the scheduler; the encoder takes them from the codec's file."""
        return self.configs[wildcards.codec].threads

    def priority(self, wildcards: Wildcards) -> int:
        """Who starts first: long jobs, at high rates before low ones, so that none is left at the end."""
        place = self.condition.points(wildcards.codec).index(wildcards.point)
        return _PRIORITY[self.configs[wildcards.codec].kind] + place

    def gpus(self, wildcards: Wildcards) -> int:
        """How many GPUs a job takes: one where its codec's network may run on one, else none.

        Asked without torch: NVIDIA's driver has a device file for each GPU. Fits on CPUs must not
        queue for a GPU that none of them uses.
        """
        family = registry.load_family(self.configs[wildcards.codec].family)
        if not family.uses_torch or self.condition.device == "cpu":
            return 0
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES") == ""
        present = not hidden and any(Path("/dev").glob("nvidia[0-9]*"))
        return int(present or self.condition.device == "cuda")


def make_plan(name: str) -> Plan:
    """The plan of a condition in config/conditions.

    Raises:
        BenchError: the condition, a codec, a setting, a sequence or a reference stream is not in order.
    """
    condition = load_condition(name)
    references = find_references(condition) if condition.reference else []
    codecs = dict.fromkeys([*condition.codecs, *(point.codec for point in references)])
    configs = {codec: registry.codec_config(codec) for codec in codecs}
    settings = {
        (clip, codec, point): condition.settings(codec, point, clip)
        for clip in condition.clips
        for codec in condition.codecs
        for point in condition.points(codec)
    }
    points: list[RunKey] = []
    skipped: list[Skip] = []
    infos = {clip: planned_info(condition, clip) for clip in condition.clips}
    condition.check_strip(infos.values())
    for clip, info in infos.items():
        if not Path(clip_file(condition.name, clip, "clip.json")).is_file():
            check_at_hand(find_sequence(info.sequence))
    for (clip, codec, point), values in settings.items():
        place = {"condition": condition.name, "clip": clip, "codec": codec, "point": point}
        config = configs[codec]
        reason = registry.load_family(config.family).skip(infos[clip], values)
        if reason:
            skipped.append(Skip(**place, label=config.label, reason=reason))
        else:
            points += [RunKey(**place, run=f"seed{seed}") for seed in condition.seeds_of(codec)]
    return Plan(
        condition=condition,
        points=(*points, *references),
        skipped=tuple(skipped),
        configs=configs,
        settings=settings,
    )


def planned_info(condition: Condition, clip: str) -> ClipInfo:
    """What is known of a clip before it is made: its geometry, from the sequence's row and the steps."""
    steps = condition.clip(clip)
    sequence = find_sequence(steps.sequence)
    geometry = clip_geometry(sequence, steps, where=f"{condition.path}: clips: {clip}")
    return ClipInfo(
        name=clip,
        sequence=sequence.name,
        width=geometry.width,
        height=geometry.height,
        frames=geometry.stop - geometry.first,
        fps=sequence.fps,
        colour=condition.colour,
    )


def find_references(condition: Condition) -> list[RunKey]:
    """The tracked streams of a condition: results/reference/<condition>/<clip>/<codec>/<point>/seed<k>/.

    Raises:
        BenchError: a stream without its report, or of a clip or a codec that is not there.
    """
    points = []
    # Codecs that the condition runs come first, in its order: their short and long fits are read together.
    place = {codec: index for index, codec in enumerate(condition.codecs)}
    folders = sorted(reference_folder(condition.name).glob("*/*/*/seed*"))
    for folder in sorted(folders, key=lambda folder: place.get(folder.parts[-3], len(place))):
        clip, codec, point, run = folder.parts[-4:]
        condition.clip(clip)
        registry.codec_config(codec)
        for name in ("stream.bin", "encode.json"):
            if not (folder / name).is_file():
                raise BenchError(folder, f"has no {name}", "restore the folder from git, or remove it")
        run = f"{REFERENCE}{run}"
        points.append(RunKey(condition=condition.name, clip=clip, codec=codec, point=point, run=run))
    return points


def existing(plan: Plan) -> list[RunKey]:
    """The points of a plan that have a record already."""
    return [point for point in plan.points if Path(point.file("record.json")).is_file()]


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, default=str)
