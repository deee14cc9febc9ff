"""Video files of external programs: the encoder's input, and the decoder's output.

| format | samples |
|---|---|
| `y4m` | 8-bit 4:2:0; an output may have 10 bits |
| `yuv420p` | raw 8-bit planes |
| `yuv420p10le` | raw 10-bit planes, little-endian; an input has the 8-bit samples times 4 |
| `png` | a folder of 8-bit RGB pictures, from 1 on |

10-bit samples become 8-bit ones by rounding to the nearest, halves up, without dithering, as swscale does
with `-sws_dither none` (255 for 1022 and 1023).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from baselines.external.run import CommandFailed
from bench.base.sizes import check_disk_space
from bench.codec.container import Header, PixelFormat
from bench.video.clip import Clip
from bench.video.y4m import MAX_HEADER_BYTES, y4m_chunks, y4m_tags

#: Format -> name of the file or folder of an input or output.
_SUFFIXES = {"y4m": ".y4m", "yuv420p": ".yuv", "yuv420p10le": ".yuv", "png": ""}
#: Chroma formats of y4m -> bit depth.
_Y4M_FORMATS = {"420": 8, "420jpeg": 8, "420mpeg2": 8, "420paldv": 8, "420p10": 10}
_NUMBER = re.compile(r"(\d+)\.png")


def file_name(stem: str, video_format: str) -> str:
    """Name of an input or output in the working folder, such as input.y4m."""
    return stem + _SUFFIXES[video_format]


def bit_depth(video_format: str) -> int:
    """Bits of a sample."""
    return 10 if video_format == "yuv420p10le" else 8


def pixel_format(video_format: str) -> PixelFormat:
    """Pixel format of the frames in an output of this format."""
    return "rgb24" if video_format == "png" else "yuv420p"


def write_input(clip: Clip, path: Path, video_format: str, *, pictures: str) -> None:
    """Write a clip as a file, or a folder of pictures, of this format.

    Raises:
        BenchError: the disk has not enough room, or the clip was changed.
    """
    info = clip.info
    check_disk_space(path.parent, info.pixels * 3)
    if video_format == "png":
        path.mkdir()
        for number, frame in enumerate(clip.rgb(), start=1):
            Image.fromarray(frame).save(path / (pictures % number), compress_level=1)
        return
    with path.open("wb") as file:
        if video_format == "y4m":
            for chunk in y4m_chunks(clip.frames(), width=info.width, height=info.height, fps=info.fps):
                file.write(chunk)
            return
        for frame in clip.frames():
            file.write(frame.data if video_format == "yuv420p" else (frame.astype("<u2") << 2).data)


def read_output(path: Path, video_format: str, header: Header) -> Iterator[np.ndarray]:
    """Yield the frames of a decoder's output as uint8 arrays of the header's shape.

    The output is untrusted: its size is checked before a frame is read, and links are refused.

    Raises:
        CommandFailed: it is missing, truncated, or has another geometry or number of frames.
    """
    if path.is_symlink() or not path.exists():
        raise CommandFailed(f"the decoder wrote no {path.name}")
    if video_format == "png":
        yield from _read_pictures(path, header)
        return
    with path.open("rb") as file:
        depth, begins = bit_depth(video_format), b""
        if video_format == "y4m":
            depth, begins = _read_y4m_header(file.readline(MAX_HEADER_BYTES), header), b"FRAME"
        size = header.width * header.height * 3 // 2 * (2 if depth == 10 else 1)
        for index in range(header.frames):
            if begins and file.readline(MAX_HEADER_BYTES).split()[:1] != [begins]:
                raise CommandFailed(f"the decoder's output has {index} of {header.frames} frames")
            data = np.empty(size, np.uint8)
            if file.readinto(data.data) != size:
                raise CommandFailed(f"the decoder's output ends within frame {index} of {header.frames}")
            yield to_8_bit(data.view("<u2")) if depth == 10 else data
        if file.read(1):
            raise CommandFailed(f"the decoder's output has more than {header.frames} frames of its size")


def to_8_bit(samples: np.ndarray) -> np.ndarray:
    """10-bit samples as uint8: divided by 4, rounded to the nearest, halves up, at most 255."""
    return np.minimum((samples.astype(np.uint32) + 2) >> 2, 255).astype(np.uint8)


def _read_y4m_header(line: bytes, header: Header) -> int:
    """Bit depth of a y4m output."""
    tags = y4m_tags(line)
    if not tags:
        raise CommandFailed("the decoder's output does not begin with a YUV4MPEG2 line")
    if (tags.get("W"), tags.get("H")) != (str(header.width), str(header.height)):
        size = f"{tags.get('W')}x{tags.get('H')}"[:40]
        raise CommandFailed(f"the decoder's output is {size}, not {header.width}x{header.height}")
    chroma = tags.get("C", "420")
    if chroma not in _Y4M_FORMATS:
        raise CommandFailed(
            f"the decoder's output has the chroma format {chroma[:20]!r}, not 4:2:0 of 8 or 10 bits"
        )
    return _Y4M_FORMATS[chroma]


def _read_pictures(folder: Path, header: Header) -> Iterator[np.ndarray]:
    """The pictures of a folder in the order of the number at the end of their names."""
    numbered = {int(match[1]): path for path in folder.glob("*.png") if (match := _NUMBER.search(path.name))}
    if len(numbered) != header.frames:
        raise CommandFailed(f"the decoder wrote {len(numbered)} pictures for {header.frames} frames")
    for number in sorted(numbered):
        path = numbered[number]
        try:
            if path.is_symlink():
                raise OSError("is a link")
            with warnings.catch_warnings(), Image.open(path, formats=("PNG",)) as image:
                warnings.simplefilter("error")
                if image.size != (header.width, header.height):
                    size = "x".join(map(str, image.size))
                    raise CommandFailed(f"picture {path.name} is {size}, not {header.width}x{header.height}")
                if image.mode != "RGB":
                    raise CommandFailed(f"picture {path.name} has the mode {image.mode}, not 8-bit RGB")
                frame = np.asarray(image)
        except (OSError, ValueError, SyntaxError, Warning) as error:
            raise CommandFailed(f"picture {path.name} cannot be read ({error})") from None
        yield frame
