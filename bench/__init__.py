"""A benchmark and reproducibility suite for neural video representations."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.inr.importing.official import OfficialNetwork

__version__ = "0.1.0"


def import_official(name: str, config: Mapping[str, Any], state_dict: Mapping[str, Any]) -> OfficialNetwork:
    """Load a network that the authors' own code trained.

    The result has the official interface; its attribute `network` is the suite's network. Inputs and outputs:

    * ``ffnerv``: times t = i / N (B,) -> [flow head (B, 3A, h, w), image head (B, 5, H, W)]. The method
      `aggregate(outputs, key_frames, index)` computes the final frames from them and a buffer of independent
      frames (N + 1, 3, H, W).
    * ``nerv``: times t = i / N (B,) -> list of images (B, 3, h, w), one per head.
    * ``enerv``: times t = i / (N - 1) (B,) -> list of images, one per head.
    * ``hnerv``: frames (B, 3, H, W) -> (frames, [embedding, outputs of the decoder's stages]).
      `network(None, embedding)` starts from embeddings.
    * ``hinerv``: positions (B, 3) of t, y, x -> frames (B, 3, 1, H, W). The method
      `patches(positions)` returns the patches of the official training.

    Related functions:

    * Losses: `bench.inr.network.losses.losses(name, predictions, target)`. FFNeRV applies it to three images:
      `ffnerv.video.FFNeRVVideo.step` is its training step, with buffer and weights of the losses.
    * A training step: `bench.inr.fitting.step.train_step`, with a representation of the network:
      `ffnerv.video.FFNeRVVideo`, `bench.inr.network.representation.FramewiseVideo` (NeRV),
      `baselines.enerv.video.ENeRVVideo`, `baselines.hnerv.video.HNeRVFitting` or
      `baselines.hinerv.video.HiNeRVVideo`. With several heads it sums their losses.
    * Quantisers: `ffnerv.qat.quantise` and `to_codes` (switched on by the argument `wbit`);
      `bench.inr.coding.uniform.AffineQuantiser(bits, axis).official` for NeRV and E-NeRV;
      `baselines.hnerv.rate.quantise_as_published`; `baselines.hinerv.qat`.
    * Pruning: `bench.inr.fitting.pruning.prune_masks`.

    Args:
        name: ffnerv, nerv, enerv, hnerv or hinerv.
        config: arguments of the official constructor by their names, at the top level or in a table
            `generator` (FFNeRV, NeRV), `model` (E-NeRV) or `args` (HNeRV, HiNeRV). FFNeRV and NeRV accept the
            command line of the official script instead: `argv`, a string or a list of words.
        state_dict: official name -> tensor or NumPy array. Names may start with `module.`. Pruned weights are
            multiplied by their masks, which must be included.

    Raises:
        BenchError: an unknown method; an argument or a weight that is missing; or a weight that is unknown or
            has another shape.
    """
    # Imported by name: every command imports this module, whose code fingerprint must not include networks.
    return importlib.import_module("bench.inr.importing.official").import_official(name, config, state_dict)
