"""What goes wrong in a program outside the suite is one line that names codec, program and cause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from external_data import COPY, Codecs

from bench.base.errors import BenchError, StreamError

pytestmark = pytest.mark.slow

#: Failing encoder -> the error's text.
ENCODERS = {
    "fails": (
        "import sys; print('no licence'); sys.exit(3)",
        {},
        "program python failed with status 3: no licence",
    ),
    "crashes": ("import os; os.abort()", {}, "program python was killed by signal 6"),
    "hangs": ("import time; time.sleep(60)", {"encode_time_limit_s": 0.5}, "exceeded the limit of 0.5 s"),
    "fills the disk": (
        "f = open('big', 'wb')\nwhile True: f.write(b'x' * 2**20); f.flush()",
        {"disk_limit": "20M"},
        "exceeded the limit of 21.0 MB of files",
    ),
    "fills the memory": (
        "a = []\nimport time\nwhile True: a.append(bytearray(b'x' * 2**24)); time.sleep(0.01)",
        {"memory_limit": "150M"},
        "exceeded the limit of 157.3 MB of memory",
    ),
    "writes nothing": ("", {}, "the encoder wrote no stream.bin"),
    "writes an empty file": ("open('stream.bin', 'w')", {}, "the encoder wrote an empty stream.bin"),
    "writes a link": (
        "import os; os.symlink('/etc/passwd', 'stream.bin')",
        {},
        "the encoder wrote no stream.bin",
    ),
}

_FRAME = "b'FRAME\\n' + bytes(64 * 48 * 3 // 2)"
_HEAD = "b'YUV4MPEG2 W64 H48 F25:1 C420mpeg2\\n'"
DECODERS = {
    "fails": ("import sys; print('x' * 900); sys.exit(1)", "program python failed with status 1: xxx"),
    "writes nothing": ("", "the decoder wrote no output.y4m"),
    "writes text": ("open('output.y4m', 'w').write('hello')", "does not begin with a YUV4MPEG2 line"),
    "writes a truncated file": (
        f"open('output.y4m', 'wb').write({_HEAD} + 8 * ({_FRAME}) + b'FRAME\\n' + bytes(99))",
        "the decoder's output ends within frame 8 of 9",
    ),
    "writes too few frames": (
        f"open('output.y4m', 'wb').write({_HEAD} + 8 * ({_FRAME}))",
        "the decoder's output has 8 of 9 frames",
    ),
    "writes too many frames": (
        f"open('output.y4m', 'wb').write({_HEAD} + 10 * ({_FRAME}))",
        "the decoder's output has more than 9 frames",
    ),
    "decodes to another size": (
        "open('output.y4m', 'wb').write(b'YUV4MPEG2 W32 H48 F25:1\\n')",
        "the decoder's output is 32x48, not 64x48",
    ),
    "decodes to 4:4:4": (
        "open('output.y4m', 'wb').write(b'YUV4MPEG2 W64 H48 F25:1 C444\\n')",
        "has the chroma format '444'",
    ),
    "writes a link": (
        "import os; os.symlink('/etc/passwd', 'output.y4m')",
        "the decoder wrote no output.y4m",
    ),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_a_failing_encoder_is_one_line(codecs: Codecs, name: str) -> None:
    script, settings, printed = ENCODERS[name]
    config = codecs.add("bad", encoder=script, **settings)
    with pytest.raises(BenchError, match="codec bad, point p: encode: ") as caught:
        codecs.encode(config)
    assert printed in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (codecs.folder / "bad.bin").exists()


def test_a_failing_decoder_is_one_line(codecs: Codecs) -> None:
    stream = codecs.encode(codecs.add("bad"))
    for name, (script, printed) in DECODERS.items():
        codecs.add("bad", decoder=script)
        with pytest.raises(StreamError, match=r"bad\.bin: ") as caught:
            codecs.decode(stream)
        assert printed in str(caught.value), name
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 600


def test_an_encoder_cannot_alter_the_clip(codecs: Codecs) -> None:
    before = codecs.clip.path.read_bytes()
    codecs.encode(codecs.add("alters", encoder=COPY + "\nopen(source, 'r+b').write(b'damage')\n"))
    assert codecs.clip.path.read_bytes() == before


@pytest.mark.parametrize(
    ("settings", "printed"),
    [
        ({"encode": ["ffmpeg", "{input}"]}, "encode: unknown program 'ffmpeg'; add it to programs"),
        ({"encode": ["python", "{input}", "{quantizer}"]}, "{quantizer} has no value; give it in a point"),
        ({"decode": ["python", "{stream}"]}, "decode: does not use {output}"),
        ({"quantiser": 3}, "no command uses the setting 'quantiser'"),
        ({"width": 3}, "the parameter 'width' has the name of another placeholder"),
        (
            {"encode": ["python", "{input}", "{target_bytes}"]},
            "{target_bytes} needs a target rate; set rate_bpp",
        ),
        ({"programs": {"python": {"name": "no-such-program"}}}, "program no-such-program is not on PATH"),
        ({"programs": {"python": {"path": "/no/such"}}}, "program python is missing: /no/such"),
        ({"files": {"weights": {"path": "/no/weights.pt"}}}, "file weights is missing: /no/weights.pt"),
    ],
)
def test_a_mistake_in_the_codec_is_found_in_the_plan(
    codecs: Codecs, settings: dict[str, Any], printed: str
) -> None:
    config = codecs.add("slip", **settings)
    if "programs" in settings:
        settings = {**config.settings, "encode": ["python", "{input}"], "decode": ["python", "{output}"]}
    else:
        settings = {**config.settings}
    with pytest.raises(BenchError) as caught:
        _skip(codecs, settings)
    assert printed in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "printed"),
    [
        ({"stream": ["../out"]}, "'../out' must be a relative path inside the working folder"),
        ({"stream": ["/tmp/out"]}, "'/tmp/out' must be a relative path inside the working folder"),
        ({"memory_limit": "much"}, "'much' must be a number of bytes"),
        ({"input": "mp4"}, "unknown value 'mp4'"),
        ({"environment": {}}, "needs one of venv, conda and container"),
        ({"Crf": 3}, "unknown setting 'Crf'"),
        ({"crf": [1, 2]}, "the parameter crf must be a number or text"),
        ({"encode": "x265 -i in"}, "encode: 'x265 -i in' must be a list"),
    ],
)
def test_a_wrong_value_in_the_file_is_one_line(
    codecs: Codecs, settings: dict[str, Any], printed: str
) -> None:
    with pytest.raises(BenchError, match=r"slip\.yaml") as caught:
        codecs.add("slip", **settings)
    assert printed in str(caught.value)


def test_a_missing_program_skips_the_codec_with_its_hint(codecs: Codecs) -> None:
    programs = {"vtm": {"variable": "NO_SUCH_VARIABLE", "path": "/no/EncoderApp", "hint": "build VTM 23.4"}}
    commands = {"encode": ["vtm", "{input}"], "decode": ["vtm", "{output}"]}
    config = codecs.add("vtm", programs=programs, skip_if_missing=True, **commands)
    reason = _skip(codecs, config.settings)
    assert reason == "program vtm is missing: /no/EncoderApp; build VTM 23.4"


def test_a_clip_below_the_smallest_side_is_skipped(codecs: Codecs) -> None:
    config = codecs.add("large", min_side=64)
    assert _skip(codecs, config.settings) == "its encoder codes no side below 64 pixels"


def test_a_folder_with_the_suite_is_no_program_folder(codecs: Codecs, tmp_path: Path) -> None:
    config = codecs.add("wide", programs={"python": {"path": "/"}})
    with pytest.raises(BenchError, match="which a decoder must not read"):
        _skip(codecs, {**config.settings, "encode": ["python", "{input}"], "decode": ["python", "{output}"]})


def _skip(codecs: Codecs, settings: Any) -> str | None:
    from bench.codec import registry

    model = registry.settings_model("external")
    return registry.load_family("external").skip(codecs.clip.info, {**model.default_values(), **settings})
