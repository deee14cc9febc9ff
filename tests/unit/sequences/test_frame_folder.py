"""Folders of PNG or JPEG frames: their order, the samples, and files that are refused."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.base.errors import BenchError
from bench.base.ffmpeg import pipe_frames
from bench.conditions.sections import ClipPlan
from bench.sequences.frame_folder import FrameFolder, find_frame_files
from bench.sequences.prepare import prepare_clip
from bench.sequences.row import SourceSequence
from bench.sequences.source_file import check_users_file
from bench.video.clip import Clip
from bench.video.colour import to_yuv

WIDTH, HEIGHT = 20, 12


def sequence(location: Path | str, frames: int = 3, **values: object) -> SourceSequence:
    """A row of kind `frames`."""
    row = {
        "name": "mine",
        "kind": "frames",
        "location": str(location),
        "width": WIDTH,
        "height": HEIGHT,
        "fps": Fraction(25),
        "frames": frames,
        "matrix": "-",
        "range": "-",
        "siting": "-",
        "licence": "CC0",
        "citation": "me",
        "note": "",
    }
    return SourceSequence(**row | values)


def picture(seed: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def write_pictures(folder: Path, names: Sequence[str]) -> list[np.ndarray]:
    """One random picture a file."""
    folder.mkdir(exist_ok=True)
    pictures = [picture(seed) for seed in range(len(names))]
    for name, array in zip(names, pictures, strict=True):
        Image.fromarray(array).save(folder / name)
    return pictures


def prepared(folder: Path, row: SourceSequence, colour: str = "bt709", **steps: object) -> Clip:
    plan = ClipPlan(sequence=row.name, **steps)
    return prepare_clip(row, plan, name="clip", colour=colour, out_dir=folder)


def refusal(row: SourceSequence) -> str:
    with pytest.raises(BenchError) as error:
        list(FrameFolder(row).frames(0, row.frames))
    return str(error.value)


def test_frames_are_in_natural_order_and_unchanged(tmp_path: Path) -> None:
    names = [f"frame{number}.png" for number in range(1, 13)]
    pictures = write_pictures(tmp_path / "f", names)
    clip = prepared(tmp_path / "out", sequence(tmp_path / "f", 12))
    assert np.array_equal(clip.rgb_array(), pictures)
    assert (clip.info.truth, clip.info.frames, clip.info.fps) == ("rgb", 12, 25)
    decoded = [
        next(pipe_frames(["-i", str(tmp_path / "f" / name), *RAW_RGB], frame_bytes=3 * WIDTH * HEIGHT))
        for name in names
    ]
    assert np.array_equal(clip.rgb_array().reshape(12, -1), decoded), "ffmpeg decodes other samples"


RAW_RGB = ("-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1")


@pytest.mark.parametrize("colour", ["bt709", "bt601", "bt601-ffmpeg"])
def test_clip_y4m_is_the_conversion_of_the_rgb_frames(tmp_path: Path, colour: str) -> None:
    pictures = write_pictures(tmp_path / "f", ["1.png", "2.png", "3.png"])
    clip = prepared(tmp_path / "out", sequence(tmp_path / "f"), colour)
    expected = list(to_yuv(pictures, width=WIDTH, height=HEIGHT, colour=colour))
    assert np.array_equal(list(clip.frames()), expected)
    assert (clip.info.matrix, clip.info.range) == (colour.removesuffix("-ffmpeg"), "limited")


def test_steps_apply_to_the_rgb_frames(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "f", ["1.png", "2.png", "3.png"])
    clip = prepared(tmp_path / "out", sequence(tmp_path / "f"), trim=(1, 3), crop=(2, 4, 16, 8))
    assert np.array_equal(clip.rgb_array(), [array[4:12, 2:18] for array in pictures[1:]])
    assert any("crop" in step for step in clip.info.chain)


def test_each_of_r_g_and_b_is_scaled_alone(tmp_path: Path) -> None:
    """As ffmpeg scales a grey picture with these samples."""
    pictures = write_pictures(tmp_path / "f", ["1.png", "2.png", "3.png"])
    clip = prepared(tmp_path / "out", sequence(tmp_path / "f"), scale=(10, 8), filter="bicubic")
    for channel in range(3):
        grey = [np.ascontiguousarray(array[:, :, channel]) for array in pictures]
        raw = ["-f", "rawvideo", "-pixel_format", "gray", "-video_size", f"{WIDTH}x{HEIGHT}", "-i", "pipe:0"]
        scale = "scale=10:8:in_range=full:out_range=full:flags=bicubic+accurate_rnd+bitexact,format=gray"
        output = ["-vf", scale, "-sws_dither", "none", "-f", "rawvideo", "pipe:1"]
        scaled = list(pipe_frames([*raw, *output], frame_bytes=80, feed=grey))
        assert np.array_equal(clip.rgb_array()[..., channel].reshape(3, 80), scaled)


def test_odd_frames_need_a_crop(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    for index in range(3):
        Image.fromarray(picture(index, 19, 11)).save(tmp_path / "f" / f"{index}.png")
    row = sequence(tmp_path / "f", width=19, height=11)
    with pytest.raises(BenchError, match="width must be even for 4:2:0, not 19; crop or scale the clip"):
        prepared(tmp_path / "out", row)
    clip = prepared(tmp_path / "out", row, crop=(0, 0, 18, 10))
    assert np.array_equal(clip.rgb_array()[0], picture(0, 19, 11)[:10, :18])


def test_patterns_select_files(tmp_path: Path) -> None:
    folder = tmp_path / "f [x] ü"
    pictures = write_pictures(folder, ["0009.png", "0010.png", "10000.png", "left_1.png", "left_2.png"])
    (folder / "notes.txt").write_text("notes")
    for pattern, names in (
        ("left_%d.png", ["left_1.png", "left_2.png"]),
        ("left*.png", ["left_1.png", "left_2.png"]),
        ("00[0-9]?.png", ["0009.png", "0010.png"]),
    ):
        files = find_frame_files(sequence(folder / pattern, 2))
        assert [path.name for path in files] == names
    frames = list(FrameFolder(sequence(folder / "left_%d.png", 2)).frames(0, 2))
    assert np.array_equal(frames, pictures[3:])
    problem = "10000.png follows 0010.png: a frame is missing"
    assert problem in refusal(sequence(folder / "%04d.png"))


def test_numbers_may_start_anywhere_and_rise_by_a_constant_step(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "f", ["a95.png", "a100.png", "a105.png"])
    assert np.array_equal(list(FrameFolder(sequence(tmp_path / "f")).frames(0, 3)), pictures)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["1.png", "2.png", "4.png"], "4.png follows 2.png: a frame is missing between them"),
        (["a1.png", "a2.png", "a4.png", "b1.png"], "a4.png follows a2.png"),
        (["1.png", "2.png", "002.png"], "2.png: has the same frame number as 002.png"),
        (["1.png", "2.png"], "holds 2 frames, but 3 in sequences.tsv"),
        (["1.png", "2.png", "3.png", "4.png"], "holds 4 frames, but 3 in sequences.tsv"),
        ([], "holds no frames"),
        (["1.png", "2.png", "3.bmp"], "3.bmp: is not a PNG or JPEG file; remove it from the folder"),
        (["1.png", "2.png", "3.jpg"], "3.jpg: is a JPEG file, but 1.png is a PNG file"),
    ],
)
def test_files_that_are_not_a_clip_are_refused(tmp_path: Path, names: list[str], problem: str) -> None:
    write_pictures(tmp_path / "f", names)
    assert problem in refusal(sequence(tmp_path / "f"))


def test_hidden_files_are_ignored_and_folders_are_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "f", ["1.png", "2.png", "3.png"])
    for name in (".DS_Store", "Thumbs.db"):
        (tmp_path / "f" / name).write_bytes(b"x")
    assert len(find_frame_files(sequence(tmp_path / "f"))) == 3
    (tmp_path / "f" / "4.png").mkdir()
    assert "4.png: Is a directory" in refusal(sequence(tmp_path / "f", 4))


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("missing", "missing: is not a folder"),
        ("1.png", "1.png: is not a folder; give a folder of frames, or a pattern"),
        ("missing/%04d.png", "is not a folder"),
        ("%d_%d.png", "is not a pattern of numbers; write %d or %04d once"),
        ("*.jpg", "holds no frames"),
    ],
)
def test_wrong_locations_are_refused(tmp_path: Path, name: str, problem: str) -> None:
    write_pictures(tmp_path / "f", ["1.png", "2.png", "3.png"])
    with pytest.raises(BenchError, match=problem.replace("*", r"\*")):
        find_frame_files(sequence(tmp_path / "f" / name))


def test_a_plan_checks_the_folder(tmp_path: Path) -> None:
    write_pictures(tmp_path / "f", ["1.png", "2.png"])
    check_users_file(sequence(tmp_path / "f", 2))
    with pytest.raises(BenchError, match="holds 2 frames, but 3"):
        check_users_file(sequence(tmp_path / "f"))
    with pytest.raises(BenchError, match=r"1\.png: has 20x12 pixels, but 22x12"):
        check_users_file(sequence(tmp_path / "f", 2, width=22))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "interlaced", "two bit"])
def test_every_kind_of_png_with_8_bit_rgb_samples_is_read(tmp_path: Path, mode: str) -> None:
    (tmp_path / "f").mkdir()
    source, options = Image.fromarray(picture(0)), {}
    path = tmp_path / "f" / "1.png"
    if mode == "interlaced":
        path.write_bytes(interlaced(np.asarray(source)))
        expected = np.asarray(source)
    else:
        if mode == "P":
            source = source.quantize(64)
        elif mode == "two bit":
            source, options = source.quantize(4), {"bits": 2}
        else:
            source = source.convert(mode)
        source.save(path, **options)
        expected = np.asarray(source.convert("RGB"))
    folder = FrameFolder(sequence(path.parent, 1))
    (frame,) = folder.frames(0, 1)
    assert np.array_equal(frame, expected)
    assert list(folder.remarks) == (["opaque alpha channel dropped"] if mode in ("LA", "RGBA") else [])


@pytest.mark.parametrize("kind", ["RGBA", "LA", "palette", "RGB key"])
def test_transparent_pixels_are_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "f").mkdir()
    image = Image.fromarray(picture(0))
    options = {}
    if kind in ("RGBA", "LA"):
        image = image.convert(kind)
        image.putpixel((3, 4), (9, 9, 9, 254) if kind == "RGBA" else (9, 254))
    elif kind == "palette":
        image, options = image.quantize(8), {"transparency": 0}
    else:
        options = {"transparency": tuple(int(value) for value in picture(0)[0, 0])}
    image.save(tmp_path / "f" / "1.png", **options)
    assert "1.png: has transparent pixels; draw the frames" in refusal(sequence(tmp_path / "f", 1))


@pytest.mark.parametrize("colour_type", [0, 2, 4, 6])
def test_16_bit_samples_are_refused(tmp_path: Path, colour_type: int) -> None:
    """Pillow would keep the high bytes of RGB samples."""
    (tmp_path / "f").mkdir()
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]
    rows = b"".join(b"\0" + bytes(WIDTH * channels * 2) for _ in range(HEIGHT))
    (tmp_path / "f" / "1.png").write_bytes(png(rows, depth=16, colour_type=colour_type))
    problem = "1.png: has samples of 16 bit; convert the frames to 8 bit"
    assert problem in refusal(sequence(tmp_path / "f", 1))


def test_sizes_are_compared_with_the_row(tmp_path: Path) -> None:
    write_pictures(tmp_path / "f", ["1.png", "2.png", "3.png"])
    Image.fromarray(picture(0, 22, HEIGHT)).save(tmp_path / "f" / "3.png")
    assert "3.png: has 22x12 pixels, but 20x12 in sequences.tsv" in refusal(sequence(tmp_path / "f"))
    problem = "1.png: has 20x12 pixels, but 12x20 in sequences.tsv"
    assert problem in refusal(sequence(tmp_path / "f", width=12, height=20))


def test_frames_outside_the_trim_are_checked_too(tmp_path: Path) -> None:
    write_pictures(tmp_path / "f", ["1.png", "2.png", "3.png"])
    Image.fromarray(picture(0, 22, HEIGHT)).save(tmp_path / "f" / "3.png")
    with pytest.raises(BenchError, match=r"3\.png: has 22x12 pixels"):
        prepared(tmp_path / "out", sequence(tmp_path / "f"), trim=(0, 1))
    assert not list((tmp_path / "out").iterdir())


def test_a_clip_of_older_frames_does_not_remain(tmp_path: Path) -> None:
    write_pictures(tmp_path / "f", ["1.png", "2.png", "3.png"])
    prepared(tmp_path / "out", sequence(tmp_path / "f"))
    (tmp_path / "f" / "3.png").unlink()
    with pytest.raises(BenchError, match="holds 2 frames"):
        prepared(tmp_path / "out", sequence(tmp_path / "f"))
    assert not (tmp_path / "out" / "clip.json").exists()


@pytest.mark.parametrize("subsampling", [0, 2])
def test_jpeg_frames_are_those_that_pillow_decodes(tmp_path: Path, subsampling: int) -> None:
    (tmp_path / "f").mkdir()
    expected = []
    for index in range(1, 4):
        path = tmp_path / "f" / f"{index}.{'JPG' if index == 2 else 'jpeg'}"
        Image.fromarray(picture(index)).save(path, "JPEG", subsampling=subsampling, quality=90)
        expected.append(np.asarray(Image.open(path).convert("RGB")))
    clip = prepared(tmp_path / "out", sequence(tmp_path / "f"))
    assert np.array_equal(clip.rgb_array(), expected)
    assert any("Pillow" in step and "libjpeg-turbo" in step for step in clip.info.chain)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_a_rotation_in_exif_is_applied(tmp_path: Path, file_format: str) -> None:
    """Orientation 6: the first row of the file is the right side of the picture."""
    (tmp_path / "f").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "f" / f"1.{file_format.lower()}"
    Image.fromarray(picture(0)).save(path, file_format, exif=exif)
    stored = np.asarray(Image.open(path).convert("RGB"))
    assert "has 12x20 pixels, but 20x12" in refusal(sequence(tmp_path / "f", 1))
    clip = prepared(tmp_path / "out", sequence(tmp_path / "f", 1, width=HEIGHT, height=WIDTH))
    assert np.array_equal(clip.rgb_array()[0], np.rot90(stored, -1))
    assert any("rotation of EXIF applied" in step for step in clip.info.chain)


def test_samples_that_are_not_rgb_are_refused(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    Image.fromarray(picture(0)).convert("CMYK").save(tmp_path / "f" / "1.jpg")
    assert "1.jpg: has samples of type CMYK" in refusal(sequence(tmp_path / "f", 1))


def test_several_pictures_in_one_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    images = [Image.fromarray(picture(index)) for index in range(2)]
    images[0].save(tmp_path / "f" / "1.png", save_all=True, append_images=images[1:])
    assert "1.png: holds several pictures" in refusal(sequence(tmp_path / "f", 1))


@pytest.mark.parametrize("damage", ["text", "empty", "cut", "bit", "header"])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    write_pictures(tmp_path / "f", ["1.png", "2.png", "3.png"])
    path = tmp_path / "f" / "2.png"
    data = bytearray(path.read_bytes())
    if damage == "bit":
        data[len(data) // 2] ^= 1
    elif damage == "header":
        data = data[:20]
    path.write_bytes({"text": b"not a picture", "empty": b"", "cut": bytes(data[:200])}.get(damage, data))
    assert "2.png: is damaged, or is not a PNG or JPEG file" in refusal(sequence(tmp_path / "f"))


def test_damaged_exif_is_refused(tmp_path: Path) -> None:
    """Pillow skips such a value, and the rotation with it."""
    (tmp_path / "f").mkdir()
    exif = Image.Exif()
    exif[0x010E] = "longer than four bytes"
    path = tmp_path / "f" / "1.jpg"
    Image.fromarray(picture(0)).save(path, exif=exif)
    data = path.read_bytes()
    at = data.index(b"Exif\0\0") + 6
    path.write_bytes(data[: at + 18] + b"\xff\xff" + data[at + 20 :])  # the offset of the value
    assert "1.jpg: is damaged" in refusal(sequence(tmp_path / "f", 1))


def test_altered_files_are_read_or_refused_by_name(tmp_path: Path) -> None:
    """Random bytes of PNG and JPEG files, half of the PNG files with corrected checksums."""
    (tmp_path / "f").mkdir()
    path, random = tmp_path / "f" / "1.png", np.random.default_rng(0)
    originals = []
    for name in ("PNG", "JPEG"):
        file = io.BytesIO()
        Image.fromarray(picture(0)).save(file, name)
        originals.append(file.getvalue())
    outcomes = set()
    for index in range(200):
        data = bytearray(originals[index % 2])
        for at in random.integers(0, len(data), 3):
            data[at] = random.integers(256)
        path.write_bytes(with_checksums(bytes(data)) if index % 4 == 0 else data)
        try:
            outcomes.add(len(list(FrameFolder(sequence(path.parent, 1)).frames(0, 1))))
        except BenchError as error:
            outcomes.add(error.where)
    assert outcomes == {1, str(path)}


def test_a_cut_jpeg_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "f", ["1.jpg", "2.jpg", "3.jpg"])
    path = tmp_path / "f" / "2.jpg"
    path.write_bytes(path.read_bytes()[:-80])
    assert "2.jpg: is damaged" in refusal(sequence(tmp_path / "f"))


def test_profile_and_gamma_are_remarks_in_the_chain(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    rows = b"".join(b"\0" + bytes(3 * WIDTH) for _ in range(HEIGHT))
    data = png(rows, chunks=[(b"gAMA", struct.pack(">I", 45455))])
    (tmp_path / "f" / "1.png").write_bytes(data)
    clip = prepared(tmp_path / "out", sequence(tmp_path / "f", 1))
    assert any("gamma not applied" in step for step in clip.info.chain)


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_frames_are_refused(tmp_path: Path, transfer: int, name: str) -> None:
    (tmp_path / "f").mkdir()
    rows = b"".join(b"\0" + bytes(3 * WIDTH) for _ in range(HEIGHT))
    path = tmp_path / "f" / "1.png"
    path.write_bytes(png(rows, chunks=[(b"cICP", bytes([9, transfer, 0, 1]))]))
    problem = f"1.png: has the transfer function {name}; convert the frames to an SDR colour space"
    assert problem in refusal(sequence(tmp_path / "f", 1))
    path.write_bytes(png(rows, chunks=[(b"cICP", bytes([12, 13, 0, 1]))]))
    folder = FrameFolder(sequence(tmp_path / "f", 1))
    assert len(list(folder.frames(0, 1))) == 1
    assert list(folder.remarks) == ["colour tags of cICP not applied (primaries 12, transfer 13)"]


def test_the_digest_is_that_of_all_files_in_order(tmp_path: Path) -> None:
    write_pictures(tmp_path / "f", ["9.png", "10.png", "11.png"])
    data = b"".join((tmp_path / "f" / name).read_bytes() for name in ("9.png", "10.png", "11.png"))
    digest = hashlib.sha256(data).hexdigest()
    clip = prepared(tmp_path / "out", sequence(tmp_path / "f", sha256=digest), trim=(0, 1))
    assert clip.info.chain[0] == f"source frames {tmp_path / 'f'} sha256 {digest}"
    with pytest.raises(BenchError, match=f"its sha256 is {digest}, but 0000"):
        prepared(tmp_path / "other", sequence(tmp_path / "f", sha256="0" * 64))
    assert not (tmp_path / "other" / "clip.json").exists()


def test_rows_of_frames_have_no_matrix() -> None:
    with pytest.raises(ValueError, match="matrix: 'bt709' does not suit the kind frames; write -"):
        sequence("f", matrix="bt709")
    with pytest.raises(ValueError, match="range: '-' does not suit the kind file"):
        sequence("f", kind="file", matrix="bt709", siting="left")


def png(
    rows: bytes,
    *,
    depth: int = 8,
    colour_type: int = 2,
    interlace: int = 0,
    chunks: Sequence[tuple[bytes, bytes]] = (),
) -> bytes:
    """A PNG file from its filtered rows."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">2I5B", WIDTH, HEIGHT, depth, colour_type, 0, 0, interlace)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def with_checksums(data: bytes) -> bytes:
    """A PNG file with the checksums that its chunks have now."""
    at, parts = 8, [data[:8]]
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        parts += [data[at:end], zlib.crc32(data[at + 4 : end]).to_bytes(4, "big")]
        at = end + 4
    return b"".join(parts)


def interlaced(array: np.ndarray) -> bytes:
    """An 8-bit RGB picture as PNG with Adam7 interlacing (PNG specification, section 8.2)."""
    rows = io.BytesIO()
    for y, x, dy, dx in (
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ):
        for row in array[y::dy, x::dx]:
            rows.write(b"\0" * bool(len(row)) + row.tobytes())
    return png(rows.getvalue(), interlace=1)
