"""CompressAI's learned codecs as a family: trained networks whose weights belong to the decoder.

The settings select an architecture, a set of weights and a quality (`baselines.compressai.weights`). Frames
are RGB; the encoder pads them by repeating the right and bottom edge, and the decoder crops them. Importing
this module imports neither torch nor CompressAI.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.compressai import weights
from baselines.compressai.payload import ARCHITECTURES, Payload, units
from bench.base.errors import BenchError, StreamError
from bench.base.stage_clock import StageClock
from bench.codec.container import Stream
from bench.codec.contract import Codec, Download, Encoded, EncodeJob
from bench.video.clip import Clip, ClipInfo

if TYPE_CHECKING:
    import numpy as np

    from baselines.compressai.coders import Coder
    from baselines.compressai.networks import Trained
    from baselines.compressai.settings import CompressaiSettings

_PACKAGES = ("compressai", "safetensors")
_PROGRESS_FRAMES = 10
#: Memory of a decoder a pixel of the padded frame. Measured: 680 (ssf2020) to 1060 (cheng2020-anchor) bytes.
_BYTES_PER_PIXEL = 1200
#: A string is followed by as many as sixteen times its bytes (`baselines.compressai.coders`).
_BYTES_PER_CODED_BYTE = 20


class CompressaiCodec(Codec):
    """All architectures of `ARCHITECTURES`.

    Encoder and decoder run on the CPU, so `uses_torch` is False: a decoder on a GPU would compute other
    probabilities than an encoder on a CPU and could not decode the stream.
    """

    @classmethod
    def settings_model(cls) -> type[CompressaiSettings]:
        from baselines.compressai.settings import CompressaiSettings

        return CompressaiSettings

    def skip(self, clip: ClipInfo, settings: Mapping[str, Any]) -> str | None:
        """Reason for weights that are missing, or that were trained on the clip's sequence."""
        architecture = settings["architecture"]
        if architecture not in ARCHITECTURES:
            return f"unknown architecture {architecture!r}; use one of {', '.join(ARCHITECTURES)}"
        if lacking := [name for name in _PACKAGES if importlib.util.find_spec(name) is None]:
            return f"the package {lacking[0]} is not installed"
        return weights.missing(settings["weights"], architecture, settings["quality"], sequence=clip.sequence)

    def encoder_files(self, clip: ClipInfo, settings: Mapping[str, Any]) -> Sequence[Path]:
        name = weights.set_name(settings["weights"], clip.sequence)
        path = weights.find_weights(name, settings["architecture"], settings["quality"])
        return [path] if path else []

    def decoder_files(self, stream: Stream) -> Sequence[Path]:
        return [weights.locate(Payload.of_stream(stream).digest, where=stream.path)]

    def downloads(self, settings: Mapping[str, Any]) -> Sequence[Download]:
        if settings["weights"] != weights.ZOO_SET:
            return []
        return [weights.download(settings["architecture"], settings["quality"])]

    def encode(self, clip: Clip, job: EncodeJob) -> Encoded:
        """Compress the clip frame by frame."""
        from baselines.compressai.coders import make_coder
        from baselines.compressai.networks import LatentsCrc, fix_arithmetic, load_trained, to_tensor

        fix_arithmetic()
        info, architecture = clip.info, job.settings["architecture"]
        [path] = self.encoder_files(info, job.settings)
        with job.clock("load-weights"):
            trained = load_trained(architecture, path)
        keyint = _keyint(architecture, job.settings["keyint"], info.frames)
        coder = make_coder(architecture, trained.network, height=info.height, width=info.width)
        frames: list[list[bytes]] = []
        crc = LatentsCrc(trained.network, encodes=True)
        for index, frame in enumerate(clip.rgb()):
            if index % _PROGRESS_FRAMES == 0:
                job.progress(f"frame {index} of {info.frames}")
            with job.clock("compress"), crc:
                frames.append(coder.encode(to_tensor(frame), key=index % keyint == 0))
        payload = Payload(
            architecture=architecture,
            digest=trained.digest,
            latents_crc=crc.value,
            keyint=keyint,
            frames=frames,
        )
        details = {
            "parameters": trained.parameters,
            "decoder_weights_bytes": trained.decoder_weights_bytes,
            "weights": path.name,
            "weights_sha256": trained.digest,
            "macs_per_pixel": _macs_per_pixel(coder, frames, keyint),
        }
        chunks = payload.chunks(height=info.height, width=info.width)
        return Encoded(payload=chunks, pixel_format="rgb24", details=details)

    def decode(
        self, stream: Stream, *, device: str, clock: StageClock, first: int = 0, stop: int | None = None
    ) -> Iterator[np.ndarray]:
        """Decompress from the last keyframe before `first`.

        Raises:
            StreamError: also if all frames are decoded and their latents differ from the encoder's.
        """
        from baselines.compressai.coders import make_coder
        from baselines.compressai.networks import LatentsCrc, fix_arithmetic, to_8_bit

        fix_arithmetic()
        payload, header = Payload.of_stream(stream), stream.header
        stop = header.frames if stop is None else stop
        with clock("load-weights"):
            trained = _load(payload, stream)
        coder = make_coder(payload.architecture, trained.network, height=header.height, width=header.width)
        crc = LatentsCrc(trained.network, encodes=False)
        for index in range(first - first % payload.keyint, stop):
            with clock("decompress"), crc:
                frame = coder.decode(payload.frames[index], key=index % payload.keyint == 0)
                pixels = to_8_bit(frame)
            if index >= first:
                yield pixels
        if (first, stop) == (0, header.frames) and crc.value != payload.latents_crc:
            problem = (
                "decodes to other latents than the encoder's: it is altered, or from another kind of CPU"
            )
            raise StreamError(stream.path, problem, "encode the clip again on this machine")

    def decoder_memory(self, stream: Stream, *, enough: int = 0) -> int:
        header, stride = stream.header, ARCHITECTURES[Payload.of_stream(stream).architecture].stride
        rows, columns = units(header.height, header.width, stride)
        return _BYTES_PER_PIXEL * rows * columns * stride**2 + _BYTES_PER_CODED_BYTE * len(stream.payload)

    def describe(self, stream: Stream) -> dict[str, Any]:
        """The architecture, the weight file if installed, and bytes of keyframes and of other frames."""
        payload = Payload.of_stream(stream)
        keys = payload.frames[:: payload.keyint]
        path = weights.find_digest(payload.digest)
        return {
            "architecture": payload.architecture,
            "weights_sha256": payload.digest,
            "weights_file": path.name if path else None,
            "weights_bytes": path.stat().st_size if path else None,
            "keyframes": len(keys),
            "keyframe_bytes": _bytes_of(keys),
            "other_bytes": _bytes_of(payload.frames) - _bytes_of(keys),
        }


