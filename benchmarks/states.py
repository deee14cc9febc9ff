"""Bytes of the states of a fit with FFNeRV's official recipe at 1080p, with and without its buffer.

python -m benchmarks.states
"""

from __future__ import annotations

from typing import Any

from bench.codec import registry
from bench.inr.fitting.trainer import LARGEST_SAVED_CACHE
from bench.inr.study.fit_cost import fit_cost
from bench.workflow.plan import make_plan
from benchmarks.report import write_report

_CONDITION, _CLIP, _CODEC, _POINT = "uvg-ffnerv-paper", "beauty", "ffnerv-official", "c48"


def main() -> None:
    plan = make_plan(_CONDITION)
    info, settings = plan.clips[_CLIP], plan.settings_of(_CLIP, _CODEC, _POINT)
    codec: Any = registry.load_family(plan.configs[_CODEC].family)
    recipe, cost = codec.resolve(info, settings).recipe, fit_cost(codec, info, settings)
    epochs = range(recipe.total_epochs)
    weights = 3 * cost.kept_bytes  # with Adam's moments
    buffer = cost.state_bytes - weights
    assert buffer > LARGEST_SAVED_CACHE  # so the trainer saves after refreshes, without the buffer
    with_buffer = cost.state_bytes * sum(map(recipe.saves_after, epochs))
    without = weights * sum(recipe.refreshes_after(epoch) for epoch in epochs)
    values = {
        "epochs": recipe.total_epochs,
        "a state with the buffer, GB": cost.state_bytes / 1e9,
        "a state without it, GB": weights / 1e9,
        "a fit that saves the buffer, GB": with_buffer / 1e9,
        "a fit, GB": without / 1e9,
        "ratio": without / with_buffer,
    }
    write_report("states", values)


if __name__ == "__main__":
    main()
