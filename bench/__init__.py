"""A benchmark and reproducibility suite for neural video representations."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.inr.importing.official import OfficialNetwork

__version__ = "0.1.0"


def import_official(name: str, config: Mapping[str, Any], state_dict: Mapping[str, Any]) -> OfficialNetwork:
    """A method's network with the weights of its authors' code.

    `network(inputs)` gives what the official forward gives; `network.network` is the suite's own
    network. Public entry points of each method:

    * ``ffnerv``: `network(t)` with t (B,) gives [flow head (B, 3A, h, w), image head (B, 5, H, W)].
      `network.aggregate(outputs, key_frames, index)` mixes with a buffer of key frames
      (N + 1, 3, H, W) and gives a `ffnerv.flow.Aggregation`. Loss: `bench.inr.network.losses.losses` on the
      aggregated, the independent and the final frame; with the auxiliary weight, the buffer and all
      else of a training step in `ffnerv.video.FFNeRVVideo(network.network, ...).step`. Quantiser:
      `ffnerv.qat.quantise(weight, bits)`, codes by `ffnerv.qat.to_codes`; `config["wbit"]` switches
      it on in the forward.
    * ``nerv``: `network(t)` gives a list of images (B, 3, h, w), one a head. Loss: `losses`.
      Quantiser: `bench.inr.coding.quantisers.AffineQuantiser(bits, axis).official(weight)`, exact, gives
      codes 0 to 2^bits and the values that come back (its `quantise` is that of a stream); pruning:
      `bench.inr.fitting.pruning.prune_masks`.
    * ``enerv``: `network(t)` with t = i / (N - 1) gives a list of images. Loss: `losses`.
    * ``hnerv``: `network(frames)` or `network(None, embedding)` gives (frames, [embedding, decoder
      stages...]). Loss: `losses`. Quantiser and count of bits: `baselines.hnerv.rate`.
    * ``hinerv``: `network(idx)` with idx (B, 3) of t, y, x gives frames (B, 3, 1, H, W);
      `network.patches(idx)` what official training computes. Loss: `losses`. Quantiser:
      `baselines.hinerv.qat`.

    `bench.inr.fitting.trainer.train_step` is one step of Adam with any of them; of networks with several
    heads `bench.inr.network.representation.FramewiseVideo` (`baselines.enerv.video.ENeRVVideo`) sums the
    losses of all.

    Args:
        name: ffnerv, nerv, enerv, hnerv or hinerv.
        config: the arguments of the official constructor by their names. They may stand beside other
            keys, in a section `generator` (FFNeRV, NeRV), `model` (E-NeRV), `args` (HNeRV). FFNeRV and
            NeRV take the official script's command line instead, as `argv`, a string or a list of words.
        state_dict: official name -> tensor or NumPy array; names may begin with `module.`, and pruned
            weights come with their masks.

    Raises:
        BenchError: no such method; an argument or weight that is missing; a weight of another shape, or one
            that a network of these arguments does not have.
    """
    # By name: what every command imports must not seem to depend on networks (bench/codec/provenance.py).
    return importlib.import_module("bench.inr.importing.official").import_official(name, config, state_dict)
