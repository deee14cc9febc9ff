"""The weight coder of ISO/IEC 15938-17 (neural network coding), to compare this suite's with.

It is DeepCABAC as in the standard's reference software, the package `nncodec`, which is optional. The
integers are coded as they are, by its entropy coder with its default settings, and come back exactly;
what the standard has besides, its own quantisers above all, would make another network of them. Its
headers (some 10 to 20 bytes a tensor: name, shape, method) are not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.base.errors import BenchError

PACKAGE = "nncodec==2.1.3"

#: Of the reference software: greater-than flags of a code before its rest is coded otherwise; whether
#: the speeds at which probabilities adapt are chosen for each tensor; rows of zeros are skipped.
_FLAGS, _CHOOSE_SPEEDS, _SKIP_ROWS = 11, 1, 1
#: No dependent quantisation, rows in order, the second edition's profile, no update of another network.
_PLAIN = (0, 0, 1, 0)
_NO_CODEBOOK = (0, 0)


def check_installed() -> None:
    """Raises BenchError where the package is not installed."""
    _coder()


def encode(tensors: Sequence[np.ndarray]) -> list[bytes]:
    """The bytes of each integer tensor; their shapes are not among them.

    Raises:
        BenchError: the package is not installed.
    """
    return [_encode_tensor(np.ascontiguousarray(tensor, dtype=np.int32)) for tensor in tensors]


def decode(coded: Sequence[bytes], shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """The int32 tensors of `encode`. For its own bytes only: the package does not check any.

    Raises:
        BenchError: the package is not installed.
    """
    return [_decode_tensor(data, shape) for data, shape in zip(coded, shapes, strict=True)]


def coded_bytes(tensors: Sequence[np.ndarray]) -> int:
    """How many bytes the tensors take.

    Raises:
        BenchError: the package is not installed.
        ArithmeticError: a tensor does not come back as it was.
    """
    coded = encode(tensors)
    decoded = decode(coded, [tensor.shape for tensor in tensors])
    for tensor, back in zip(tensors, decoded, strict=True):
        if not np.array_equal(tensor, back):
            raise ArithmeticError(f"{PACKAGE} does not give back a tensor of shape {tensor.shape}")
    return sum(map(len, coded))


def _encode_tensor(tensor: np.ndarray) -> bytes:
    coder = _coder()
    if not tensor.size:
        return b""
    encoder, rows = coder.Encoder(), tensor.reshape(len(tensor) if tensor.ndim else 1, -1)
    empty = ~rows.any(axis=1) if tensor.ndim > 1 else np.zeros(len(rows), dtype=bool)
    encoder.initCtxModels(_FLAGS, _CHOOSE_SPEEDS)
    encoder.encodeLayer(rows, *_PLAIN, _SKIP_ROWS, empty.astype(np.int32), *_no_history(coder), *_NO_CODEBOOK)
    return encoder.finish().tobytes()


def _decode_tensor(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    coder, tensor = _coder(), np.zeros(shape, dtype=np.int32)
    if tensor.size:
        decoder = coder.Decoder()
        decoder.setStream(np.frombuffer(data, dtype=np.uint8))
        decoder.initCtxModels(_FLAGS)
        rows = tensor.reshape(shape[0] if shape else 1, -1)
        decoder.decodeLayer(rows, *_PLAIN, *_no_history(coder), *_NO_CODEBOOK)
        decoder.finish()
    return tensor


def _no_history(coder: Any) -> tuple[Any, np.ndarray]:
    """Nothing is known from earlier versions of the network."""
    return coder.HdspMode.AlwaysOff, np.zeros(2, dtype=np.int8)


def _coder() -> Any:
    try:
        from nncodec.extensions import deepCABAC
    except ImportError as error:
        remedy = f"pip install --no-deps {PACKAGE} (it is compiled: a C++ compiler is needed)"
        raise BenchError("the coder of ISO/IEC 15938-17", "is not installed", remedy) from error
    return deepCABAC
