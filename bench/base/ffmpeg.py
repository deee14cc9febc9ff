"""Run ffmpeg through pipes, without temporary files, and turn its failures into errors of one line.

All of the suite uses the ffmpeg binary of the imageio-ffmpeg package, whose version the lock file fixes. The
system's ffmpeg is never used.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from bench.base.errors import BenchError
from bench.base.files import sha256_file

#: The first version with libvvenc and with the chroma siting of the filter `scale`.
MINIMUM_VERSION = (7, 1)

Buffer = bytes | bytearray | memoryview | np.ndarray

_GLOBAL_ARGS = ("-hide_banner", "-nostdin", "-loglevel", "error")
_CHUNK_BYTES = 1 << 16
_MAX_HEADER_BYTES = 256
_KEPT_STDERR_BYTES = 1 << 14
_LOG_PREFIX = re.compile(r"^(\[[^\]]*\]\s*)+")  # "[libx264 @ 0x55cde1961c0] "
_WRITE_BYTES = 1 << 20
#: Containers of one video. Playlists and scripts (HLS, concat) are missing: they open other files.
_CONTAINERS = "mov,mp4,matroska,webm,avi,yuv4mpegpipe,ivf,mpegts,mpeg,nut,mxf,asf,flv,ogg"
_MAX_LOG_LINE_BYTES = 4096
_ERROR_LEVELS = (b"[error]", b"[fatal]", b"[panic]")


@functools.cache
def ffmpeg_exe() -> str:
    """Path of the ffmpeg binary in imageio-ffmpeg.

    Raises:
        BenchError: the package has no binary.
    """
    import imageio_ffmpeg

    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise BenchError("ffmpeg", str(error).splitlines()[0], "reinstall imageio-ffmpeg") from error


@functools.cache
def ffmpeg_version() -> str:
    """Version of ffmpeg: the first line of ``ffmpeg -version`` without name and copyright note.

    Raises:
        BenchError: the binary cannot be run.
    """
    try:
        done = subprocess.run([ffmpeg_exe(), "-version"], capture_output=True, text=True, check=True)
        line = done.stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError) as error:
        remedy = "correct IMAGEIO_FFMPEG_EXE, or unset it and run make env"
        raise BenchError(ffmpeg_exe(), f"cannot be run as ffmpeg ({error})", remedy) from error
    return line.split(" Copyright")[0].removeprefix("ffmpeg version ")


@functools.cache
def ffmpeg_identity() -> str:
    """Version of ffmpeg and the first 16 digits of the SHA-256 of its binary.

    Two builds of one version can contain other encoders.
    """
    path = shutil.which(ffmpeg_exe()) or ffmpeg_exe()
    return f"{ffmpeg_version()} {sha256_file(path)[:16]}"


def check_ffmpeg_version() -> None:
    """Check that ffmpeg has the options that the suite uses.

    A version without a number at its start, such as that of a development build, is accepted.

    Raises:
        BenchError: the version is too old, or the binary cannot be run.
    """
    match = re.match(r"n?(\d+)\.(\d+)", ffmpeg_version())
    if match and (int(match[1]), int(match[2])) < MINIMUM_VERSION:
        problem = f"is version {ffmpeg_version()}, but {'.'.join(map(str, MINIMUM_VERSION))} is needed"
        raise BenchError(ffmpeg_exe(), problem, "unset IMAGEIO_FFMPEG_EXE and run make env")


@functools.cache
def has_component(kind: str, name: str) -> bool:
    """Whether this build of ffmpeg has a component.

    Args:
        kind: "encoder", "decoder", "filter" or "demuxer".
        name: for example "libvmaf".
    """
    result = subprocess.run(
        [ffmpeg_exe(), "-hide_banner", "-h", f"{kind}={name}"], capture_output=True, text=True, check=False
    )
    output = (result.stdout + result.stderr).lower()
    return name.lower() in output and "unknown" not in output and "not recognized" not in output


def pipe_frames(
    args: Sequence[str],
    *,
    frame_bytes: int,
    feed: Iterable[Buffer] | None = None,
    where: str | Path = "ffmpeg",
    error: type[BenchError] = BenchError,
    remedy: str = "check the input",
    on_header: Callable[[bytes], None] | None = None,
    on_log: Callable[[str], None] | None = None,
) -> Generator[np.ndarray, None, None]:
    """Run ffmpeg and yield its output as frames: flat uint8 arrays of `frame_bytes` values each.

    Memory holds a few frames, whatever the length of the clip. Closing the iterator early kills ffmpeg.

    Args:
        args: arguments of ffmpeg. It reads ``pipe:0`` if `feed` is given, and must write to ``pipe:1``.
        feed: data for its standard input; a thread writes it.
        where: file or operation that an error names.
        error: class of the error; `remedy`: its last part.
        on_header: receives the first line of the output, which is then not part of the first frame.
        on_log: receives each line of ffmpeg's log down to the level `info`, for example ``[error] text``. A
            thread calls it; all calls have ended when the last frame is yielded and the iterator ends.

    Raises:
        BenchError (or `error`): ffmpeg failed, or its output ends within a frame.
        Exceptions of `feed` and `on_header` are raised unchanged.
    """
    output = _output(args, feed, where, error, remedy, frame_bytes, on_header, on_log)
    for piece in output:
        if piece.size != frame_bytes:
            next(output, None)  # if `feed` or ffmpeg failed, this raises the cause
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
    """Run ffmpeg and yield its output in chunks of up to 64 KiB. Arguments and errors: as `pipe_frames`."""
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
    on_log: Callable[[str], None] | None = None,
) -> Generator[np.ndarray, None, None]:
    log_args = () if on_log is None else ("-nostats", "-loglevel", "level+info")
    with subprocess.Popen(
        [ffmpeg_exe(), *_GLOBAL_ARGS, *log_args, *args],
        stdin=subprocess.DEVNULL if feed is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        stderr = bytearray()
        source = cast("BufferedReader", process.stdout)
        failures: list[BaseException] = []
        threads = [threading.Thread(target=_drain_stderr, args=(process.stderr, stderr, on_log), daemon=True)]
        if feed is not None:
            threads.append(
                threading.Thread(
                    target=_write_stdin, args=(process, process.stdin, feed, failures), daemon=True
                )
            )
        for thread in threads:
            thread.start()
        try:
            if on_header and (header := source.readline(_MAX_HEADER_BYTES)):
                on_header(header)
            while (piece := _read_up_to(source, piece_bytes)).size:
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
            raise error(where, failure_message(bytes(stderr), status), remedy)


# The threads use os.read and os.write: a buffered file has a lock, and an interpreter that shuts down while a
# daemon thread holds it aborts.
def _drain_stderr(stderr: IO[bytes], output: bytearray, on_log: Callable[[str], None] | None) -> None:
    """Keep the beginning of the output. The rest is read too: ffmpeg blocks when the pipe is full.

    With `on_log` the output is a whole log. Each line is passed on, and only lines of errors are kept.
    """
    rest = b""
    while chunk := os.read(stderr.fileno(), _CHUNK_BYTES):
        kept = chunk
        if on_log is not None:
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[:_MAX_LOG_LINE_BYTES]
            kept = b"".join(line + b"\n" for line in lines if any(level in line for level in _ERROR_LEVELS))
            for line in lines:
                on_log(line.decode(errors="replace"))
        if len(output) < _KEPT_STDERR_BYTES:
            output += kept


def _read_up_to(source: BufferedReader, size: int) -> np.ndarray:
    """The next `size` bytes; fewer at the end of the output."""
    piece = np.empty(size, np.uint8)
    filled, view = 0, piece.data
    while filled < size and (count := source.readinto(view[filled:])):
        filled += count
    return piece[:filled]


def _write_stdin(
    process: subprocess.Popen[bytes], stdin: IO[bytes], feed: Iterable[Buffer], failures: list[BaseException]
) -> None:
    """Write `feed` to ffmpeg. If `feed` raises, keep the exception for the reading thread and kill ffmpeg."""
    try:
        for piece in feed:
            whole = np.ascontiguousarray(piece).data if isinstance(piece, np.ndarray) else memoryview(piece)
            view = whole.cast("B")
            while view:
                view = view[os.write(stdin.fileno(), view[:_WRITE_BYTES]) :]
    except (BrokenPipeError, ConnectionResetError):
        pass  # ffmpeg has ended; its exit status has the reason
    except BaseException as failure:  # noqa: BLE001 - re-raised by the reading thread
        failures.append(failure)
        process.kill()
    finally:
        with contextlib.suppress(OSError):
            stdin.close()


def failure_message(stderr: bytes, status: int) -> str:
    """Error message from the output of a failed ffmpeg: its first line, which names the cause.

    Later lines only repeat that it failed. Lines of SVT-AV1 about itself are skipped; it prints them at any
    log level.
    """
    for line in stderr.decode(errors="replace").splitlines():
        text = _LOG_PREFIX.sub("", line).strip()
        if text and not text.startswith(("Svt[info]", "Svt[warn]")):
            return f"ffmpeg failed: {text}"
    return f"ffmpeg failed with status {status}"


def video_file_args(path: str | Path) -> list[str]:
    """Input arguments of ffmpeg for a user's video file.

    ffmpeg may open this file only, and only as a container of one video: not a playlist, whatever the file's
    name is, and no address.
    """
    return ["-protocol_whitelist", "file", "-format_whitelist", _CONTAINERS, "-i", str(path)]


def raw_video_args(
    *, pixel_format: str, width: int, height: int, fps: Any, source: str = "pipe:0"
) -> list[str]:
    """Input arguments of ffmpeg for headerless planar frames from `source`.

    The frame rate is always passed: rate control (CRF) depends on it, and ffmpeg's default is 25.
    """
    return [
        *("-f", "rawvideo", "-pixel_format", pixel_format, "-video_size", f"{width}x{height}"),
        *("-framerate", str(fps), "-i", source),
    ]
