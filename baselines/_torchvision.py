"""Import of torchvision with a build of PyTorch that its compiled operators do not support.

torchvision's wheel links CUDA libraries. With a CPU build of PyTorch its operators do not load, and
``import torchvision`` fails with "operator torchvision::nms does not exist", although the suite does not call
them. Declaring the two missing schemas is enough. With a matching build this module does nothing.

Modules that need torchvision (compressai does) call `prepare_torchvision` before they import it.
"""

from __future__ import annotations

from typing import Any

# The declarations of a torch.library.Library are removed when it is garbage-collected.
_declared: list[Any] = []


def prepare_torchvision() -> None:
    """Make ``import torchvision`` work. No effect if it works already."""
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
