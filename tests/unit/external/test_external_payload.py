"""The payload of an external codec: several files, IVF files, digests of declared files, hostile payloads."""

from __future__ import annotations

import hashlib
import json
import random
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from external_data import COPY, GEOMETRY, Codecs
from hypothesis import given
from hypothesis import strategies as st

from baselines.external.commands import fill, geometry_values, rate_values
from baselines.external.payload import Packed, build_ivf, pack, strip_ivf, unpack
from baselines.external.run import CommandFailed, _add_stages
from baselines.external.video_files import to_8_bit
from bench.base.errors import StreamError
from bench.base.ffmpeg import pipe_frames, raw_video_args
from bench.base.stage_clock import StageClock
from bench.codec.container import Header, read_stream


@given(
    st.dictionaries(st.text("abcxyz", min_size=1), st.integers(0, 99) | st.text("ab .", max_size=5)),
    st.lists(st.tuples(st.sampled_from(["", "a.bin", "bits/1.bin"]), st.binary()), max_size=4),
)
def test_a_payload_is_read_as_it_was_written(parameters: dict, files: list) -> None:
    content = Packed("some-codec", parameters, (hashlib.sha256(b"w").digest(),), tuple(files))
    data = memoryview(b"".join(pack(content)))
    again = unpack(data)
    assert (again.codec, again.parameters, again.digests) == (content.codec, parameters, content.digests)
    assert [(name, bytes(part)) for name, part in again.files] == files


def test_altered_payloads_end_as_errors_or_contents() -> None:
    content = Packed("codec", {"qp": 3}, (bytes(32),), (("", ivf([b"abc", b"d" * 300])), ("x/1", b"12")))
    data = b"".join(pack(content))
    generator = random.Random(0)
    for _ in range(3000):
        changed = bytearray(data)
        for _ in range(generator.choice((1, 2, 5))):
            changed[generator.randrange(len(changed))] = generator.randrange(256)
        part = changed[: generator.choice((len(changed), generator.randrange(len(changed))))]
        try:
            unpack(memoryview(bytes(part)))
        except StreamError:
            continue


def ivf(frames: list[bytes], step: int = 1) -> bytes:
    head = b"DKIF" + bytes(28)
    return head + b"".join(struct.pack("<IQ", len(f), i * step) + f for i, f in enumerate(frames))


@pytest.mark.parametrize("step", [0, 1, 40])
def test_an_ivf_file_is_stored_without_its_frame_headers(step: int) -> None:
    file = ivf([b"a" * size for size in (0, 1, 127, 128, 5000)], step)
    packed = strip_ivf(file)
    assert packed is not None
    assert len(packed) == len(file) - 5 * 12 + 2 + (1 + 1 + 1 + 2 + 2)
    assert build_ivf(memoryview(packed)) == file


def test_an_ivf_file_with_irregular_times_is_stored_as_it_is() -> None:
    file = ivf([b"a", b"b"]) + struct.pack("<IQ", 1, 77) + b"c"
    assert strip_ivf(file) is None
    (_, data), *_ = unpack(memoryview(b"".join(pack(Packed("c", {}, (), (("", file),)))))).files
    assert bytes(data) == file


def test_several_files_are_one_stream_and_are_paid_for(codecs: Codecs) -> None:
    """A side file, and a folder with files, are unpacked for the decoder."""
    encoder = COPY + "\nimport os\nopen('side.json', 'w').write('x' * 1000)\nos.mkdir('bits')\n"
    encoder += "for i in range(3): open(f'bits/{i}.bin', 'wb').write(bytes([i]) * 500)\n"
    decoder = "import os, sys\nassert open('side.json').read() == 'x' * 1000\n"
    decoder += "assert sorted(os.listdir('bits')) == ['0.bin', '1.bin', '2.bin']\n"
    decoder += "assert open('bits/2.bin', 'rb').read() == bytes([2]) * 500\n"
    files = ["stream.bin", "side.json", "bits/"]
    plain = codecs.encode(codecs.add("plain")).stat().st_size
    stream = codecs.encode(codecs.add("several", encoder=encoder, decoder=decoder + COPY, stream=files))
    assert stream.stat().st_size - plain > 2500
    frames, _ = codecs.decode(stream)
    assert [frame.tobytes() for frame in frames] == [frame.tobytes() for frame in codecs.clip.frames()]


def test_a_declared_file_belongs_to_the_decoder_and_is_checked(codecs: Codecs) -> None:
    weights = codecs.folder / "weights.bin"
    weights.write_bytes(b"w" * 77)
    settings = {"files": {"weights": {"path": str(weights)}}}
    settings["decode"] = ["python", "{decoder}", "decode", "{stream}", "{output}", *GEOMETRY, "{weights}"]
    config = codecs.add("learned", decoder="import sys; open(sys.argv[7]).read()\n" + COPY, **settings)
    stream = codecs.encode(config)
    report = json.loads(stream.with_suffix(".json").read_text())
    digest = hashlib.sha256(b"w" * 77)
    assert report["files"] == {"weights": {"bytes": 77, "sha256": digest.hexdigest()}}
    assert report["details"]["decoder_weights_bytes"] == 77
    assert digest.digest() in bytes(read_stream(stream).payload)
    assert len(codecs.decode(stream)[0]) == codecs.clip.info.frames
    weights.write_bytes(b"v" * 77)
    with pytest.raises(StreamError, match="was encoded with other declared files"):
        codecs.decode(stream)


