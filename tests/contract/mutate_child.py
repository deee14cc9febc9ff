"""Decode altered copies of a stream under limits: ``mutate_child.py STREAM COUNT SEED ALLOWANCE_MIB``.

Each copy must end as a StreamError or as frames, within the time and memory that the intact stream suggests.
There are three groups: ``systematic`` changes of every value, and ``count`` random changes, half of them
``resealed`` with a correct checksum, half ``damaged``. Prints a JSON object.
"""

from __future__ import annotations

import collections
import faulthandler
import itertools
import json
import random
import re
import resource
import struct
import sys
import time
import traceback
import zlib
from collections.abc import Iterator
from pathlib import Path

from bench.base.errors import StreamError
from bench.base.stage_clock import StageClock
from bench.codec.container import parse_stream, repair_checksum
from bench.codec.decode import codec_of, decode

#: Limit of one decode. A process that takes longer prints its stack and exits.
HANG_S = 30.0
#: Frames decoded beyond the intact stream's number. A changed header can announce a million.
MORE_FRAMES = 2
#: Bytes before the name of the family.
HEADER_BYTES = 38
_SIDES = (2, 16, 46, 48, 50, 64, 66, 128, 1920, 8192)
#: Fields of the header and valid values: format of the number, offset, values.
GEOMETRY = (
    ("<B", 6, (0, 1)),  # pixel format
    ("<H", 10, _SIDES),
    ("<H", 12, _SIDES),
    ("<I", 14, (1, 2, 8, 10, 1000, 1 << 20)),  # frames
    ("<I", 18, (1, 50, 1 << 31)),  # frame rate
    ("<I", 22, (2, 1001, 1 << 31)),
)
#: Replacements of a value in a compressed text.
VALUES = (b"0", b"-1", b"1", b"3.5", b"64", b"65536", b"1000000000", b"1e400", b"NaN", b"null")
VALUES += (b"true", b"[]", b"{}", b'""', b"[1,1]", b'"x"', b"9" * 400, b"[" * 500)


def mutate(data: bytes, rng: random.Random) -> bytearray:
    """Apply one to four changes, mostly at the start, where lengths, counts and tables are."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        kind = rng.choice(("bytes", "bytes", "bytes", "size", "geometry", "text"))
        if kind == "geometry":
            alter_geometry(changed, rng)
        elif kind == "text" and (part := compressed_part(changed)):
            alter_text(changed, *part, rng)
        elif kind == "size":
            alter_size(changed, rng)
        else:
            alter_bytes(changed, rng)
        if len(changed) < 2:
            return changed
    return changed


def alter_bytes(data: bytearray, rng: random.Random) -> None:
    at = position(data, rng)
    kind = rng.choice(("flip", "flip", "byte", "extreme", "run"))
    size = min(rng.choice((1, 2, 4, 8, 64)), len(data) - at)
    if kind == "flip":
        data[at] ^= 1 << rng.randrange(8)
    elif kind == "byte":
        data[at] = rng.randrange(256)
    elif kind == "extreme":
        data[at : at + size] = rng.choice((b"\0", b"\xff", b"\x80", b"\x7f")) * size
    else:
        data[at : at + size] = rng.randbytes(size)


def alter_size(data: bytearray, rng: random.Random) -> None:
    at, size = position(data, rng), rng.choice((1, 2, 4, 8, 64))
    kind = rng.choice(("cut", "grow", "drop", "repeat"))
    if kind == "cut":
        del data[at:]
    elif kind == "grow":
        data += rng.randbytes(size)
    elif kind == "drop":
        del data[at : at + size]
    else:
        data[at:at] = data[at : at + size]


def alter_geometry(data: bytearray, rng: random.Random) -> None:
    """Set a valid value of the header's geometry. Only the decoder can detect that it is wrong."""
    if len(data) >= HEADER_BYTES:
        code, at, values = rng.choice(GEOMETRY)
        struct.pack_into(code, data, at, rng.choice(values))


def alter_text(data: bytearray, start: int, end: int, rng: random.Random) -> None:
    """Change one value inside the compressed text."""
    text = zlib.decompress(bytes(data[start:end]))
    match = rng.choice(values_of(text))
    old = int(match[0]) if match[0].isdigit() else 1
    near = [str(new).encode() for new in (old - 1, old + 1, old + 2, old * 2)]
    replace_text(data, start, end, spliced(text, match, rng.choice((*VALUES, *near, *near))))


