"""FFNeRV against arrays that the official code computed (tests/golden/README.md)."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from bench.inr.coding.huffman import huffman_bits
from bench.inr.fitting.recipe import Recipe
from bench.inr.fitting.trainer import make_optimiser, train_step
from bench.inr.network.losses import losses
from ffnerv.flow import KeyFrames, aggregate, neighbour_slots
from ffnerv.grid import TemporalGrids
from ffnerv.model import FFNeRV
from ffnerv.official import OfficialFFNeRV, network_from_official, official_name
from ffnerv.qat import quantise, to_codes
from ffnerv.video import FFNeRVVideo

FORWARD = 2e-6  # relative to the array's maximum, as a second float32 implementation met
GRADIENT = 2e-5
STAGES = 4


def relative(ours: torch.Tensor, theirs: np.ndarray) -> float:
    return float(np.abs(ours.detach().numpy() - theirs).max() / np.abs(theirs).max())


@pytest.fixture(scope="module")
def golden(golden_dir):
    arrays = np.load(golden_dir / "ffnerv_conv.npz")
    described = json.loads((golden_dir / "ffnerv_conv.json").read_text())
    return arrays, described


def imported(golden, bits: int | None) -> OfficialFFNeRV:
    arrays, described = golden
    weights = {name[2:]: arrays[name] for name in arrays.files if name.startswith("w/")}
    return network_from_official(described | {"wbit": bits}, weights)


def official(golden, bits: int | None) -> FFNeRV:
    return imported(golden, bits).network


def buffer_of(frames: np.ndarray) -> KeyFrames:
    buffer = KeyFrames(len(frames) - 1, *frames.shape[2:], device="cpu")
    buffer.data = torch.from_numpy(frames)
    return buffer


@pytest.mark.parametrize(("bits", "prefix"), [(None, ""), (8, "q8/")])
class TestAgainstOfficial:
    def test_forward(self, golden, bits, prefix):
        arrays, _ = golden
        network, times = imported(golden, bits), torch.from_numpy(arrays["t"])
        assert relative(network.network.grids(times), arrays[prefix + "latent"]) < FORWARD
        flow_head, image_head = network(times)
        assert relative(flow_head, arrays[prefix + "out0"]) < FORWARD
        assert relative(image_head, arrays[prefix + "out1"]) < FORWARD

    def test_aggregation_in_evaluation(self, golden, bits, prefix):
        arrays, described = golden
        slots = neighbour_slots(torch.tensor(described["batch"]), described["agg_ind"], described["N"])
        assert slots.tolist() == arrays["eval/neighbour_slots"].tolist()
        # The float and the QAT arrays were made from the same given buffer.
        network, index = imported(golden, bits), torch.tensor(described["batch"])
        outputs = network(torch.from_numpy(arrays["t"]))
        mixed = network.aggregate(outputs, torch.from_numpy(arrays["key_frames_f16"]), index)
        for name in ("aggregated", "independent", "final"):
            assert relative(getattr(mixed, name), arrays[f"{prefix}eval/{name}"]) < FORWARD
        error = (mixed.final.detach() - torch.from_numpy(arrays["target"])).square().mean(dim=(1, 2, 3))
        psnr = -10 * error.log10().numpy()
        assert np.abs(psnr - arrays[prefix + "eval/psnr_per_frame"].ravel()).max() < 1e-4

    def test_loss_and_gradients(self, golden, bits, prefix):
        arrays, described = golden
        network = official(golden, bits)
        slots = neighbour_slots(torch.tensor(described["batch"]), described["agg_ind"], described["N"])
        neighbours = buffer_of(arrays[prefix + "train/key_frames_after_f16"]).read(slots)
        mixed = aggregate(network(torch.from_numpy(arrays["t"])), neighbours)
        images = [mixed.aggregated, mixed.independent, mixed.final]
        terms = losses(described["loss"], images, torch.from_numpy(arrays["target"]))
        assert np.abs(terms.detach().numpy() - arrays[prefix + "train/loss_terms"].ravel()).max() < 1e-6
        (described["lw"] * (terms[0] + terms[1]) + terms[2]).backward()
        for name, parameter in network.named_parameters():
            theirs = arrays[f"{prefix}grad/{official_name(name, STAGES)}"]
            assert relative(parameter.grad, theirs) < GRADIENT, name


def test_quantised_weights_are_exact(golden):
    arrays, _ = golden
    for name, parameter in official(golden, 8).named_parameters():
        theirs = arrays[f"q8/qw/{official_name(name, STAGES)}"]
        assert np.abs(quantise(parameter, 8).detach().numpy() - theirs).max() < 1e-6, name


def test_rate_as_the_official_evaluator_counts_it(golden):
    arrays, _ = golden
    codes = [to_codes(parameter, 8).numpy() for parameter in official(golden, 8).parameters()]
    assert abs(huffman_bits(codes) - int(arrays["q8/huffman_total_bits"])) <= 16  # ties in the tree


def test_grid_reads(golden_dir):
    probe = np.load(golden_dir / "ffnerv_grid_probe.npz")
    levels = [probe[f"grid/{i}"] for i in range(6)]
    grids = TemporalGrids(
        [len(level) for level in levels],
        channels=sum(level.shape[1] for level in levels),
        height=levels[0].shape[2],
        width=levels[0].shape[3],
    )
    with torch.no_grad():
        for parameter, level in zip(grids.levels, levels, strict=True):
            parameter.copy_(torch.from_numpy(level))
    latent = grids(torch.from_numpy(probe["t"])).detach().numpy()
    assert np.array_equal(latent.reshape(probe["latent"].shape), probe["latent"])


def test_training_trajectory(golden_dir):
    """An official run of 98 steps, frame by frame: losses, evaluations and the final weights."""
    run = np.load(golden_dir / "ffnerv_conv_traj.npz")
    described = json.loads((golden_dir / "ffnerv_conv.json").read_text())
    weights = {name[3:]: run[name] for name in run.files if name.startswith("w0/")}
    network = network_from_official(described["generator"], weights).network
    frames = torch.from_numpy(run["frames_u8"]).permute(0, 3, 1, 2)
    video = FFNeRVVideo(network, frames=len(frames), height=48, width=64)
    recipe = Recipe(epochs=14, learning_rate=4e-3)
    optimiser = make_optimiser(network.parameters(), recipe)
    video.refresh()
    evaluations = dict(zip(run["eval_after_step"].tolist(), run["eval_psnr"].tolist(), strict=True))
    for step, (time, rate) in enumerate(zip(run["step_t"][:, 0], run["step_lr"], strict=True)):
        assert recipe.rate_at(step // 7 + step % 7 / 7) == pytest.approx(rate, rel=1e-9)
        index = torch.tensor([round(float(time) * len(frames))])
        target = frames[index].float() / 255
        heads = network(video.times(index))
        video.buffer.write(index, heads.independent)
        mixed = video.aggregate(heads, video.buffer.read(video.slots(index)))
        terms = losses("Fusion6", [mixed.aggregated, mixed.independent, mixed.final], target)
        tolerance = 5e-7 if step < 10 else 1.5e-4
        assert np.abs(terms.detach().numpy() - run["step_losses"][step]).max() < tolerance, step
        train_step(video, optimiser, index, target, learning_rate=float(rate), loss="Fusion6")
        if step + 1 in evaluations:
            video.refresh()
            errors = torch.stack(
                [
                    (f - t.float() / 255).square().mean()
                    for f, t in zip(video.render(0, 7), frames, strict=True)
                ]
            )
            assert float(-10 * errors.log10().mean()) == pytest.approx(evaluations[step + 1], abs=0.02)


def test_decoding_in_a_window_equals_decoding_with_the_whole_buffer(golden):
    """Every independent frame is made once, and only the window that is read from is held."""
    network = official(golden, None)
    video = FFNeRVVideo(network, frames=12, height=48, width=64)
    made: list[int] = []
    network.grids.register_forward_pre_hook(lambda _, args: made.append(round(float(args[0]) * 12)))
    windowed = list(video.render(0, 12))
    assert made == sorted(set(made)) == list(range(12))
    video.refresh()
    with torch.no_grad():
        for i, frame in enumerate(windowed):
            index = torch.tensor([i])
            heads = network(video.times(index))
            whole = video.aggregate(heads, video.buffer.read(video.slots(index))).final[0]
            assert torch.equal(frame, whole), i
    assert all(torch.equal(a, b) for a, b in zip(video.render(5, 8), windowed[5:8], strict=True))
