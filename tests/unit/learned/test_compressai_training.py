"""The training of the learned codec's tracked weights, and those weights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.compressai import weights


def test_the_evaluated_sequence_is_never_trained_on() -> None:
    from baselines.compressai.training import SIZES, training_sequences

    for evaluated in SIZES:
        assert evaluated not in training_sequences(evaluated)
        assert len(training_sequences(evaluated)) == len(SIZES) - 1
    assert training_sequences("discs") == list(SIZES)


def test_tracked_weights_are_those_of_their_recipes() -> None:
    """Four rates for each evaluated sequence, which is not among those that they were trained on."""
    from baselines.compressai.training import LAMBDAS

    folders = list(weights.TRACKED.iterdir())
    assert "without-bigbuckbunny" in {folder.name for folder in folders}
    for folder in folders:
        for quality, factor in LAMBDAS.items():
            recipe = json.loads((folder / f"mbt2018-mean-{quality}.json").read_text())
            assert recipe["sequences"]
            assert folder.name.removeprefix("without-") not in recipe["sequences"]
            assert recipe["training"]["lambda_"] == factor
            data = (folder / recipe["file"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == recipe["sha256"]
        assert len(list(folder.iterdir())) == 2 * len(LAMBDAS)


@pytest.mark.slow
def test_training_resumes_to_the_same_weights(tmp_path: Path) -> None:
    from baselines.compressai.training import Recipe, Training, write_weights

    random = np.random.default_rng(0)
    frames = [
        random.integers(0, 255, (2, 64, 80, 3), np.uint8),
        random.integers(0, 255, (3, 70, 64, 3), np.uint8),
    ]
    recipe = Recipe(lambda_=0.01, steps=6, channels=8, latent_channels=12, batch_size=2, crop=64)

    def start(name: str, identity: str = "a") -> Training:
        return Training(frames, recipe, state=tmp_path / name, identity=identity)

    whole = start("whole")
    reached = whole.run(lambda _: None)
    assert 0 < reached["rate_bpp"] < 100
    part = start("part")
    for _ in range(3):
        part._train_step()
    part.save()
    resumed = start("part")
    assert resumed.step == 3
    assert resumed.run(lambda _: None) == reached
    assert start("part").run(lambda _: None) == reached, "killed after its last step"
    assert start("part", identity="b").step == 0
    written = [
        write_weights(training.network, tmp_path / name, name="mbt2018-mean-1", recipe={"sequences": ["a"]})
        for name, training in (("one", whole), ("two", resumed))
    ]
    assert written[0].name == written[1].name
    assert written[0].read_bytes() == written[1].read_bytes()


@pytest.mark.slow
def test_weights_written_are_the_network_that_codes(tmp_path: Path) -> None:
    """16 bits a parameter; what is loaded again is what `write_weights` left in the network."""
    import torch

    from baselines.compressai.networks import MODELS, load_trained
    from baselines.compressai.training import write_weights

    torch.manual_seed(0)
    network: Any = MODELS["mbt2018-mean"](8, 12)
    first = write_weights(network, tmp_path, name="mbt2018-mean-1", recipe={"sequences": []})
    loaded = load_trained("mbt2018-mean", first).network
    for (name, one), other in zip(network.named_parameters(), loaded.parameters(), strict=True):
        assert torch.equal(one, other), name
    bottleneck = network.entropy_bottleneck
    assert torch.equal(bottleneck._quantized_cdf, loaded.entropy_bottleneck._quantized_cdf)
    with torch.no_grad():
        network.g_s[-1].bias.add_(1)
    second = write_weights(network, tmp_path, name="mbt2018-mean-1", recipe={"sequences": []})
    assert sorted(tmp_path.iterdir()) == sorted([second, tmp_path / "mbt2018-mean-1.json"])


@pytest.mark.slow
def test_a_training_learns(tmp_path: Path) -> None:
    """A few steps on flat squares: the error falls."""
    from baselines.compressai.training import Recipe, Training

    frames = [
        np.broadcast_to(np.arange(40, 240, 20, dtype=np.uint8)[:, None, None, None], (10, 64, 64, 3)).copy()
    ]
    recipe = Recipe(lambda_=0.1, steps=60, channels=8, latent_channels=12, crop=64, learning_rate=5e-3)
    training = Training(frames, recipe, state=tmp_path / "state", identity="")
    before = np.mean([training._train_step()[1] for _ in range(10)])
    training.run(lambda _: None)
    assert np.mean([training._train_step()[1] for _ in range(10)]) < before / 4
