"""Epochs for equal encoding time: how many epochs each network gets in the same number of seconds.

A fit that stopped on the clock would have another schedule, and other bytes, on every run. Here a short
timing (`bench.inr.study.fit_hours`) gives the number of epochs once. The condition then states it, so that
fits repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.base.errors import BenchError
from bench.inr.study.fit_hours import fit_seconds

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec
    from bench.video.clip import ClipInfo

#: Epochs whose seconds are predicted. The seconds of a fit are linear in its epochs.
_FEW, _MANY = 10, 1010


def epochs_for(
    codec: INRCodec,
    fits: Sequence[tuple[ClipInfo, Mapping[str, Any]]],
    encode_s: float,
    *,
    threads: int,
    device: str,
    progress: Callable[[str], None],
) -> list[int]:
    """Number of epochs of each fit, given by its clip and settings, that takes at most `encode_s` seconds.

    Raises:
        BenchError: as `fit_seconds`, or a fit of one epoch takes longer.
    """
    lengths = [(clip, {**settings, "epochs": n}) for clip, settings in fits for n in (_FEW, _MANY)]
    seconds = fit_seconds(codec, lengths, threads=threads, device=device, progress=progress)
    return [epochs_within(encode_s, few, many) for few, many in zip(seconds[::2], seconds[1::2], strict=True)]


def epochs_within(encode_s: float, few_s: float, many_s: float) -> int:
    """Epochs that fit into `encode_s` seconds, from the seconds of `_FEW` and of `_MANY` epochs.

    Raises:
        BenchError: not one epoch fits.
    """
    of_epoch = (many_s - few_s) / (_MANY - _FEW)
    fixed = few_s - _FEW * of_epoch
    epochs = int((encode_s - fixed) / of_epoch + 1e-9)
    if epochs < 1:
        problem = f"one epoch takes {fixed + of_epoch:.3g} s"
        raise BenchError(f"--encode-s {encode_s:g}", problem, "give more seconds or a smaller network")
    return epochs
