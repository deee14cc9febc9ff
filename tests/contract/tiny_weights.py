"""Weights for the learned codecs' tests: real files of small networks, initialised here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

#: The set's name, as `test: {weights: tiny}` in config/codecs.
SET = "tiny"
_CHANNELS = {
    "bmshj2018-factorized": (8, 12),
    "bmshj2018-hyperprior": (8, 12),
    "mbt2018-mean": (8, 12),
    "cheng2020-anchor": (8,),
    "ssf2020": (),  # CompressAI has it in one size: 34 million parameters
}
#: Standard deviation of a latent: many symbols beside the commonest, some outside their table.
_SPREAD = 3.0


def make_tiny_weights(folder: Path, architecture: str) -> None:
    """Write the set's quality 1 of one architecture, unless it is there."""
    import torch

    from baselines.compressai.networks import MODELS
    from baselines.compressai.training import write_weights

    if (folder / SET / f"{architecture}-1.json").is_file():
        return
    torch.manual_seed(1)
    network: Any = MODELS[architecture](*_CHANNELS[architecture])
    with torch.no_grad():
        if architecture == "ssf2020":
            _spread(network.img_encoder, torch.rand(1, 3, 64, 64))
            _spread(network.motion_encoder, torch.rand(1, 6, 64, 64))
            _spread(network.res_encoder, torch.rand(1, 3, 64, 64) - 0.5)
            _centre(network.img_decoder)
            _calm(network.motion_decoder)
            _calm(network.res_decoder)
        else:
            _spread(network.g_a, torch.rand(1, 3, 64, 64))
            _centre(network.g_s)
    recipe = {"sequences": [], "note": "initialised, not trained"}
    write_weights(network, folder / SET, name=f"{architecture}-1", recipe=recipe)


def _spread(encoder: Any, x: Any) -> None:
    latents = encoder(x)
    encoder[-1].weight.mul_(_SPREAD / latents.std())


def _centre(decoder: Any) -> None:
    """About grey: what an untrained network makes of latents this large would fill the range many times."""
    last = [module for module in decoder.modules() if getattr(module, "bias", None) is not None][-1]
    last.bias.fill_(0.5)
    last.weight.mul_(0.1)


def _calm(decoder: Any) -> None:
    """Small motion and residuals around 0, so that frame after frame nothing runs away."""
    decoder[-1].weight.mul_(0.1)
    decoder[-1].bias.zero_()
