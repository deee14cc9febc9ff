"""Checks of the settings of a fit against a clip. No torch import: a plan checks every point.

The settings that a plan resolves are a flat table. Here they become three checked objects: the network's
configuration, the recipe and the quantiser's description.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.base.errors import BenchError
from bench.inr.coding.quantiser_description import (
    QuantiserDescription,
    check_pruned,
    check_rounding,
    parse_description,
)
from bench.inr.fitting.recipe import Recipe
from bench.inr.network.clip_check import UnsuitableClip
from bench.inr.network.loss_catalogue import smallest_side

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec
    from bench.video.clip import ClipInfo


@dataclass(frozen=True, kw_only=True)
class CheckedFit:
    """Checked settings of one fit.

    Attributes:
        config: the network's configuration, of the codec's `config_type`.
        recipe: how the network is fitted.
        quantiser: the quantiser of the stream.
        encode_s: budget of the encode in seconds, from which the encoder derives the epochs of the recipe.
            Until then these are the fewest. None: the settings give the epochs.
    """

    config: Any
    recipe: Recipe
    quantiser: QuantiserDescription
    encode_s: float | None = None


@contextmanager
def invalid_settings() -> Iterator[None]:
    """Turn the exceptions that invalid settings raise into a BenchError, except UnsuitableClip."""
    try:
        yield
    except UnsuitableClip:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise BenchError("settings", str(error), "change the codec's settings or the point's") from error


def check_fit(codec: INRCodec, clip: ClipInfo, settings: Mapping[str, Any]) -> CheckedFit:
    """Check complete settings, and that a clip can be coded with them.

    Args:
        clip: its size and number of frames are used.

    Raises:
        UnsuitableClip: the settings are valid, but not for this clip.
        BenchError: the settings are invalid, whatever the clip.
    """
    encode_s = settings.get("encode_s")
    if encode_s is not None:
        settings = {**settings, "epochs": 2 if settings["rate"] else 1}
    with invalid_settings():
        recipe = Recipe.from_settings(settings)
        quantiser = parse_description(settings["quantiser"], codec.quantisers)
        if recipe.trains_through_quantiser:
            check_rounding(quantiser)
        if recipe.prune:
            check_pruned(quantiser)
        if recipe.quantise and not codec.trains_with_noise:
            raise ValueError("quantise: this network does not train with quantisation noise; set it to null")
        smallest = smallest_side(recipe.loss)
        recipe.check_clip(clip.frames)
        config = codec.configure(clip, settings)
        codec.check_quantiser(config, quantiser)
        codec.check_recipe(config, recipe, clip)
        patch = getattr(config, "patch", None)
        height, width = patch or (clip.height, clip.width)
        scale = 2 if recipe.space == "yuv420" else 1  # of a chroma plane
        if height % scale or width % scale:
            raise ValueError(f"patch: {[height, width]} must be even numbers with space: yuv420")
        if min(height, width) < scale * smallest:
            sides = "chroma planes with sides" if scale > 1 else "sides"
            size = f"{width // scale}x{height // scale}"
            problem = f"loss: {recipe.loss} needs {sides} of {smallest} pixels or more, not {size}"
            raise ValueError(f"patch: {problem}") if patch else UnsuitableClip(problem)
        return CheckedFit(config=config, recipe=recipe, quantiser=quantiser, encode_s=encode_s)
