"""A GPU for each job of the suite.

A job claims a device with a file lock that ends with its process, so jobs side by side run on different
devices. Where there are more jobs than devices (`resources: gpu` above the number of devices), the device
with the fewest jobs is shared. The locks are advisory: other programs on the device are not seen.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from bench.base.locks import try_lock, warn_no_locks

#: Variable with the devices that a process may use, as indices, UUIDs or MIG UUIDs.
_VISIBLE = "CUDA_VISIBLE_DEVICES"
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
