"""The plan of a condition: its points with complete settings, the inputs of each job, and what is skipped.

A plan is complete before anything runs. It follows from the condition, the codecs' files and `skip`, the
table of sequences and the tracked reference streams. It imports no torch and takes a fraction of a second.
Paths are relative to the working directory, with ``/``, as Snakemake has them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from bench.base.errors import BenchError
from bench.base.ffmpeg import check_ffmpeg_version, ffmpeg_identity
from bench.base.names import unknown_name
from bench.base.result_files import ClipFile, RunKey, clip_file
from bench.codec import registry
from bench.codec.codec_config import CodecConfig
from bench.codec.fingerprint import code_fingerprint
from bench.conditions.condition import Condition
from bench.conditions.reader import load_condition
from bench.inr.study.fit_work import fit_work
from bench.sequences.geometry import clip_geometry
from bench.sequences.source_file import check_users_file
from bench.sequences.table import DOWNLOAD_COLUMNS, find_sequence
from bench.video.clip import ClipInfo
from bench.workflow.existing_runs import find_bundles, find_references
from bench.workflow.gpu_check import usable_gpu

#: Fits take the longest by far, so they start first.
_PRIORITY = {"fitted": 1000, "learned": 100, "classical": 10, "control": 0}
#: Columns of a sequence's row that no clip depends on: descriptions, and how the file is downloaded.
_DESCRIPTIONS = ("table", "licence", "citation", "note", *DOWNLOAD_COLUMNS)


class Wildcards(Protocol):
    """Wildcards of a job that belongs to one rate point. A `RunKey` has the same attributes."""

    clip: str
    codec: str
    point: str


@dataclass(frozen=True, kw_only=True)
class Skip:
    """A rate point that its codec cannot code: a row of skipped.csv, and no job."""

    condition: str
    clip: str
    codec: str
    label: str
    point: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All runs of one condition.

    Methods that take `wildcards` give one parameter of a job. The text of `*_inputs` covers all that the job
    depends on besides its input files: if it changes, Snakemake runs the job again.

    Attributes:
        points: runs in the order of the condition's file, then reference runs, then those of bundles.
        skipped: rate points without a run.
        configs: codec id -> its configuration, reference runs' codecs included.
        settings: clip -> codec id -> rate point -> complete settings.
    """

    condition: Condition
    points: tuple[RunKey, ...]
    skipped: tuple[Skip, ...]
    configs: Mapping[str, CodecConfig]
    settings: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]

    @cached_property
    def clips(self) -> dict[str, ClipInfo]:
        """The planned clips by name."""
        return {clip: planned_info(self.condition, clip) for clip in self.condition.clips}

    @property
    def rgb_clips(self) -> list[str]:
        """Names of the clips whose truth is RGB."""
        return [name for name, info in self.clips.items() if info.truth == "rgb"]

    @property
    def footnotes(self) -> dict[str, str]:
        """Codec id -> the footnote that figures print, for codecs that have one."""
        return {codec: config.footnote for codec, config in self.configs.items() if config.footnote}

    @property
    def variants(self) -> dict[str, list[str]]:
        """Codec id -> its rate points in order, for fitted codecs."""
        points: dict[str, dict[str, None]] = {}
        for of_clip in self.settings.values():
            for codec, of_codec in of_clip.items():
                if self.configs[codec].kind == "fitted":
                    points.setdefault(codec, {}).update(dict.fromkeys(of_codec))
        return {codec: list(of_codec) for codec, of_codec in points.items()}

    def measured(self) -> list[RunKey]:
        """The runs that have a record."""
        return [point for point in self.points if Path(point.file("record.json")).is_file()]

    def settings_of(self, clip: str, codec: str, point: str) -> Mapping[str, Any]:
        """The complete settings of one rate point.

        Raises:
            BenchError: the plan has no such clip, codec or point.
        """
        level: Mapping[str, Any] = self.settings
        for what, name in (("clip", clip), ("codec", codec), ("point", point)):
            if name not in level:
                raise unknown_name(what, name, level, where=f"plan of {self.condition.name}")
            level = level[name]
        return level

    def sequence(self, wildcards: Wildcards) -> str:
        """Name of the sequence of a clip."""
        return self.condition.clip(wildcards.clip).sequence

    def download_receipt(self, wildcards: Wildcards) -> list[str]:
        """The file that records the download of a clip's sequence; empty if there is nothing to download."""
        receipt = clip_file(self.condition.name, wildcards.clip, "source.json")
        return [receipt] if find_sequence(self.sequence(wildcards)).kind == "url" else []

    def clip_frames(self, wildcards: Wildcards) -> list[str]:
        """The files of a clip's frames."""
        names: tuple[ClipFile, ...] = ("clip.y4m", "clip.rgb.npy")
        count = 2 if self.clips[wildcards.clip].truth == "rgb" else 1
        return [clip_file(self.condition.name, wildcards.clip, name) for name in names[:count]]

    def prepare_inputs(self, wildcards: Wildcards) -> str:
        """Inputs of a clip: the row of its sequence, the steps and the colour."""
        steps = self.condition.clip(wildcards.clip)
        values = vars(find_sequence(steps.sequence)).items()
        row = {key: value for key, value in values if key not in _DESCRIPTIONS}
        return _text({"row": row, "steps": vars(steps), "colour": self.condition.colour})

    def encode_inputs(self, wildcards: Wildcards) -> str:
        """Inputs of a stream: settings, threads, device, code, and the files that the encoder reads.

        The code is that of its own codec family and of no other. The files are weights and, for an encoder of
        ffmpeg, its binary.
        """
        config = self.configs[wildcards.codec]
        settings = self.settings_of(wildcards.clip, wildcards.codec, wildcards.point)
        codec = registry.load_family(config.family)
        files = codec.encoder_files(self.clips[wildcards.clip], settings)
        inputs = {"family": config.family, "threads": config.threads, "settings": settings}
        inputs |= {"device": self.condition.device, "sources": self.encode_sources(wildcards)}
        if codec.encodes_with_ffmpeg:
            inputs["ffmpeg"] = ffmpeg_identity()
        if identity := codec.identity(settings):
            inputs["identity"] = identity
        # The name of a weight file contains a part of its digest.
        return _text(inputs | ({"files": [path.name for path in files]} if files else {}))

    def measure_inputs(self, wildcards: Wildcards) -> str:
        """Inputs of a record: label, metrics, region of the crop, device, code and the ffmpeg binary.

        ffmpeg decodes classical streams, converts colours and computes VMAF.
        """
        strip = vars(self.condition.strip) if self.condition.strip else None
        config = self.configs[wildcards.codec]
        metrics = self.condition.measured_metrics
        inputs: dict[str, Any] = {"label": config.label, "strip": strip, "metrics": metrics}
        inputs |= {"device": self.condition.device, "sources": self.measure_sources(wildcards)}
        if identity := registry.load_family(config.family).identity(config.settings):
            # The command that decodes is that of the codec's file.
            inputs |= {"identity": identity, "codec": config.settings}
        return _text(inputs | {"ffmpeg": ffmpeg_identity()})

    def encode_sources(self, wildcards: Wildcards) -> str:
        """Fingerprint of the code that one encode runs: of its own codec family and of no other."""
        return code_fingerprint(family=self.configs[wildcards.codec].family)

    def measure_sources(self, wildcards: Wildcards) -> str:
        """Fingerprint of the code that decodes and scores one stream."""
        family = self.configs[wildcards.codec].family
        return code_fingerprint("bench.scoring.measure", "bench.codec.decode", family=family)

    def threads(self, wildcards: Wildcards) -> int:
        """CPU threads of an encode."""
        return self.configs[wildcards.codec].threads

    def priority(self, wildcards: Wildcards) -> int:
        """Priority of an encode. Long jobs start first, so that all cores end together."""
        return self._priorities[wildcards.clip][wildcards.codec][wildcards.point]

    @cached_property
    def _priorities(self) -> dict[str, dict[str, dict[str, int]]]:
        """Clip -> codec id -> rate point -> priority: fits by their estimated work, then other codecs.

        High rates of one codec take longer, and conditions list them last.
        """
        return {
            clip: {
                codec: {
                    point: _PRIORITY[self.configs[codec].kind]
                    + index
                    + self._fit_priority(clip, codec, values)
                    for index, (point, values) in enumerate(of_codec.items())
                }
                for codec, of_codec in of_clip.items()
            }
            for clip, of_clip in self.settings.items()
        }

    def _fit_priority(self, clip: str, codec: str, settings: Mapping[str, Any]) -> int:
        """A logarithm of the work of a fit: 1000 for twice the work; 0 for other codecs, and for no fit."""
        family: Any = registry.load_family(self.configs[codec].family)
        if self.configs[codec].kind != "fitted" or family.skip(self.clips[clip], settings):
            return 0
        info = self.clips[clip]
        return round(1000 * math.log2(fit_work(info, family.resolve(info, settings))))

    def gpus(self, wildcards: Wildcards) -> int:
        """GPUs of a job: 1 if its codec's network may run on one, else 0.

        Fits on CPUs must not queue for a GPU.
        """
        family = registry.load_family(self.configs[wildcards.codec].family)
        if not family.uses_torch or self.condition.device == "cpu":
            return 0
        return int(self.condition.device == "cuda" or usable_gpu())


