"""How long the encodes and the measuring of a plan take here: from short probes, one job after the other.

Fits: `bench.inr.study.fit_cost` times one or two networks of each method and counts the rest. Other codecs:
the middle one of the points is run on a few made-up frames (`bench.workflow.probe`). Measuring: a stream is
decoded twice and its frames are scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.base.errors import BenchError
from bench.base.result_files import RunKey
from bench.codec import registry
from bench.codec.codec_config import CodecConfig
from bench.video.clip import Clip, ClipInfo
from bench.workflow.estimate import Estimate
from bench.workflow.probe import CodecTime, probe_clip, time_codec, time_scoring

if TYPE_CHECKING:
    from bench.codec.container import PixelFormat
    from bench.codec.contract import Codec
    from bench.inr.codec import INRCodec
    from bench.inr.study.fit_cost import Probe

#: Kinds of codecs whose decoders yield RGB, which costs a conversion more to score.
_RGB_KINDS = ("fitted", "learned")
_DECODES = 2


@dataclass(frozen=True, kw_only=True)
class Hours:
    """Seconds of some jobs of one sort.

    Attributes:
        jobs: how many; seconds: of each that is estimated; source: what was timed for them, or why
            nothing is estimated.
    """

    sort: str
    jobs: int
    seconds: tuple[float, ...]
    source: str

    @property
    def total_s(self) -> float:
        return sum(self.seconds)


class Stopwatch:
    """Times what a plan needs timed, each thing once.

    Args:
        estimate: the plan; folder: for the frames of probes.
        device_of: the device that a codec runs on; synchronize: waits for a device's queue.
        tell: called with a line before each measurement.
    """

    def __init__(
        self,
        estimate: Estimate,
        folder: Path,
        *,
        device_of: Callable[[Codec], str],
        synchronize: Callable[[str], Callable[[], None]],
        tell: Callable[[str], None],
    ) -> None:
        self.estimate, self.folder, self.tell = estimate, folder, tell
        self.device_of, self.synchronize = device_of, synchronize
        self._networks: dict[tuple[str, int, int], list[Probe]] = {}
        self._codecs: dict[tuple[str, int, int], CodecTime] = {}
        self._scoring: dict[tuple[str, int, int], float] = {}
        self._clips: dict[tuple[int, int], Clip] = {}
        self._devices: set[str] = set()

    @property
    def devices(self) -> list[str]:
        """Where things were timed."""
        return sorted(self._devices)

    def encodes(self) -> Iterator[Hours]:
        """The encodes that are to come, codec by codec."""
        for codec, config in self.estimate.plan.configs.items():
            points = self.estimate.pending(codec)
            if not points:
                continue
            try:
                seconds = tuple(self.encode_s(point) for point in points)
                source = self._source(config, points)
            except BenchError as error:
                seconds, source = (), f"not estimated: {error.problem}"
            yield Hours(sort=codec, jobs=len(points), seconds=seconds, source=source)

    def measuring(self) -> Hours | None:
        """Decoding and scoring of what has no record yet; None where everything has one."""
        points = self.estimate.unmeasured()
        if not points:
            return None
        seconds: list[float] = []
        refused: dict[str, str] = {}
        for point in points:
            if point.codec not in refused:
                try:
                    seconds.append(self.measure_s(point))
                except BenchError as error:
                    refused[point.codec] = error.problem
        source = "two decodes, and scoring of made-up frames"
        if refused:
            source += f"; without {', '.join(refused)}"
        return Hours(sort="measure", jobs=len(points), seconds=tuple(seconds), source=source)

    def encode_s(self, point: RunKey) -> float:
        """Seconds of one encode.

        Raises:
            BenchError: the codec cannot be run here.
        """
        config, info = self._config(point), self.estimate.clips[point.clip]
        if config.kind != "fitted":
            return self._codec_time(config, info).encode_s * info.pixels
        from bench.inr.study.fit_cost import predict

        cost = self.estimate.fit_cost(point)
        return predict(cost, self._probes(config, info)).fit_s(cost)

    def measure_s(self, point: RunKey) -> float:
        """Seconds of one measuring; of a tracked stream whose settings are not planned, scoring alone."""
        config, info = self._config(point), self.estimate.clips[point.clip]
        scoring = self._scoring_s(config, info) * info.pixels
        if (point.clip, point.codec, point.point) not in self.estimate.plan.settings:
            return scoring
        if config.kind != "fitted":
            return scoring + _DECODES * self._codec_time(config, info).decode_s * info.pixels
        from bench.inr.study.fit_cost import predict

        time = predict(self.estimate.fit_cost(point), self._probes(config, info))
        return scoring + _DECODES * time.forward_s * info.frames

    def _probes(self, config: CodecConfig, info: ClipInfo) -> list[Probe]:
        key = (config.id, info.width, info.height)
        if key not in self._networks:
            from bench.inr.study.fit_cost import time_method

            codec: INRCodec = registry.load_family(config.family)  # type: ignore[assignment]
            device = self._device(codec)
            self.tell(f"timing networks of {config.id} for {info.width}x{info.height}")
            self._networks[key] = time_method(
                codec,
                info,
                [self.estimate.plan.settings[info.name, config.id, name] for name in self._points(config)],
                device=device,
                threads=config.threads,
                synchronize=self.synchronize(device),
            )
        return self._networks[key]

    def _codec_time(self, config: CodecConfig, info: ClipInfo) -> CodecTime:
        key = (config.id, info.width, info.height)
        if key not in self._codecs:
            names = self._points(config)
            settings = self.estimate.plan.settings[info.name, config.id, names[len(names) // 2]]
            clip, device = self._clip(info), self._device(registry.load_family(config.family))
            self.tell(f"timing {config.id} at {clip.info.width}x{clip.info.height}")
            self._codecs[key] = time_codec(config, settings, clip, device=device)
        return self._codecs[key]

    def _scoring_s(self, config: CodecConfig, info: ClipInfo) -> float:
        pixel_format: PixelFormat = "rgb24" if config.kind in _RGB_KINDS else "yuv420p"
        key = (pixel_format, info.width, info.height)
        if key not in self._scoring:
            self.tell(f"timing the metrics ({pixel_format})")
            metrics = self.estimate.plan.condition.metrics
            self._scoring[key] = time_scoring(self._clip(info), pixel_format, metrics)
        return self._scoring[key]

    def _clip(self, info: ClipInfo) -> Clip:
        key = (info.width, info.height)
        if key not in self._clips:
            self._clips[key] = probe_clip(info, self.folder / f"{info.width}x{info.height}")
        return self._clips[key]

    def _device(self, codec: Codec) -> str:
        device = self.device_of(codec)
        self._devices.add(device)
        return device

    def _points(self, config: CodecConfig) -> Sequence[str]:
        """Names of a codec's points that some clip has."""
        return list(dict.fromkeys(point.point for point in self.estimate.made if point.codec == config.id))

    def _config(self, point: RunKey) -> CodecConfig:
        return self.estimate.plan.configs[point.codec]

    def _source(self, config: CodecConfig, points: Iterable[RunKey]) -> str:
        """What was timed for these points."""
        infos = [self.estimate.clips[point.clip] for point in points]
        sizes = dict.fromkeys((info.width, info.height) for info in infos)
        if config.kind == "fitted":
            probes = [probe for size in sizes for probe in self._networks[config.id, *size]]
            timed = ", ".join(f"{p.cost.weights / 1e6:.2f}M at {p.width}x{p.height}" for p in probes)
            return f"{timed}; others by MACs"
        names = self._points(config)
        clips = ", ".join(f"{self._clips[s].info.width}x{self._clips[s].info.height}" for s in sizes)
        return f"{names[len(names) // 2]} at {clips}; by pixels"
