"""The pipelines of FFNeRV's section 3.4, by settings alone, on real streams.

Four stages (train, prune and fine-tune, quantise, encode), three (trained with quantised weights, pruned
and fine-tuned, encoded) and two (trained with quantised weights, encoded).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.base.stage_clock import StageClock
from bench.codec import registry
from bench.codec.container import read_stream
from bench.codec.decode import codec_of, decode
from bench.codec.encode import EncodePlan, encode
from bench.inr.coding.uniform import ZeroPointQuantiser
from bench.inr.fitting.trainer import Fit
from bench.inr.network import runtime
from bench.video.clip import Clip
from ffnerv.codec import FFNeRVCodec
from ffnerv.qat import TanhQuantiser

pytestmark = pytest.mark.numeric


TINY = {"epochs": 48, "learning_rate": 1e-2, "rounding": None, "restart_adam": False}
TINY |= {"channels": 16, "lower_width": 8, "grid_lengths": [3, 5], "strides": [2, 2, 2]}
FLOATS = {"bits": None, "quantiser": {"name": "affine", "bits": 8, "zero_point": "integer"}}
QUANTISED = {"bits": 8, "quantiser": {"name": "tanh", "bits": 8}}
KINDS = {"floats": FLOATS, "quantised": QUANTISED}
STAGES = {
    "whole": {},
    "pruned": {"prune": {"ratio": 0.5, "epochs": 12}},
    # Pruned and left alone: a rate of zero teaches nothing.
    "untuned": {"prune": {"ratio": 0.5, "epochs": 1, "learning_rate": 0.0}},
}


@dataclass(frozen=True)
class Result:
    """A stream, decoded: its size, the frames' PSNR, and the kernels that can be pruned."""

    stream_bytes: int
    psnr_db: float
    kernels: list[torch.Tensor]


def run(clip: Clip, folder: Path, settings: dict) -> Result:
    config = registry.codec_config("ffnerv-matched")
    complete = registry.resolve_settings(config, {}, {**TINY, **settings})
    path = folder / "stream.bin"
    report = encode(
        EncodePlan(config=config, point="x", settings=complete, clip=clip, out=path, device="cpu")
    )
    stream = read_stream(path)
    codec = codec_of(stream)
    shown = np.stack(list(decode(stream, codec, device="cpu", clock=StageClock())))
    psnr_db = float(10 * np.log10(255**2 / np.square(shown - clip.rgb_array().astype(float)).mean()))
    return Result(report["stream_bytes"], psnr_db, codec.restore(stream).prunable())


def refit(clip: Clip, settings: dict) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The same fit without a stream: its kernels, and where they were not pruned."""
    codec = FFNeRVCodec()
    complete = registry.resolve_settings(registry.codec_config("ffnerv-matched"), {}, {**TINY, **settings})
    runtime.prepare(threads=1, device="cpu")
    representation = codec.start(clip.info, complete)
    frames = torch.from_numpy(clip.rgb_array()).permute(0, 3, 1, 2).contiguous()
    fit = Fit(representation, frames, codec.resolve(clip.info, complete).recipe)
    fit.run()
    assert fit.masks is not None
    return representation.prunable(), fit.masks.kept


@pytest.fixture(scope="module")
def result(tiny_clip, tmp_path_factory) -> Callable[..., Result]:
    """The result of some settings, each fitted once for all tests here."""
    folder = tmp_path_factory.mktemp("pipelines")

    @functools.cache
    def of(kind: str, stage: str) -> Result:
        return run(tiny_clip, folder, {**KINDS[kind], **STAGES[stage]})

    return of


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["floats", "quantised"])
def test_pruned_weights_are_zero_in_the_decoded_network(tiny_clip, result, kind):
    """Half of all, and beside them only weights that the codes cannot tell from zero."""
    fitted, kept = refit(tiny_clip, {**KINDS[kind], **STAGES["pruned"]})
    decoded = result(kind, "pruned").kernels
    removed = sum(int((~mask).sum()) for mask in kept)
    assert removed == round(0.5 * sum(mask.numel() for mask in kept))
    quantiser = ZeroPointQuantiser(bits=8) if kind == "floats" else TanhQuantiser(bits=8)
    for weight, mask, kernel in zip(fitted, kept, decoded, strict=True):
        assert torch.equal(kernel, quantiser.dequantise(quantiser.quantise(weight.detach())))
        assert not kernel[~mask].any()
        step = (weight.max() - weight.min()).item() / 255 if kind == "floats" else 2 / 127
        assert (weight[mask & (kernel == 0)].abs() < 0.51 * step).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["floats", "quantised"])
def test_fine_tuning_recovers_the_loss_of_pruning(result, kind):
    """Half of the kernels' weights go: decibels, of which fine-tuning brings back most."""
    whole, untuned, tuned = (result(kind, stage).psnr_db for stage in ("whole", "untuned", "pruned"))
    assert untuned < whole - 2
    assert tuned > untuned + 3
    assert tuned > whole - 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["floats", "quantised"])
def test_pruned_streams_are_smaller(result, kind):
    whole, tuned = (result(kind, stage).stream_bytes for stage in ("whole", "pruned"))
    assert tuned < 0.8 * whole


@pytest.mark.slow
def test_a_fit_without_pruning_has_few_zeros(result):
    zeros = torch.cat([(kernel == 0).flatten() for kernel in result("quantised", "whole").kernels])
    assert 0 < zeros.float().mean() < 0.1  # the dead zone of the codes alone
