"""Decoding in a separate process that has the stream and nothing else.

The process runs ``python -m bench decode --pipe`` in a new folder that holds only the stream. Its output is
read from a pipe: one JSON line (geometry), the raw frames, one JSON line (cost).

A decoder is stopped, with its child processes, if it writes nothing for an hour or if it takes more than two
days in all, the time in which it waits for its reader not counted. The environment variables
``BENCH_DECODE_SILENCE_S`` and ``BENCH_DECODE_LIMIT_S`` set other limits in seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

import numpy as np

from bench.base.energy import EnergyMeter
from bench.base.errors import BenchError, StreamError
from bench.base.files import temporary_folder
from bench.base.paths import ROOT
from bench.base.process import STARTER, child_groups
from bench.codec.container import Header

_SILENCE, _WHOLE = "BENCH_DECODE_SILENCE_S", "BENCH_DECODE_LIMIT_S"
_DEFAULT_S = {_SILENCE: 3600.0, _WHOLE: 172_800.0}


@dataclass(frozen=True, kw_only=True)
class DecodeCost:
    """Cost of one decode in its own process.

    Attributes:
        wall_s: seconds from the start of the process until its last line was read, less those in which it
            waited for its reader to take frames from the pipe.
        cpu_s: CPU seconds of the process and its children, interpreter start included.
        reported: the JSON line that the process wrote at its end (stages, memory, device).
        energy: joules a frame (`bench.base.energy.EnergyMeter.per_frame`). Scoring beside the decoder is work
            of another process.
    """

    wall_s: float
    cpu_s: float
    reported: Mapping[str, Any]
    energy: Mapping[str, Any]


class DecodeProcess:
    """A decode in its own process: iterate over `frames()`, then read `cost`.

    Args:
        stream: the file that errors name; copy: the same stream in a folder of its own, which is decoded.
        meter: meter of the decoder's energy, started.
        frame: number of the only frame that is decoded; None: all frames.
    """

    def __init__(
        self,
        stream: Path,
        copy: Path,
        header: Header,
        device: str,
        meter: EnergyMeter,
        frame: int | None = None,
    ) -> None:
        self.stream, self.copy, self.header, self._meter = stream, copy, header, meter
        self.count = header.frames if frame is None else 1
        self.cost: DecodeCost | None = None
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        environment = os.environ | {"PYTHONPATH": _search_path(), STARTER: str(os.getpid())}
        command = [sys.executable, "-m", "bench", "decode", copy.name, "--pipe", "--device", device]
        if frame is not None:
            command += ["--frames", f"{frame}:{frame + 1}"]
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            cwd=copy.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            process_group=0,  # a group of its own, so that it can be killed with its children
        )
        child_groups.add(self.process.pid)
        self.source = cast("BufferedReader", self.process.stdout)
        self.limits_s = {variable: _limit_s(variable) for variable in _DEFAULT_S}
        self.exceeded = ""  # the variable of the limit that the decoder exceeded
        self._waited_s = 0.0
        self._waiting_since: float | None = None
        self._closed = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def frames(self, *, ahead_bytes: int = 0) -> Iterator[np.ndarray]:
        """Yield the frames. `cost` is set at the end of the iteration.

        Args:
            ahead_bytes: frames up to this size are read before the first is yielded. The decoder does not
                compete with the reader's own work for as long.

        Raises:
            StreamError: the decoder failed, or its frames differ from the stream's header.
        """
        header, first = self.header, self._line()
        for field in ("width", "height", "frames", "pixel_format"):
            if first.get(field) != getattr(header, field):
                raise self._failure(f"decodes to {field} {first.get(field)}, not {getattr(header, field)}")
        ahead = min(ahead_bytes // header.frame_bytes, self.count)
        first_frames = [self._frame(index) for index in range(ahead)]
        if ahead == self.count:
            self._end()
        while first_frames:  # each is freed when the reader has done with it
            yield first_frames.pop(0)
        for index in range(ahead, self.count):
            yield self._frame(index)
        if ahead < self.count:
            self._end()

    def _frame(self, index: int) -> np.ndarray:
        header = self.header
        frame = np.empty(header.frame_bytes, np.uint8)
        with self._waiting():
            count = self.source.readinto(frame.data)
        if count != frame.size:
            raise self._failure(f"its decoder ended within frame {index} of {self.count}")
        return frame.reshape(header.frame_shape)

    def _end(self) -> None:
        """Read the last line and set `cost`."""
        reported = self._line()
        wall = time.perf_counter() - self.started - reported.get("waited_s", 0.0)
        with self._waiting():  # it may also hang at its end
            more = self.source.read(1)
        if more:
            raise self._failure("its decoder writes more than its frames and its cost")
        with self._waiting():
            _, status, usage = os.wait4(self.process.pid, 0)
        child_groups.discard(self.process.pid)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.returncode:
            raise self._failure("its decoder failed at its end")
        cpu_s = usage.ru_utime + usage.ru_stime
        energy = self._meter.per_frame(self.count, cpu_s=cpu_s, gpu=reported.get("gpu"))
        self.cost = DecodeCost(wall_s=wall, cpu_s=cpu_s, reported=reported, energy=energy)

    def close(self) -> None:
        """Kill the process and its children if it still runs."""
        self._closed.set()
        self._kill()
        self.process.wait()
        child_groups.discard(self.process.pid)
        self.source.close()
        self.stderr.close()

    def _kill(self) -> None:
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Only the time within this block counts: the reader may score a frame for minutes."""
        started = self._waiting_since = time.monotonic()
        try:
            yield
        finally:
            self._waiting_since = None
            self._waited_s += time.monotonic() - started

    def _watch(self) -> None:
        """Kill a decoder that has been silent for too long, or that has taken too long in all."""
        left = min(self.limits_s.values())
        while not self._closed.wait(left):
            since = self._waiting_since
            silent_s = 0.0 if since is None else time.monotonic() - since
            spent_s = {_SILENCE: silent_s, _WHOLE: self._waited_s + silent_s}
            left_of = {variable: limit - spent_s[variable] for variable, limit in self.limits_s.items()}
            left = min(left_of.values())
            if left <= 0:
                self.exceeded = min(left_of, key=lambda variable: left_of[variable])
                self._kill()
                return

    def _line(self) -> dict[str, Any]:
        with self._waiting():
            line = self.source.readline()
        try:
            return dict(json.loads(line))
        except (ValueError, TypeError):
            raise self._failure("its decoder ended early") from None

    def _failure(self, problem: str) -> StreamError:
        """The decoder's own error line; if it wrote none, how it ended, else `problem`."""
        if self.exceeded:
            did = "wrote nothing for" if self.exceeded == _SILENCE else "took more than"
            remedy = f"check the stream, or set {self.exceeded} to more seconds"
            return StreamError(self.stream, f"its decoder {did} {self.limits_s[self.exceeded]:g} s", remedy)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=0.5)
        killed = self.process.returncode == -signal.SIGKILL
        self._kill()
        self.process.wait()
        self.stderr.seek(0)
        lines = self.stderr.read().decode(errors="replace").strip().splitlines()
        if not lines and killed:
            remedy = "measure it again; if the memory was full, with fewer jobs at once"
            return StreamError(self.stream, "its decoder was killed (signal 9)", remedy)
        if not lines:
            return StreamError(self.stream, problem)
        line = lines[-1].removeprefix("error: ").removeprefix(f"{self.copy.name}: ")
        what, semicolon, remedy = line.rpartition("; ")
        return StreamError(self.stream, what, remedy) if semicolon else StreamError(self.stream, line)


