"""Weights for the tests of learned codecs: files of small networks with decoders fitted to the tiny clip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.video.clip import Clip

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


def make_tiny_weights(folder: Path, architecture: str, clip: Clip) -> None:
    """Write quality 1 of one architecture, unless the file exists.

    The encoder keeps its random initial weights, scaled. The decoder is fitted to `clip`, so that decoded
    frames resemble it.
    """
    import torch

    from baselines.compressai.networks import MODELS
    from baselines.compressai.training import write_weights

    if (folder / SET / f"{architecture}-1.json").is_file():
        return
    torch.manual_seed(1)
    network: Any = MODELS[architecture](*_CHANNELS[architecture])
    frames = torch.stack([torch.from_numpy(frame) for frame in clip.rgb()]).permute(0, 3, 1, 2) / 255
    frames = torch.nn.functional.pad(frames, (0, 0, 0, -frames.shape[2] % 64), mode="replicate")
    if architecture == "ssf2020":
        _spread(network.img_encoder, torch.rand(1, 3, 64, 64))
        _spread(network.motion_encoder, torch.rand(1, 6, 64, 64))
        _spread(network.res_encoder, torch.rand(1, 3, 64, 64) - 0.5)
        _fit_video(network, frames)
    else:
        _spread(network.g_a, torch.rand(1, 3, 64, 64))
        _fit(network.g_s, _rounded(network.g_a, frames), frames, steps=100, rate=1e-2)
    recipe = {"sequences": [], "note": "decoder fitted to the tests' clip, encoder not trained"}
    write_weights(network, folder / SET, name=f"{architecture}-1", recipe=recipe)


def _fit_video(network: Any, frames: Any) -> None:
    """Fit the decoders of keyframes and of residuals. The decoded motion stays near zero."""
    import torch

    _damp(network.motion_decoder)
    _fit(network.img_decoder, _rounded(network.img_encoder, frames[:1]), frames[:1], steps=50, rate=1e-3)
    changes = frames[1:] - frames[:-1]
    motion = _rounded(network.motion_encoder, torch.cat((frames[1:], frames[:-1]), dim=1))
    latents = torch.cat((_rounded(network.res_encoder, changes), motion), dim=1)
    _fit(network.res_decoder, latents, changes, steps=12, rate=1e-3)


def _fit(decoder: Any, latents: Any, frames: Any, *, steps: int, rate: float) -> None:
    """Adam on the convolutions alone: a step of an inverse normalisation can make the output explode."""
    import torch

    convolutions = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    weights = [w for part in decoder.modules() if isinstance(part, convolutions) for w in part.parameters()]
    optimiser = torch.optim.Adam(weights, lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(decoder(latents), frames).backward()
        torch.nn.utils.clip_grad_norm_(weights, 0.05)
        optimiser.step()
        schedule.step()


def _rounded(encoder: Any, frames: Any) -> Any:
    import torch

    with torch.no_grad():
        return encoder(frames).round()


def _spread(encoder: Any, x: Any) -> None:
    import torch

    with torch.no_grad():
        encoder[-1].weight.mul_(_SPREAD / encoder(x).std())


def _damp(decoder: Any) -> None:
    """Small motion and residuals around zero, so that frame after frame errors stay bounded."""
    import torch

    with torch.no_grad():
        decoder[-1].weight.mul_(0.1)
        decoder[-1].bias.zero_()
