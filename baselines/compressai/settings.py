"""Settings of the family `compressai`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from baselines.compressai.payload import ARCHITECTURES
from baselines.compressai.weights import ZOO_SET
from bench.base.strict_model import one_of
from bench.codec.settings import Settings


class CompressaiSettings(Settings):
    """A trained network."""

    architecture: Annotated[str, *one_of(ARCHITECTURES)]
    """The network's architecture."""

    quality: Annotated[int, Field(ge=1)]
    """Quality of the set of weights: 1 has the lowest rate."""

    weights: Annotated[str, Field(pattern=r"^[A-Za-z0-9{][A-Za-z0-9._{}-]*$")] = ZOO_SET
    """The set of weights; {sequence} is replaced by the name of the clip's sequence."""

    keyint: Annotated[int, Field(ge=0)] = 0
    """Frames from one keyframe to the next (ssf2020); 0: one keyframe for the whole clip."""