def compressed_part(data: bytearray) -> tuple[int, int] | None:
    """Start and end of the zlib stream of text in the first bytes of the payload, if there is one."""
    at = data.find(b"\x78\xda", HEADER_BYTES, 256)
    unpack = zlib.decompressobj()
    try:
        text = unpack.decompress(bytes(data[at:]), 1 << 16) if at >= 0 else b""
    except zlib.error:
        return None
    return (at, len(data) - len(unpack.unused_data)) if unpack.eof and values_of(text) else None


def values_of(text: bytes) -> list[re.Match[bytes]]:
    return list(re.finditer(rb"-?\d+(\.\d+)?|true|false|null|\"\w*\"", text))


def spliced(text: bytes, match: re.Match[bytes], value: bytes) -> bytes:
    return text[: match.start()] + value + text[match.end() :]


def replace_text(data: bytearray, start: int, end: int, text: bytes) -> None:
    """Replace the compressed text, and its length where the length of the old one was stored."""
    packed = zlib.compress(text, 9)
    at = data.find(struct.pack("<I", end - start), HEADER_BYTES, start)
    data[start:end] = packed
    if at >= 0:
        struct.pack_into("<I", data, at, len(packed))


def every_value(data: bytes) -> Iterator[bytearray]:
    """Replace each geometry field, and each value of a compressed text, by values.

    Each value of a text takes every third of `VALUES`, from a start that moves on.
    """
    for code, at, values in GEOMETRY:
        for value in values:
            changed = bytearray(data)
            struct.pack_into(code, changed, at, value)
            yield changed
    part = compressed_part(bytearray(data))
    text = zlib.decompress(data[slice(*part)]) if part else b""
    for number, match in enumerate(values_of(text)):
        for value in VALUES[number % 3 :: 3]:
            changed = bytearray(data)
            replace_text(changed, *part, spliced(text, match, value))
            yield changed


def altered(data: bytes, count: int, seed: int) -> Iterator[tuple[str, bytearray]]:
    """Yield groups and changed streams. ``damaged`` leaves out random changes that change nothing."""
    for changed in every_value(data):
        repair_checksum(changed)
        yield "systematic", changed
    for index in range(count):
        changed = mutate(data, random.Random(f"{seed} {index}"))
        if index % 2:
            if len(changed) > HEADER_BYTES:
                repair_checksum(changed)
            yield "resealed", changed
        elif changed != data:
            yield "damaged", changed


def position(data: bytearray, rng: random.Random) -> int:
    at = rng.choice((rng.randrange(64), HEADER_BYTES + rng.randrange(256), rng.randrange(len(data))))
    return min(at, len(data) - 1)


def attempt(data: bytes, frames: int) -> str:
    """Decode. Return "frames", "error", or the traceback of any other exception."""
    try:
        stream = parse_stream(bytes(data), "mutated")
        codec = codec_of(stream)
        decoding = decode(stream, codec, device="cpu", clock=StageClock())
        for _ in itertools.islice(decoding, frames + MORE_FRAMES):
            pass
        decoding.close()
    except StreamError as error:
        return "error" if "\n" not in str(error) else f"more than one line: {error}"
    except Exception:
        return traceback.format_exc()
    return "frames"


def status(key: str) -> int:
    """A field of /proc/self/status in bytes: VmSize or VmHWM."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(key)


def main(path: str, count: int, seed: int, allowance: int) -> dict:
    data = Path(path).read_bytes()
    frames = parse_stream(data, path).header.frames
    assert attempt(data, frames) == "frames"
    began = time.perf_counter()
    assert attempt(data, frames) == "frames"
    intact_s, peak = time.perf_counter() - began, status("VmHWM")
    limit = status("VmSize") + allowance
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    outcomes: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    failures, slowest = [], 0.0
    for index, (group, changed) in enumerate(altered(data, count, seed)):
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        began = time.perf_counter()
        outcome = attempt(changed, frames)
        slowest = max(slowest, time.perf_counter() - began)
        outcomes[group][outcome if outcome in ("frames", "error") else "failure"] += 1
        if outcome not in ("frames", "error") and len(failures) < 5:
            failures.append(f"{group} change {index}: {outcome}")
    faulthandler.cancel_dump_traceback_later()
    return {
        "outcomes": outcomes,
        "failures": failures,
        "intact_s": intact_s,
        "slowest_s": slowest,
        "grown_bytes": status("VmHWM") - peak,
        "largest_child_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
    }


if __name__ == "__main__":
    report = main(sys.argv[1], *map(int, sys.argv[2:4]), int(sys.argv[4]) << 20)
    json.dump(report, sys.stdout)
