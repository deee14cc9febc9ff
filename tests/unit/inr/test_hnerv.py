"""HNeRV against arrays that the official code computed (tests/golden/README.md)."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from float64 import GRADIENT_FLOOR, assert_parity, like, measure_rounding
from torch import nn

import bench
from baselines.hnerv.config import HNeRVConfig
from baselines.hnerv.model import CodedHNeRV, Decoder, HNeRV, positional_encoding
from baselines.hnerv.official import config_from_official, network_from_official, official_name
from baselines.hnerv.rate import published_bits, quantise_as_published
from baselines.hnerv.video import HNeRVFitting
from bench.base.errors import BenchError
from bench.inr.network.losses import losses

pytestmark = pytest.mark.numeric

#: Largest rounding error of our float32 arrays, relative to an array's maximum (`float64.assert_parity`).
FORWARD, GRADIENT = 5e-6, 1e-4


def count(module: nn.Module | None) -> int:
    return sum(parameter.numel() for parameter in module.parameters()) if module else 0


@pytest.fixture(scope="module")
def golden(golden_dir):
    arrays = dict(np.load(golden_dir / "hnerv.npz"))
    return arrays, json.loads((golden_dir / "hnerv.json").read_text())


@pytest.fixture(scope="module")
def weights(golden):
    return {name[2:]: array for name, array in golden[0].items() if name.startswith("w/")}


@pytest.fixture
def network(golden, weights) -> HNeRV:
    config = config_from_official(golden[1]["args"], size=(40, 80))
    return network_from_official(config, weights).network


@pytest.fixture(scope="module")
def frames(golden) -> torch.Tensor:
    """All frames (N, 3, H, W), float32."""
    return torch.from_numpy(golden[0]["frames_u8"]).permute(0, 3, 1, 2).float().div(255)


@pytest.fixture(scope="module")
def target(golden, frames) -> torch.Tensor:
    return frames[torch.from_numpy(golden[0]["frame_index"])]


def coded(golden, network: HNeRV) -> CodedHNeRV:
    embeddings = torch.from_numpy(golden[0]["video_embedding"])
    return CodedHNeRV(network.decoder, frames=len(embeddings), embeddings=embeddings)


def test_every_stage_of_the_encoder(golden, network, target):
    arrays, _ = golden

    def evaluate(network):
        made: dict[str, torch.Tensor] = {}
        for name, modules in {"down": network.encoder.downsamplers, "stage": network.encoder.stages}.items():
            for i, module in enumerate(modules):
                module.register_forward_hook(
                    lambda _, __, output, key=f"enc_{name}_out/{i}": made.update({key: output})
                )
        made["embedding"] = network.encode(like(network, target))
        assert sorted(made) == ["embedding", *sorted(key for key in arrays if key.startswith("enc_"))]
        return made

    assert_parity(evaluate, network, arrays, ceiling=FORWARD)


def test_every_stage_of_the_decoder(golden, network):
    arrays, _ = golden

    def evaluate(network):
        features = list(network.decoder.features(like(network, torch.from_numpy(arrays["embedding"]))))
        assert len(features) == sum(key.startswith("dec_out/") for key in arrays) == 4
        # Of the last two stages the arrays have the first frame.
        return {f"dec_out/{i}": output[: len(arrays[f"dec_out/{i}"])] for i, output in enumerate(features)}

    assert_parity(evaluate, network, arrays, ceiling=FORWARD)


def test_frames_loss_and_gradients(golden, network, target):
    arrays, described = golden
    assert count(network) == described["params"]

    def forward(network):
        source = like(network, target)
        made = network(source)
        return {"out": made, "loss_total": losses(described["loss"], [made], source)[0]}

    def gradients(network):
        forward(network)["loss_total"].backward()
        return {f"grad/{official_name(name)}": p.grad for name, p in network.named_parameters()}

    assert_parity(forward, network, arrays, ceiling=FORWARD)
    assert_parity(gradients, network, arrays, ceiling=GRADIENT, floor=GRADIENT_FLOOR)


def test_official_outputs(golden, weights, target):
    """Frames, then the embeddings and the decoder's stages; an embedding may be given instead of frames."""
    arrays, described = golden
    official = bench.import_official("hnerv", described, weights)
    for given in ((target,), (None, torch.from_numpy(arrays["embedding"]))):

        def evaluate(official, given=given):
            made, features = official(*(x if x is None else like(official, x) for x in given))
            assert [tuple(x.shape[1:]) for x in features[1:]] == [
                arrays[f"dec_out/{i}"].shape[1:] for i in range(4)
            ]
            return {"out": made, "embedding": features[0]}

        assert_parity(evaluate, official, arrays, ceiling=FORWARD)
    alike = bench.import_official("hnerv", described["args"], {f"module.{k}": v for k, v in weights.items()})
    assert torch.equal(alike(target)[0], official(target)[0])


