"""FFNeRV against arrays that the official code computed (tests/golden/README.md)."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from float64 import GRADIENT_FLOOR, assert_parity, like

from bench.inr.coding.huffman import huffman_bits
from bench.inr.fitting.optimiser import make_optimiser
from bench.inr.fitting.recipe import Recipe
from bench.inr.fitting.step import train_step
from bench.inr.network.losses import losses
from ffnerv.flow import Aggregation, KeyFrames, aggregate, neighbour_slots
from ffnerv.grid import TemporalGrids
from ffnerv.model import FFNeRV, Heads
from ffnerv.official import OfficialFFNeRV, network_from_official, official_name
from ffnerv.qat import quantise, to_codes
from ffnerv.video import FFNeRVVideo

pytestmark = pytest.mark.numeric

#: Largest rounding error of our float32 arrays, relative to an array's maximum (`float64.assert_parity`).
FORWARD, GRADIENT = 1e-5, 1e-4
#: Adam divides a gradient by its own size, so that rounding grows from step to step.
TRAINING = 4e-3
STAGES = 4


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
        times = torch.from_numpy(arrays["t"])

        def evaluate(module):
            values = {"latent": module.network.grids(times)} | dict(
                zip(("out0", "out1"), module(times), strict=True)
            )
            return {prefix + name: value for name, value in values.items()}

        assert_parity(evaluate, imported(golden, bits), arrays, ceiling=FORWARD)

    def test_aggregation_in_evaluation(self, golden, bits, prefix):
        arrays, described = golden
        slots = neighbour_slots(torch.tensor(described["batch"]), described["agg_ind"], described["N"])
        assert slots.tolist() == arrays["eval/neighbour_slots"].tolist()
        index, target = torch.tensor(described["batch"]), torch.from_numpy(arrays["target"])

        def evaluate(module):
            outputs = module(torch.from_numpy(arrays["t"]))
            # The float and the QAT arrays were made from the same given buffer.
            mixed = module.aggregate(outputs, torch.from_numpy(arrays["key_frames_f16"]), index)
            error = (mixed.final - like(module, target)).square().mean(dim=(1, 2, 3))
            names = ("aggregated", "independent", "final")
            values = {name: getattr(mixed, name) for name in names} | {"psnr_per_frame": -10 * error.log10()}
            return {f"{prefix}eval/{name}": value for name, value in values.items()}

        assert_parity(evaluate, imported(golden, bits), arrays, ceiling=FORWARD)

    @pytest.mark.slow
    def test_loss_and_gradients(self, golden, bits, prefix):
        arrays, described = golden
        slots = neighbour_slots(torch.tensor(described["batch"]), described["agg_ind"], described["N"])
        neighbours = buffer_of(arrays[prefix + "train/key_frames_after_f16"]).read(slots)
        target = torch.from_numpy(arrays["target"])

        def forward(network):
            mixed = aggregate(network(torch.from_numpy(arrays["t"])), like(network, neighbours))
            images = [mixed.aggregated, mixed.independent, mixed.final]
            terms = losses(described["loss"], images, like(network, target))
            return {prefix + "train/loss_terms": terms.reshape(arrays[prefix + "train/loss_terms"].shape)}

        def gradients(network):
            terms = forward(network)[prefix + "train/loss_terms"].flatten()
            (described["lw"] * (terms[0] + terms[1]) + terms[2]).backward()
            named = network.named_parameters()
            return {f"{prefix}grad/{official_name(name, STAGES)}": p.grad for name, p in named}

        assert_parity(forward, official(golden, bits), arrays, ceiling=FORWARD)
        assert_parity(gradients, official(golden, bits), arrays, ceiling=GRADIENT, floor=GRADIENT_FLOOR)


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


class TypedVideo(FFNeRVVideo):
    """A clip whose key frames are read in the type of the network's weights."""

    def aggregate(self, heads: Heads, neighbours: torch.Tensor) -> Aggregation:
        return super().aggregate(heads, like(self.network, neighbours))


@pytest.mark.slow
def test_training_trajectory(golden_dir):
    """An official run of 98 steps, frame by frame: losses, evaluations and the final weights."""
    run = np.load(golden_dir / "ffnerv_conv_traj.npz")
    described = json.loads((golden_dir / "ffnerv_conv.json").read_text())
    weights = {name[3:]: run[name] for name in run.files if name.startswith("w0/")}
    frames = torch.from_numpy(run["frames_u8"]).permute(0, 3, 1, 2)
    recipe = Recipe(epochs=14, learning_rate=4e-3)

    def train(network):
        video = TypedVideo(network, frames=len(frames), height=48, width=64)
        optimiser = make_optimiser(video, recipe)
        video.refresh()
        found, evaluations = [], []
        for step, (time, rate) in enumerate(zip(run["step_t"][:, 0], run["step_lr"], strict=True)):
            assert recipe.rate_at(step // 7 + step % 7 / 7) == pytest.approx(rate, rel=1e-9)
            index = torch.tensor([round(float(time) * len(frames))])
            target = like(network, frames[index].float() / 255)
            heads = network(video.times(index))
            video.buffer.write(index, heads.independent)
            mixed = video.aggregate(heads, video.buffer.read(video.slots(index)))
            found.append(losses("Fusion6", [mixed.aggregated, mixed.independent, mixed.final], target))
            train_step(video, optimiser, index, target, learning_rate=float(rate), loss="Fusion6")
            if step + 1 in run["eval_after_step"]:
                video.refresh()
                pairs = zip(video.render(0, 7), frames, strict=True)
                errors = torch.stack([(made - frame.float() / 255).square().mean() for made, frame in pairs])
                evaluations.append(-10 * errors.log10().mean())
        every = torch.stack(found)
        return {"first losses": every[:10], "losses": every, "evaluations": torch.stack(evaluations)}

    network = network_from_official(described["generator"], weights).network
    expected = {"first losses": run["step_losses"][:10], "losses": run["step_losses"]}
    expected["evaluations"] = run["eval_psnr"]
    assert_parity(train, network, expected, ceiling=TRAINING, perturbed=1)


@pytest.mark.slow
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
