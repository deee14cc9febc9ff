"""A decoder outside the suite has its stream and nothing else: no clip, no home folder, no network."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from external_data import COPY, Codecs

from baselines.external import isolation as isolation_module
from baselines.external.isolation import VARIABLE, isolation
from bench.base.errors import BenchError
from bench.base.paths import ROOT

pytestmark = pytest.mark.slow

#: Isolations with namespaces that this machine allows.
NAMESPACES = [kind for kind in ("bubblewrap", "unshare") if isolation_module._works(kind)]
needs_namespaces = pytest.mark.skipif(
    not NAMESPACES, reason="this machine allows no namespaces: install bubblewrap, or allow user namespaces"
)

#: Has the test use an isolation.
Select: TypeAlias = Callable[[str], None]


@pytest.fixture
def select(monkeypatch: pytest.MonkeyPatch) -> Iterator[Select]:
    def use(kind: str) -> None:
        monkeypatch.setenv(VARIABLE, kind)
        isolation.cache_clear()

    yield use
    isolation.cache_clear()


#: Tries to read and write outside of its folder, and reports in its first frame what it could do.
HOSTILE = """
import json, os, socket, sys

_, stream, output, width, height, frames = sys.argv[1:7]
wanted = json.load(open("side.json"))
done = []
for name in wanted["read"]:
    try:
        if os.path.isdir(name):
            assert os.listdir(name)
        else:
            open(name, "rb").read(1)
        done.append("read " + name)
    except (OSError, AssertionError):
        pass
for name in wanted["write"]:
    try:
        open(os.path.join(name, "hostile"), "w").close()
        done.append("wrote " + name)
    except OSError:
        pass
try:
    socket.create_connection(("127.0.0.1", wanted["port"]), 2).close()
    done.append("connected")
except OSError:
    pass
done += ["sees " + name for name in os.listdir(".") if name not in ("stream.bin", "side.json")]
done += ["inherits " + name for name in os.environ if name in ("PYTHONPATH", "SECRET")]
for pid in os.listdir("/proc"):
    if pid.isdigit() and int(pid) == wanted["pid"]:
        done.append("sees the suite's process")
open(output, "wb").write(json.dumps(done).encode())
sys.exit("could: " + json.dumps(done))
"""


@needs_namespaces
@pytest.mark.parametrize("kind", NAMESPACES)
def test_a_hostile_decoder_reads_no_clip_no_home_folder_and_no_network(
    codecs: Codecs,
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    select: Select,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "secret").write_text("secret")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SECRET", "1")
    select(kind)
    with socket.create_server(("127.0.0.1", 0)) as server:
        wanted = {
            "read": [str(codecs.clip.path), str(home / "secret"), str(ROOT / "README.md"), "/var", "/mnt"],
            "write": ["/", "/usr", "/etc", "/proc", str(home)],
            "port": server.getsockname()[1],
            "pid": os.getpid(),
        }
        encoder = COPY + f"\nopen('side.json', 'w').write({json.dumps(json.dumps(wanted))})\n"
        config = codecs.add(
            f"hostile-{kind}", encoder=encoder, decoder=HOSTILE, stream=["stream.bin", "side.json"]
        )
        stream = codecs.encode(config)
        with pytest.raises(Exception, match="could: ") as caught:
            codecs.decode(stream)
    assert "could: []" in str(caught.value)
    assert [path.name for path in home.iterdir()] == ["secret"]


def test_the_same_decoder_finds_all_of_it_in_a_plain_folder(
    codecs: Codecs, tmp_path: Path, select: Select
) -> None:
    """The test above would notice a hole: without namespaces the decoder reads the clip and the network."""
    select("folder")
    with socket.create_server(("127.0.0.1", 0)) as server:
        wanted = {"read": [str(codecs.clip.path)], "write": [str(codecs.folder)]}
        wanted |= {"port": server.getsockname()[1], "pid": os.getpid()}
        encoder = COPY + f"\nopen('side.json', 'w').write({json.dumps(json.dumps(wanted))})\n"
        config = codecs.add("hostile", encoder=encoder, decoder=HOSTILE, stream=["stream.bin", "side.json"])
        with pytest.raises(Exception, match="could: ") as caught:
            codecs.decode(codecs.encode(config))
    for done in ("read ", "wrote ", "connected", "sees the suite's process"):
        assert done in str(caught.value)
    assert "inherits" not in str(caught.value)


@pytest.mark.parametrize("kind", [*NAMESPACES, "folder"])
def test_every_isolation_reports_the_signal_and_hides_the_folder_outside(
    codecs: Codecs, kind: str, select: Select
) -> None:
    select(kind)
    abort = "import os\nassert 'OLDPWD' not in os.environ\nos.abort()\n"
    with pytest.raises(BenchError, match="killed by signal 6"):
        codecs.encode(codecs.add("aborts", encoder=abort))


@pytest.mark.parametrize("kind", [*NAMESPACES, "folder"])
def test_the_report_names_the_isolation_that_was_used(codecs: Codecs, kind: str, select: Select) -> None:
    select(kind)
    stream = codecs.encode(codecs.add("copy"))
    frames, clock = codecs.decode(stream)
    assert [frame.tobytes() for frame in frames] == [frame.tobytes() for frame in codecs.clip.frames()]
    assert clock.facts["isolation"] == kind
    report = json.loads(stream.with_suffix(".json").read_text())
    assert report["isolation"] == kind
    assert len(report["programs"]["encoder"]["sha256"]) == 64


@pytest.mark.parametrize("kind", [*NAMESPACES, "folder"])
def test_a_program_that_runs_too_long_is_killed_with_all_its_children(
    codecs: Codecs, kind: str, select: Select
) -> None:
    """Children that detach themselves: a double fork in a session of its own, which ignores SIGTERM."""
    select(kind)
    mark = f"tests-of-the-suite-{os.getpid()}-{kind}"
    decoder = f"""
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", "{mark}"])
    os._exit(0)
print("waiting", flush=True)
time.sleep(600)
"""
    stream = codecs.encode(codecs.add("slow", decoder=decoder, decode_time_limit_s=1.5))
    with pytest.raises(Exception, match=r"program python was killed: it exceeded the limit of 1.5 s"):
        codecs.decode(stream)
    deadline = time.monotonic() + 5
    while _running(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _running(mark)


def _running(mark: str) -> bool:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return any(mark in line and "ps -eo" not in line for line in listed.splitlines())
