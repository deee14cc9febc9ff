"""torchvision on a PyTorch that its compiled operators were not built for.

torchvision's wheel links CUDA libraries. Beside a CPU build of PyTorch its operators do not load, and
``import torchvision`` fails with "operator torchvision::nms does not exist", though nothing of ours
calls them. Declaring the two schemas it asks for is enough. With a build that fits nothing happens.

What needs torchvision (compressai does) calls `prepare_torchvision` before it is imported.
"""

from __future__ import annotations

from typing import Any

# A torch.library.Library takes its declarations along when it is collected.
_declared: list[Any] = []


def prepare_torchvision() -> None:
    """Make ``import torchvision`` work; harmless where it works already."""
    import torch

    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::" not in str(error) or _declared:
            raise
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)
        import torchvision  # noqa: F401
