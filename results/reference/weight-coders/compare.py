"""Compare three entropy coders on the quantised weights of tracked streams, in bytes.

    python results/reference/weight-coders/compare.py              # rewrite weight-coders.csv
    python results/reference/weight-coders/compare.py STREAM ...   # print the rows of any streams

The coders code the same integers and return them exactly:

* this suite's weight coder (`bench.inr.coding.weight_coder`): the bytes in the stream, tables included;
* one Huffman code for all tensors, without its table and without a header, as papers count the rate;
* DeepCABAC, the entropy coder of ISO/IEC 15938-17 (neural network coding, NNC), as in its reference software,
  the package nncodec, with default settings. Its headers, 10 to 20 bytes per tensor, are not counted. The
  other parts of the standard, such as its quantisers, would change the network and are not used.

Needs `pip install --no-deps nncodec==2.1.3`, which compiles C++ code. The suite itself does not use it.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from bench.base.errors import BenchError  # noqa: E402
from bench.codec import registry  # noqa: E402
from bench.codec.container import read_stream  # noqa: E402
from bench.inr.coding.huffman import huffman_bits  # noqa: E402
from bench.inr.study.bit_breakdown import codes_of, shapes_of  # noqa: E402

TABLE = FOLDER / "weight-coders.csv"
COLUMNS = ("stream", "weights", "suite_bytes", "huffman_bytes", "nnc_bytes")
PACKAGE = "nncodec==2.1.3"

#: Encoder settings of the reference software: greater-than flags of a code before the remainder is coded
#: otherwise; whether adaptation speeds are chosen per tensor; whether rows of zeros are skipped.
_FLAGS, _CHOOSE_SPEEDS, _SKIP_ROWS = 11, 1, 1
#: No dependent quantisation, rows in order, the second edition's profile, no update of another network.
_PLAIN = (0, 0, 1, 0)
_NO_CODEBOOK = (0, 0)


def load_deepcabac() -> Any:
    """The module `deepCABAC` of nncodec.

    Raises:
        BenchError: the package is not installed.
    """
    try:
        from nncodec.extensions import deepCABAC
    except ImportError as error:
        remedy = f"pip install --no-deps {PACKAGE} (a C++ compiler is needed)"
        raise BenchError("the coder of ISO/IEC 15938-17", "is not installed", remedy) from error
    return deepCABAC


def nnc_bytes(tensors: Sequence[np.ndarray]) -> int:
    """Bytes of integer tensors under NNC, each decoded again to check it.

    Raises:
        BenchError: the package is not installed.
        ArithmeticError: a tensor does not decode to itself.
    """
    return sum(_nnc_bytes(np.ascontiguousarray(tensor, dtype=np.int32)) for tensor in tensors)


def _nnc_bytes(tensor: np.ndarray) -> int:
    coder = load_deepcabac()
    if not tensor.size:
        return 0
    no_history = (coder.HdspMode.AlwaysOff, np.zeros(2, dtype=np.int8))
    rows = tensor.reshape(len(tensor) if tensor.ndim else 1, -1)
    empty = ~rows.any(axis=1) if tensor.ndim > 1 else np.zeros(len(rows), dtype=bool)
    encoder = coder.Encoder()
    encoder.initCtxModels(_FLAGS, _CHOOSE_SPEEDS)
    encoder.encodeLayer(rows, *_PLAIN, _SKIP_ROWS, empty.astype(np.int32), *no_history, *_NO_CODEBOOK)
    data = encoder.finish().tobytes()
    decoded = np.zeros_like(rows)
    decoder = coder.Decoder()
    decoder.setStream(np.frombuffer(data, dtype=np.uint8))
    decoder.initCtxModels(_FLAGS)
    decoder.decodeLayer(decoded, *_PLAIN, *no_history, *_NO_CODEBOOK)
    decoder.finish()
    if not np.array_equal(decoded, rows):
        raise ArithmeticError(f"{PACKAGE} does not decode a tensor of shape {tensor.shape} to itself")
    return len(data)


def suite_row(path: Path) -> dict[str, Any]:
    """All columns of one stream but NNC's.

    Raises:
        BenchError: the file is not the stream of a fitted network with quantised weights.
    """
    stream = read_stream(path)
    codec: Any = registry.load_family(stream.header.family)
    if not codec.uses_torch:
        raise BenchError(path, "is not the stream of a fitted network", "give the stream of a fit")
    codes = codes_of(stream, shapes_of(codec, stream).values())
    if not codes:
        raise BenchError(path, "has float32 weights", "give a stream of quantised weights")
    name = path.resolve()
    return {
        "stream": name.relative_to(ROOT).as_posix() if name.is_relative_to(ROOT) else str(path),
        "weights": sum(code.size for code in codes),
        "suite_bytes": codec.describe(stream)["weight_bytes"],
        "huffman_bytes": -(-huffman_bits(codes) // 8),
        "codes": codes,
    }


def complete_row(path: Path) -> dict[str, Any]:
    """All columns of one stream."""
    row = suite_row(path)
    return {**row, "nnc_bytes": nnc_bytes(row.pop("codes"))}


def read_table() -> list[dict[str, str]]:
    """The rows of weight-coders.csv."""
    with open(TABLE, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main(arguments: Sequence[str]) -> int:
    """Print the rows of the given streams, or rewrite the table; exit status 2 for bad input."""
    try:
        load_deepcabac()
        paths = [Path(argument) for argument in arguments] or [ROOT / row["stream"] for row in read_table()]
        rows = [complete_row(path) for path in paths]
    except (BenchError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    if arguments:
        sys.stdout.write(text.getvalue())
    else:
        TABLE.write_text(text.getvalue(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
