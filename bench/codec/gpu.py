"""GPUs: one for each job of the suite, and whether torch can use them at all.

A job claims a device with a file lock that ends with its process, so jobs side by side run on different
devices. Where there are more jobs than devices (`resources: gpu` above the number of devices), the device
with the fewest jobs is shared. The locks are advisory: other programs on the device are not seen.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from bench.base.locks import try_lock, warn_no_locks

#: Variable with the devices that a process may use, as indices, UUIDs or MIG UUIDs.
_VISIBLE = "CUDA_VISIBLE_DEVICES"
#: Folder of the driver's files, one for each GPU.
_DEVICES = Path("/dev")
#: Most jobs that one device is shared by.
_MOST_JOBS = 64
#: Locks that this process holds. They are never closed: a claim ends with its process.
_held: list[int] = []


def claim(names: Sequence[str], *, folder: Path | None = None) -> int:
    """Claim one of the devices for this process. Return its index in `names`.

    Args:
        names: a name of each device that is unique on the machine, for example its UUID.
        folder: for the lock files; default: one of this user in the folder for temporary files.
    """
    folder = folder or Path(tempfile.gettempdir()) / f"bench-gpu-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for number in range(_MOST_JOBS):  # first the devices without a job, then those with one
            for index, name in enumerate(names):
                descriptor = os.open(
                    folder / f"{name.replace('/', '-')}.{number}", os.O_CREAT | os.O_RDWR, 0o600
                )
                acquired = try_lock(descriptor)
                if acquired:
                    _held.append(descriptor)
                    return index
                os.close(descriptor)
                if acquired is None:
                    warn_no_locks(folder)
                    return 0
    except OSError as error:
        sys.stderr.write(f"warning: {folder}: {error.strerror}; jobs may share the first GPU\n")
    return 0


@cache
def claim_cuda_device() -> None:
    """Claim a CUDA device for this process and make it torch's current one, the meaning of "cuda".

    Call it before anything else uses CUDA: a process can see only one MIG device, which is chosen here.
    """
    import torch

    visible = [name.strip() for name in os.environ.get(_VISIBLE, "").split(",")]
    if len(visible) > 1 and all(name.startswith("MIG-") for name in visible):
        os.environ[_VISIBLE] = visible[claim(visible)]
    elif (count := torch.cuda.device_count()) > 1:
        uuids = [str(torch.cuda.get_device_properties(index).uuid) for index in range(count)]
        torch.cuda.set_device(claim(uuids))


@cache
def usable_gpu() -> bool:
    """Whether fits of this machine can run on a GPU. Without torch in this process.

    If there is a GPU but torch cannot use it, a warning with the cause is printed once.
    """
    if os.environ.get(_VISIBLE) == "" or not any(_DEVICES.glob("nvidia[0-9]*")):
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