@contextmanager
def decode_process(
    stream: Path, header: Header, device: str, frame: int | None = None
) -> Iterator[DecodeProcess]:
    """Start decoding `stream`, or one frame of it, in a new folder that holds only the stream."""
    with temporary_folder("decode") as folder, EnergyMeter(gpus=device != "cpu") as meter:
        copy = folder / stream.name
        try:
            os.link(stream.resolve(), copy)
        except OSError:  # another file system
            shutil.copyfile(stream, copy)
        process = DecodeProcess(stream, copy, header, device, meter, frame)
        try:
            yield process
        finally:
            process.close()


def frame_md5(frame: np.ndarray) -> str:
    """MD5 of a frame's bytes in hexadecimal, as the muxer framemd5 of ffmpeg prints it."""
    return hashlib.md5(np.ascontiguousarray(frame).data, usedforsecurity=False).hexdigest()


def time_decode(
    stream: Path, header: Header, device: str, frame: int | None = None
) -> tuple[DecodeCost, list[str]]:
    """Decode once at full speed, all frames or one. Return the cost and the MD5 of each decoded frame."""
    with decode_process(stream, header, device, frame) as process:
        checksums = [frame_md5(frame) for frame in process.frames()]
        assert process.cost is not None  # set, since frames() raised nothing
        return process.cost, checksums


def _search_path() -> str:
    """PYTHONPATH with the repository first, so that the suite is importable from any folder."""
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


def _limit_s(variable: str) -> float:
    text = os.environ.get(variable, "")
    try:
        limit = float(text or _DEFAULT_S[variable])
    except ValueError:
        limit = 0.0
    if not 0 < limit < threading.TIMEOUT_MAX:
        raise BenchError(variable, f"{text!r} must be a positive number of seconds", "unset or correct it")
    return limit
