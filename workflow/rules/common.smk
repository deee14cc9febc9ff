# What the rules share: the plans of conditions, and what they look up in them.
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# The suite lies beside this folder: a checkout runs in an environment that does not have it installed.
sys.path.insert(0, str(Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]))

from bench.workflow.targets import NAMED
from bench.conditions.reader import condition_names
from bench.conditions.run_config import check_config
from bench.base.errors import BenchError
from bench.workflow.rule_functions import Plans
from bench.workflow.plan import make_plan
from bench.workflow.outputs import View
from bench.workflow.session import closing, hold_run_lock, partial_message, put_this_python_first
from bench.base.result_files import RunKey, clip_file
from bench.codec.fingerprint import code_fingerprint

# Jobs call `python`: that of this process, whether its environment is activated or not. With --sdm it is the
# `python` of the rule's own environment.
if not workflow.deployment_settings.deployment_method:
    put_this_python_first()

try:
    PLAN = make_plan(check_config(config, where="config/config.yaml").condition)
except BenchError as error:
    sys.exit(f"error: {error}")

# Other conditions than the chosen one are planned when a target by name asks for them.
PLANS = Plans(PLAN, WorkflowError)
CONDITION = PLAN.condition.name
OWN_CURVES = config.get("my_curves") or []
CONDITIONS = "|".join(map(re.escape, sorted({CONDITION, *condition_names()})))


# Paths of a run's files, with wildcards.
NAMES = {name: f"{{{name}}}" for name in ("condition", "clip", "codec", "point")}
RUN = RunKey(**NAMES, run="seed{seed}")
REFERENCE_RUN = RunKey(**NAMES, run="reference-seed{seed}")


wildcard_constraints:
    condition=CONDITIONS,
    view=f"(partial/)?({CONDITIONS})",
    clip="[^/]+",
    codec="[^/]+",
    point="[^/]+",
    seed="[0-9]+",
    metric="[a-z0-9_]+",
