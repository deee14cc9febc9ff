"""Settings that all fitted networks share: the fit (`bench.inr.fitting.recipe.Recipe`) and the quantiser.

This module imports no torch: a plan checks settings with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from bench.base.strict_model import Problem, StrictModel, one_of
from bench.codec.settings import Settings
from bench.inr.network.decoder_config import ACTIVATION_NAMES
from bench.inr.network.loss_catalogue import CATALOGUE, SPACES

Loss = Annotated[str, *one_of(CATALOGUE)]
Activation = Annotated[str, *one_of(ACTIVATION_NAMES)]


def _check_encoding(encoding: list[float]) -> list[float]:
    """Refuse a base of 0 and a number of frequencies that is not whole."""
    if encoding[0] <= 0 or type(encoding[1]) is not int:
        problem = f"{encoding} must be a base above 0 and a whole number of frequencies"
        raise Problem(problem, "write a list such as [1.25, 40]")
    return encoding


Count = Annotated[int, Field(ge=1)]
Counts = Annotated[list[Count], Field(min_length=1)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Bits = Annotated[int, Field(ge=2, le=10)]
#: Base, above 0, and number of frequencies of a positional encoding.
Encoding = Annotated[
    list[Annotated[int, Field(ge=0)] | Annotated[float, Field(gt=0)]],
    Field(min_length=2, max_length=2),
    AfterValidator(_check_encoding),
    WithJsonSchema(
        {"type": "array", "items": {"type": "number", "minimum": 0}, "minItems": 2, "maxItems": 2}
    ),
]
_Decay = Annotated[float, Field(ge=0, lt=1)]
_PhaseRate = Annotated[float, Field(ge=0)]


class Prune(StrictModel):
    """Magnitude pruning after `epochs`, then fine-tuning."""

    ratio: Annotated[float, Field(gt=0, lt=1)]
    """Share of the prunable weights that become zero."""

    epochs: Count
    """Epochs of fine-tuning."""

    learning_rate: _PhaseRate | None = None
    """Learning rate at the start of the fine-tuning; null: the fit's."""


class Quantise(StrictModel):
    """A last phase that trains with quantisation noise (HiNeRV)."""

    epochs: Count
    """Epochs of this phase."""

    bits: Bits
    """Bit width of the noise."""

    noise: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of the weights that a step quantises."""

    learning_rate: _PhaseRate | None = None
    """Learning rate at the start of the phase; null: the fit's."""


class Rounding(StrictModel):
    """A last phase that trains through the rounding of the stream's quantiser."""

    epochs: Count
    """Epochs of this phase."""

    learning_rate: _PhaseRate | None = None
    """Learning rate at the start of the phase; null: an eighth of the fit's."""


class RateTarget(StrictModel):
    """End-to-end rate-distortion training for a given size of the stream, with learned steps."""

    bpp: Annotated[float, Field(gt=0)]
    """Target for the stream, in bits per pixel."""

    start: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Share of the epochs before the weights are rounded and their size counts."""


class Override(StrictModel):
    """A quantiser for a part of the network. With a `name` it starts anew, else it changes the usual one."""

    name: Literal["float32", "affine", "hnerv", "uniform", "tanh", "symmetric"] | None = None
    """Name of the quantiser."""

    bits: Annotated[float, Field(ge=2, le=10)] | None = None
    """Bit width of the codes."""

    axis: Literal[0] | None = None
    """0: a range for each output channel."""

    zero_point: Literal["float", "integer"] | None = None
    """As in `affine`."""

    allocate: bool | None = None
    """As in `uniform`."""


Overrides = dict[str, Override]


class Float32(StrictModel):
    """Weights as they are: 32 bits each, for tables of representations."""

    name: Literal["float32"]
    """Name of the quantiser."""


class Affine(StrictModel):
    """Post-training quantisation of NeRV and E-NeRV: a scale and an offset for each tensor."""

    name: Literal["affine"]
    """Name of the quantiser."""

    bits: Bits = 8
    """Bit width of the codes."""

    axis: Literal[0] | None = None
    """0: a range for each output channel; null: one for each tensor."""

    zero_point: Literal["float", "integer"] = "float"
    """`integer` keeps zeros; `float` moves them, as NeRV's code does. A pruned network must have it set."""

    overrides: Overrides = {}
    """Part of the network -> what differs there."""


class HNeRVQuantiser(StrictModel):
    """Post-training quantisation of HNeRV, whose axis depends on the tensor."""

    name: Literal["hnerv"]
    """Name of the quantiser."""

    bits: Bits = 8
    """Bit width of the codes."""

    overrides: Overrides = {}
    """Part of the network -> what differs there."""


