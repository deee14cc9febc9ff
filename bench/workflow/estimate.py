"""What a run of a condition takes before it is begun: jobs, bytes, hours.

Jobs and bytes follow from the plan and from what lies here already; nothing is downloaded for them. Hours
come from short probes on this machine (`bench.inr.study.fit_cost`, `bench.workflow.probe`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.base.result_files import FileName, RunKey, clip_file
from bench.codec import registry
from bench.sequences.table import SourceSequence, downloaded_file, find_sequence
from bench.video.clip import ClipInfo
from bench.workflow.plan import Plan, planned_info

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec
    from bench.inr.study.fit_cost import FitCost

#: Archives that lie here at once (`download` in profiles/default): each goes when its file is unpacked.
DOWNLOADS_AT_ONCE = 2
#: Bits a pixel that a stream is assumed to have where they are not known before it is made.
ASSUMED_BPP = 0.2
_FRAME_LINE_BYTES = len(b"FRAME\n")


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """How many jobs of a kind there are; `done` have left all their files."""

    kind: str
    to_do: int
    done: int


@dataclass(frozen=True, kw_only=True)
class Room:
    """Bytes of one sort: in all, and of that what is not here yet."""

    sort: str
    total: int
    to_come: int
    note: str = ""


@dataclass(frozen=True)
class Estimate:
    """A plan, looked at for what it takes."""

    plan: Plan
    _costs: dict[tuple[str, str, tuple[int, int, int]], FitCost] = field(default_factory=dict, init=False)

    @cached_property
    def clips(self) -> dict[str, ClipInfo]:
        """The planned clips by name."""
        condition = self.plan.condition
        return {clip: planned_info(condition, clip) for clip in condition.clips}

    @cached_property
    def made(self) -> tuple[RunKey, ...]:
        """The points whose streams are made here: all but tracked ones."""
        return tuple(point for point in self.plan.points if not point.reference)

    def pending(self, codec: str) -> list[RunKey]:
        """The points of a codec that are not coded yet."""
        return [point for point in self.made if point.codec == codec and not _coded(point)]

    def unmeasured(self) -> list[RunKey]:
        """The points that have no record yet, tracked ones too."""
        return [point for point in self.plan.points if not _exists(point, "record.json")]

    def jobs(self) -> list[Jobs]:
        """Jobs by kind: those of sequences and clips, encodes of each codec, measuring."""
        name = self.plan.condition.name
        downloaded = [clip for clip in self.plan.condition.clips if self._sequence(clip).kind == "url"]
        rows = [
            _jobs("fetch", (Path(clip_file(name, clip, "source.json")).is_file() for clip in downloaded)),
            _jobs("prepare", (self._prepared(clip) for clip in self.plan.condition.clips)),
        ]
        for codec in dict.fromkeys(point.codec for point in self.made):
            coded = (_coded(point) for point in self.made if point.codec == codec)
            rows.append(_jobs(f"encode {codec}", coded))
        measured = (_exists(point, "record.json") for point in self.plan.points)
        return [row for row in (*rows, _jobs("measure", measured)) if row.to_do + row.done]

    def download(self) -> Room:
        """Bytes over the network."""
        wanted = list(self._downloads())
        notes = f"{len(wanted)} sequences"
        if any(sequence.in_archive and sequence.archive_bytes is None for sequence, _ in wanted):
            notes += "; archives of unknown size are counted unpacked"
        return Room(
            sort="download",
            total=sum(_download_bytes(sequence) for sequence, _ in wanted),
            to_come=sum(_download_bytes(sequence) for sequence, here in wanted if not here),
            note=notes,
        )

    def disk(self) -> list[Room]:
        """Bytes on the disk by sort, without tables, figures and logs (megabytes)."""
        wanted = list(self._downloads())
        missing = [sequence for sequence, here in wanted if not here]
        clips = [(_clip_bytes(info), self._prepared(info.name)) for info in self.clips.values()]
        streams = [(self.stream_bytes(point), _coded(point)) for point in self.made]
        fits = [point for point in self.made if self.plan.configs[point.codec].kind == "fitted"]
        states = [(self.fit_cost(point).kept_bytes, _coded(point)) for point in fits]
        running = max((self.fit_cost(point).state_bytes for point in fits if not _coded(point)), default=0)
        rows = [
            Room(
                sort="archives",
                total=_largest(sequence for sequence, _ in wanted),
                to_come=_largest(missing),
                note=f"the {DOWNLOADS_AT_ONCE} largest: each goes when it is unpacked",
            ),
            Room(
                sort="sequences",
                total=sum(_raw_bytes(sequence) for sequence, _ in wanted),
                to_come=sum(map(_raw_bytes, missing)),
                note="may go when the clips are there",
            ),
            _room("clips", clips, "8-bit 4:2:0 frames"),
            _room("streams", streams, f"fits before entropy coding; encoders at {ASSUMED_BPP} bits a pixel"),
            _room("state", states, "weights of fits, in results/state: may go when their streams are there"),
            Room(sort="fit", total=running, to_come=running, note="the largest state while its fit runs"),
        ]
        return [row for row in rows if row.total]

    def stream_bytes(self, point: RunKey) -> int:
        """Of a stream that is there its size; of another what it will have at most, or about."""
        if _coded(point):
            return Path(point.file("stream.bin")).stat().st_size
        info, config = self.clips[point.clip], self.plan.configs[point.codec]
        if config.kind == "fitted":
            return self.fit_cost(point).stream_bytes
        if config.kind == "control":
            whole = self._settings(point).get("mode") == "identity"
            return info.frame_bytes * (info.frames if whole else 1)
        return int(ASSUMED_BPP * info.pixels / 8)

    def fit_cost(self, point: RunKey) -> FitCost:
        """What the fit of a point of a fitted codec takes, counted once for all clips of a size and seeds."""
        from bench.inr.study.fit_cost import fit_cost

        info, settings = self.clips[point.clip], self._settings(point)
        key = (point.codec, str(settings), (info.width, info.height, info.frames))
        if key not in self._costs:
            codec: INRCodec = registry.load_family(self.plan.configs[point.codec].family)  # type: ignore[assignment]
            self._costs[key] = fit_cost(codec, info, settings)
        return self._costs[key]

    def _settings(self, point: RunKey) -> Mapping[str, Any]:
        return self.plan.settings[point.clip, point.codec, point.point]

    def _sequence(self, clip: str) -> SourceSequence:
        return find_sequence(self.plan.condition.clip(clip).sequence)

    def _prepared(self, clip: str) -> bool:
        return Path(clip_file(self.plan.condition.name, clip, "clip.json")).is_file()

    def _downloads(self) -> Iterator[tuple[SourceSequence, bool]]:
        """Each sequence that is downloaded, and whether that need not be any more."""
        needed: dict[str, bool] = {}
        for clip in self.plan.condition.clips:
            name = self._sequence(clip).name
            needed[name] = needed.get(name, False) or not self._prepared(clip)
        for name, needs in needed.items():
            sequence = find_sequence(name)
            if sequence.kind == "url":
                yield sequence, not needs or downloaded_file(sequence).exists()


def _jobs(kind: str, done: Iterable[bool]) -> Jobs:
    flags = list(done)
    return Jobs(kind=kind, to_do=flags.count(False), done=flags.count(True))


def _room(sort: str, parts: Iterable[tuple[int, bool]], note: str) -> Room:
    sizes = list(parts)
    to_come = sum(size for size, here in sizes if not here)
    return Room(sort=sort, total=sum(size for size, _ in sizes), to_come=to_come, note=note)


def _exists(point: RunKey, name: FileName) -> bool:
    return Path(point.file(name)).is_file()


def _coded(point: RunKey) -> bool:
    return _exists(point, "stream.bin") and _exists(point, "encode.json")


def _raw_bytes(sequence: SourceSequence) -> int:
    return sequence.raw_bytes or sequence.frames * sequence.frame_bytes


def _download_bytes(sequence: SourceSequence) -> int:
    return (sequence.archive_bytes if sequence.in_archive else None) or _raw_bytes(sequence)


def _largest(sequences: Iterable[SourceSequence]) -> int:
    archives = sorted(_download_bytes(sequence) for sequence in sequences if sequence.in_archive)
    return sum(archives[-DOWNLOADS_AT_ONCE:])


def _clip_bytes(info: ClipInfo) -> int:
    return info.frames * (info.frame_bytes + _FRAME_LINE_BYTES)
