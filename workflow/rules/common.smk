# What the rules share: the plan of the chosen condition, and what they look up in it.
import re
import shlex
import sys
from pathlib import Path

# The suite lies beside this folder: a checkout runs in an environment that does not have it installed.
sys.path.insert(0, str(Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]))

from bench.errors import BenchError
from bench.plan import make_plan
from bench.workflow import check_config, closing, digest, fingerprint, hold_run_lock, partial_message

# Jobs call `python`: the one that runs this workflow, be its environment activated or not (with --sdm
# it is that of the rule's own environment). A prefix replaces Snakemake's, without which a job whose
# command fails before its `| tee` would pass.
if not workflow.deployment_settings.deployment_method:
    shell.prefix(f"set -euo pipefail; export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; ")

try:
    check_config(config, workflow.source_path("../schemas/config.schema.yaml"), where="config/config.yaml")
    PLAN = make_plan(config["condition"])
except BenchError as error:
    sys.exit(f"error: {error}")

CONDITION = PLAN.condition.name
STRIP = PLAN.condition.strip


def any_of(names):
    return "|".join(map(re.escape, sorted(set(names)))) or "none"


wildcard_constraints:
    condition=re.escape(CONDITION),
    view=f"(partial/)?{re.escape(CONDITION)}",
    clip=any_of(PLAN.condition.clips),
    codec=any_of(point.codec for point in PLAN.points),
    point=any_of(point.point for point in PLAN.points),
    seed="[0-9]+",
    metric=any_of(PLAN.drawn_metrics),


def planned_records(wildcards):
    return PLAN.planned_files(wildcards.view, "record.json")


def planned_frames(wildcards):
    return PLAN.planned_files(wildcards.view, "frames.csv", clip=wildcards.clip)


def planned_crops(wildcards):
    return PLAN.planned_files(wildcards.view, "crop.png", clip=wildcards.clip)


def planned_reports(wildcards):
    return PLAN.planned_files(wildcards.view, "encode.json", clip=wildcards.clip)


def shown_records(wildcards):
    return [point.file("record.json") for point in PLAN.in_view(wildcards.view)]


def partial_contents(wildcards):
    return digest(shown_records(wildcards)) if wildcards.view != CONDITION else ""


def crop_output(path):
    return {"crop": path} if STRIP else {}


def crop_option(wildcards, output):
    return f"--crop {output.crop}" if STRIP else ""
