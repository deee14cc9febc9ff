'''The codec contract: what a codec implements, and what the suite guarantees in return.

A codec family is one module of `baselines` (or a package with a module `codec`) that sets ``CODEC`` to a
subclass of `Codec`. A codec id is a YAML file in config/codecs that gives a family its settings and rate
points. Adding both is all that a new codec needs: `pytest tests/contract -k ID` then tests everything on this
page.

Data flow::

    clip, settings --encode--> payload --(header added)--> stream.bin --decode, in another process--> frames

The suite writes the header (`bench.codec.container`: family, geometry, frame rate, colour, checksum) and
measures the size of the whole file: a rate is 8 * bytes / (width * height * frames) bits per pixel.

**Frames** are uint8 arrays, one per frame of the clip, in display order:

| pixel format | shape | content |
|---|---|---|
| ``yuv420p`` | (height*width*3/2,) | planes Y, U, V; matrix, range and siting are those of the clip |
| ``rgb24`` | (height, width, 3) | R, G, B from 0 to 255, as `Clip.rgb` yields them |

Width and height are even. `bench.video.clip.planes` splits a yuv420p frame. A codec chooses one format when
it encodes; both are scored in YUV and in RGB through the same conversion (`bench.video.colour`). Where the
clip's truth is RGB (`bench.video.clip`), rgb24 frames are compared with the source without a conversion.

**Self-contained.** A decoder reads the stream and its `decoder_files`, nothing else: no clip, no
configuration, no state of the encoder. It runs in a new process in an empty folder, and a test lists every
file that it opens.

**Deterministic.** The same clip, settings, seed and thread count give the same bytes on the same machine
(with the same instruction set), also after an interrupted encode was resumed. The same stream gives the same
frames, whichever range is decoded.

**Threads.** An encode uses `EncodeJob.threads` CPU threads, which the codec's YAML fixes, because fits and
many encoders give other bytes with another number. A decode uses one, so that decode times compare.

**Random access.** `decode(first=a, stop=b)` yields exactly the frames that a full decode has at a to b - 1,
at the true cost of random access: a codec with inter prediction decodes the frames before `a` and drops them.

**Untrusted streams.** The header is checked before a codec sees the stream. The payload is not: check every
length and index in it before allocating memory, and raise `StreamError` if it is invalid. No other exception,
no hang and no unbounded memory are allowed; tests alter streams of every codec. Never unpickle a stream or
import a name from it. `BenchError` is for the user's mistakes (`EncodeJob.settings`); any other exception
counts as a bug.

**Memory.** `Clip.frames`, a payload and decoded frames are iterators, so that a clip need not fit into
memory.

Example: each plane of each frame is coded as its mean, three bytes per frame::

    """Plane means: every plane of every frame is one value."""

    import numpy as np

    from bench.base.errors import StreamError
    from bench.codec.contract import Codec, Encoded
    from bench.video.clip import planes


    class PlaneMeans(Codec):
        defaults = {"levels": 256}  # a point of the YAML file sets it: points: {l8: {levels: 8}}

        def skip(self, clip, settings):
            return None if 1 <= settings["levels"] <= 256 else "levels must be 1 to 256"

        def encode(self, clip, job):
            info, step = clip.info, 256 / job.settings["levels"]
            with job.clock("average"):
                means = [[p.mean() for p in planes(f, info.width, info.height)] for f in clip.frames()]
            codes = np.floor(np.array(means) / step).astype(np.uint8)
            return Encoded(payload=[np.float32(step).tobytes(), codes.tobytes()], pixel_format="yuv420p")

        def decode(self, stream, *, device, clock, first=0, stop=None):
            header = stream.header
            if len(stream.payload) != 4 + 3 * header.frames:
                raise StreamError(stream.path, f"needs 3 bytes for each of {header.frames} frames")
            step = np.frombuffer(stream.payload[:4], "<f4")[0]
            if not 1 <= step <= 256:  # NaN is refused, too
                raise StreamError(stream.path, f"the step size must be 1 to 256, not {step}")
            codes = np.frombuffer(stream.payload[4:], np.uint8).reshape(-1, 3)
            values = np.minimum((codes + 0.5) * step, 255).astype(np.uint8)
            luma = header.width * header.height
            for index in range(first, header.frames if stop is None else stop):
                with clock("fill"):
                    frame = np.repeat(values[index], [luma, luma // 4, luma // 4])
                yield frame


    CODEC = PlaneMeans
'''

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench.base.stage_clock import StageClock

if TYPE_CHECKING:
    import numpy as np

    from bench.codec.container import PixelFormat, Stream
    from bench.codec.settings import Settings
    from bench.video.clip import Clip, ClipInfo