def make_plan(name: str, bundles: str | Path | None = None) -> Plan:
    """Plan a condition, given by its name or the path of its YAML file.

    Args:
        bundles: folder of bundles whose streams are measured and drawn, too (`bench.bundles`).

    Raises:
        BenchError: an error in the condition, a codec, a setting, a clip, a sequence, a reference stream or a
            bundle.
    """
    condition = load_condition(name)
    check_ffmpeg_version()
    references = find_references(condition) if condition.reference else []
    references += find_bundles(condition, Path(bundles)) if bundles else []
    codecs = dict.fromkeys([*condition.codecs, *(point.codec for point in references)])
    configs = {codec: registry.codec_config(codec) for codec in codecs}
    infos = {clip: planned_info(condition, clip) for clip in condition.clips}
    condition.check_strip(infos.values())
    for clip, info in infos.items():
        prepared = Path(clip_file(condition.name, clip, "clip.json"))
        check_users_file(find_sequence(info.sequence), prepared)
    settings = {
        clip: {
            codec: {
                point: condition.settings(codec, point, clip)
                for point in condition.points(codec)
                if condition.codecs[codec].codes(clip, point)
            }
            for codec in condition.codecs
        }
        for clip in condition.clips
    }
    points: list[RunKey] = []
    skipped: list[Skip] = []
    for clip, of_clip in settings.items():
        for codec, of_codec in of_clip.items():
            for point, values in of_codec.items():
                names = {"condition": condition.name, "clip": clip, "codec": codec, "point": point}
                try:
                    reason = registry.load_family(configs[codec].family).skip(infos[clip], values)
                except BenchError as error:  # the settings suit no clip
                    where = f"{condition.path}: codecs: {codec}: points: {point}: clip {clip}"
                    raise BenchError(where, f"{error.where}: {error.problem}", error.remedy) from None
                if reason:
                    skipped.append(Skip(**names, label=configs[codec].label, reason=reason))
                else:
                    points += [RunKey(**names, run=f"seed{seed}") for seed in condition.seeds_of(codec)]
    return Plan(
        condition=condition,
        points=(*points, *references),
        skipped=tuple(skipped),
        configs=configs,
        settings=settings,
    )


def planned_info(condition: Condition, clip: str) -> ClipInfo:
    """Geometry of a clip before it is prepared, from the sequence's row and the steps.

    Raises:
        BenchError: trim, crop or scale do not fit the sequence.
    """
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
        truth=sequence.truth,
    )


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, default=str)
