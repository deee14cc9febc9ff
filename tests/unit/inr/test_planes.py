"""Fits in YUV 4:2:0: planes, loss and error against their formulas, and streams of all networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_msssim
import torch

from bench.base.errors import BenchError
from bench.base.stage_clock import StageClock
from bench.codec import registry
from bench.codec.container import read_stream
from bench.codec.decode import codec_of
from bench.codec.encode import EncodePlan, encode
from bench.inr.encoding import clip_tensor
from bench.inr.fitting.divergence import divergence
from bench.inr.fitting.fit_state import EpochLog
from bench.inr.fitting.optimiser import make_optimiser
from bench.inr.fitting.recipe import Recipe
from bench.inr.fitting.step import compute_gradients
from bench.inr.network import planes
from bench.inr.network.loss_catalogue import CATALOGUE
from bench.inr.network.losses import losses
from bench.video.clip import Clip
from bench.video.clip import planes as split

FAMILIES = ("nerv-matched", "enerv-matched", "ffnerv-matched", "hnerv-matched", "hinerv-matched")


def samples(seed: int, height: int = 32, width: int = 48) -> torch.Tensor:
    return torch.rand((2, 3, height, width), generator=torch.Generator().manual_seed(seed))


def halves(images: torch.Tensor) -> torch.Tensor:
    """U and V at half the size, by the mean of the four samples of each block."""
    both = images[:, 1:]
    corners = (both[..., y::2, x::2] for y in (0, 1) for x in (0, 1))
    return torch.stack(list(corners)).mean(dim=0)


def test_frames_of_420_survive_the_way_to_planes_and_back() -> None:
    frame = np.random.default_rng(0).integers(0, 256, 48 * 32 * 3 // 2, dtype=np.uint8)
    tensor = planes.from_420(frame, height=32, width=48)
    assert tensor.shape == (3, 32, 48)
    np.testing.assert_array_equal(planes.to_420(tensor.float() / 255), frame)


def test_a_decoded_chroma_sample_is_the_mean_of_its_block() -> None:
    image = torch.zeros(3, 2, 4)
    image[0] = torch.tensor([[0, 1, 0, 1], [0.5, 0.5, 2, -1]])
    image[1, :, 2:] = torch.tensor([[10, 20], [30, 41]]) / 255
    expected = [0, 255, 0, 255, 128, 128, 255, 0, 0, 25, 0, 0]
    np.testing.assert_array_equal(planes.to_420(image), expected)


@pytest.mark.parametrize("name", ["L1", "L2", "Fusion6"])
def test_the_loss_weights_the_planes_six_to_one_to_one(name: str) -> None:
    prediction, target = samples(0), samples(1)
    l1, l2, ssim, _ = CATALOGUE[name]

    def plane_loss(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        similarity = pytorch_msssim.ssim(a, b, data_range=1)
        return l1 * (a - b).abs().mean() + l2 * (a - b).square().mean() + ssim * (1 - similarity)

    pairs = [(prediction[:, :1], target[:, :1])]
    both = halves(prediction), halves(target)
    pairs += [(both[0][:, i : i + 1], both[1][:, i : i + 1]) for i in (0, 1)]
    expected = sum(w * plane_loss(*pair) for w, pair in zip((6 / 8, 1 / 8, 1 / 8), pairs, strict=True))
    of_two = losses(f"yuv420:{name}", [prediction, target], target)
    torch.testing.assert_close(of_two, torch.stack([expected, torch.zeros(())]), rtol=1e-5, atol=1e-6)


def test_the_error_of_a_sample_weights_the_planes_six_to_one_to_one() -> None:
    prediction, target = samples(0), samples(1)
    mse = planes.squared_error(prediction, target) / prediction[0].numel()
    luma = (prediction[:, 0] - target[:, 0]).square().mean(dim=(1, 2))
    u, v = (halves(prediction) - halves(target)).square().mean(dim=(2, 3)).T
    torch.testing.assert_close(mse, (6 * luma + u + v) / 8)


def test_a_short_fit_in_yuv_has_not_diverged() -> None:
    """Chroma is near grey. An error that did not weight the planes would call this a picture below grey."""
    luma = torch.linspace(0, 255, 64).to(torch.uint8).expand(1, 64, 64)
    clip = torch.cat([luma, torch.full((2, 64, 64), 128, dtype=torch.uint8)])[None]
    recipe = Recipe(epochs=9, learning_rate=1e-3, space="yuv420", warmup=0)
    grey_db = float(-10 * torch.log10(0.75 * (clip[0, 0] / 255 - 0.5).square().mean()))
    log = [EpochLog(epoch=n, psnr_rgb_db=grey_db, loss=1, learning_rate=1, wall_s=0, cpu_s=0) for n in (0, 1)]
    assert divergence(log, recipe, clip) == ""
    lower = [replace(row, psnr_rgb_db=grey_db - 2) for row in log]
    assert "below that of a grey picture" in divergence(lower, recipe, clip)


def plan_of(codec: str, clip: Clip, folder: Path, **changes: Any) -> EncodePlan:
    config = registry.codec_config(codec)
    settings = registry.resolve_settings(config, config.test, {"space": "yuv420", **changes})
    files = {"out": folder / "stream.bin", "report": folder / "encode.json"}
    return EncodePlan(config=config, point="p", settings=settings, clip=clip, device="cpu", **files)


@pytest.mark.parametrize(
    ("codec", "changes", "problem"),
    [
        ("hinerv-matched", {"patch": [8, 3]}, r"must be even|patch"),
        ("nerv-matched", {"space": "yuv444"}, r"space: unknown value 'yuv444'"),
    ],
)
def test_a_fit_that_cannot_be_is_refused(codec, changes, problem, tiny_clip, tmp_path) -> None:
    with pytest.raises(BenchError, match=problem):
        encode(plan_of(codec, tiny_clip, tmp_path, **changes))


def test_a_loss_must_fit_into_the_chroma_planes(tiny_clip: Clip) -> None:
    """Frames of 36x20 have chroma planes of 18x10 samples. The window of SSIM has a side of 11."""
    config = registry.codec_config("nerv-matched")
    info, codec = replace(tiny_clip.info, width=36, height=20), registry.load_family("nerv")
    skipped = {
        space: codec.skip(info, registry.resolve_settings(config, config.test, {"space": space}))
        for space in ("rgb", "yuv420")
    }
    assert skipped["rgb"] is None
    assert "needs chroma planes with sides of 11 pixels or more, not 18x10" in skipped["yuv420"]


@pytest.mark.parametrize("codec", FAMILIES)
def test_every_network_is_fitted_to_planes(codec: str, tiny_clip: Clip) -> None:
    """One step, of a patch where the network has patches, and the planes of a frame."""
    config = registry.codec_config(codec)
    family: Any = registry.load_family(config.family)
    settings = registry.resolve_settings(config, config.test, {"space": "yuv420"})
    representation, info = family.start(tiny_clip.info, settings), tiny_clip.info
    recipe, frames = family.resolve(info, settings).recipe, clip_tensor(tiny_clip, "cpu", "yuv420")
    index = torch.tensor([3])
    target = representation.targets(frames, index)
    optimiser = make_optimiser(representation, recipe)
    loss, error = compute_gradients(representation, optimiser, index, target, loss=recipe.step_loss)
    assert recipe.step_loss == f"yuv420:{recipe.loss}"
    _, prediction = representation.step(index, target, recipe.step_loss)
    torch.testing.assert_close(error, planes.squared_error(prediction, target))
    assert 0 < float(loss) < 5
    gradients = [weight.grad for weight in representation.network.parameters() if weight.grad is not None]
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    assert any(bool(gradient.any()) for gradient in gradients)
    representation.finish(frames)
    assert len(planes.to_420(next(representation.render(3, 4)))) == info.width * info.height * 3 // 2


@pytest.mark.slow
def test_a_stream_decodes_to_planes_of_420(tiny_clip: Clip, tmp_path: Path) -> None:
    plan = plan_of("nerv-matched", tiny_clip, tmp_path)
    report = encode(plan)
    assert "psnr_rgb_db" not in report["details"]["fit_log"][0]
    assert report["details"]["fit_log"][0]["psnr_yuv_db"] > 0
    stream = read_stream(plan.out)
    assert stream.header.pixel_format == "yuv420p"
    info, whole = tiny_clip.info, codec_of(stream).decode(stream, device="cpu", clock=StageClock())
    frames = list(whole)
    assert {frame.shape for frame in frames} == {(info.width * info.height * 3 // 2,)}
    (alone,) = codec_of(stream).decode(stream, device="cpu", clock=StageClock(), first=4, stop=5)
    np.testing.assert_array_equal(alone, frames[4])
    restored: Any = codec_of(stream)
    image = next(restored.restore(stream).render(4, 5))
    luma, *both = split(frames[4], info.width, info.height)
    np.testing.assert_array_equal(luma, (image[0] * 255).round().clamp(0, 255).numpy().astype(np.uint8))
    expected = (halves(image[None])[0] * 255).round().clamp(0, 255).numpy()
    assert np.abs(np.stack(both) - expected).max() <= 1  # a mean may round to the other side


def test_the_clip_of_a_fit_in_yuv_has_its_own_samples(tiny_clip: Clip) -> None:
    tensor, info = clip_tensor(tiny_clip, "cpu", "yuv420"), tiny_clip.info
    for index, frame in enumerate(tiny_clip.frames()):
        y, u, v = split(frame, info.width, info.height)
        np.testing.assert_array_equal(tensor[index, 0], y)
        for plane, chroma in zip(tensor[index, 1:], (u, v), strict=True):
            np.testing.assert_array_equal(plane[::2, ::2], chroma)
            np.testing.assert_array_equal(plane[1::2, 1::2], chroma)