#: Kind of a codec. fitted: a network fitted to the clip, whose weights are the stream. learned: a network
#: trained on other clips, whose weights belong to the decoder. classical: not a network. control: a known
#: result.
Kind = Literal["fitted", "learned", "classical", "control"]
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class EncodeJob:
    """The inputs of an encode besides the clip.

    Attributes:
        codec: the codec id. point: the rate point.
        settings: all settings of the family: its defaults, overridden by the codec id, the condition and the
            rate point, in this order. Keys and types are those of `Codec.settings_model` or `Codec.defaults`.
        seed: seed of everything random, 0 or larger. Deterministic codecs ignore it.
        threads: number of CPU threads to use.
        device: torch device, "cpu" or "cuda". Codecs without torch ignore it.
        state_dir: folder for the state of a resumable encode. No other process uses it, and it survives an
            interrupted encode. Only an encode that takes minutes needs it.
        adopt: whether the encode may resume from a state of other settings in this folder.
        progress: prints one line; call it every few seconds of work at most.
        clock: timer of the stages: ``with job.clock("fit"): ...``. Its seconds are part of the encode report.
    """

    codec: str = ""
    point: str = ""
    settings: Mapping[str, Any]
    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    state_dir: Path
    adopt: bool = False
    progress: Progress
    clock: StageClock


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """The result of an encode.

    Attributes:
        payload: the bytes after the header, in chunks of any size. An iterator is consumed while the file is
            written, within the measured encode time.
        pixel_format: format of the frames that `Codec.decode` yields.
        details: facts that the stream does not hold, as JSON values. They are part of the encode report.
            Records read these keys: `parameters` (number of weights), `macs_per_pixel` (of decoding),
            `rate_bpp_paper` (the rate as the paper counts it), `fit_log` (one row per epoch), `fit_devices`,
            `decoder_weights_bytes`, `adopted` and `restarts` (deviations from an undisturbed fit).
        earlier_s: wall and CPU seconds of the interrupted runs that this encode resumed.
    """

    payload: Iterable[bytes]
    pixel_format: PixelFormat
    details: Mapping[str, Any] = field(default_factory=dict)
    earlier_s: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Download:
    """A published weight file that a codec needs and the repository does not contain.

    Attributes:
        url: its http or https address.
        path: where the codec reads it.
        sha256: its SHA-256 in hexadecimal, or the leading digits of it that the publisher gives.
    """

    url: str
    path: Path
    sha256: str


class Codec(ABC):
    """A codec family: all streams that one decoder decodes.

    An instance has no state. Importing its module must not import torch, because the workflow loads every
    family while it plans. Import torch inside the methods.
    """

    #: Settings with their default values, for a family without a `settings_model`. A codec id, a condition or
    #: a rate point may override them with a value of the same type. The default `...` marks a setting that
    #: must be given.
    defaults: Mapping[str, Any] = {}

    #: Whether encode and decode run on a torch device. Other codecs get the device "cpu".
    uses_torch: bool = False

    #: Whether a condition's budget of fits applies to fitted codecs of this family.
    uses_budget: bool = True

    #: Whether encode and decode run programs outside the suite, which the table `programs` lists.
    runs_programs: bool = False

    #: Whether streams depend on the ffmpeg binary. The encode then runs again with another one.
    encodes_with_ffmpeg: bool = False

    #: Whether `bench inspect` can show the intermediate images from which the decoder composes a frame.
    has_parts: bool = False

    @classmethod
    def settings_model(cls) -> type[Settings] | None:
        """The family's settings with types, ranges and defaults; None derives them from `defaults`.

        Import the model inside this method: decoding needs no settings, and pydantic takes 0.1 s to import.
        """
        return None

    def skip(self, clip: ClipInfo, settings: Mapping[str, Any]) -> str | None:
        """Reason why this codec cannot code this clip with these settings; None if it can.

        The plan leaves such points out and lists the reason in skipped.csv. It has only the clip's planned
        description: the clip may not exist yet.
        """
        return None

    def identity(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Versions and digests of programs and files outside the suite that encode and decode run or read.

        JSON values. The points are encoded and measured again when they change. Called only if `skip` returns
        None.
        """
        return {}

    def encoder_files(self, clip: ClipInfo, settings: Mapping[str, Any]) -> Sequence[Path]:
        """Files besides the clip that `encode` reads: trained weights.

        The encode runs again when their names change. Called only if `skip` returns None.
        """
        return ()

    def decoder_files(self, stream: Stream) -> Sequence[Path]:
        """Files besides the stream that `decode` reads: the trained weights of a learned codec.

        They are part of the decoder and do not count in the rate. The payload must hold the SHA-256 of each,
        and `decode` must check it, so that a stream cannot be decoded with other weights.

        Raises:
            StreamError: a file is missing.
        """
        return ()

    def downloads(self, settings: Mapping[str, Any]) -> Sequence[Download]:
        """Files that `bench fetch-weights` downloads for these settings."""
        return ()

    @abstractmethod
    def encode(self, clip: Clip, job: EncodeJob) -> Encoded:
        """Encode a whole clip.

        Raises:
            BenchError: a setting is invalid, or a file of `encoder_files` is missing.
        """

    @abstractmethod
    def decode(
        self, stream: Stream, *, device: str, clock: StageClock, first: int = 0, stop: int | None = None
    ) -> Iterator[np.ndarray]:
        """Yield frames `first` to `stop - 1` (default: all) in display order.

        Args:
            stream: header and payload; the header is valid, the payload is unchecked.
            device: torch device, as `EncodeJob.device`.
            clock: timer of the stages, such as "entropy-decode" and "network". At least one must be timed.
            first, stop: 0 <= first < stop <= `stream.header.frames`.

        Yields:
            uint8 arrays of the shape `stream.header.frame_shape`.

        Raises:
            StreamError: the payload is not one that `encode` of this family writes.
        """

    def decoder_memory(self, stream: Stream, *, enough: int = 0) -> int:
        """Upper estimate of the bytes of memory that `decode` allocates, which a hostile stream may inflate.

        `bench.codec.decode.decode` compares it with a limit first. It must follow from the header and the
        description of the decoder in the payload, without memory of this order. The default fits decoders
        that hold a few frames.

        Args:
            enough: an estimate up to this number of bytes may be loose, if that takes less time.

        Raises:
            StreamError: as `decode`.
        """
        return 8 * stream.header.frame_bytes

    def describe(self, stream: Stream) -> dict[str, Any]:
        """Content of the payload as JSON values, for `bench describe`.

        Raises:
            StreamError: as `decode`.
        """
        return {}
