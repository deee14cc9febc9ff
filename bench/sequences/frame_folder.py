"""Folders of PNG or JPEG frames: the files in order, and their RGB samples.

The location of a sequence of kind ``frames`` is one of:

| location | files |
|---|---|
| ``folder`` | all files of the folder, which must be PNG or JPEG; hidden files are ignored |
| ``folder/*.png`` | those whose names match; ``*``, ``?`` and ``[...]`` are wildcards |
| ``folder/%04d.png`` | those whose names are a frame number, here of at least four digits |

Files are in natural order (``frame10`` after ``frame2``). Frame numbers may start anywhere and must rise by a
constant step. Number and size of the frames must be those of the row.

Pillow decodes each file to 8-bit RGB, which is the truth of the clip. A JPEG file holds YCbCr samples; its
RGB frames are those that Pillow (libjpeg-turbo) decodes. A rotation in EXIF is applied. ICC profiles and
gamma are not applied. What 8-bit RGB cannot hold is refused: 16-bit samples, transparency, CMYK, several
pictures in one file, PQ and HLG.
"""

from __future__ import annotations

import fnmatch
import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps, features

from bench.base.errors import BenchError
from bench.sequences.row import SourceSequence

FRAME_SUFFIXES = (".png", ".jpg", ".jpeg")
#: Files that file managers write into folders of pictures; so do names with a leading dot.
_IGNORED = ("thumbs.db", "desktop.ini")
_NUMBER = re.compile("([0-9]+)")
_PNG_BIT_DEPTH = slice(24, 25)
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
_EXIF_ORIENTATION = 0x0112
#: Code points of ITU-T H.273.
_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
#: What Pillow reports of damage that it ignores, such as EXIF values that are cut short.
_PILLOW_WARNINGS = (UserWarning, Image.DecompressionBombWarning)


