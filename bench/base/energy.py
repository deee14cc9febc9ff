"""Energy meter: joules of the CPU packages (RAPL) and of the NVIDIA GPUs (NVML) while a job runs.

Both counters include the work of every process of the machine. A job's energy is therefore stated only if it
ran alone: all other processes together took less than a tenth of its CPU time (`/proc/stat`).

* RAPL: the zones ``intel-rapl:N`` in /sys/class/powercap whose name begins with ``package``, on Intel and AMD
  CPUs. Memory and mainboard are not included. Linux lets only root read the counters; ``chmod a+r`` on
  ``energy_uj`` lifts that until the next boot.
* NVML: the energy counter of the GPU since the driver was loaded (Volta and later). It needs the package
  ``nvidia-ml-py``.
"""

from __future__ import annotations

import os
import re
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

POWERCAP = Path("/sys/class/powercap")
#: Seconds from one reading to the next. A counter of RAPL returns to zero after 65 kJ or more, which takes
#: minutes at full load.
POLL_S = 10.0
#: Largest CPU time of all other processes, relative to that of the job.
_MOST_OTHERS = 0.1
_ZONE = re.compile("intel-rapl:[0-9]+")


class _Package(NamedTuple):
    """The counter of a CPU package: its file, and the microjoules at which it returns to zero."""

    file: Path
    range_uj: int

    def read(self) -> int:
        return int(self.file.read_text())


class EnergyMeter:
    """Energy from the start of a ``with`` block to `stop`, or to the end of the block.

    Args:
        gpus: whether to read the counters of GPUs, too.
        folder: the folder of RAPL's zones. poll_s: seconds from one reading of RAPL to the next.

    Attributes:
        cpu_j: joules of all CPU packages up to the last reading; None if they cannot be read.
        reasons: why a counter has no value: "cpu" and "gpu" -> text.
    """

    def __init__(self, *, gpus: bool, folder: Path = POWERCAP, poll_s: float = POLL_S) -> None:
        self.cpu_j: float | None = None
        self.reasons: dict[str, str] = {}
        self._gpus, self._folder, self._poll_s = gpus, folder, poll_s
        self._packages: list[_Package] = []
        self._last_uj: list[int] = []
        self._gpu_j: dict[str, float] = {}
        self._busy_s: float | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def __enter__(self) -> Self:
        self._gpu_j = self._read_gpus() if self._gpus else {}
        self._busy_s = _busy_seconds()
        try:
            self._packages = _packages(self._folder)
            self._last_uj = [package.read() for package in self._packages]
        except (OSError, ValueError) as error:
            self.reasons["cpu"] = _reason(error)
            return self
        if not self._packages:
            self.reasons["cpu"] = "no RAPL"
            return self
        self.cpu_j = 0.0
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Read all counters for the last time. A second call changes nothing."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self._update()
        after = self._read_gpus() if self._gpus else {}
        self._gpu_j = {uuid: after[uuid] - joules for uuid, joules in self._gpu_j.items() if uuid in after}
        busy_s = _busy_seconds()
        self._busy_s = None if busy_s is None or self._busy_s is None else busy_s - self._busy_s

    def per_frame(self, frames: int, *, cpu_s: float, gpu: str | None = None) -> dict[str, Any]:
        """The energy of a job that has just ended, as JSON values.

        Args:
            frames: number of frames that the job coded. cpu_s: its CPU seconds.
            gpu: UUID of the GPU that it ran on; None: it ran on no GPU.

        Returns:
            `cpu_j_per_frame`, and for a GPU `gpu_j_per_frame`: joules a frame, or None with a `reason`.
        """
        self.stop()
        values, reasons = {"cpu_j_per_frame": self.cpu_j}, dict(self.reasons)
        if gpu is None:
            reasons.pop("gpu", None)
        else:
            values["gpu_j_per_frame"] = self._gpu_j.get(gpu)
            if gpu not in self._gpu_j:
                reasons.setdefault("gpu", "NVML has no such GPU")
        others_s = None if self._busy_s is None else self._busy_s - cpu_s
        if any(joules is not None for joules in values.values()) and (
            others_s is None or others_s > _MOST_OTHERS * cpu_s
        ):
            spent = "an unknown number of" if others_s is None else f"{others_s:.1f}"
            reasons = {"": f"other processes took {spent} CPU s beside {cpu_s:.1f} CPU s of this job"}
            values = dict.fromkeys(values)
        per_frame = {key: None if joules is None else joules / frames for key, joules in values.items()}
        texts = (f"{counter}: {text}".removeprefix(": ") for counter, text in sorted(reasons.items()))
        reason = "; ".join(texts)
        return per_frame | ({"reason": reason} if reason else {})

    def _poll(self) -> None:
        while not self._stopped.wait(self._poll_s):
            self._update()

    def _update(self) -> None:
        """Add what the packages have spent since the last reading."""
        if self.cpu_j is None:
            return
        try:
            now = [package.read() for package in self._packages]
        except (OSError, ValueError) as error:
            self.cpu_j, self.reasons["cpu"] = None, _reason(error)
            return
        for package, before, after in zip(self._packages, self._last_uj, now, strict=True):
            wrapped = package.range_uj if after < before else 0
            self.cpu_j += (after - before + wrapped) / 1e6
        self._last_uj = now

    def _read_gpus(self) -> dict[str, float]:
        """UUID of each GPU -> joules since its driver was loaded."""
        try:
            import pynvml
        except ImportError:
            self.reasons["gpu"] = "the package nvidia-ml-py is not installed"
            return {}
        joules: dict[str, float] = {}
        try:
            pynvml.nvmlInit()
            for index in range(pynvml.nvmlDeviceGetCount()):
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                uuid = pynvml.nvmlDeviceGetUUID(handle)
                uuid = uuid.decode() if isinstance(uuid, bytes) else uuid
                joules[uuid] = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000
        except pynvml.NVMLError as error:
            self.reasons["gpu"] = f"not readable: {error}"
        finally:
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()
        return joules


def _packages(folder: Path) -> list[_Package]:
    zones = [zone for zone in sorted(folder.glob("intel-rapl:*")) if _ZONE.fullmatch(zone.name)]
    return [
        _Package(zone / "energy_uj", int((zone / "max_energy_range_uj").read_text()))
        for zone in zones
        if (zone / "name").read_text().startswith("package")
    ]


def _reason(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "not readable: permission"
    return f"not readable: {error.strerror or error}" if isinstance(error, OSError) else f"damaged: {error}"


def _busy_seconds() -> float | None:
    """CPU seconds of all processes since the machine started; None where the system does not count them."""
    try:
        words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
        user, nice, system, _, _, interrupts, soft_interrupts = map(int, words[1:8])
    except (OSError, ValueError):
        return None
    return (user + nice + system + interrupts + soft_interrupts) / os.sysconf("SC_CLK_TCK")