class Uniform(StrictModel):
    """A weight is a whole number of its tensor's steps."""

    name: Literal["uniform"]
    """Name of the quantiser."""

    bits: Annotated[float, Field(ge=2, le=10)] = 8
    """Bit width of the codes; with `allocate` the mean over all weights."""

    allocate: bool = False
    """Whether the encoder finds the step of every tensor on the clip."""

    overrides: Overrides = {}
    """Part of the network -> what differs there; not with `allocate`."""


DEFAULT_QUANTISER: Any = {"name": "affine", "bits": 8}
Quantiser = Annotated[Float32 | Affine | HNeRVQuantiser | Uniform, Field(discriminator="name")]


class FitSettings(Settings):
    """How a network is fitted and its weights are quantised."""

    alternatives: ClassVar[Sequence[tuple[str, str]]] = (("epochs", "encode_s"),)

    epochs: Count | None
    """Passes over the clip, before the phases `prune`, `quantise` and `rounding`; null: see `encode_s`."""

    encode_s: Positive | None = None
    """Budget in place of `epochs`: seconds of the whole encode. A short probe derives the epochs from it."""

    learning_rate: Positive
    """Peak learning rate."""

    warmup: Share = 0.2
    """Share of the epochs over which the learning rate climbs to its peak."""

    warmup_start: Share = 0.1
    """Share of the peak at which it begins to climb."""

    floor: Share = 0.0
    """Share of a phase's peak at which its cosine schedule ends."""

    cosine_from: Literal["warmup", "start"] = "warmup"
    """Where the cosine of the first phase begins: at the end of the warm-up, or at the start."""

    betas: Annotated[list[_Decay], Field(min_length=2, max_length=2)] = [0.5, 0.999]
    """Decay rates of Adam's moments; Muon's is fixed."""

    loss: Loss = "Fusion6"
    """Training loss; `bench/inr/network/loss_catalogue.py` has its weights of L1, L2, SSIM and MS-SSIM."""

    space: Annotated[str, *one_of(SPACES)] = "rgb"
    """Colour space of the fit and of decoded frames. `yuv420`: planes of 4:2:0, their loss weighted 6:1:1,
    and no conversion to RGB."""

    batch_size: Count = 1
    """Frames in a step, or as many patches as these have."""

    fit_every: Count = 1
    """Fit every n-th frame; the others are held out (frame interpolation)."""

    clip_gradient: Positive | None = None
    """Largest norm of the gradients of all weights together; null: not clipped."""

    rate_weight: Annotated[float, Field(ge=0)] = 0.0
    """Weight in the loss of an estimate of the weights' coded size, per bit a pixel."""

    precision: Literal["float32", "tf32", "bf16"] = "float32"
    """Precision of a step's multiplications; decoding is float32 always."""

    compile: bool = False
    """Whether training runs through `torch.compile`."""

    save_every: Count = 5
    """Epochs from one saved state to the next."""

    refresh: Literal["saves", "official"] = "saves"
    """When FFNeRV's frame buffer is recomputed: at every saved state, or as its script does."""

    prune: Prune | None = None
    """Pruning and fine-tuning; null: none."""

    quantise: Quantise | None = None
    """Training with quantisation noise; null: none."""

    rounding: Rounding | None = None
    """Training through the stream's rounding; null: none."""

    optimiser: Literal["adam", "muon"] = "adam"
    """Adam, or Muon for kernels and matrices and Adam for all other weights."""

    rate: RateTarget | None = None
    """Target for the coded size; null: it follows from the network and the quantiser."""

    restart_adam: bool = False
    """Whether the later phases begin with a new Adam."""

    restart_diverged: bool = False
    """Whether a fit that diverges restarts once from its last saved state with half the learning rate."""

    quantiser: Quantiser = Field(DEFAULT_QUANTISER)
    """Quantiser of the coded weights."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_two_lengths(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and None not in (values.get("epochs"), values.get("encode_s")):
            raise Problem("encode_s: cannot be combined with epochs", "leave out one of them")
        return values


class DecoderSettings(FitSettings):
    """What FFNeRV, NeRV and E-NeRV share: a decoder that upsamples stage by stage."""

    channels: Count
    """Channels of the latent."""

    strides: Counts = [5, 2, 2]
    """Upsampling factor of each stage."""

    expansion: Positive = 1.0
    """The first stage multiplies the channels by it."""

    reduction: Count = 2
    """Every later stage divides the channels by it."""

    lower_width: Count = 12
    """Least number of channels of a stage."""

    activation: Activation = "gelu"
    """Activation function of the stages."""

    head: Literal["tanh", "sigmoid"] = "tanh"
    """What bounds the output to [0, 1]."""
