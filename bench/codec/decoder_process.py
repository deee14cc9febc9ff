"""A stream decoded by a process of its own that sees nothing but the stream.

It runs ``python -m bench decode --pipe`` in a new folder that is empty but for the stream, and reads
one JSON line (geometry), the raw frames, and one JSON line (what it cost).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

import numpy as np

from bench.base.errors import StreamError
from bench.base.paths import ROOT
from bench.codec.container import Header


@dataclass(frozen=True, kw_only=True)
class DecodeCost:
    """What one decode took, in its own process.

    Attributes:
        wall_s: from the process's start until its last frame and its last word were read.
        cpu_s: of the process and all it started, interpreter included.
        told: what the process itself said at its end (stages, memory, device).
    """

    wall_s: float
    cpu_s: float
    told: Mapping[str, Any]


class DecodeProcess:
    """A decode in a process of its own: iterate over its frames, then read its `cost`.

    `alone` is the copy that is decoded, `stream` the file that errors name.
    """

    def __init__(self, stream: Path, alone: Path, header: Header, device: str) -> None:
        self.stream, self.alone, self.header = stream, alone, header
        self.cost: DecodeCost | None = None
        self.said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        environment = os.environ | {"PYTHONPATH": _search_path()}
        command = [sys.executable, "-m", "bench", "decode", alone.name, "--pipe", "--device", device]
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            cwd=alone.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.said,
        )
        self.source = cast("BufferedReader", self.process.stdout)

    def frames(self) -> Iterator[np.ndarray]:
        """Yield the frames; `cost` is known when the last one has been asked for.

        Raises:
            StreamError: the decoder failed, or gave other frames than the stream's header says.
        """
        source, header = self.source, self.header
        first = self._line()
        for field in ("width", "height", "frames", "pixel_format"):
            if first.get(field) != getattr(header, field):
                raise self._failure(f"decodes to {field} {first.get(field)}, not {getattr(header, field)}")
        for index in range(header.frames):
            frame = np.empty(header.frame_bytes, np.uint8)
            if source.readinto(frame.data) != frame.size:
                raise self._failure(f"its decoder ended within frame {index} of {header.frames}")
            yield frame.reshape(header.frame_shape)
        told = self._line()
        wall = time.perf_counter() - self.started
        if source.read(1):
            raise self._failure("its decoder says more than it should")
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.returncode:
            raise self._failure("its decoder failed at its end")
        self.cost = DecodeCost(wall_s=wall, cpu_s=usage.ru_utime + usage.ru_stime, told=told)

    def close(self) -> None:
        """End the process if it still runs."""
        self.process.kill()
        self.process.wait()
        self.source.close()
        self.said.close()

    def _line(self) -> dict[str, Any]:
        line = self.source.readline()
        try:
            return dict(json.loads(line))
        except (ValueError, TypeError):
            raise self._failure("its decoder ended early") from None

    def _failure(self, problem: str) -> StreamError:
        """What the decoder said itself, in one line; `problem` where it said nothing."""
        self.process.kill()
        self.process.wait()
        self.said.seek(0)
        lines = self.said.read().decode(errors="replace").strip().splitlines()
        if not lines:
            return StreamError(self.stream, problem)
        told = lines[-1].removeprefix("error: ").removeprefix(f"{self.alone.name}: ")
        what, semicolon, remedy = told.rpartition("; ")
        return StreamError(self.stream, what, remedy) if semicolon else StreamError(self.stream, told)


@contextmanager
def decode_process(stream: Path, header: Header, device: str) -> Iterator[DecodeProcess]:
    """Start decoding `stream` in a new folder that holds nothing but it."""
    with tempfile.TemporaryDirectory(prefix="bench-decode-") as name:
        alone = Path(name) / stream.name
        try:
            os.link(stream.resolve(), alone)
        except OSError:  # another file system
            shutil.copyfile(stream, alone)
        process = DecodeProcess(stream, alone, header, device)
        try:
            yield process
        finally:
            process.close()


def time_decode(stream: Path, header: Header, device: str) -> tuple[DecodeCost, list[int]]:
    """Decode once as fast as it goes: what it took, and a checksum of each frame."""
    with decode_process(stream, header, device) as process:
        checksums = [zlib.crc32(frame.data) for frame in process.frames()]
        assert process.cost is not None  # the frames ended well
        return process.cost, checksums


def _search_path() -> str:
    """PYTHONPATH with which the suite is found from any folder."""
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
