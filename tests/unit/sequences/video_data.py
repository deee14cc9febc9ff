"""Video files of known samples: planes that are linear in space, so that every right filter keeps them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from bench.base.ffmpeg import ffmpeg_exe
from bench.sequences.row import SourceSequence

WIDTH, HEIGHT, FRAMES, FPS = 64, 48, 6, 25
#: Chroma -> distance of its samples in luma samples.
_STEPS = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}


def ffmpeg(*words: object) -> None:
    """Run ffmpeg; existing outputs are replaced."""
    command = [ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *map(str, words)]
    subprocess.run(command, check=True)


def luma(x: np.ndarray, y: np.ndarray, index: int) -> np.ndarray:
    """Y at positions in luma samples, 26 to 183."""
    return 20 + x + 2 * y + 6 * (index % 3)


def chroma(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """U and V at positions in luma samples, 20 to 240."""
    return 20 + 2 * x + 2 * y, 240 - 2 * x - 2 * y


def planes_of(
    layout: str, index: int, width: int = WIDTH, height: int = HEIGHT, *, siting: str = "left"
) -> list[np.ndarray]:
    """The planes of a frame as floats, from the formulas of `luma` and `chroma`.

    Args:
        layout: "420", "422" or "444".
        siting: "left" or "center".
    """
    across, down = _STEPS[layout]
    y, x = np.mgrid[0:height, 0:width].astype(float)
    v, u = np.mgrid[0 : -(-height // down), 0 : -(-width // across)].astype(float)
    right = 0.5 if across == 2 and siting == "center" else 0
    below = 0.5 if down == 2 else 0
    return [luma(x, y, index), *chroma(across * u + right, down * v + below)]


def raw_frames(
    layout: str = "420", bits: int = 8, width: int = WIDTH, height: int = HEIGHT, *, siting: str = "left"
) -> bytes:
    """All frames as a raw file has them."""
    dtype, scale = ("u1", 1) if bits == 8 else ("<u2", 1 << (bits - 8))
    return b"".join(
        np.rint(scale * plane).astype(dtype).tobytes()
        for index in range(FRAMES)
        for plane in planes_of(layout, index, width, height, siting=siting)
    )


def encode(path: Path, pixel_format: str, *arguments: object, siting: str = "left") -> Path:
    """A file of the known frames, by ffmpeg with these arguments of the output."""
    bits = int(pixel_format.rpartition("p")[2].removesuffix("le") or 8)
    raw = path.with_suffix(".raw")
    raw.write_bytes(raw_frames(pixel_format[3:6], bits, siting=siting))
    source = ["-f", "rawvideo", "-pix_fmt", pixel_format, "-s", f"{WIDTH}x{HEIGHT}", "-r", FPS, "-i", raw]
    ffmpeg(*source, *arguments, path)
    raw.unlink()
    return path


def row_of(path: Path, **values: object) -> SourceSequence:
    """A row of kind `file` for one of these files."""
    row = {"name": "mine", "kind": "file", "location": str(path), "width": WIDTH, "height": HEIGHT}
    row |= {"fps": str(FPS), "frames": FRAMES, "matrix": "bt709", "range": "limited", "siting": "left"}
    return SourceSequence(**(row | {"licence": "-", "citation": "-", "note": "-"} | values))
