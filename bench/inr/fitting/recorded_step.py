"""A training step with its input in fixed memory, recorded once as a CUDA graph and then replayed.

A small network's step is some hundred kernels of a few microseconds each, so the time of a step on a GPU is
that of their launches. A CUDA graph launches all of them at once. It repeats the same kernels on the same
memory. So a step reads the numbers of its samples and the learning rate from tensors, and does not
synchronise with the host. `BENCH_CUDA_GRAPHS=1` turns it on.

The first steps of a fit run eagerly. The recording is then compared with an eager step from the same weights.
If it fails or differs, all further steps run eagerly, and one line gives the reason.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from bench.inr.fitting.optimiser import Optimiser

#: Loss, a scalar, and squared error (B,) of each sample.
Outputs: TypeAlias = tuple[Tensor, Tensor]
#: Records a function's kernels. Calling the result repeats them, and sets the same outputs.
Recorder: TypeAlias = Callable[[Callable[[], Outputs]], Callable[[], Outputs]]

#: Variable that turns recordings of fits on. They are off until they have run on a GPU (docs/limits.md).
GRAPHS_VARIABLE = "BENCH_CUDA_GRAPHS"
#: Eager steps before the recording: kernels are chosen and caches are filled in them.
WARM_UP = 3
#: Largest difference between a recorded and an eager step: of the loss, and of the update by its norm.
_LOSS_TOLERANCE, _UPDATE_TOLERANCE = 1e-3, 0.2


class RecordedStep:
    """A step of a fixed number of samples.

    Args:
        function: computes a step for the sample numbers (B,) in a tensor, whose contents change.
        samples: B.
        state: returns all tensors that a step updates: weights, moments.
        parameters: weights whose gradients a caller may read after a step.
        record: records the step (`cuda_graph`); None: every step runs eagerly.
        notify: prints the reason if a recording is not used.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Outputs],
        *,
        samples: int,
        device: torch.device,
        state: Callable[[], Sequence[Tensor]] = list,
        parameters: Sequence[Tensor] = (),
        record: Recorder | None = None,
        notify: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.index = torch.zeros(samples, dtype=torch.int64, device=device)
        self.function, self.state, self.parameters = function, state, list(parameters)
        self.record, self.notify, self.steps = record, notify, 0
        self.replay: Callable[[], Outputs] | None = None
        self._gradients: list[Tensor | None] = []

    def __call__(self, index: Tensor) -> Outputs:
        """One step of the samples `index` (B,). The next call overwrites the result."""
        self.index.copy_(index)
        self.steps += 1
        if self.replay is None and self.record is not None and self.steps > WARM_UP:
            return self._begin(self.record)
        return self._replayed(self.replay) if self.replay else self._eager()

    def _eager(self) -> Outputs:
        if self.record is None or not self.index.is_cuda:
            return self.function(self.index)
        # A recording needs kernels that ran on another stream than the default one.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            outputs = self.function(self.index)
        torch.cuda.current_stream().wait_stream(stream)
        return outputs

    def _replayed(self, replay: Callable[[], Outputs]) -> Outputs:
        for parameter, gradient in zip(self.parameters, self._gradients, strict=True):
            parameter.grad = gradient  # an eager step of fewer samples may have replaced it
        return replay()

    def _begin(self, record: Recorder) -> Outputs:
        """Record the step, compare the recording with an eager step, and take the eager one."""
        before = [tensor.detach().clone() for tensor in self.state()]
        try:
            replay = record(lambda: self.function(self.index))
            self._gradients = [parameter.grad for parameter in self.parameters]
            loss = float(self._replayed(replay)[0])
        except Exception as error:  # torch raises many kinds where an operation cannot be recorded
            self._give_up(str(error).partition("\n")[0] or type(error).__name__)
            _restore(self.state(), before)
            return self._eager()
        recorded = [tensor.detach().clone() for tensor in self.state()]
        _restore(self.state(), before)
        outputs = self._eager()
        same_loss = abs(loss - float(outputs[0])) <= _LOSS_TOLERANCE * abs(float(outputs[0]))
        update, difference = (_distance(self.state(), other) for other in (before, recorded))
        if same_loss and difference <= _UPDATE_TOLERANCE * update:
            self.replay = replay
        else:
            self._give_up("a recorded step differs from an eager one")
        return outputs

    def _give_up(self, reason: str) -> None:
        self.record = None
        self.notify(f"training steps run without a CUDA graph: {reason}")


def recorder(device: torch.device) -> Recorder | None:
    """What records the steps of a fit on a device; None: they run eagerly."""
    return cuda_graph if device.type == "cuda" and os.environ.get(GRAPHS_VARIABLE) == "1" else None


def cuda_graph(function: Callable[[], Outputs]) -> Callable[[], Outputs]:
    """Record a function that has run before on another stream as a CUDA graph (`Recorder`)."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = function()

    def replay() -> Outputs:
        graph.replay()
        return outputs

    return replay


def set_learning_rate(optimiser: Optimiser, learning_rate: float, device: torch.device) -> None:
    """Set the rate of the next step: a tensor on a GPU, where Adam can then be recorded."""
    for group in optimiser.param_groups:
        if device.type != "cuda":
            group["lr"] = learning_rate
        elif isinstance(group["lr"], Tensor):
            group["lr"].fill_(learning_rate)
        else:
            group["lr"] = torch.tensor(learning_rate, device=device)
        if "capturable" in group:
            group["capturable"] = device.type == "cuda"


def is_recordable(optimiser: Optimiser) -> bool:
    """Whether an optimiser reads its learning rate and its number of steps from the device. Muon does not."""
    return isinstance(optimiser, torch.optim.Adam)


def updated_tensors(parameters: Sequence[Tensor], optimiser: Optimiser) -> list[Tensor]:
    """Weights and the optimiser's tensors of them."""
    if not isinstance(optimiser, torch.optim.Optimizer):
        return list(parameters)
    moments = [
        value for state in optimiser.state.values() for value in state.values() if isinstance(value, Tensor)
    ]
    return [*parameters, *moments]


@torch.no_grad()
def _restore(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for tensor, value in zip(tensors, values, strict=True):
        tensor.copy_(value)


@torch.no_grad()
def _distance(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> float:
    squares = [(a.float() - b.float()).square().sum() for a, b in zip(tensors, values, strict=True)]
    return float(torch.stack(squares).sum().sqrt()) if squares else 0.0
