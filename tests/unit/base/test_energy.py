"""Energy meter: RAPL's counters in a folder laid out like powercap, which a thread raises."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.base import energy
from bench.base.energy import EnergyMeter

RANGE_UJ = 262_143_328_850  # of a Xeon
ALONE = 1e9  # CPU seconds of a job beside which other processes do not count


@pytest.fixture
def powercap() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)  # another user enters it in one test
    yield folder
    shutil.rmtree(folder)


def add_zone(folder: Path, zone: str, name: str, uj: int = 0) -> Path:
    """A zone of powercap; returns the file of its counter."""
    (folder / zone).mkdir()
    (folder / zone / "name").write_text(f"{name}\n")
    (folder / zone / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
    (folder / zone / "energy_uj").write_text(f"{uj}\n")
    return folder / zone / "energy_uj"


def set_counter(counter: Path, uj: int) -> None:
    new = counter.with_name("new")
    new.write_text(f"{uj}\n")
    new.replace(counter)


def test_several_packages_add_up_and_other_zones_do_not_count(powercap: Path) -> None:
    first = add_zone(powercap, "intel-rapl:0", "package-0", 5_000_000)
    second = add_zone(powercap, "intel-rapl:1", "package-1", 7_000_000)
    others = [
        add_zone(powercap, "intel-rapl:0:0", "core"),
        add_zone(powercap, "intel-rapl:2", "psys"),
        add_zone(powercap, "intel-rapl-mmio:0", "package-0"),
    ]
    with EnergyMeter(gpus=False, folder=powercap) as meter:
        set_counter(first, 9_000_000)
        set_counter(second, 8_000_000)
        for other in others:
            set_counter(other, 1_000_000_000)
    assert meter.per_frame(10, cpu_s=ALONE) == {"cpu_j_per_frame": 0.5}


def test_a_counter_that_wraps_several_times_is_read_in_between(powercap: Path) -> None:
    counter = add_zone(powercap, "intel-rapl:0", "package-0", RANGE_UJ - 1_000_000)
    step_uj, steps = int(0.4 * RANGE_UJ), 10

    def spend(meter: EnergyMeter) -> None:
        for step in range(1, steps + 1):
            set_counter(counter, (RANGE_UJ - 1_000_000 + step * step_uj) % RANGE_UJ)
            wait_for(lambda step=step: (meter.cpu_j or 0) > (step - 0.5) * step_uj / 1e6)

    with EnergyMeter(gpus=False, folder=powercap, poll_s=0.001) as meter:
        thread = threading.Thread(target=spend, args=[meter])
        thread.start()
        thread.join()
    joules = meter.per_frame(1, cpu_s=ALONE)["cpu_j_per_frame"]
    assert joules == pytest.approx(steps * step_uj / 1e6, rel=1e-9)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_a_machine_without_rapl_has_no_value_but_a_reason(powercap: Path) -> None:
    for folder in (powercap, powercap / "missing"):
        with EnergyMeter(gpus=False, folder=folder) as meter:
            pass
        assert meter.per_frame(1, cpu_s=1.0) == {"cpu_j_per_frame": None, "reason": "cpu: no RAPL"}


def test_a_counter_of_root_has_no_value_but_a_reason(powercap: Path) -> None:
    add_zone(powercap, "intel-rapl:0", "package-0").chmod(0o400 if os.geteuid() == 0 else 0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with EnergyMeter(gpus=False, folder=powercap) as meter:
            pass
    finally:
        os.seteuid(user)
    expected = {"cpu_j_per_frame": None, "reason": "cpu: not readable: permission"}
    assert meter.per_frame(1, cpu_s=1.0) == expected


def test_a_counter_that_disappears_has_no_value_but_a_reason(powercap: Path) -> None:
    counter = add_zone(powercap, "intel-rapl:0", "package-0")
    with EnergyMeter(gpus=False, folder=powercap) as meter:
        counter.unlink()
    reason = "cpu: not readable: No such file or directory"
    assert meter.per_frame(1, cpu_s=ALONE) == {"cpu_j_per_frame": None, "reason": reason}


def test_energy_beside_other_processes_is_not_stated(powercap: Path, monkeypatch) -> None:
    counter = add_zone(powercap, "intel-rapl:0", "package-0")
    busy = iter([100.0, 112.0])
    monkeypatch.setattr(energy, "_busy_seconds", lambda: next(busy))
    with EnergyMeter(gpus=False, folder=powercap) as meter:
        set_counter(counter, 4_000_000)
    assert meter.per_frame(2, cpu_s=11.0) == {"cpu_j_per_frame": 2.0}
    reason = "other processes took 2.0 CPU s beside 10.0 CPU s of this job"
    assert meter.per_frame(2, cpu_s=10.0) == {"cpu_j_per_frame": None, "reason": reason}


def test_the_machine_counts_the_work_of_this_process() -> None:
    before, started = energy._busy_seconds(), time.process_time()
    while time.process_time() < started + 0.1:
        pass
    after = energy._busy_seconds()
    assert before is not None
    assert after is not None
    assert after - before >= 0.05


class _NVMLError(Exception):
    pass


def nvml(readings: list[dict[str, int | None]]) -> SimpleNamespace:
    """A library with the functions of `pynvml` that are used. Each reading: UUID -> millijoules."""
    index = iter(range(100))
    present: dict[str, int | None] = {}

    def init() -> None:
        present.clear()
        present.update(readings[next(index)])

    def consumption(uuid: str) -> int:
        value = present[uuid]
        if value is None:
            raise _NVMLError("Not Supported")
        return value

    return SimpleNamespace(
        NVMLError=_NVMLError, nvmlInit=init, nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: len(present), nvmlDeviceGetHandleByIndex=lambda i: list(present)[i],
        nvmlDeviceGetUUID=lambda handle: handle, nvmlDeviceGetTotalEnergyConsumption=consumption,
    )  # fmt: skip


def test_a_gpu_is_chosen_by_its_uuid(powercap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = nvml([{"GPU-a": 1000, "GPU-b": 5000}, {"GPU-a": 9000, "GPU-b": 6000}])
    monkeypatch.setitem(sys.modules, "pynvml", library)
    with EnergyMeter(gpus=True, folder=powercap) as meter:
        pass
    expected = {"cpu_j_per_frame": None, "gpu_j_per_frame": 0.5, "reason": "cpu: no RAPL"}
    assert meter.per_frame(2, cpu_s=ALONE, gpu="GPU-b") == expected
    assert "gpu_j_per_frame" not in meter.per_frame(2, cpu_s=ALONE)
    unknown = meter.per_frame(2, cpu_s=ALONE, gpu="GPU-c")
    assert (unknown["gpu_j_per_frame"], unknown["reason"]) == (
        None, "cpu: no RAPL; gpu: NVML has no such GPU",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("library", "reason"),
    [
        (None, "gpu: the package nvidia-ml-py is not installed"),
        (nvml([{"GPU-a": None}] * 2), "gpu: not readable: Not Supported"),
    ],
)
def test_a_gpu_without_a_counter_has_a_reason(powercap: Path, monkeypatch, library, reason: str) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", library)  # None: the import fails
    with EnergyMeter(gpus=True, folder=powercap) as meter:
        pass
    values = meter.per_frame(1, cpu_s=ALONE, gpu="GPU-a")
    assert values["gpu_j_per_frame"] is None
    assert values["reason"] == f"cpu: no RAPL; {reason}"