def test_finishing_a_fit_keeps_the_embeddings_of_all_frames_and_no_encoder(golden, network, frames):
    arrays, described = golden
    index, embeddings = torch.from_numpy(arrays["frame_index"]), arrays["video_embedding"]
    rounding = measure_rounding(
        lambda network: {
            "embeddings": network.encode(like(network, frames)),
            "out": network(like(network, frames))[index],
        },
        network,
    )
    fitting = HNeRVFitting(network, frames=len(frames), height=40, width=80)
    finished = fitting.finish(torch.from_numpy(arrays["frames_u8"]).permute(0, 3, 1, 2))
    assert count(finished) == described["params_decoder_and_head"] + embeddings.size
    shown = torch.stack(list(fitting.render(0, 6)))[index]
    for ours in (embeddings, finished.embeddings.detach().numpy()):
        rounding["embeddings"].check("embeddings", ours, ceiling=FORWARD)
    for ours in (arrays["out"], shown.numpy()):
        rounding["out"].check("out", ours, ceiling=FORWARD)


def test_the_published_quantiser_is_exact(golden, network):
    arrays, _ = golden
    for name, parameter in coded(golden, network).named_parameters():
        key = "q/embed" if name == "embeddings" else f"q/{official_name(name)}"
        ours = quantise_as_published(parameter, 6 if name == "embeddings" else 8)
        for part, value in {
            "code": ours.codes,
            "min": ours.low,
            "scale": ours.step,
            "deq": ours.values,
        }.items():
            theirs = arrays[f"{key}/{part}"]
            assert value.shape == theirs.shape, (name, part)
            assert np.array_equal(value.numpy(), theirs), (name, part)
            if part in ("min", "scale"):
                assert value.numpy().dtype == theirs.dtype, (name, part)


def test_frames_of_the_quantised_network(golden, network):
    arrays, _ = golden
    with torch.no_grad():
        for name, parameter in network.decoder.named_parameters():
            parameter.copy_(torch.from_numpy(arrays[f"q/{official_name(f'decoder.{name}')}/deq"]))
    embedding = torch.from_numpy(arrays["q/embed/deq"])[torch.from_numpy(arrays["frame_index"])]
    assert_parity(
        lambda decoder: {"q/out": decoder(like(decoder, embedding))}, network.decoder, arrays, ceiling=FORWARD
    )


def test_the_published_rate(golden, network):
    _, described = golden
    network = coded(golden, network)
    pixels = described["N"] * described["H"] * described["W"]
    side = 16 * described["overhead_values"]
    bits = published_bits(network)
    assert abs(bits - side - described["huffman_total_bits"]) <= 16  # ties in the tree
    assert bits / pixels == pytest.approx(described["total_bpp"], abs=16 / pixels)


def test_a_range_of_equal_entries_is_no_division_by_zero():
    tensor = torch.full((4, 60, 3), 0.25)
    tensor[0] = torch.linspace(-1, 1, 180).view(60, 3)
    for case in (tensor, torch.full((7,), 0.3), torch.zeros(3, 80)):
        quantised = quantise_as_published(case, 8)
        assert torch.isfinite(quantised.values).all()
        assert (quantised.values - case).abs().max() < 2 / 255


