"""`bench crate`: RO-Crate, Croissant, compute form. `make test-metadata` runs the official validators."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from record_data import curve, record, with_provenance, write_results

from bench.base.errors import BenchError
from bench.cli import main
from bench.reproduce.crate import write_crate


@pytest.fixture
def crate(tmp_path: Path) -> Path:
    """A folder of results with its metadata: 4 runs of one codec and one of another machine and a GPU."""
    folder = write_results(tmp_path / "results", curve())
    gpu = record(0.3, 35.0, point="p9", codec="big", label="Big", encode={"wall_s": 7200.0, "device": "cuda"})
    write_results(folder, with_provenance([gpu], machine={"cpu": "CPU B"}, device="GPU X"))
    (folder / "points/test-v1/small/net/p1/seed0/frames.csv").write_text("frame,psnr_rgb_db\n0,30.0\n")
    assert main(["crate", str(folder), "--discarded-gpu-hours", "3"]) == 0
    return folder


def references(value: Any) -> Iterator[str]:
    """All values of the form {"@id": ...} within an entity."""
    if isinstance(value, list):
        for one in value:
            yield from references(one)
    elif isinstance(value, dict):
        if set(value) == {"@id"}:
            yield value["@id"]
        for name, one in value.items():
            if name != "@id":
                yield from references(one)


def test_every_file_and_run_is_an_entity_and_every_reference_resolves(crate):
    graph = json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]
    by_id = {entity["@id"]: entity for entity in graph}
    assert len(by_id) == len(graph)
    named = {name for entity in graph for name in references(entity)}
    outside = {name for name in named - set(by_id) if not name.startswith("https://")}
    assert outside == set()
    files = {str(path.relative_to(crate)) for path in crate.rglob("*") if path.is_file()}
    parts = set(references(by_id["./"]["hasPart"]))
    assert files - {"ro-crate-metadata.json"} == parts
    actions = [entity for entity in graph if entity["@type"] == "CreateAction"]
    assert len(actions) == 6  # five runs and the workflow
    assert all(action["endTime"] and action["instrument"] for action in actions)
    assert by_id["./"]["mainEntity"] == {"@id": "Snakefile"}


def test_digests_and_sizes_are_those_of_the_files(crate):
    graph = json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]
    files = [entity for entity in graph if entity["@type"] == "File"]
    assert len(files) == 9  # five records, one frames.csv, three tables and forms
    for entity in files:
        content = (crate / entity["@id"]).read_bytes()
        assert entity["sha256"] == hashlib.sha256(content).hexdigest()
        assert entity["contentSize"] == str(len(content))


def test_croissant_describes_every_column_with_its_type(crate):
    metadata = json.loads((crate / "croissant.json").read_text())
    with (crate / "rd_points.csv").open(newline="") as file:
        header = next(csv.reader(file))
    (records,) = metadata["recordSet"]
    types = {field["name"]: field["dataType"] for field in records["field"]}
    assert list(types) == header
    assert (types["codec"], types["psnr_rgb_db"], types["stream_bytes"]) == (
        "sc:Text",
        "sc:Float",
        "sc:Integer",
    )
    (file_object,) = metadata["distribution"]
    assert file_object["sha256"] == hashlib.sha256((crate / "rd_points.csv").read_bytes()).hexdigest()


def test_the_form_adds_up_hours_by_machine_and_states_discarded_fits(crate):
    form = (crate / "compute.md").read_text()
    lines = [line.split("|")[1:-1] for line in form.splitlines() if line.startswith("|")]
    rows = {first.strip(): [cell.strip() for cell in cells] for first, *cells in lines}
    assert rows["Wall hours of jobs on a GPU"] == ["2.00"]
    assert rows["Hours of discarded and failed fits, GPU"] == ["3.00"]
    assert rows["Hours of discarded and failed fits, CPU"] == ["not stated"]
    assert rows["Big"] == ["1", "2.000", "0.001"]


def test_a_folder_without_records_is_refused(tmp_path):
    with pytest.raises(BenchError, match=r"holds no record\.json"):
        write_crate(tmp_path, license_url="https://spdx.org/licenses/MIT")
