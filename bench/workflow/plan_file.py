"""Plan files: a plan as JSON, written once by the process that plans and read by its jobs.

The name of a plan file contains a digest of its content, so a plan is never overwritten by another one. Jobs
get it as ``--plan FILE`` and take their settings from it: an edit of a YAML file during a run changes no job
of that run.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from bench.base.errors import BenchError
from bench.base.files import atomic_file, json_value, read_json
from bench.base.result_files import RunKey
from bench.codec.codec_config import CodecConfig
from bench.conditions.reader import condition_of
from bench.workflow.plan import Plan, Skip

#: Beside Snakemake's own records, so that a dry run, which plans as well, writes nothing into results.
FOLDER = ".snakemake/plans"


def write_plan(plan: Plan, folder: str | Path = FOLDER) -> str:
    """Write a plan, unless its file exists. Return the path, <folder>/<condition>-<digest>.json.

    Raises:
        BenchError: the folder cannot be written, such as that of a read-only checkout.
    """
    condition = plan.condition
    values: dict[str, Any] = {
        "condition": condition.name,
        "condition_file": str(condition.path),
        "condition_values": condition.model_dump(mode="json", by_alias=True),
        "codecs": {
            codec: {"file": str(config.path), "values": config.model_dump(mode="json", by_alias=True)}
            for codec, config in plan.configs.items()
        },
        "settings": plan.settings,
        "points": [vars(point) for point in plan.points],
        "skipped": [vars(skip) for skip in plan.skipped],
    }
    content = json.dumps(json_value(values), indent=1, ensure_ascii=False).encode()
    digest = hashlib.sha256(content).hexdigest()[:16]
    path = Path(folder, f"{condition.name}-{digest}.json")
    if not path.is_file():
        try:
            with atomic_file(path) as file:
                file.write(content)
        except OSError as error:
            problem = f"cannot be written ({error.strerror})"
            remedy = "make room or run elsewhere: snakemake --snakefile CHECKOUT/Snakefile --directory FOLDER"
            raise BenchError(path.parent.absolute(), problem, remedy) from None
    return path.as_posix()


def read_plan(path: str | Path) -> Plan:
    """Read a plan file.

    Raises:
        BenchError: the file is missing or damaged, or another version of the suite wrote it.
    """
    values = read_json(path, "a plan file")
    try:
        return Plan(
            condition=condition_of(
                values["condition_values"],
                name=values["condition"],
                path=Path(values["condition_file"]),
            ),
            configs={
                codec: CodecConfig.of_values(config["values"], Path(config["file"]))
                for codec, config in values["codecs"].items()
            },
            settings=values["settings"],
            points=tuple(RunKey(**point) for point in values["points"]),
            skipped=tuple(Skip(**skip) for skip in values["skipped"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise BenchError(path, f"is not a plan file ({error!r})", "start the run again") from None