def test_the_stem_enlarges_row_by_row():
    config = HNeRVConfig(base=(2, 3), channels=1, decoder_strides=(1,), embed="pe_1.25_2", activation="relu")
    decoder = Decoder(config)
    seen: list[torch.Tensor] = []
    decoder.stages[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        decoder.stem.weight.zero_()
        decoder.stem.bias.copy_(torch.arange(6.0))
        decoder(torch.zeros(1, 4, 1, 1))
    assert torch.equal(seen[0][0, 0], torch.arange(6.0).view(2, 3))


def test_positional_encoding_is_sines_then_cosines(golden_dir):
    """NeRV's values in another order, as far as its float32 phases and these agree: the low ones."""
    arrays = np.load(golden_dir / "positional_encoding.npz")
    ours = positional_encoding(torch.arange(132).double() / 132, 1.25, 80)
    assert ours.shape == (132, 160, 1, 1)
    theirs = arrays["pe_1.25_80_N132"]
    low = 30
    assert np.abs(ours[:, :low, 0, 0].numpy() - theirs[:, 0 : 2 * low : 2]).max() < 1e-3
    assert np.abs(ours[:, 80 : 80 + low, 0, 0].numpy() - theirs[:, 1 : 2 * low : 2]).max() < 1e-3


def test_high_phases_are_double_and_frequencies_float():
    time = torch.arange(600).double() / 600
    ours = positional_encoding(time, 1.25, 80)[:, 79, 0, 0].numpy()
    # Python's own numbers, by the definition
    frequency = float(np.float32(np.float32(1.25) ** np.float32(79)) * np.float32(np.pi))
    assert np.abs(ours - np.sin(time.numpy() * frequency).astype(np.float32)).max() < 1e-6


def test_phases_have_the_type_of_the_times():
    """As golden times have it: float32 ones give float32 phases, whose high ones are others."""
    time = torch.arange(7) / 7
    ours = positional_encoding(time, 1.25, 40)[:, :40, 0, 0].numpy()
    frequencies = (1.25 ** torch.arange(40) * np.pi).numpy()
    assert np.array_equal(ours, torch.sin(torch.from_numpy(time.numpy()[:, None] * frequencies)).numpy())


def test_a_constant_beyond_float16_has_its_published_count():
    """Over a step of 0 it is infinite: clamped to the largest code, whose value is the lowest one."""
    tensor = torch.randn(60, 8, generator=torch.Generator().manual_seed(0)) * torch.logspace(-2, 0, 8)
    tensor[:, 3] = 0.1
    assert tensor[0, 3] > tensor[0, 3].half()
    published = quantise_as_published(tensor, 8)
    assert published.low.shape == (1, 8)
    assert (published.codes[:, 3] == 255).all()
    assert (published.values[:, 3] == tensor[0, 3].half()).all()


def test_an_axis_with_a_constant_range_is_never_published():
    """Of it the official code makes no numbers, which lose against any other candidate."""
    tensor = torch.randn(4, 60, generator=torch.Generator().manual_seed(0))
    tensor[0] = 0
    assert quantise_as_published(tensor, 8).low.ndim == 0


def test_an_imported_network_can_be_trained_and_finished(golden, weights, frames):
    """Its arguments do not say the frame's size: the clip does."""
    _, described = golden
    official = bench.import_official("hnerv", described, weights)
    video = HNeRVFitting(official.network, frames=len(frames), height=40, width=80)
    loss, made = video.step(torch.tensor([0, 2]), frames[[0, 2]], described["loss"])
    assert made.shape == (2, 3, 40, 80)
    loss.backward()
    finished = video.finish((frame * 255).round().to(torch.uint8) for frame in frames)
    rounding = measure_rounding(
        lambda network: {"embeddings": network.encode(like(network, frames))}, official.network
    )
    ours = finished.embeddings.detach().numpy()
    rounding["embeddings"].check("embeddings", ours, ceiling=FORWARD)


@pytest.mark.parametrize(
    "name", ["head_layer.bias", "encoder.stages.1.0.gamma", "decoder.0.conv.downconv.weight"]
)
def test_a_weight_that_does_not_fit_is_named(golden, weights, name):
    with pytest.raises(BenchError, match=f"{name}.*missing"):
        network_from_official(golden[1]["args"], {k: v for k, v in weights.items() if k != name})
    with pytest.raises(BenchError, match=f"{name}.*shape"):
        network_from_official(golden[1]["args"], {**weights, name: np.zeros((1, 2, 9), dtype=np.float32)})


def test_arguments_that_are_missing_or_unknown_are_named(golden, weights):
    args = golden[1]["args"]
    with pytest.raises(BenchError, match="'fc_dim' is missing"):
        network_from_official({k: v for k, v in args.items() if k != "fc_dim"}, weights)
    with pytest.raises(BenchError, match=r"norm.*not supported"):
        network_from_official({**args, "norm": "bn"}, weights)
    with pytest.raises(BenchError, match="activation: unknown value 'foo'"):
        network_from_official({**args, "act": "foo"}, weights)


def test_an_official_pe_network_has_its_stem_on_a_grid(golden):
    args = {**golden[1]["args"], "embed": "pe_1.25_80", "enc_strds": [], "fc_hw": "8_16", "fc_dim": 30}
    config = config_from_official({**args, "dec_strds": [5, 4, 2, 2], "ks": "0_3_3", "reduce": 2})
    assert config.latent_shape == (160, 1, 1)
    assert config.padded_size == (640, 1280)
    assert config.stem_scale == (8, 16)
