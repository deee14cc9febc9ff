from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from baselines._torchvision import prepare_torchvision
prepare_torchvision()
prepare_torchvision()  # a second time does nothing
import torch
from torchvision.transforms.functional import center_crop
assert center_crop(torch.zeros(3, 8, 8), [4, 4]).shape == (3, 4, 4)
"""


def test_torchvision_imports_whatever_torch_is_installed() -> None:
    # A process of its own: the declarations would stay in this one.
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
