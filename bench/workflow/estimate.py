"""Jobs and bytes of a run before it starts, from the plan and the files that exist. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from bench.base.errors import BenchError
from bench.base.result_files import RunKey, clip_file
from bench.codec import registry
from bench.codec.contract import Codec
from bench.sequences.row import SourceSequence
from bench.sequences.table import downloaded_file, find_sequence
from bench.video.clip import ClipInfo
from bench.workflow.plan import Plan

#: Downloads that run at once (`download` in profiles/default). An archive is deleted when it is unpacked.
_PARALLEL_DOWNLOADS = 2
#: Assumed rate of streams whose size is unknown before they are encoded.
_ASSUMED_BPP = 0.2
_FRAME_LINE_BYTES = len(b"FRAME\n")


class FitBytes(Protocol):
    """Bytes of one fit: its stream before entropy coding, its saved state while it runs and after it."""

    @property
    def stream_bytes(self) -> int: ...
    @property
    def state_bytes(self) -> int: ...
    @property
    def kept_bytes(self) -> int: ...


#: Counts the bytes of a fit: `bench.inr.study.fit_cost.fit_cost`. It imports torch, which planning does not.
FitCounter = Callable[[Any, ClipInfo, Mapping[str, Any]], FitBytes]


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """Number of jobs of one kind. A job is done if all its files exist and are up to date."""

    kind: str
    to_do: int
    done: int


@dataclass(frozen=True, kw_only=True)
class Space:
    """Bytes of one kind of file: in all, and of the files that do not exist yet."""

    kind: str
    total: int
    missing: int
    note: str = ""


@dataclass(frozen=True)
class Estimate:
    """Jobs and bytes of a plan.

    Attributes:
        outdated: existing files that Snakemake will create again (`snakemake_process.outdated_files`).
    """

    plan: Plan
    count_fit: FitCounter
    outdated: Collection[str] = ()
    _counted: dict[tuple[str, str, ClipInfo], FitBytes] = field(default_factory=dict, init=False)

    @property
    def clips(self) -> dict[str, ClipInfo]:
        """The planned clips by name."""
        return self.plan.clips

    @cached_property
    def encoded(self) -> tuple[RunKey, ...]:
        """The runs that are encoded, not tracked."""
        return tuple(point for point in self.plan.points if point.encoded_here)

    def pending_fits(self) -> dict[str, list[tuple[ClipInfo, Mapping[str, Any]]]]:
        """Codec id -> clip and settings of each fit that has no stream yet."""
        fits: dict[str, list[tuple[ClipInfo, Mapping[str, Any]]]] = {}
        for point in self._fits():
            if not self._is_encoded(point):
                fits.setdefault(point.codec, []).append((self.clips[point.clip], self._settings(point)))
        return fits

    def jobs(self) -> list[Jobs]:
        """Jobs by kind: fetch, prepare, encode by codec, measure."""
        name = self.plan.condition.name
        downloaded = [clip for clip in self.plan.condition.clips if self._sequence(clip).kind == "url"]
        rows = [
            _jobs("fetch", (self._is_done(clip_file(name, clip, "source.json")) for clip in downloaded)),
            _jobs("prepare", (self._prepared(clip) for clip in self.plan.condition.clips)),
        ]
        for codec in dict.fromkeys(point.codec for point in self.encoded):
            done = (self._is_encoded(point) for point in self.encoded if point.codec == codec)
            rows.append(_jobs(f"encode {codec}", done))
        measured = (self._is_done(point.file("record.json")) for point in self.plan.points)
        return [row for row in (*rows, _jobs("measure", measured)) if row.to_do + row.done]

    def download(self) -> Space:
        """Bytes to download."""
        sequences = list(self._downloads())
        note = f"{len(sequences)} sequences"
        if any(sequence.in_archive and sequence.archive_bytes is None for sequence, _ in sequences):
            note += "; archives of unknown size are counted unpacked"
        sizes = ((_download_bytes(sequence), exists) for sequence, exists in sequences)
        return _space("download", sizes, note)

    def disk(self) -> list[Space]:
        """Bytes on the disk by kind of file, without tables, figures and logs (megabytes)."""
        sequences = list(self._downloads())
        missing = [sequence for sequence, exists in sequences if not exists]
        clips = ((_clip_bytes(info), self._prepared(info.name)) for info in self.clips.values())
        streams = ((self.stream_bytes(point), self._is_encoded(point)) for point in self.encoded)
        kept = ((self._fit_bytes(point).kept_bytes, self._is_encoded(point)) for point in self._fits())
        running = [
            self._fit_bytes(point).state_bytes for point in self._fits() if not self._is_encoded(point)
        ]
        rows = [
            Space(
                kind="archives",
                total=_largest_archives(sequence for sequence, _ in sequences),
                missing=_largest_archives(missing),
                note=f"the {_PARALLEL_DOWNLOADS} largest: each is deleted when it is unpacked",
            ),
            Space(
                kind="sequences",
                total=sum(_raw_bytes(sequence) for sequence, _ in sequences),
                missing=sum(map(_raw_bytes, missing)),
                note="may be deleted when the clips exist",
            ),
            _space("clips", clips, "8-bit 4:2:0 frames; RGB frames too where they are the truth"),
            _space("streams", streams, f"fits before entropy coding; encoders at {_ASSUMED_BPP} bpp"),
            _space("state", kept, "weights of fits, in results/state; may be deleted when streams exist"),
            Space(
                kind="fit",
                total=max(running, default=0),
                missing=max(running, default=0),
                note="the largest state of a running fit",
            ),
        ]
        return [row for row in rows if row.total]

    def stream_bytes(self, point: RunKey) -> int:
        """Bytes of a stream: its size if it exists; else an upper bound, for encoders a guess."""
        if self._is_encoded(point):
            return Path(point.file("stream.bin")).stat().st_size
        info, config = self.clips[point.clip], self.plan.configs[point.codec]
        if config.fitted_by_suite:
            return self._fit_bytes(point).stream_bytes
        if config.kind == "control":
            whole = self._settings(point).get("mode") == "identity"
            return info.truth_frame_bytes * (info.frames if whole else 1)
        return int(_ASSUMED_BPP * info.pixels / 8)

    def _fits(self) -> list[RunKey]:
        return [point for point in self.encoded if self.plan.configs[point.codec].fitted_by_suite]

    def _fit_bytes(self, point: RunKey) -> FitBytes:
        """Bytes of a fit, counted once for all seeds."""
        info, settings = self.clips[point.clip], self._settings(point)
        key = (point.codec, str(settings), info)
        if key not in self._counted:
            codec: Codec = registry.load_family(self.plan.configs[point.codec].family)
            try:
                self._counted[key] = self.count_fit(codec, info, settings)
            except BenchError as error:
                where = (
                    f"{self.plan.condition.path}: clip {point.clip}, codec {point.codec}, point {point.point}"
                )
                raise BenchError(where, f"{error.where}: {error.problem}", error.remedy) from None
        return self._counted[key]

    def _settings(self, point: RunKey) -> Mapping[str, Any]:
        return self.plan.settings_of(point.clip, point.codec, point.point)

    def _sequence(self, clip: str) -> SourceSequence:
        return find_sequence(self.plan.condition.clip(clip).sequence)

    def _prepared(self, clip: str) -> bool:
        return self._is_done(clip_file(self.plan.condition.name, clip, "clip.json"))

    def _is_encoded(self, point: RunKey) -> bool:
        return self._is_done(point.file("stream.bin")) and self._is_done(point.file("encode.json"))

    def _is_done(self, path: str) -> bool:
        return path not in self.outdated and Path(path).is_file()

    def _downloads(self) -> Iterator[tuple[SourceSequence, bool]]:
        """Each sequence of kind `url`, and whether its file exists or is not needed any more."""
        needed: dict[str, bool] = {}
        for clip in self.plan.condition.clips:
            name = self._sequence(clip).name
            needed[name] = needed.get(name, False) or not self._prepared(clip)
        for name, is_needed in needed.items():
            sequence = find_sequence(name)
            if sequence.kind == "url":
                yield sequence, not is_needed or downloaded_file(sequence).exists()


def _jobs(kind: str, done: Iterable[bool]) -> Jobs:
    flags = list(done)
    return Jobs(kind=kind, to_do=flags.count(False), done=flags.count(True))


def _space(kind: str, sizes: Iterable[tuple[int, bool]], note: str) -> Space:
    """The sum of sizes, each with whether its file exists."""
    pairs = list(sizes)
    missing = sum(size for size, exists in pairs if not exists)
    return Space(kind=kind, total=sum(size for size, _ in pairs), missing=missing, note=note)


def _raw_bytes(sequence: SourceSequence) -> int:
    return sequence.raw_bytes or sequence.frames * sequence.frame_bytes


def _download_bytes(sequence: SourceSequence) -> int:
    return (sequence.archive_bytes if sequence.in_archive else None) or _raw_bytes(sequence)


def _largest_archives(sequences: Iterable[SourceSequence]) -> int:
    archives = sorted(_download_bytes(sequence) for sequence in sequences if sequence.in_archive)
    return sum(archives[-_PARALLEL_DOWNLOADS:])


def _clip_bytes(info: ClipInfo) -> int:
    rgb = 3 * info.pixels if info.truth == "rgb" else 0  # clip.rgb.npy beside clip.y4m
    return info.frames * (info.frame_bytes + _FRAME_LINE_BYTES) + rgb