class FrameFolder:
    """The frames of a sequence of kind `frames`. No file is read yet.

    Attributes:
        files: the files in the order of the frames.
        remarks: what was done to samples or left undone, in the order of reading; empty before `frames`.

    Raises:
        BenchError: see `find_frame_files`.
    """

    def __init__(self, sequence: SourceSequence) -> None:
        self.files = find_frame_files(sequence)
        self.remarks: dict[str, None] = {}
        self._sequence = sequence
        self._digest = hashlib.sha256()
        self._format = ""

    @property
    def sha256(self) -> str:
        """SHA-256 of all files in order, concatenated; complete when `frames` has ended."""
        return self._digest.hexdigest()

    def frames(self, first: int, stop: int) -> Iterator[np.ndarray]:
        """Yield frames `first` to `stop - 1` as uint8 RGB (height, width, 3).

        All files are read once and their sizes are compared with the row, so a wrong file is always an error.

        Raises:
            BenchError: a file cannot be read, is damaged, has another format or size than the others, or has
                samples that 8-bit RGB cannot hold.
        """
        for index, path in enumerate(self.files):
            try:
                data = path.read_bytes()
            except OSError as error:
                raise BenchError(path, error.strerror or "cannot be read", "check the file") from error
            self._digest.update(data)
            frame = self._decode(path, data, wanted=first <= index < stop)
            if frame is not None:
                yield frame

    def _decode(self, path: Path, data: bytes, *, wanted: bool) -> np.ndarray | None:
        """Check one file, and decode it if its frame is wanted."""
        try:
            with warnings.catch_warnings():
                for category in _PILLOW_WARNINGS:
                    warnings.simplefilter("error", category)
                with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
                    self._check(path, data, image)
                    return self._rgb(path, image) if wanted else None
        except BenchError:
            raise
        except Exception as error:  # noqa: BLE001 - Pillow raises exceptions of many types for damaged files
            problem = f"is damaged, or is not a PNG or JPEG file ({error})"
            raise BenchError(path, problem, "replace the file, or remove it from the folder") from None

    def _check(self, path: Path, data: bytes, image: Image.Image) -> None:
        """Compare the header of a file with the row and with the first file."""
        file_format = image.format or ""
        if getattr(image, "n_frames", 1) != 1:
            raise BenchError(path, "holds several pictures", "save each frame as its own file")
        self._format = self._format or file_format
        if file_format != self._format:
            problem = f"is a {file_format} file, but {self.files[0].name} is a {self._format} file"
            raise BenchError(path, problem, "use one format for all frames")
        if file_format == "PNG":
            if data[_PNG_BIT_DEPTH] == b"\x10":
                raise BenchError(path, "has samples of 16 bit", "convert the frames to 8 bit")
            with Image.open(io.BytesIO(data), formats=("PNG",)) as again:
                again.verify()  # checksums of the file, which decoding ignores
            self._check_colour_tags(path, data)
        if image.mode not in _MODES:
            raise BenchError(path, f"has samples of type {image.mode}", "convert the frames to 8-bit RGB")
        width, height = _rotated_size(image)
        if image.getexif().get(_EXIF_ORIENTATION, 1) in range(2, 9):
            self.remarks["rotation of EXIF applied"] = None
        if (width, height) != (self._sequence.width, self._sequence.height):
            expected = f"{self._sequence.width}x{self._sequence.height} in sequences.tsv"
            problem = f"has {width}x{height} pixels, but {expected}"
            raise BenchError(path, problem, "correct width and height, or give all frames one size")
        if "icc_profile" in image.info:
            self.remarks["ICC profile not applied"] = None
        if "gamma" in image.info:
            self.remarks["gamma not applied"] = None

    def _check_colour_tags(self, path: Path, data: bytes) -> None:
        """Refuse HDR by the chunk cICP (PNG, third edition, section 11.3.2.6), which Pillow does not read."""
        at = data.find(b"\0\0\0\4cICP", 0, data.find(b"IDAT"))
        if at < 0:
            return
        primaries, transfer = data[at + 8], data[at + 9]
        if transfer in _HDR_TRANSFERS:
            problem = f"has the transfer function {_HDR_TRANSFERS[transfer]}"
            raise BenchError(path, problem, "convert the frames to an SDR colour space, such as sRGB")
        self.remarks[f"colour tags of cICP not applied (primaries {primaries}, transfer {transfer})"] = None

    def _rgb(self, path: Path, image: Image.Image) -> np.ndarray:
        image = ImageOps.exif_transpose(image)
        if "A" in image.getbands() or "transparency" in image.info:
            image = image.convert("RGBA")
            if image.getchannel("A").getextrema() != (255, 255):
                raise BenchError(path, "has transparent pixels", "draw the frames on an opaque background")
            self.remarks["opaque alpha channel dropped"] = None
        return np.asarray(image.convert("RGB"))


def check_frame_folder(sequence: SourceSequence) -> None:
    """Check names and number of the files, and decode the first frame.

    Raises:
        BenchError: see `find_frame_files` and `FrameFolder.frames`.
    """
    next(FrameFolder(sequence).frames(0, 1))


def frame_size(path: Path) -> tuple[int, int]:
    """Width and height of a frame after the rotation in its EXIF data.

    Raises:
        BenchError: the file is not a PNG or JPEG file.
    """
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            return _rotated_size(image)
    except Exception as error:  # noqa: BLE001 - Pillow raises exceptions of many types for damaged files
        raise BenchError(path, f"is not a PNG or JPEG file ({error})", "replace the file") from None


def _rotated_size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    return (height, width) if image.getexif().get(_EXIF_ORIENTATION, 1) in (5, 6, 7, 8) else (width, height)


def is_frame_pattern(location: Path) -> bool:
    """Whether a location is a pattern of names in a folder, such as folder/%04d.png or folder/*.png."""
    return not location.exists() and any(character in location.name for character in "%*?[")


