"""What a stream means depends on the stream and on frozen tables, not on defaults of dataclasses."""

from __future__ import annotations

import json
from dataclasses import MISSING, Field, fields
from typing import Any

import pytest
import torch
from quantiser_data import make_quantiser
from torch import Tensor, nn

from baselines.hinerv.qat import QuantNoise, SymmetricQuantiser
from bench.base.errors import StreamError
from bench.base.paths import ROOT
from bench.codec import registry
from bench.codec.container import Stream, read_stream
from bench.inr.codec import INRCodec
from bench.inr.coding import uniform
from bench.inr.coding.payload import Payload, coded_weights, config_from_values, config_values, load
from bench.inr.coding.quantiser_description import QUANTISERS
from bench.inr.network.decoder_config import DecoderConfig
from ffnerv.qat import TanhQuantiser

REFERENCES = ROOT / "results/reference/demo-v1/bunny-320x180"
FAMILIES = ["ffnerv", "nerv", "enerv", "hnerv", "hinerv"]

#: Copies of the tables. An edit of a table changes what existing streams decode to; never edit both.
FROZEN = {
    "ffnerv": '{"activation": "gelu", "bias": true, "bits": 8, "block": "conv", "clamp_neighbours": false, '
    '"exact_warp": false, "expansion": 1.0, "head": "tanh", "hidden": 0, "key_interval": 1, '
    '"lower_width": 12, "norm": "none", "offsets": [-2, -1, 1, 2], "reduction": 2, "spread_grids": false}',
    "nerv": '{"activation": "swish", "bias": true, "expansion": 1.0, "frequencies": 40, '
    '"frequency_base": 1.25, "head": "tanh", "lower_width": 12, "multi_resolution": false, "norm": "none", '
    '"reduction": 2, "stem_layers": 1, "stem_width": 512, "upsampling": "conv"}',
    "enerv": '{"activation": "gelu", "bias": true, "expansion": 1.0, "head": "sigmoid", "head_width": 64, '
    '"lower_width": 12, "mlp_width": 128, "modulation_encoding": [1.25, 80], "modulation_width": 128, '
    '"norm": "none", "position_encoding": [1.25, 80], "reduction": 2, "stage_heads": false, '
    '"stem_widths": [512], "time_encoding": [1.25, 80], "token_width": 256, "upsampling": "conv"}',
    "hnerv": '{"activation": "gelu", "decoder_blocks": 1, "embed": "", "embedding_channels": 16, '
    '"encoder_blocks": 1, "encoder_strides": [], "encoder_width": 64, "head": "tanh", "kernels": [1, 5], '
    '"lower_width": 12, "reduction": 1.2}',
    "hinerv": '{"base_channels": 2, "base_length": 40, "base_levels": 2, "depths": [3, 3, 3, 1], '
    '"expansions": [4.0, 4.0, 4.0, 1.0], "local_channels": 4, "local_levels": 3, "lower_width": 1, '
    '"patch": null, "reduction": 2.0, "strides": [5, 2, 2, 2], "upsample_norm": true}',
}
FROZEN_QUANTISERS = {
    "float32": {},
    "affine": {"bits": 8, "axis": None, "zero_point": "float"},
    "hnerv": {"bits": 8},
    "uniform": {"bits": 8, "allocate": False},
    "tanh": {"bits": 8},
    "symmetric": {"bits": 6},
}


def codec_of_family(family: str) -> INRCodec:
    codec = registry.load_family(family)
    assert isinstance(codec, INRCodec)
    return codec


def reference(family: str) -> Stream:
    return read_stream(REFERENCES / f"{family}-matched" / "bpp0.12" / "seed0" / "stream.bin")


@pytest.mark.parametrize("family", FAMILIES)
def test_wire_defaults_are_frozen(family: str) -> None:
    table = codec_of_family(family).wire_defaults
    assert json.dumps(dict(table), sort_keys=True) == FROZEN[family]


def test_defaults_of_quantiser_descriptions_are_frozen() -> None:
    tables = {**QUANTISERS, **codec_of_family("ffnerv").quantisers, **codec_of_family("hinerv").quantisers}
    defaults = {name: {key: field.default for key, field in table.items()} for name, table in tables.items()}
    assert defaults == FROZEN_QUANTISERS


