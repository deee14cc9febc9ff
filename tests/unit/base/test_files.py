from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from bench.base.errors import BenchError
from bench.base.files import (
    atomic_file,
    atomic_folder,
    check_writable,
    json_value,
    read_json,
    sha256_file,
    write_json,
)


def test_a_file_appears_only_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "made" / "file"
    with atomic_file(path) as file:
        file.write(b"x")
        assert not path.exists()
    assert path.read_bytes() == b"x"
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()

    def interrupted() -> None:
        with atomic_file(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [p.read_bytes() for p in path.parent.iterdir()] == [b"x"]


def test_a_folder_appears_only_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "frames"

    def failing() -> None:
        with atomic_folder(path) as folder:
            (folder / "0.png").touch()
            raise ValueError

    with pytest.raises(ValueError):
        failing()
    assert not list(tmp_path.iterdir())
    with atomic_folder(path) as folder:
        (folder / "0.png").touch()
    assert [p.name for p in path.iterdir()] == ["0.png"]
    with pytest.raises(BenchError, match="not an empty folder"), atomic_folder(path):
        pass
    assert [p.name for p in path.iterdir()] == ["0.png"]


def test_check_writable_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "file")
    assert not list((tmp_path / "new").iterdir())
    (tmp_path / "plain").touch()
    with pytest.raises(OSError):
        check_writable(tmp_path / "plain" / "file")


def test_json_holds_what_json_can(tmp_path: Path) -> None:
    value = {"a": np.float32(0.5), "b": [float("nan"), float("inf"), 1], 3: (np.int64(4), None, True, "é")}
    assert json_value(value) == {"a": 0.5, "b": [None, None, 1], "3": [4, None, True, "é"]}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == json_value(value)


@pytest.mark.parametrize("content", [None, b"", b"{", b"[1]", b"\xff\xfe"])
def test_a_file_that_is_not_json_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BenchError, match=r"x\.json"):
        read_json(path, "a record")


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256_file(tmp_path / "x").startswith("ba7816bf8f01cfea")


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
