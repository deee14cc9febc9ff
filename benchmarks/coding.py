"""The weight coder on one core: decoding the tracked streams, and a network of twelve million weights.

python -m benchmarks.coding
"""

from __future__ import annotations

import argparse
import functools
import time
from typing import Any

import numpy as np

from bench.base.paths import ROOT
from bench.codec import registry
from bench.codec.container import read_stream
from bench.inr.coding.huffman import huffman_bits
from bench.inr.coding.payload import Payload
from bench.inr.coding.weight_coder import decode_tensors, encode_tensors
from bench.inr.study.bit_breakdown import codes_of, shapes_of
from benchmarks.report import cpu_seconds, write_report

_STREAMS = ROOT / "results" / "reference" / "demo-v2" / "bunny-320x180"
#: Tensors of a network for 1080p: grids, a stem, three stages.
_LARGE = (
    (300, 2, 9, 16),
    (600, 2, 9, 16),
    (9600, 80, 3, 3),
    (2000, 200, 3, 3),
    (1200, 100, 3, 3),
    (500, 100, 3, 3),
)


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    values: dict[str, float] = {}
    for path in sorted(_STREAMS.glob("*/*/seed0/stream.bin")):
        stream = read_stream(path)
        codec: Any = registry.load_family(stream.header.family)
        shapes = list(shapes_of(codec, stream).values())
        data = Payload.from_bytes(stream.payload).weights
        seconds = cpu_seconds(functools.partial(decode_tensors, data, shapes), repeats=3)
        name = "-".join(path.parts[-4:-2])
        values[f"{name}: bytes over pooled Huffman"] = 8 * len(data) / huffman_bits(codes_of(stream, shapes))
        values[f"{name}: decode, CPU s"] = seconds
        values[f"{name}: decode, CPU s/MB"] = seconds / len(data) * 1e6
    generator = np.random.default_rng(0)
    tensors = [np.rint(generator.laplace(0, 2, shape)).astype(np.int32) for shape in _LARGE]
    started = time.process_time()
    data = encode_tensors(tensors)
    encoded = time.process_time()
    decode_tensors(data, _LARGE)
    decoded = time.process_time()
    values |= {
        "large network: million weights": sum(tensor.size for tensor in tensors) / 1e6,
        "large network: encode, CPU s": encoded - started,
        "large network: decode, CPU s": decoded - encoded,
        "large network: decode, CPU s/MB": (decoded - encoded) / len(data) * 1e6,
    }
    write_report("coding", values)


if __name__ == "__main__":
    main()
