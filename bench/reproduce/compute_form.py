"""Compute-reporting form of results as Markdown: hardware, runs, and hours of CPUs and GPUs.

Conferences ask for hardware, hours of the reported experiments, and hours in all. Records have the first
two. Hours of fits that no record is of (failed or discarded) are the user's statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bench.scoring.record import Record
from bench.tables.text_table import TextTable, markdown, number

SIDES = ("encode", "decode")


def compute_form(records: Iterable[Record], discarded_hours: Mapping[str, float]) -> str:
    """The form.

    Args:
        discarded_hours: "cpu" and "gpu" -> hours of fits that no record is of; a missing one is not stated.
    """
    by_machine: dict[tuple[str, str], dict[str, float]] = {}
    by_codec: dict[str, dict[str, float]] = {}
    for record in records:
        for side in SIDES:
            cost = record.encode if side == "encode" else record.decode
            device = "GPU" if str(cost.get("device") or "cpu").startswith("cuda") else "CPU"
            hours = (cost.get("wall_s") or 0) / 3600
            groups = (
                by_machine.setdefault((_machine(record, side), device), {}),
                by_codec.setdefault(record.label, {}),
            )
            for group in groups:
                group["runs"] = group.get("runs", 0) + (side == "encode")
                group[f"{side}_{device}"] = group.get(f"{side}_{device}", 0) + hours
                group["cpu"] = group.get("cpu", 0) + (cost.get("cpu_s") or 0) / 3600
    wall = {d: sum(g.get(f"{s}_{d}", 0) for g in by_machine.values() for s in SIDES) for d in ("CPU", "GPU")}
    totals = [
        ["Wall hours of jobs on a GPU", number(wall["GPU"], 2)],
        ["Wall hours of jobs on a CPU", number(wall["CPU"], 2)],
        ["CPU hours", number(sum(group["cpu"] for group in by_machine.values()), 2)],
        ["Hours of discarded and failed fits, GPU", _stated(discarded_hours.get("gpu"))],
        ["Hours of discarded and failed fits, CPU", _stated(discarded_hours.get("cpu"))],
    ]
    machines = [[machine, device, *_hours(group, device)] for (machine, device), group in by_machine.items()]
    codecs = [
        [label, number(group["runs"], 0)]
        + [number(group.get(f"{side}_GPU", 0) + group.get(f"{side}_CPU", 0), 3) for side in SIDES]
        for label, group in by_codec.items()
    ]
    tables = {
        "Totals": TextTable(["Quantity", "Value"], totals, [False, True]),
        "Hardware": TextTable(
            ["Machine", "Device", "Encodes", "Encode (h)", "Decode (h)", "CPU (h)"], machines,
            [False, False, True, True, True, True],
        ),
        "Methods": TextTable(["Method", "Encodes", "Encode (h)", "Decode (h)"], codecs, [False, *[True] * 3]),
    }  # fmt: skip
    parts = [f"## {title}\n\n{markdown(table)}" for title, table in tables.items()]
    note = (
        "Hours are those of the records: of the runs that the results have, each encode once. The record of "
        "a fit that was continued from another one has the hours of its last stage only. Jobs may have "
        "shared a machine, so wall hours include waiting."
    )
    return "\n".join(["# Compute", "", note, "", *parts])


def _machine(record: Record, side: str) -> str:
    """Name of the CPU, or of the GPU, that a side ran on."""
    block = record.provenance.get("encode") or {} if side == "encode" else record.provenance
    machine = (block.get("machine") or record.provenance.get("machine") or {}).get("cpu")
    return str(block.get("device") or machine or "not recorded")


def _hours(group: Mapping[str, float], device: str) -> list[str]:
    times = [group.get(f"{side}_{device}", 0) for side in SIDES]
    return [number(group["runs"], 0), *(number(hours, 3) for hours in (*times, group["cpu"]))]


def _stated(hours: float | None) -> str:
    return "not stated" if hours is None else number(hours, 2)
