# Shared by all rules: the plans of this run, the paths of a run's files, and the constraints of wildcards.
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# The suite is beside this folder. A checkout need not be installed in the environment.
sys.path.insert(0, str(Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]))

from bench.analysis.curve_file import load_curves
from bench.base.errors import BenchError
from bench.base.names import NAME
from bench.base.result_files import RunKey, clip_file, reference_folder
from bench.codec.fingerprint import code_fingerprint
from bench.conditions.reader import condition_names
from bench.conditions.run_config import check_config
from bench.workflow.messages import closing_message, partial_message
from bench.workflow.outputs import Selection
from bench.workflow.rule_functions import PLAN_FILES, Plans, digest, metric_labels, option, page_assets
from bench.workflow.snakemake_process import (
    clean_up_after_killed_runs,
    make_suite_importable,
    put_this_python_first,
    set_starter_of_jobs,
    warn_of_quota,
)
from bench.workflow.targets import NAMED_TARGETS

clean_up_after_killed_runs(workflow.snakemake_tmp_dir, main_process=workflow.is_main_process)
set_starter_of_jobs()
if workflow.is_main_process:
    warn_of_quota(workflow.resource_settings.cores)

# Jobs call `python`: that of this process, even if its environment is not activated. With --sdm it is the `python`
# of the rule's own environment.
if not workflow.deployment_settings.deployment_method:
    put_this_python_first()

make_suite_importable()

# Only the main process plans. A process that it starts, such as a job of a cluster, reads the plans of its start.
try:
    if workflow.is_main_process:
        run_config = check_config(config, where="config/config.yaml")
        # Before any job: Snakemake deletes the outputs of a figure before its script reads the curves.
        if run_config.my_curves:
            load_curves(run_config.my_curves)
    PLANS = Plans(
        config["condition"],
        main_process=workflow.is_main_process,
        error=WorkflowError,
        bundles=config.get("bundles"),
        limits_memory="mem_mb"
        in {**workflow.global_resources, **(workflow.resource_settings.default_resources or {})},
    )
except BenchError as error:
    sys.exit(f"error: {error}")


envvars:
    PLAN_FILES,


PLAN = PLANS.chosen
CONDITION = PLAN.condition.name
CONDITIONS = "|".join(map(re.escape, sorted({CONDITION, *condition_names()})))
# A function only where it must be one: it costs time for every job.
CLIP_FRAMES = (
    PLANS.of_job("clip_frames") if PLAN.rgb_clips else clip_file("{condition}", "{clip}", "clip.y4m")
)
USER_CURVES = config.get("my_curves") or []

# Files of a run, with wildcards: RUN.file("stream.bin").
NAMES = {name: f"{{{name}}}" for name in ("condition", "clip", "codec", "point")}
RUN = RunKey(**NAMES, run="seed{seed}")
REFERENCE_RUN = RunKey(**NAMES, run="reference-seed{seed}")
BUNDLE_RUN = RunKey(**NAMES, run="bundle-{bundle}-seed{seed}")
BUNDLES = "results/bundles/{condition}/{bundle}/{clip}/{point}/seed{seed}"
REFERENCES = reference_folder("{condition}") / "{clip}/{codec}/{point}/seed{seed}"


# Names are words of shell commands and folders: `NAME` allows no character that a shell or a path interprets.
# A selection is a condition, or partial/<condition>: the points that have a record (bench/workflow/outputs.py).
wildcard_constraints:
    condition=CONDITIONS,
    selection=f"(partial/)?({CONDITIONS})",
    clip=NAME.pattern,
    codec=NAME.pattern,
    point=NAME.pattern,
    seed="[0-9]+",
    bundle=NAME.pattern,
    metric="[a-z0-9_]+",
