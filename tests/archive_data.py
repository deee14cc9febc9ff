"""Small 7z archives like those of the UVG sequences, for tests of downloads and extraction."""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np
import py7zr

from bench.video.synthetic import moving_discs

#: Names as at UVG: the archive ReadySetGo holds the file ReadySteadyGo.
ARCHIVE = "ReadySetGo_64x48_120fps_420_8bit_YUV_RAW.7z"
MEMBER = "ReadySteadyGo_64x48_120fps_420_8bit_YUV.yuv"
WIDTH, HEIGHT, FRAMES = 64, 48, 6


def raw_frames() -> bytes:
    """Planar 8-bit 4:2:0 frames without a header."""
    return b"".join(frame.tobytes() for frame in moving_discs(width=WIDTH, height=HEIGHT, frames=FRAMES))


def make_archive(folder: Path, files: dict[str, bytes], *, packed_header: bool = True) -> bytes:
    """The bytes of a 7z archive with these files."""
    path = folder / "archive.7z"
    with py7zr.SevenZipFile(path, "w") as archive:
        archive.set_encoded_header_mode(packed_header)
        for name, data in files.items():
            archive.writestr(data, name)
    data = path.read_bytes()
    path.unlink()
    return data


def uvg_archive(folder: Path, *, text_bytes: int = 400) -> bytes:
    """An archive as at UVG: the text of the licence (`text_bytes` random bytes), then the frames."""
    text = np.random.default_rng(0).bytes(text_bytes)
    return make_archive(folder, {"ReadySteadyGo_Copyright.txt": text, MEMBER: raw_frames()})


def with_header_checksums(archive: bytes) -> bytes:
    """An archive whose header was edited, with both checksums of the header corrected."""
    offset, size = struct.unpack("<QQ", archive[12:28])
    start = archive[12:28] + struct.pack("<I", zlib.crc32(archive[32 + offset : 32 + offset + size]))
    return archive[:8] + struct.pack("<I", zlib.crc32(start)) + start + archive[32:]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
