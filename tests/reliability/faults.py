"""Faults, each tried several times in a scene. A function raises AssertionError if an outcome is wrong."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from file_server import Served, running_server
from scene import CONDITION, Scene, random_wait

from bench.video.synthetic import moving_discs
from bench.video.y4m import y4m_chunks

#: Scene, random generator, number of tries.
Try = Callable[[Scene, random.Random, int], None]


@dataclass(frozen=True)
class Fault:
    """A row of the table.

    Attributes:
        tries: number of times in the whole matrix.
        outcome: what holds after each try, if `attempt` raises nothing.
    """

    name: str
    tries: int
    outcome: str
    attempt: Try


def run_command(scene: Scene, *, make: bool = False) -> list[str]:
    target = f"results/tables/{CONDITION}/rd_points.csv"
    if make:
        words = [f"CONDITION={CONDITION}", f"VENV={sys.prefix}", "CORES=2", f"TARGETS={target}"]
        return ["make", "run", *words]
    return ["snakemake", "--cores", "2", "--config", f"condition={CONDITION}", "--", target]


def kill_chain(
    scene: Scene,
    random_: random.Random,
    tries: int,
    *,
    command: list[str],
    kill: Callable[[subprocess.Popen[str]], None],
    result: Callable[[], Any],
    reset: tuple[str, ...],
) -> None:
    """Interrupt a command at random moments, and start it again after each, until it ends by itself.

    The results of an undisturbed run come first; they and the results after every chain of kills are equal.
    """
    scene.reset(*reset)
    started = time.monotonic()
    assert scene.run(command) == 0, scene.log
    longest_s, expected = time.monotonic() - started, result()
    scene.reset(*reset)
    left = tries
    while True:
        process = scene.start(command)
        if left and random_wait(process, random_, longest_s):
            kill(process)
            scene.wait(process)
            scene.check_no_orphan()
            scene.note_early_folders()
            left -= 1
            continue
        assert scene.wait(process) == 0, scene.log
        assert result() == expected, "the results differ from those of an undisturbed run"
        assert not scene.leftovers(), f"left behind: {scene.leftovers()}"
        if not left:
            return
        scene.reset(*reset)


def kill_group(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)


def kill_of_run(scene: Scene, random_: random.Random, tries: int) -> None:
    reset = ("results", "resources/clips", ".snakemake", "logs")
    command = run_command(scene)
    kill_chain(scene, random_, tries, command=command, kill=kill_group, result=scene.metrics, reset=reset)


def kill_of_make(scene: Scene, random_: random.Random, tries: int) -> None:
    """Snakemake alone is killed: its jobs must end with it."""

    def kill(process: subprocess.Popen[str]) -> None:
        os.kill(process.pid, signal.SIGKILL)  # make
        for pid, command in scene.processes().items():
            if "snakemake" in command and f"condition={CONDITION}" in command:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    reset = ("results", "resources/clips", ".snakemake", "logs")
    command = run_command(scene, make=True)
    kill_chain(scene, random_, tries, command=command, kill=kill, result=scene.metrics, reset=reset)


def interrupt_run(number: signal.Signals) -> Try:
    def attempt(scene: Scene, random_: random.Random, tries: int) -> None:
        def interrupt(process: subprocess.Popen[str]) -> None:
            if number == signal.SIGINT:
                os.killpg(process.pid, number)  # a terminal sends it to the whole group
            else:
                process.send_signal(number)

        reset = ("results", "resources/clips", ".snakemake", "logs")
        command = run_command(scene)
        kill_chain(scene, random_, tries, command=command, kill=interrupt, result=scene.metrics, reset=reset)

    return attempt


def prepare_command(scene: Scene) -> list[str]:
    return scene.bench("prepare", "--condition", CONDITION, "--clip", "discs", "--out", "clip")


def encode_command(scene: Scene, codec: str = "nerv-matched", point: str = "low") -> list[str]:
    inputs = ("--condition", CONDITION, "--codec", codec, "--point", point, "--clip", "clip/clip.json")
    outputs = ("--out", "out/stream.bin", "--report", "out/encode.json", "--state-dir", "out/state")
    return scene.bench("encode", *inputs, *outputs)


def measure_command(scene: Scene, codec: str = "x264-medium", point: str = "crf38") -> list[str]:
    run = ("--condition", CONDITION, "--codec", codec, "--point", point, "--run", "seed0")
    inputs = ("--clip", "clip/clip.json", "--stream", "out/stream.bin", "--report", "out/encode.json")
    outputs = ("--out", "measured/record.json", "--frames-csv", "measured/frames.csv")
    return scene.bench("measure", *run, *inputs, *outputs)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def prepared(scene: Scene) -> None:
    if not (scene.root / "clip" / "clip.json").is_file():
        assert scene.run(prepare_command(scene)) == 0, scene.log


def encoded(scene: Scene, codec: str = "x264-medium", point: str = "crf38") -> None:
    prepared(scene)
    scene.reset("out")
    assert scene.run(encode_command(scene, codec, point)) == 0, scene.log


def kill_of_prepare(scene: Scene, random_: random.Random, tries: int) -> None:
    def result() -> str:
        return digest(scene.root / "clip" / "clip.y4m")

    command = prepare_command(scene)
    kill_chain(scene, random_, tries, command=command, kill=kill_group, result=result, reset=("clip",))


def kill_of_fit(scene: Scene, random_: random.Random, tries: int) -> None:
    def result() -> str:
        return digest(scene.root / "out" / "stream.bin")

    prepared(scene)
    command = encode_command(scene)
    kill_chain(scene, random_, tries, command=command, kill=kill_group, result=result, reset=("out",))


def kill_of_measure(scene: Scene, random_: random.Random, tries: int) -> None:
    """The measuring process alone is killed: its decoder must end with it."""

    def result() -> Any:
        return record(scene)

    encoded(scene)
    command = measure_command(scene)
    kill_chain(
        scene,
        random_,
        tries,
        command=command,
        kill=lambda process: process.kill(),
        result=result,
        reset=("measured",),
    )


def record(scene: Scene) -> Any:
    from scene import read_json

    values = read_json(scene.root / "measured" / "record.json")
    return {key: values[key] for key in ("metrics", "rate_bpp", "stream_sha256")}


def _decoder(scene: Scene, process: subprocess.Popen[str]) -> int | None:
    """The process id of the decoder of a measurement, as soon as there is one."""
    while process.poll() is None:
        for pid, command in scene.processes().items():
            if "bench decode" in command and "--pipe" in command:
                return pid
        time.sleep(0.01)
    return None


def _signal_decoder(
    scene: Scene, random_: random.Random, tries: int, number: signal.Signals, **environment: str
) -> None:
    encoded(scene)
    scene.reset("measured")
    assert scene.run(measure_command(scene)) == 0, scene.log
    expected = record(scene)
    left = tries
    while left:
        process = scene.start(measure_command(scene), **environment)
        decoder = _decoder(scene, process)
        time.sleep(random_.uniform(0, 0.5))
        try:
            os.kill(decoder or 0, number) if decoder else None
        except ProcessLookupError:  # it had ended
            decoder = None
        status = scene.wait(process)
        scene.check_no_orphan()
        if status == 0:  # the signal arrived after its last frame
            assert record(scene) == expected
            left -= int(decoder is not None)
            continue
        assert status == 2, scene.log
        assert "decoder" in scene.one_error_line()
        assert not (scene.root / "measured" / "record.json").exists()
        left -= 1
    assert scene.run(measure_command(scene)) == 0, scene.log
    assert record(scene) == expected
    assert not scene.leftovers(), scene.leftovers()


def kill_of_decoder(scene: Scene, random_: random.Random, tries: int) -> None:
    _signal_decoder(scene, random_, tries, signal.SIGKILL)


def decoder_hangs(scene: Scene, random_: random.Random, tries: int) -> None:
    _signal_decoder(scene, random_, tries, signal.SIGSTOP, BENCH_DECODE_SILENCE_S="2")


def kill_of_fetch(scene: Scene, random_: random.Random, tries: int) -> None:
    width, height, frames = 64, 48, 200
    discs = moving_discs(width=width, height=height, frames=frames)
    data = b"".join(y4m_chunks(discs, width=width, height=height, fps=Fraction(25)))
    with running_server() as server:
        server.files["/discs.y4m"] = Served(data)
        geometry = [width, height, 25, frames, "bt709", "limited", "left", "for tests", "nobody", "-"]
        row = ["served", "url", "discs.y4m", "-", *geometry, server.url("/discs.y4m"), *["-"] * 4]
        table = scene.root / "config" / "sequences.tsv"
        text = table.read_text()
        table.write_text(text + "\t".join(map(str, row)) + "\n")
        try:
            target = scene.root / "resources" / "sequences" / "served.y4m"
            kill_chain(
                scene,
                random_,
                tries,
                command=scene.bench("fetch", "served"),
                kill=kill_group,
                result=lambda: digest(target),
                reset=("resources/sequences",),
            )
            assert digest(target) == hashlib.sha256(data).hexdigest()
        finally:
            table.write_text(text)


def _refused_or_done(scene: Scene, command: list[str], **environment: str) -> bool:
    """Run a command that either succeeds or ends with exactly one error line."""
    status = scene.run(command, **environment)
    assert status in (0, 2), scene.log
    if status == 2:
        scene.one_error_line()
    return status == 0


def full_disk(scene: Scene, random_: random.Random, tries: int) -> None:
    """RLIMIT_FSIZE ends a write as a full disk does, at a size that grows from try to try."""
    encoded(scene, "nerv-matched", "low")
    expected = digest(scene.root / "out" / "stream.bin"), digest(scene.root / "clip" / "clip.y4m")
    largest = max(path.stat().st_size for path in scene.root.rglob("*") if "out" in str(path))
    commands = (prepare_command(scene), encode_command(scene))
    for index in range(tries):
        scene.reset("out")
        limit = int(largest * (index + random_.random()) / tries)
        for command in commands:
            _refused_or_done(scene, ["prlimit", f"--fsize={limit}", *command])
            scene.check_no_orphan()
        (scene.root / "clip" / "clip.json").unlink(missing_ok=True)
        for command in commands:
            assert scene.run(command) == 0, scene.log
        assert not scene.leftovers(), scene.leftovers()
        outputs = digest(scene.root / "out" / "stream.bin"), digest(scene.root / "clip" / "clip.y4m")
        assert outputs == expected


def little_memory(scene: Scene, random_: random.Random, tries: int) -> None:
    """RLIMIT_AS: from too little for the imports to enough for half of the fit."""
    encoded(scene, "nerv-matched", "low")
    expected = digest(scene.root / "out" / "stream.bin")
    for _ in range(tries):
        scene.reset("out")
        limit = int(random_.uniform(0.8e9, 3e9))
        done = _refused_or_done(scene, ["prlimit", f"--as={limit}", *encode_command(scene)])
        assert done or not (scene.root / "out" / "stream.bin").exists()
    scene.reset("out")
    assert scene.run(encode_command(scene)) == 0, scene.log
    assert digest(scene.root / "out" / "stream.bin") == expected
    assert not scene.leftovers(), scene.leftovers()


def read_only_results(scene: Scene, random_: random.Random, tries: int) -> None:
    """A file where the folder of results should be is as final as a read-only file system."""
    prepared(scene)
    scene.reset("out")
    (scene.root / "out").touch()
    try:
        for _ in range(tries):
            assert not _refused_or_done(scene, encode_command(scene))
            assert "out" in scene.log
    finally:
        (scene.root / "out").unlink()


def two_at_once(scene: Scene, random_: random.Random, tries: int) -> None:
    prepared(scene)
    for _ in range(tries):
        scene.reset("out")
        command = encode_command(scene)
        lock = scene.root / "out" / "state" / ".lock"
        first = scene.start(command)
        while not lock.exists() or not lock.read_text():
            time.sleep(0.01)
        second = subprocess.run(command, cwd=scene.root, env=scene.env, capture_output=True, text=True)
        assert second.returncode == 2
        assert f"is in use by process {first.pid}" in second.stderr
        assert scene.wait(first) == 0, scene.log


def no_locks(scene: Scene, random_: random.Random, tries: int) -> None:
    """`fcntl.flock` fails as on a file system without locks."""
    prepared(scene)
    folder = scene.folder / "without-locks"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(
        "import errno, fcntl, os\n"
        "def flock(descriptor, operation):\n"
        "    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))\n"
        "fcntl.flock = flock\n"
    )
    for _ in range(tries):
        scene.reset("out")
        path = os.pathsep.join([str(folder), str(scene.root)])
        assert scene.run(encode_command(scene), PYTHONPATH=path) == 0, scene.log
        assert "warning: out/state: the file system has no file locks" in scene.log


def no_home(scene: Scene, random_: random.Random, tries: int) -> None:
    for _ in range(tries):
        command = ["snakemake", "--dry-run", "--cores", "1", "--config", f"condition={CONDITION}"]
        assert scene.run(command, HOME="/proc/nobody", XDG_CACHE_HOME="") == 0, scene.log


_SAME = "streams and metric columns are those of an undisturbed run"
_CLEAN = "no process and no temporary file is left"
_CLEAN_RUN = f"{_CLEAN} (a kill in the first second leaves a folder in TMPDIR for a minute)"

FAULTS = (
    Fault(
        "`kill -9` of a run with all its jobs, then plain `snakemake`",
        20,
        f"{_SAME}; {_CLEAN_RUN}",
        kill_of_run,
    ),
    Fault("`kill -9` of Snakemake alone, then `make run`", 20, f"{_SAME}; {_CLEAN_RUN}", kill_of_make),
    Fault(
        "Ctrl-C (SIGINT to all), then plain `snakemake`",
        20,
        f"{_SAME}; {_CLEAN_RUN}",
        interrupt_run(signal.SIGINT),
    ),
    Fault(
        "SIGTERM to Snakemake, then plain `snakemake`",
        20,
        f"{_SAME}; {_CLEAN_RUN}",
        interrupt_run(signal.SIGTERM),
    ),
    Fault("`kill -9` of a fit", 20, f"the same stream, byte for byte; {_CLEAN}", kill_of_fit),
    Fault("`kill -9` of a measurement", 20, f"the same record; its decoder ends; {_CLEAN}", kill_of_measure),
    Fault(
        "`kill -9` of a decoder",
        20,
        f"one error line and no record; then the same record; {_CLEAN}",
        kill_of_decoder,
    ),
    Fault(
        "a decoder that hangs (SIGSTOP)", 5, f"killed at the limit; one error line; {_CLEAN}", decoder_hangs
    ),
    Fault("`kill -9` of a fetch", 20, f"the same file; {_CLEAN}", kill_of_fetch),
    Fault("`kill -9` of a prepare", 20, f"the same clip; {_CLEAN}", kill_of_prepare),
    Fault(
        "disk full after a random number of bytes",
        10,
        f"one error line; then the same files; {_CLEAN}",
        full_disk,
    ),
    Fault(
        "memory limit of 0.8 to 3 GB", 10, f"one error line; then the same stream; {_CLEAN}", little_memory
    ),
    Fault("results cannot be written", 2, "one error line before the fit starts", read_only_results),
    Fault("two encodes with one state folder", 3, "the second is refused in one line", two_at_once),
    Fault("a file system without locks", 2, "a warning, and the run succeeds", no_locks),
    Fault("HOME cannot be written", 2, "Snakemake runs", no_home),
)
