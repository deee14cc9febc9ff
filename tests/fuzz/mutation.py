"""Random changes of inputs, for fuzzing without coverage: reproducible from a seed."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

#: Values that replace a number or a word of a text.
WORDS = (
    *(
        b"0",
        b"-1",
        b"1",
        b"0.5",
        b"65536",
        b"9" * 25,
        b"1e400",
        b"NaN",
        b"null",
        b"true",
        b"[]",
        b"{}",
        b'""',
    ),
    *(b"[1,1]", b'"x"', b"[" * 200, b'{"a":' * 200, b"=1+1", b"<b>", b"../x", b"$(x)", b"\x1b[2J"),
    *(b"\xff\xfe", b"\xc3\x28", b"\r\n", b"\t", b"&a [*a]", b"!!python/name:os.system"),
)
_VALUE = re.compile(rb"-?\d+(?:\.\d+)?|true|false|null|\w+")


def mutate(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """One of the seeds with one to four changes."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        size = rng.choice((1, 1, 2, 4, 8, 64))
        kind = rng.randrange(8)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        elif kind == 2:
            del data[at : at + size]
        elif kind == 3:
            data[at:at] = data[at : at + size]
        elif kind == 4:
            data[at:at] = rng.randbytes(size)
        elif kind == 5:
            other = rng.choice(seeds)
            start = rng.randrange(len(other) + 1)
            data[at : at + size] = other[start : start + size]
        elif kind == 6:
            del data[at:]
        elif matches := list(_VALUE.finditer(data[:20_000])):
            match = rng.choice(matches)
            data[match.start() : match.end()] = rng.choice(WORDS)
    return bytes(data)
