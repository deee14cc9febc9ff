"""Cost of fits: counted without memory, timed on small frames and scaled to large ones."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
import torch

from bench.base.errors import BenchError
from bench.codec import registry
from bench.inr.network import runtime
from bench.inr.study import fit_cost as costs
from bench.inr.study.fit_cost import FitCost, Probe, StepTime, fit_cost, predict, time_method
from bench.video.clip import ClipInfo

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec

CLIP = ClipInfo(name="x", sequence="x", width=192, height=128, frames=9, fps=Fraction(25))
NERV = {"channels": 8, "strides": [2, 2, 2], "lower_width": 8, "stem_width": 16}
FFNERV = {"channels": 8, "strides": [2, 2, 2], "lower_width": 4, "grid_lengths": [3, 5]}
FFNERV |= {"quantiser": {"name": "tanh", "bits": 8}}

PRUNING = {
    "prune": {"ratio": 0.4, "epochs": 4},
    "quantiser": {"name": "affine", "bits": 8, "zero_point": "float"},
}


def family(name: str) -> INRCodec:
    return registry.load_family(name)  # type: ignore[return-value]


def settings(name: str, **changes: Any) -> dict[str, Any]:
    return {**family(name).settings_model().default_values(), "epochs": 10, "learning_rate": 1e-3, **changes}


def counted(macs: float, parameters: int = 100) -> FitCost:
    same = {
        "weights": parameters,
        "frames_seen": 1,
        "updates": 1,
        "state_bytes": 0,
        "kept_bytes": 0,
        "stream_bytes": 0,
    }
    return FitCost(macs=macs, parameters=parameters, **same)


def timed(macs: float, work_s: float, *, parameters: int = 100, update_s: float = 1.0) -> Probe:
    time = StepTime(forward_s=work_s / 3, work_s=work_s, update_s=update_s)
    return Probe(cost=counted(macs, parameters), time=time, width=1, height=1)


def test_a_network_between_two_lies_on_their_line_and_beyond_grows_with_its_multiplications() -> None:
    probes = [timed(10, 5.0), timed(20, 6.0, parameters=200, update_s=4.0)]
    found = {macs: predict(counted(macs), probes).work_s for macs in (10, 15, 20, 40)}
    assert found == pytest.approx({10: 5.0, 15: 5.5, 20: 6.0, 40: 12.0})
    assert predict(counted(15), probes).forward_s == pytest.approx(5.5 / 3)
    assert predict(counted(15, parameters=50), probes).update_s == pytest.approx(1.0)


def test_one_probe_is_scaled_and_a_line_never_falls() -> None:
    assert predict(counted(30), [timed(10, 5.0)]).work_s == pytest.approx(15.0)
    noisy = [timed(10, 5.0), timed(20, 4.0)]
    assert predict(counted(15), noisy).work_s == pytest.approx(5.0)


def test_a_fit_is_its_frames_and_its_updates() -> None:
    step = StepTime(forward_s=1.0, work_s=3.0, update_s=0.5)
    cost = fit_cost(family("nerv"), CLIP, settings("nerv", **NERV, fit_every=2, batch_size=2))
    assert (cost.frames_seen, cost.updates) == (10 * 5, 10 * 3)
    assert step.fit_s(cost) == pytest.approx(50 * 3 + 30 * 0.5)
    pruned = fit_cost(family("nerv"), CLIP, settings("nerv", **NERV, **PRUNING))
    assert pruned.frames_seen == 14 * 9


def test_counts_are_those_of_the_real_network() -> None:
    codec, chosen = family("nerv"), settings("nerv", **NERV, quantiser={"name": "affine", "bits": 6})
    cost = fit_cost(codec, CLIP, chosen)
    network = codec.start(CLIP, chosen)
    parameters = sum(parameter.numel() for parameter in network.network.parameters())
    assert cost.parameters == cost.weights == parameters
    assert cost.stream_bytes == parameters * 6 // 8
    # Backward is two forwards but for the first layer's input; the loss filters a little.
    assert 2.5 < cost.macs / runtime.macs(network) < 4


def test_multiplications_grow_with_the_frame() -> None:
    """But for the loss, whose window leaves out the borders."""
    chosen = settings("ffnerv", **FFNERV)
    doubled = replace(CLIP, width=2 * CLIP.width, height=2 * CLIP.height)
    small, large = (fit_cost(family("ffnerv"), clip, chosen) for clip in (CLIP, doubled))
    assert large.macs / small.macs == pytest.approx(4, rel=0.05)


def test_a_state_holds_the_official_buffer() -> None:
    chosen = settings("ffnerv", **FFNERV)
    plain, official = (
        fit_cost(family("ffnerv"), CLIP, {**chosen, "refresh": refresh}) for refresh in ("saves", "official")
    )
    assert plain.state_bytes == 12 * plain.parameters
    assert official.state_bytes - plain.state_bytes == (9 + 1) * 3 * 192 * 128 * 2


def test_an_encoder_is_trained_and_not_sent() -> None:
    chosen = settings("hnerv", channels=10, strides=[2, 2, 2], encoder_width=8, lower_width=4)
    cost = fit_cost(family("hnerv"), CLIP, chosen)
    embeddings = 9 * 16 * (192 // 8) * (128 // 8)
    assert cost.parameters > cost.weights - embeddings


@pytest.mark.parametrize("name", ["nerv", "ffnerv", "enerv", "hnerv", "hinerv"])
@pytest.mark.slow
def test_a_small_frame_is_timed_instead_of_a_large_one(name: str, monkeypatch) -> None:
    """The smallest and the largest network are timed on a part of the frame, for all of it."""
    config = registry.codec_config(f"{name}-matched")
    tiny = {key: value for key, value in config.test.items() if key not in ("epochs", "base_length")}
    points = [settings(name, **{**config.settings, **tiny, "channels": channels}) for channels in (8, 16, 24)]
    codec = family(name)
    macs = [fit_cost(codec, CLIP, point).macs for point in points]
    monkeypatch.setitem(costs._MOST_MACS, "cpu", max(macs) / 3)
    probes = time_method(codec, CLIP, points, device="cpu", threads=1)
    assert [probe.cost.macs for probe in probes] == [min(macs), max(macs)]
    assert probes[-1].width * probes[-1].height <= CLIP.width * CLIP.height / 3
    assert all(probe.time.work_s > probe.time.forward_s > 0 for probe in probes)


def test_the_time_of_a_small_frame_is_scaled_to_the_large_one(monkeypatch) -> None:
    """A quarter of the sides: the multiplications, and so the time of a step, are sixteen times as many."""
    clip = replace(CLIP, width=640, height=384)
    chosen = settings("nerv", **{**NERV, "channels": 16, "lower_width": 16})
    codec = family("nerv")
    whole = fit_cost(codec, clip, chosen).macs
    monkeypatch.setitem(costs._MOST_MACS, "cpu", whole / 15)
    seconds = StepTime(forward_s=1.0, work_s=3.0, update_s=0.5)
    monkeypatch.setattr(costs, "_time", lambda *args, **options: seconds)
    (probe,) = time_method(codec, clip, [chosen], device="cpu", threads=1)
    assert (probe.width, probe.height) == (160, 96)
    part = fit_cost(codec, replace(clip, width=160, height=96), chosen)
    assert probe.time.work_s == pytest.approx(3 * whole / part.macs)
    assert 12 < probe.time.work_s / 3 < 20
    assert probe.time.update_s == pytest.approx(0.5 * probe.cost.parameters / part.parameters)


def test_a_frame_that_cannot_be_smaller_is_timed_as_it_is(monkeypatch) -> None:
    """Frames keep two cells of the latent a side, or a loss that wants its window (MS-SSIM: 160)."""
    monkeypatch.setitem(costs._MOST_MACS, "cpu", 1.0)
    codec = family("nerv")
    (probe,) = time_method(codec, CLIP, [settings("nerv", **NERV)], device="cpu", threads=1)
    assert (probe.width, probe.height) == (16, 16)
    wide = replace(CLIP, width=384, height=352)
    chosen = settings("nerv", **NERV, loss="Fusion10")
    (probe,) = time_method(codec, wide, [chosen], device="cpu", threads=1)
    assert min(probe.width, probe.height) > 160


@pytest.mark.parametrize(
    ("loss", "message"), [("Fusion10", "sides of 161 pixels or more"), ("Fusion60", "the losses are")]
)
def test_a_loss_that_needs_larger_frames_is_refused_in_one_line(loss: str, message: str) -> None:
    with pytest.raises(BenchError, match=f"loss: .*{loss}.*{message}"):
        fit_cost(family("nerv"), CLIP, settings("nerv", **NERV, loss=loss))


def test_counting_caches_no_meta_tensors() -> None:
    """What networks keep from call to call (grids of coordinates) must not be made while counting."""
    for name in ("ffnerv", "hinerv"):
        config = registry.codec_config(f"{name}-matched")
        chosen = settings(name, **{**config.settings, **config.test})
        fit_cost(family(name), CLIP, chosen)
        started = family(name).start(CLIP, chosen)
        loss, _ = started.step(torch.tensor([0]), torch.zeros(1, 3, 128, 192), "L2")
        assert loss.device.type == "cpu"
        assert loss.item() > 0
