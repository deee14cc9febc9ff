"""Whether fits of this machine can run on a GPU. No torch in this process, since a plan needs none."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

#: Folder of the driver's files, one for each GPU.
_DEVICES = Path("/dev")


@cache
def usable_gpu() -> bool:
    """Whether torch can use a GPU of this machine.

    If there is a GPU but torch cannot use it, a warning with the cause is printed once.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "" or not any(_DEVICES.glob("nvidia[0-9]*")):
        return False
    problem = torch_problem()
    if problem:
        sys.stderr.write(
            f"warning: this machine has a GPU, but {problem}; all fits run on the CPU. Remedy: make env with "
            "TORCH_INDEX (docs/how-to/gpus-and-clusters.md), or mend the driver until nvidia-smi works\n"
        )
    return not problem


def torch_problem() -> str:
    """Why torch has no CUDA device, found by a process of its own; empty if it has one."""
    code = (
        "import torch\n"
        "if not torch.version.cuda and not torch.version.hip: print('the installed torch is a CPU build')\n"
        "elif not torch.cuda.is_available(): print('torch finds no CUDA device')\n"
    )
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    if result.returncode:
        return "torch cannot be imported"
    return result.stdout.strip()
