"""Reader and writer of ``clip.rgb.npy``: the RGB frames of a clip whose truth is RGB.

The file is a NumPy array file: uint8, shape (frames, height, width, 3), C order, R, G and B from 0 to 255. It
is not compressed: a frame is read without the frames before it, and the whole clip can be memory-mapped. One
frame takes 3 * width * height bytes (6.2 MB at 1080p).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from bench.base.errors import BenchError

_REMEDY = "prepare the clip again"


def rgb_file_chunks(
    frames: Iterable[np.ndarray], *, count: int, width: int, height: int
) -> Iterator[bytes | memoryview]:
    """Yield the bytes of the file in order: the header of the array, then each frame.

    Args:
        frames: `count` uint8 arrays of shape (height, width, 3).
    """
    header = io.BytesIO()
    description = {"descr": "|u1", "fortran_order": False, "shape": (count, height, width, 3)}
    np.lib.format.write_array_header_1_0(header, description)
    yield header.getvalue()
    for frame in frames:
        yield np.ascontiguousarray(frame).data.cast("B")


def read_rgb_frames(
    path: Path, *, count: int, width: int, height: int, first: int, stop: int
) -> Iterator[np.ndarray]:
    """Yield frames `first` to `stop - 1` of `count` as uint8 arrays (height, width, 3).

    Raises:
        BenchError: a frame is cut short.
    """
    size = 3 * width * height
    with path.open("rb") as file:
        file.seek(path.stat().st_size - (count - first) * size)
        for index in range(first, stop):
            frame = np.empty((height, width, 3), np.uint8)
            if file.readinto(frame.data) != size:
                raise BenchError(path, f"frame {index} is cut short", _REMEDY)
            yield frame


def map_rgb_file(path: Path, *, count: int, width: int, height: int) -> np.ndarray:
    """The frames as one uint8 array (count, height, width, 3), memory-mapped.

    The array may be written to; the file does not change.

    Raises:
        BenchError: the file is missing, or is not an array file of that shape and type.
    """
    shape = (count, height, width, 3)
    try:
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except OSError as error:
        raise BenchError(path, error.strerror or "cannot be read", _REMEDY) from error
    except (ValueError, EOFError) as error:
        raise BenchError(path, f"must be an array file of NumPy ({error})", _REMEDY) from None
    ordered = isinstance(array, np.memmap) and array.flags.c_contiguous
    if not ordered or array.dtype != np.uint8 or array.shape != shape:
        problem = f"must hold uint8 values of shape {shape} in C order, as clip.json states"
        raise BenchError(path, problem, _REMEDY)
    size = path.stat().st_size
    if size != array.offset + array.size:
        raise BenchError(path, f"is {size} bytes, not {array.offset + array.size}", _REMEDY)
    return np.asarray(array)