def test_a_decoder_does_not_see_what_belongs_to_the_encoder(codecs: Codecs) -> None:
    """A file of the encoder could hold the clip."""
    kept = codecs.folder / "kept.bin"
    kept.write_bytes(b"the clip")
    encode = ["python", "{encoder}", "encode", "{input}", "{stream}", *GEOMETRY, "{kept}"]
    decoder = f"import os\nassert not os.path.exists({str(kept)!r})\n"
    decoder += f"assert not os.path.exists({str(codecs.folder / 'split-encoder.py')!r})\n"
    files = {"kept": {"path": str(kept), "decoder": False}}
    encoder = f"open({str(kept)!r}).read()\n" + COPY
    config = codecs.add("split", encoder=encoder, decoder=decoder + COPY, encode=encode, files=files)
    stream = codecs.encode(config)
    if json.loads(stream.with_suffix(".json").read_text())["isolation"] != "folder":
        assert len(codecs.decode(stream)[0]) == codecs.clip.info.frames


def test_a_parameter_of_the_decoder_is_in_the_stream(codecs: Codecs) -> None:
    """The decoder gets the value of the encode, not that of the codec's file."""
    settings = {
        "xor": 0,
        "decode": ["python", "{decoder}", "decode", "{stream}", "{output}", *GEOMETRY, "{xor}"],
    }
    config = codecs.add("p", decoder="import sys; assert sys.argv[7] == '5', sys.argv\n" + COPY, **settings)
    stream = codecs.encode(config, {"xor": 5})
    assert b'{"xor":5}' in bytes(read_stream(stream).payload)
    assert codecs.decode(stream)[0]


def test_stage_times_of_a_program_are_stages_of_the_report(codecs: Codecs) -> None:
    report = "\nimport json, time\ntime.sleep(0.2); json.dump({'network': 0.15}, open('times.json', 'w'))\n"
    config = codecs.add("timed", encoder=COPY + report, decoder=COPY + report, stage_times="times.json")
    stream = codecs.encode(config)
    stages = json.loads(stream.with_suffix(".json").read_text())["stages"]
    assert stages["network"]["wall_s"] == pytest.approx(0.15)
    assert stages["encode"]["wall_s"] > 0.04
    _, clock = codecs.decode(stream)
    assert clock.seconds["network"]["wall_s"] == pytest.approx(0.15)


@pytest.mark.parametrize("text", ['{"network": -1}', '{"x y": 1}', "[1]", "{}", '{"a": "b"}', '{"a": NaN}'])
def test_invalid_stage_times_are_one_line(tmp_path: Path, text: str) -> None:
    clock = StageClock()
    with clock("encode"):
        (tmp_path / "times.json").write_text(text)
    with pytest.raises(CommandFailed, match=r"the stage times times\.json"):
        _add_stages(clock, "encode", tmp_path / "times.json")


@pytest.mark.parametrize("output", ["yuv420p", "yuv420p10le", "png"])
def test_formats_of_the_input_reach_the_encoder(codecs: Codecs, output: str) -> None:
    """The encoder's input, copied through: 8 and 10 bits come back exactly, pictures as RGB."""
    script = "import os, shutil, sys\nmode, source, target = sys.argv[1:4]\n"
    if output == "png":
        script += "if mode == 'encode': shutil.make_archive('a', 'tar', source); os.rename('a.tar', target)\n"
        script += "else: shutil.unpack_archive(source, target, 'tar')\n"
    else:
        script += "shutil.copyfile(source, target)\n"
    config = codecs.add(
        "raw", encoder=script, decoder=script, input=output, output=output, pictures="im%05d.png"
    )
    stream = codecs.encode(config)
    frames, _ = codecs.decode(stream)
    expected = codecs.clip.rgb() if output == "png" else codecs.clip.frames()
    assert [frame.tobytes() for frame in frames] == [frame.tobytes() for frame in expected]


def test_10_bit_samples_are_rounded_as_swscale_rounds_them() -> None:
    samples = np.arange(1024, dtype="<u2")
    plane = np.concatenate([samples, np.full(512, 512, "<u2")])
    arguments = raw_video_args(pixel_format="yuv420p10le", width=32, height=32, fps=1)
    arguments += ["-sws_dither", "none", "-pix_fmt", "yuv420p", "-f", "rawvideo", "pipe:1"]
    (frame,) = pipe_frames(arguments, frame_bytes=32 * 32 * 3 // 2, feed=[plane])
    np.testing.assert_array_equal(to_8_bit(samples), frame[:1024])


def test_placeholders_are_replaced_and_nothing_else_is() -> None:
    header = Header(
        family="external", pixel_format="yuv420p", width=64, height=48, frames=9, fps=Fraction(30000, 1001)
    )
    values = (
        geometry_values(header, bit_depth=8, threads=2)
        | rate_values(header, 0.1)
        | {"qp": 22.0, "s": "a b;c"}
    )
    words = [
        "{width}x{height}",
        "{fps}",
        "{fps_numerator}/{fps_denominator}",
        "{qp}",
        "{s}",
        '{"json": 1}',
        "$HOME",
    ]
    assert fill(words, values) == ["64x48", "29.970030", "30000/1001", "22", "a b;c", '{"json": 1}', "$HOME"]
    assert fill(["{kilobits_per_second}", "{target_bytes}"], values) == ["9", "346"]
