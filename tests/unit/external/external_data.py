"""Codecs for the tests of this folder: Python scripts as encoder and decoder, in the suite's environment."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bench.base.stage_clock import StageClock
from bench.codec import registry
from bench.codec.codec_config import CodecConfig
from bench.codec.container import read_stream
from bench.codec.decode import codec_of, decode
from bench.codec.encode import EncodePlan, encode
from bench.video.clip import Clip

#: Copies the planes of a y4m file without its frame lines, and writes them as y4m again.
COPY = """
import sys, json
mode, source, target, width, height, frames = sys.argv[1:7]
size = int(width) * int(height) * 3 // 2
data = open(source, "rb").read()
if mode == "encode":
    at = data.index(b"\\n") + 1
    planes = [data[at + i * (size + 6) + 6 : at + (i + 1) * (size + 6)] for i in range(int(frames))]
    open(target, "wb").write(b"".join(planes))
else:
    with open(target, "wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F25:1 C420mpeg2\\n".encode())
        for i in range(int(frames)):
            file.write(b"FRAME\\n" + data[i * size : (i + 1) * size])
"""

GEOMETRY = ["{width}", "{height}", "{frames}"]


class Codecs:
    """A folder of codec files in place of config/codecs, and the runs of its codecs."""

    def __init__(self, folder: Path, clip: Clip) -> None:
        self.folder, self.clip = folder, clip

    def add(self, name: str, *, encoder: str = COPY, decoder: str = COPY, **settings: Any) -> CodecConfig:
        """Write a codec's file and its two scripts; `settings` replace the usual ones."""
        scripts = {"encoder": encoder, "decoder": decoder}
        for kind, text in scripts.items():
            (self.folder / f"{name}-{kind}.py").write_text(text)
        values: dict[str, Any] = {
            "programs": {
                "python": {},
                **{kind: {"path": str(self.folder / f"{name}-{kind}.py")} for kind in scripts},
            },
            "environment": {"venv": sys.prefix},
            "encode": ["python", "{encoder}", "encode", "{input}", "{stream}", *GEOMETRY],
            "decode": ["python", "{decoder}", "decode", "{stream}", "{output}", *GEOMETRY],
            **settings,
        }
        config = {"label": name, "family": "external", "kind": "classical", "settings": values}
        config |= {"citation": "tests", "license": "tests", "points": {"p": {}}}
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
        return registry.codec_config(name, self.folder)

    def encode(self, config: CodecConfig, point: Mapping[str, Any] | None = None, **plan: Any) -> Path:
        """Encode the clip. Return the path of the stream."""
        out = self.folder / f"{config.id}.bin"
        settings = registry.resolve_settings(config, {}, point or {})
        report = out.with_suffix(".json")
        encode(
            EncodePlan(
                config=config, point="p", settings=settings, clip=self.clip, out=out, report=report, **plan
            )
        )
        return out

    def decode(self, stream: Path) -> tuple[list[np.ndarray], StageClock]:
        """Decode a stream in this process: the frames, and the clock with the facts of the run."""
        clock, opened = StageClock(), read_stream(stream)
        return list(decode(opened, codec_of(opened), device="cpu", clock=clock)), clock


@pytest.fixture
def codecs(tmp_path: Path, tiny_clip: Clip, monkeypatch: pytest.MonkeyPatch) -> Codecs:
    folder = tmp_path / "codecs"
    folder.mkdir()
    monkeypatch.setattr(registry, "CODECS_DIR", folder)
    return Codecs(folder, tiny_clip)