def other_value(value: Any) -> Any:
    """Another value of much the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return "sigmoid" if value == "tanh" else "tanh"
    if isinstance(value, tuple):
        return (*value, 1)
    return 3


def edit_defaults(cls: type[Any], monkeypatch: pytest.MonkeyPatch) -> int:
    """Change the default of every field of a dataclass, as an edit of its source would; count them."""
    edited: list[Field[Any]] = [field for field in fields(cls) if field.default is not MISSING]
    new = {field.name: other_value(field.default) for field in edited}
    for field in edited:
        monkeypatch.setattr(field, "default", new[field.name])
        monkeypatch.setattr(cls, field.name, new[field.name])
    init: Any = cls.__init__
    if init.__kwdefaults__:
        monkeypatch.setattr(init, "__kwdefaults__", {**init.__kwdefaults__, **new})
    if init.__defaults__:
        positional = [
            field.name for field in fields(cls) if field.init and not field.kw_only and field in edited
        ]
        monkeypatch.setattr(init, "__defaults__", tuple(new[name] for name in positional))
    return len(edited)


QUANTISER_CLASSES = [
    uniform.AffineQuantiser,
    uniform.ZeroPointQuantiser,
    uniform.StepQuantiser,
    uniform.MinMaxQuantiser,
    uniform.AxisChoice,
    TanhQuantiser,
    SymmetricQuantiser,
    QuantNoise,
]


@pytest.fixture
def edited_defaults(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that edits all defaults of configurations and quantisers."""

    def edit() -> None:
        configs = [codec_of_family(family).config_type for family in FAMILIES]
        for cls in [DecoderConfig, *configs, *QUANTISER_CLASSES]:
            assert edit_defaults(cls, monkeypatch) >= 1, cls

    return edit


def test_the_edit_of_defaults_is_one(edited_defaults: Any) -> None:
    """Without this the tests below could pass for lack of an edit."""
    assert uniform.AffineQuantiser(axis=None).bits == 8
    nerv = codec_of_family("nerv").config_type
    assert nerv(base=(1, 1), channels=8, strides=(2,)).stem_width == 512
    edited_defaults()
    assert uniform.AffineQuantiser(axis=None).bits == 9
    assert nerv(base=(1, 1), channels=8, strides=(2,), activation="gelu", upsampling="conv", norm="none",
                head="tanh").stem_width == 513  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.slow
def test_edited_defaults_change_no_tracked_stream(family: str, edited_defaults: Any) -> None:
    codec, stream = codec_of_family(family), reference(family)
    before = codec.restore(stream)
    edited_defaults()
    after = codec.restore(stream)
    weights = before.network.state_dict()
    assert weights.keys() == after.network.state_dict().keys()
    for name, weight in after.network.state_dict().items():
        assert torch.equal(weight, weights[name]), name
    frames = [next(iter(representation.render(3, 4))) for representation in (before, after)]
    assert torch.equal(*frames)


class Tensors(nn.Module):
    """Parameters of several shapes."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.wide = nn.Parameter(torch.randn(70, 60, generator=generator) / 3)
        self.kernel = nn.Parameter(torch.randn(6, 4, 3, 3, generator=generator) / 3)
        self.bias = nn.Parameter(torch.randn(6, generator=generator) / 3)


DESCRIPTIONS = [
    ("ffnerv", {"name": "affine"}),
    ("ffnerv", {"name": "affine", "zero_point": "integer", "overrides": {"wide": {"axis": 0}}}),
    ("ffnerv", {"name": "hnerv"}),
    ("ffnerv", {"name": "uniform"}),
    ("ffnerv", {"name": "tanh"}),
    ("hinerv", {"name": "symmetric"}),
]


@pytest.mark.parametrize(("family", "description"), DESCRIPTIONS)
def test_edited_defaults_change_no_quantised_weights(
    family: str, description: dict[str, Any], edited_defaults: Any
) -> None:
    """Also of descriptions that leave fields out."""
    codec, network = codec_of_family(family), Tensors()
    side, weights, _ = coded_weights(network, make_quantiser(description, codec))
    payload = Payload({}, description, side, weights)

    def received() -> list[Tensor]:
        loaded = Tensors()
        load(loaded, make_quantiser(description, codec), payload)
        return [parameter.detach() for parameter in loaded.parameters()]

    before = received()
    edited_defaults()
    for earlier, later in zip(before, received(), strict=True):
        assert torch.equal(earlier, later)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_configuration_is_written_in_the_same_bytes(family: str, edited_defaults: Any) -> None:
    """Edited defaults do not change what is written either, and tracked streams are written as they were."""
    codec, stream = codec_of_family(family), reference(family)
    written = dict(Payload.from_bytes(stream.payload).network)
    config = config_from_values(codec.config_type, written, codec.wire_defaults)
    for _ in range(2):
        assert json.loads(json.dumps(config_values(config, codec.wire_defaults))) == written
        edited_defaults()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_field_without_wire_default_must_be_in_the_stream(family: str) -> None:
    codec = codec_of_family(family)
    written = dict(Payload.from_bytes(reference(family).payload).network)
    for name in set(written) - set(codec.wire_defaults):
        less = {key: value for key, value in written.items() if key != name}
        with pytest.raises(StreamError, match=f"setting '{name}' is missing"):
            config_from_values(codec.config_type, less, codec.wire_defaults)
    fewer = {key: value for key, value in codec.wire_defaults.items() if key != "lower_width"}
    if "lower_width" not in written:
        with pytest.raises(StreamError, match="setting 'lower_width' is missing"):
            config_from_values(codec.config_type, written, fewer)
