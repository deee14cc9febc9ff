"""The contract that every codec keeps, and what it is given and gives back."""

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
    from bench.video.clip import Clip, ClipInfo

Kind = Literal["fitted", "learned", "classical", "control"]
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class EncodeJob:
    """What an encoder may know besides the clip.

    Attributes:
        settings: the codec's settings with the condition's and the point's laid over them.
        seed: seeds everything random; deterministic codecs ignore it.
        threads: the fixed number of CPU threads (fits and encoders change their output with it).
        device: a torch device name; codecs without torch ignore it.
        state_dir: where a resumable encode keeps its state; survives a failed run.
        progress: called with one short line every now and then.
        clock: stage times, recorded beside the result.
    """

    settings: Mapping[str, Any]
    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    state_dir: Path
    progress: Progress
    clock: StageClock


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """The payload of one stream, in order, and what `decode` will yield.

    `details` holds what only the encoder knows and the record keeps (JSON values only):
    `parameters`, `macs_per_pixel`, `rate_bpp_paper`, `fit_log` (a list of rows), `fit_devices`, and so on.
    `earlier_s` are wall and CPU seconds of interrupted runs that this encode went on from.
    """

    payload: Iterable[bytes]
    pixel_format: PixelFormat
    details: Mapping[str, Any] = field(default_factory=dict)
    earlier_s: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file of somebody else's that a codec needs.

    Attributes:
        path: where the codec looks for it.
        sha256: its SHA-256 in hexadecimal, or the first digits of it where no more is published.
    """

    url: str
    path: Path
    sha256: str


class Codec(ABC):
    """One family of codecs: everything that one decoder can decode.

    A family is a module of `baselines` (or a package with a `codec` module) whose attribute
    `CODEC` is a subclass of this. Importing it must not import torch: the workflow asks
    `skip` of every codec while it plans.
    """

    #: Settings that a codec id, a condition or a point may set, with their defaults.
    #: A default of `...` means that the setting must be given.
    defaults: Mapping[str, Any] = {}

    #: Whether encode and decode run on a torch device. Only then is torch asked for one, and a
    #: decoder has nothing but the stream to know it by.
    uses_torch: bool = False

    #: Whether its frames are made of parts that can be looked at (`bench inspect`).
    has_parts: bool = False

    def skip(self, clip: ClipInfo, settings: Mapping[str, Any]) -> str | None:
        """Why this codec cannot code this clip at this point; None where it can."""
        return None

    def encoder_files(self, clip: ClipInfo, settings: Mapping[str, Any]) -> Sequence[Path]:
        """The files beside the clip that an encode reads (trained weights); asked where `skip` is None."""
        return ()

    def decoder_files(self, stream: Stream) -> Sequence[Path]:
        """The files beside the stream that decoding reads: they are part of the decoder.

        Only a learned codec has any, and its stream states their SHA-256.

        Raises:
            StreamError: a file is not here.
        """
        return ()

    def downloads(self, settings: Mapping[str, Any]) -> Sequence[Download]:
        """What `bench fetch-weights` brings, so that these settings can be used."""
        return ()

    @abstractmethod
    def encode(self, clip: Clip, job: EncodeJob) -> Encoded:
        """Code the whole clip."""

    @abstractmethod
    def decode(
        self, stream: Stream, *, device: str, clock: StageClock, first: int = 0, stop: int | None = None
    ) -> Iterator[np.ndarray]:
        """Yield 8-bit frames `first` to `stop` in display order.

        A yuv420p frame is a flat array of height*width*3/2 bytes (Y, U, V planes); an rgb24
        frame has the shape (height, width, 3). The stream and `decoder_files` are all a decoder may read.

        Raises:
            StreamError: the payload is not what an encoder of this family writes.
        """

    def describe(self, stream: Stream) -> dict[str, Any]:
        """What the payload holds, as JSON values (the header is described for all codecs alike)."""
        return {}
