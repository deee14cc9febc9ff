"""Options of the official code that no published configuration uses, against arrays of that code."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from float64 import GRADIENT_FLOOR, assert_parity, like

import baselines.enerv.official
import baselines.nerv.official
from baselines.enerv.video import ENeRVVideo
from bench import import_official
from bench.base.errors import BenchError
from bench.inr.fitting.step import train_step
from bench.inr.network.representation import FramewiseVideo

pytestmark = pytest.mark.numeric

#: Largest rounding error of our float32 arrays, relative to an array's maximum (`float64.assert_parity`).
FORWARD, GRADIENT = 1e-5, 5e-4

FRAMEWISE = {"nerv": FramewiseVideo, "enerv": ENeRVVideo}
NAMES = {"nerv": baselines.nerv.official, "enerv": baselines.enerv.official}
HEADS = ["nerv_heads", "enerv_heads"]


class Case:
    """One configuration: its arrays, and the network that the import makes of it."""

    def __init__(self, key: str, arrays: Any, described: dict[str, Any]) -> None:
        self.method, self.config = key.partition("_")[0], described[key]
        names = [name for name in arrays.files if name.startswith(f"{key}/")]
        self.arrays = {name.removeprefix(f"{key}/"): arrays[name] for name in names}
        weights = {name[2:]: array for name, array in self.arrays.items() if name.startswith("w/")}
        self.module: Any = import_official(self.method, self.config, weights)
        self.video = torch.from_numpy(arrays["frames_u8"]).permute(0, 3, 1, 2).float() / 255
        self.batch, self.loss = torch.tensor(described["batch"]), described["loss"]

    @property
    def representation(self) -> FramewiseVideo:
        return self.representation_of(self.module)

    def representation_of(self, module: Any) -> FramewiseVideo:
        frames, _, height, width = self.video.shape
        return FRAMEWISE[self.method](module.network, frames=frames, height=height, width=width)


@pytest.fixture
def golden(golden_dir) -> tuple[Any, dict[str, Any]]:
    described = json.loads((golden_dir / "options.json").read_text())
    return np.load(golden_dir / "options.npz"), described


@pytest.fixture
def case(golden):
    return lambda key: Case(key, *golden)


@pytest.mark.parametrize(
    "key", [*HEADS, "nerv_deconv", "nerv_bilinear", "enerv_bilinear", "enerv_narrow", "ffnerv_odd"]
)
def test_outputs(case, key):
    made = case(key)

    def evaluate(module):
        outputs = module(torch.from_numpy(made.arrays["t"]))
        assert len(outputs) == sum(name.startswith("out/") for name in made.arrays)
        return {f"out/{index}": output for index, output in enumerate(outputs)}

    assert_parity(evaluate, made.module, made.arrays, ceiling=FORWARD)


def test_aggregation_of_five_neighbours(case):
    made = case("ffnerv_odd")

    def evaluate(module):
        outputs = module(torch.from_numpy(made.arrays["t"]))
        mixed = module.aggregate(outputs, made.arrays["key_frames_f16"], made.batch.tolist())
        return {name: getattr(mixed, name) for name in ("aggregated", "independent", "final")}

    assert_parity(evaluate, made.module, made.arrays, ceiling=FORWARD)


@pytest.mark.parametrize("key", [*HEADS, "nerv_deconv", "nerv_bilinear"])
def test_loss_and_gradients_of_all_heads(case, key):
    made = case(key)
    official_name = NAMES[made.method].official_name

    def forward(module):
        target = like(module, made.video[made.batch])
        total, frames = made.representation_of(module).step(made.batch, target, made.loss)
        return {f"out/{2 if key in HEADS else 0}": frames, "loss_total": total}

    def gradients(module):
        forward(module)["loss_total"].backward()
        named = module.network.named_parameters()
        return {f"grad/{official_name(name, module.network.config)}": p.grad for name, p in named}

    assert_parity(forward, made.module, made.arrays, ceiling=FORWARD)
    assert_parity(gradients, made.module, made.arrays, ceiling=GRADIENT, floor=GRADIENT_FLOOR)


@pytest.mark.parametrize("key", HEADS)
def test_training_of_all_heads(case, key):
    """Ten steps of two frames, from the weights after which the loss and the gradients were taken."""
    made = case(key)

    def train(module):
        samples, video = made.representation_of(module), like(module, made.video)
        optimiser = torch.optim.Adam(module.network.parameters(), betas=(0.5, 0.999))
        found = []
        for index in torch.from_numpy(made.arrays["step_frames"]):
            loss, _ = train_step(samples, optimiser, index, video[index], learning_rate=1e-3, loss=made.loss)
            found.append(loss)
        return {"step_losses": torch.stack(found)}

    assert_parity(train, made.module, made.arrays, ceiling=FORWARD)


def test_a_padded_frame_has_its_coarse_images_padded_alike(case):
    """Where the strides make more than the frame, coarse heads see its edge repeated."""
    made = case("nerv_heads")
    frames, _, height, width = made.video.shape
    small = FramewiseVideo(made.module.network, frames=frames, height=height - 2, width=width - 3)
    cropped = made.video[made.batch, :, : height - 2, : width - 3]
    padded = F.pad(cropped, (0, 3, 0, 2), mode="replicate")

    def of_coarse_heads(video: FramewiseVideo, target: torch.Tensor) -> float:
        total, shown = video.step(made.batch, target, "L2")
        return (total - F.mse_loss(shown, target)).item()

    assert of_coarse_heads(small, cropped) == pytest.approx(of_coarse_heads(made.representation, padded))


@pytest.mark.parametrize(
    ("key", "changes", "message"),
    [
        ("nerv_heads", {"num_blocks": 2}, "num_blocks is 2"),
        ("nerv_heads", {"act": "tanhh"}, "activation: unknown value 'tanhh'"),
        ("nerv_heads", {"reduction": 0}, "reduction: 0"),
        ("ffnerv_odd", {"wbit": 16}, "wbit is 16"),
        ("ffnerv_odd", {"num_blocks": 2}, "num_blocks is 2"),
    ],
)
def test_invalid_arguments_are_named(golden, key, changes, message):
    arrays, described = golden
    described[key]["generator"] |= changes
    with pytest.raises(BenchError, match=message):
        Case(key, arrays, described)


def test_float_weights_have_no_bits(golden):
    arrays, described = golden
    described["ffnerv_odd"]["wbit"] = "32"
    made = Case("ffnerv_odd", arrays, described)
    assert made.module.network.config.bits is None