def decoder_version() -> str:
    """Versions of the libraries that decode the files."""
    return f"Pillow {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}"


def find_frame_files(sequence: SourceSequence) -> list[Path]:
    """The files of a sequence of kind `frames`, in natural order.

    Raises:
        BenchError: the folder is missing; it holds no frames, or a file that is not a PNG or JPEG file; a
            frame number is missing or duplicate; or the number of files is not that of the row.
    """
    location = sequence.local_path
    files = frame_files(location)
    if len(files) != sequence.frames:
        problem = f"holds {len(files)} frames, but {sequence.frames} in sequences.tsv"
        raise BenchError(location, problem, "correct frames, or complete the folder")
    return files


def frame_files(location: Path) -> list[Path]:
    """The files of a folder or pattern in natural order, with consecutive numbers.

    Raises:
        BenchError: as `find_frame_files`, but for the number of files.
    """
    files = _matching_files(location)
    files.sort(key=lambda path: _natural_key(path.name))
    if not files:
        raise BenchError(location, "holds no frames", "correct the location of the frames in sequences.tsv")
    _check_numbers(files)
    return files


def _matching_files(location: Path) -> list[Path]:
    """The files of a folder, or those that match the pattern in the last component of the location."""
    folder, pattern = (location, "") if location.is_dir() else (location.parent, location.name)
    if not folder.is_dir() or (pattern and not is_frame_pattern(location)):
        remedy = "give a folder of frames, or a pattern such as folder/%04d.png or folder/*.png"
        raise BenchError(location, "is not a folder", remedy)
    names = sorted(path.name for path in folder.iterdir())
    if "%" in pattern:
        digits = re.fullmatch("([^%]*)%(?:0([0-9]{1,2}))?d([^%]*)", pattern)
        if digits is None:
            raise BenchError(location, "is not a pattern of numbers", "write %d or %04d once")
        before, width, after = re.escape(digits[1]), int(digits[2] or 1), re.escape(digits[3])
        number = re.compile(f"{before}(?:[0-9]{{{width}}}|[1-9][0-9]{{{width},}}){after}")
        return [folder / name for name in names if number.fullmatch(name)]
    if pattern:
        return [folder / name for name in names if fnmatch.fnmatchcase(name, pattern)]
    names = [name for name in names if not name.startswith(".") and name.casefold() not in _IGNORED]
    for name in names:
        if Path(name).suffix.lower() not in FRAME_SUFFIXES:
            remedy = "remove it from the folder, or give a pattern such as folder/*.png"
            raise BenchError(folder / name, "is not a PNG or JPEG file", remedy)
    return [folder / name for name in names]


def _natural_key(name: str) -> list[str | int]:
    """Key that sorts names by the values of their numbers: text and numbers alternate."""
    return [int(part) if index % 2 else part for index, part in enumerate(_NUMBER.split(name))]


def _check_numbers(files: list[Path]) -> None:
    """Refuse a missing and a duplicate frame number: the last number of each name.

    Names that differ before or after that number are checked apart from each other.
    """
    for a, b in pairwise(files):
        if _natural_key(a.name) == _natural_key(b.name):
            raise BenchError(b, f"has the same frame number as {a.name}", "remove one of the two files")
    numbered = [(re.fullmatch("(.*?)([0-9]+)([^0-9]*)", path.name), path) for path in files]
    groups = groupby(numbered, key=lambda item: item[0] and (item[0][1], item[0][3]))
    for key, members in groups:
        if key is None:
            continue
        numbers = [(int(match[2]), path) for match, path in members if match]
        steps = [b - a for (a, _), (b, _) in pairwise(numbers)]
        for step, (_, path), (_, following) in zip(steps, numbers, numbers[1:], strict=False):
            if step != min(steps):
                problem = f"{following.name} follows {path.name}: a frame is missing between them"
                remedy = "add it, or rename the files to consecutive numbers"
                raise BenchError(path.parent, problem, remedy)
