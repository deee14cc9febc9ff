"""The one ffmpeg of the suite (that of imageio-ffmpeg), run with checks and without temporary files."""

from __future__ import annotations

import contextlib
import functools
import re
import subprocess
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from bench.base.errors import BenchError

Buffer = bytes | bytearray | memoryview | np.ndarray

_GLOBAL_ARGS = ("-hide_banner", "-nostdin", "-loglevel", "error")
_CHUNK_BYTES = 1 << 16
_HEADER_BYTES = 256
_KEPT_LINES = 20
_PREFIX = re.compile(r"^(\[[^\]]*\]\s*)+")  # "[libx264 @ 0x55cde1961c0] "
_WRITE_BYTES = 1 << 20


@functools.cache
def ffmpeg_exe() -> str:
    """Path of the ffmpeg binary that comes with imageio-ffmpeg."""
    import imageio_ffmpeg

    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise BenchError("ffmpeg", str(error).splitlines()[0], "reinstall imageio-ffmpeg") from error


@functools.cache
def ffmpeg_version() -> str:
    """First line of ``ffmpeg -version`` without its copyright note."""
    line = subprocess.run([ffmpeg_exe(), "-version"], capture_output=True, text=True, check=True).stdout
    return line.splitlines()[0].split(" Copyright")[0].removeprefix("ffmpeg version ")


@functools.cache
def has_component(kind: str, name: str) -> bool:
    """Whether this ffmpeg has a component; `kind` is "encoder", "decoder", "filter" or "demuxer"."""
    result = subprocess.run(
        [ffmpeg_exe(), "-hide_banner", "-h", f"{kind}={name}"], capture_output=True, text=True, check=False
    )
    said = (result.stdout + result.stderr).lower()
    return name.lower() in said and "unknown" not in said and "not recognized" not in said


def pipe_frames(
    args: Sequence[str],
    *,
    frame_bytes: int,
    feed: Iterable[Buffer] | None = None,
    where: str | Path = "ffmpeg",
    error: type[BenchError] = BenchError,
    remedy: str = "check the input",
    on_header: Callable[[bytes], None] | None = None,
) -> Generator[np.ndarray, None, None]:
    """Run ffmpeg between two pipes and yield its output in pieces of `frame_bytes` (flat uint8 arrays).

    Memory stays at a few frames whatever the clip's length. Closing the iterator early kills ffmpeg.

    Args:
        args: ffmpeg's arguments, which read ``pipe:0`` (where `feed` is given) and write ``pipe:1``.
        feed: what is written to its standard input, by a thread.
        where: what a failure is said to concern.
        on_header: called with the output's first line, which is not part of the first piece.

    Raises:
        BenchError (or `error`): ffmpeg failed, or its output ends within a frame.
        Whatever `feed` or `on_header` raises.
    """
    output = _output(args, feed, where, error, remedy, frame_bytes, on_header)
    for piece in output:
        if piece.size != frame_bytes:
            next(output, None)  # where the feed or ffmpeg itself failed, that is the cause, and is raised
            problem = f"ffmpeg's output ends within a frame ({piece.size} of {frame_bytes} bytes)"
            raise error(where, problem, remedy)
        yield piece


def pipe_bytes(
    args: Sequence[str],
    *,
    feed: Iterable[Buffer] | None = None,
    where: str | Path = "ffmpeg",
    error: type[BenchError] = BenchError,
    remedy: str = "check the input",
) -> Iterator[bytes]:
    """Run ffmpeg as `pipe_frames` does and yield its output as it comes, in chunks of up to 64 KiB."""
    for piece in _output(args, feed, where, error, remedy, _CHUNK_BYTES):
        yield piece.tobytes()


def _output(
    args: Sequence[str],
    feed: Iterable[Buffer] | None,
    where: str | Path,
    error: type[BenchError],
    remedy: str,
    piece_bytes: int,
    on_header: Callable[[bytes], None] | None = None,
) -> Generator[np.ndarray, None, None]:
    with subprocess.Popen(
        [ffmpeg_exe(), *_GLOBAL_ARGS, *args],
        stdin=subprocess.DEVNULL if feed is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        said: list[bytes] = []
        source = cast("BufferedReader", process.stdout)
        failures: list[BaseException] = []
        threads = [threading.Thread(target=_listen, args=(process.stderr, said), daemon=True)]
        if feed is not None:
            threads.append(
                threading.Thread(target=_write, args=(process, process.stdin, feed, failures), daemon=True)
            )
        for thread in threads:
            thread.start()
        try:
            if on_header and (header := source.readline(_HEADER_BYTES)):
                on_header(header)
            while (piece := _read(source, piece_bytes)).size:
                yield piece
            status = process.wait()
        finally:
            process.kill()
            source.close()
            for thread in threads:
                thread.join()
        if failures:
            raise failures[0]
        if status:
            raise error(where, telling_line(b"".join(said), status), remedy)


def _listen(source: IO[bytes], said: list[bytes]) -> None:
    for line in source:  # read to the end even when nobody listens, or ffmpeg would wait for ever
        if len(said) < _KEPT_LINES:
            said.append(line)


def _read(source: BufferedReader, size: int) -> np.ndarray:
    """Up to `size` bytes: fewer only at the end."""
    piece = np.empty(size, np.uint8)
    got, view = 0, piece.data
    while got < size and (n := source.readinto(view[got:])):
        got += n
    return piece[:got]


def _write(
    process: subprocess.Popen[bytes], sink: IO[bytes], feed: Iterable[Buffer], failures: list[BaseException]
) -> None:
    try:
        for piece in feed:
            whole = np.ascontiguousarray(piece).data if isinstance(piece, np.ndarray) else memoryview(piece)
            view = whole.cast("B")
            for first in range(0, len(view), _WRITE_BYTES):
                sink.write(view[first : first + _WRITE_BYTES])
    except (BrokenPipeError, ConnectionResetError):
        pass  # ffmpeg has gone: its exit status tells why
    except BaseException as failure:  # noqa: BLE001 - handed to the thread that reads
        failures.append(failure)
        process.kill()
    finally:
        with contextlib.suppress(OSError):
            sink.close()


def telling_line(stderr: bytes, status: int) -> str:
    """The first line that ffmpeg said, which names the cause; its last ones only say that it failed.

    SVT-AV1 introduces itself before, whatever ffmpeg's log level is.
    """
    for line in stderr.decode(errors="replace").splitlines():
        text = _PREFIX.sub("", line).strip()
        if text and not text.startswith(("Svt[info]", "Svt[warn]")):
            return f"ffmpeg failed: {text}"
    return f"ffmpeg failed with status {status}"


def raw_video_args(
    *, pixel_format: str, width: int, height: int, fps: Any, source: str = "pipe:0"
) -> list[str]:
    """The arguments that make ffmpeg read headerless frames; the frame rate is never left to its default."""
    return [
        *("-f", "rawvideo", "-pixel_format", pixel_format, "-video_size", f"{width}x{height}"),
        *("-framerate", str(fps), "-i", source),
    ]