CODEC = CompressaiCodec


def _keyint(architecture: str, setting: int, frames: int) -> int:
    """Frames from one keyframe to the next.

    Raises:
        BenchError: the setting is negative.
    """
    if setting < 0:
        remedy = "give 0 for the whole clip, or a number of frames"
        raise BenchError("setting keyint", f"{setting} must be 0 or more", remedy)
    return (setting or frames) if ARCHITECTURES[architecture].other_strings else 1


def _load(payload: Payload, stream: Stream) -> Trained:
    """The stream's network. Errors of its weight file become errors of the stream."""
    from baselines.compressai.networks import load_trained

    path = weights.locate(payload.digest, where=stream.path)
    try:
        return load_trained(payload.architecture, path, payload.digest)
    except BenchError as error:
        raise StreamError(stream.path, f"{path.name} {error.problem}", error.remedy) from error


def _macs_per_pixel(coder: Coder, frames: Sequence[Sequence[bytes]], keyint: int) -> float:
    """MACs per pixel of a frame that is not a keyframe, if there are any; otherwise of a keyframe."""
    first = coder.macs_per_pixel(frames[0], key=True)
    return coder.macs_per_pixel(frames[1], key=False) if min(len(frames), keyint) > 1 else first


def _bytes_of(frames: Iterable[Sequence[bytes | memoryview]]) -> int:
    return sum(len(string) for strings in frames for string in strings)
