"""Codecs whose programs are not in a distribution here: their command lines, run with stand-in programs.

The stand-ins record their arguments. They encode to a few bytes and decode to a grey video of the size.
The test shows that the names and formats of files fit together, and nothing about the real programs.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.base.paths import ROOT
from bench.base.stage_clock import StageClock
from bench.codec import registry
from bench.codec.container import read_stream
from bench.codec.decode import codec_of, decode
from bench.codec.encode import EncodePlan, encode
from bench.video.clip import Clip

RECORDED = json.loads((ROOT / "tests/golden/external_commands.json").read_text())

STAND_IN = """#!{python}
import json, os, sys
words = [word.rpartition("=")[2] for word in sys.argv[1:]]
with open({log!r}, "a") as log:
    log.write(json.dumps([{name!r}, *sys.argv[1:]]) + "\\n")
if {stream!r} in words and not os.path.exists({stream!r}):
    assert any(os.path.exists(word) for word in words if word.startswith(("input", "clip_")))
    open({stream!r}, "wb").write(b"stand-in")
elif {output!r} in words:
    assert open({stream!r}, "rb").read() == b"stand-in"
    pixels = 128 * 96 * 3 // 2
    if {format!r} == "png":
        from PIL import Image
        for index in range(9):
            Image.new("RGB", (128, 96), (99, 99, 99)).save(f"{output}/%06d.png" % (index + 1))
    else:
        frame = bytes([99]) * pixels if {format!r} == "yuv420p" else bytes([140, 1]) * pixels
        open({output!r}, "wb").write(frame * 9)
"""


@pytest.mark.parametrize("codec", RECORDED)
def test_commands_are_those_that_were_recorded(
    codec: str, make_clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip: Clip = make_clip(width=128, height=96)
    config = registry.codec_config(codec)
    log = tmp_path / "log" / "commands.jsonl"
    log.parent.mkdir()
    log.touch()
    settings = json.loads(json.dumps(config.settings))
    output = "output" if settings["output"] == "png" else "output.yuv"
    values = {"python": sys.executable, "log": str(log), "stream": settings["stream"][0], "output": output}
    values["format"] = settings["output"]
    for name, program in settings["programs"].items():
        path = tmp_path / name
        inside = re.findall(rf"\{{{name}\}}/([a-z_]+\.py)", json.dumps(config.settings))
        for file in [path / script for script in inside] or [path]:  # a folder with scripts, or a program
            file.parent.mkdir(exist_ok=True)
            file.write_text(STAND_IN.format(**values, name=name))
            file.chmod(0o755)
        program.pop("name", None), program.pop("variable", None)
        program.update(path=str(path), version=[])
    for name, file in settings["files"].items() if "files" in settings else ():
        (tmp_path / f"{name}.file").write_text(name)
        file["path"] = str(tmp_path / f"{name}.file")
    interpreter = "python" in settings["programs"]
    settings["environment"] = {"venv": sys.prefix}
    if interpreter:  # the scripts are the stand-ins
        settings["programs"]["python"].pop("path")
    settings["reads"] = [str(log.parent)]
    monkeypatch.setenv("BENCH_ISOLATION", "folder")  # the stand-ins write their log outside of the folder
    from baselines.external.isolation import isolation

    isolation.cache_clear()
    changed = config.model_copy(update={"settings": settings})
    changed._path = config.path
    monkeypatch.setattr(registry, "codec_config", lambda name, folder=None: changed)
    point = next(iter(config.points.values()))
    out = tmp_path / "s.bin"
    plan = EncodePlan(
        config=changed, point="p", settings=registry.resolve_settings(changed, {}, point), clip=clip, out=out
    )
    encode(plan)
    stream = read_stream(out)
    frames = list(decode(stream, codec_of(stream), device="cpu", clock=StageClock()))
    assert len(frames) == 9
    assert np.unique(frames[0]).tolist() == [99]
    isolation.cache_clear()
    recorded = [json.loads(line.replace(str(tmp_path), "")) for line in log.read_text().splitlines()]
    assert recorded == RECORDED[codec]


def test_every_shipped_external_codec_is_tested() -> None:
    external = {name for name, config in registry.codec_configs().items() if config.family == "external"}
    run = {"x265-program", "svtav1-program", "aomenc-program", "vpxenc-program", "rav1e-program"}
    assert external == {*RECORDED, *run, "autoencoder-script"}
