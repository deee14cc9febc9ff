"""``bench states``: list the saved states of fits, and remove those that are not needed any more."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.base.errors import BenchError
from bench.base.files import read_json
from bench.base.locks import locked
from bench.base.result_files import RESULTS, clip_file
from bench.codec import registry

if TYPE_CHECKING:
    from bench.inr.codec import INRCodec
    from bench.inr.fitting.fit_state import SavedState
    from bench.workflow.plan import Plan

STATES = Path(RESULTS, "state")


class _NoSuchFit(BenchError):
    """No condition has a fit that saves its state in a folder."""


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("states", help="list the saved states of fits, and remove them")
    parser.add_argument("folder", type=Path, nargs="*", default=[STATES], help=f"default: {STATES}")
    parser.add_argument("--unused", action="store_true", help="only those that no fit of a condition resumes")
    parser.add_argument("--remove", action="store_true", help="remove the listed states")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from bench.tables.text_table import TextTable, plain

    for folder in args.folder:
        if not folder.is_dir() and folder != STATES:
            raise BenchError(folder, "no such folder", f"give a folder in {STATES}")
    listed = [item for item in _states(args.folder) if not args.unused or item[1] == "no"]
    rows = [_row(state, used, note) for state, used, note in listed]
    header = ("state", "epochs", "MB", "written", "resumed", "")
    sys.stdout.write(plain(TextTable(header, rows, (False, True, True, False, False, False))) + "\n")
    total = sum(state.path.stat().st_size for state, _, _ in listed)
    sys.stdout.write(f"{len(listed)} states, {total / 1e6:,.1f} MB\n")
    if args.remove:
        for state, _, _ in listed:
            with locked(state.path.parent):  # refused while a fit runs there
                state.path.unlink(missing_ok=True)
                if not list(state.path.parent.glob("fit*.pt")):  # no fit keeps its number of epochs any more
                    for budget in state.path.parent.glob("budget-*.json"):
                        budget.unlink()
        sys.stdout.write(f"removed {len(listed)} states\n")
    return 0


def _row(state: SavedState, used: str, note: str) -> tuple[str, ...]:
    epochs = f"{state.epochs} of {state.total_epochs or '?'}"
    status = state.path.stat()
    written = datetime.fromtimestamp(status.st_mtime).strftime("%Y-%m-%d %H:%M")
    return str(state.path), epochs, f"{status.st_size / 1e6:,.1f}", written, used, note


def _states(folders: Sequence[Path]) -> Iterator[tuple[SavedState, str, str]]:
    """Each state, whether a fit with the settings of today resumes it (yes, no, unknown), and why not."""
    from bench.inr.fitting.fit_state import saved_states, state_file

    plans: dict[str, Plan] = {}
    for folder in sorted({path.parent for top in folders for path in top.rglob("fit*.pt")}):
        inputs, used, note = None, "no", ""
        try:
            inputs = _inputs_of_today(folder, plans)
        except BenchError as error:
            used, note = "no" if isinstance(error, _NoSuchFit) else "unknown", error.problem
        for state in saved_states(folder):
            if inputs is None:
                yield state, used, note
            elif state.path == state_file(folder, inputs):
                yield state, "yes", ""
            else:
                differing = ", ".join(state.differences(inputs)) if state.inputs else "an earlier version"
                yield state, "no", f"differs: {differing}"


def _inputs_of_today(folder: Path, plans: dict[str, Plan]) -> dict[str, Any]:
    """Inputs of the fit that saves its state in a folder, from the settings of today.

    Raises:
        BenchError: the folder is not one of the workflow, or the clip is not prepared.
        _NoSuchFit: the condition or the point does not exist.
    """
    from bench.conditions.reader import condition_names
    from bench.inr.encoding import fit_inputs
    from bench.inr.fitting.budget import budget_file, read_budget
    from bench.video.clip import ClipInfo
    from bench.workflow.plan import make_plan

    above, condition, clip, codec_id, point, run = (("",) * 6 + folder.absolute().parts)[-6:]
    if above != STATES.name or not run.startswith("seed"):
        raise BenchError(folder, "is not a folder of the workflow", f"give a folder in {STATES}")
    if condition not in condition_names():
        raise _NoSuchFit(folder, f"no condition {condition}", "remove the states")
    if condition not in plans:
        plans[condition] = make_plan(condition)
    plan = plans[condition]
    names = (clip, codec_id, point, run)
    if names not in [(key.clip, key.codec, key.point, key.run) for key in plan.points]:
        raise _NoSuchFit(folder, f"condition {condition} has no such point", "remove the states")
    clip_json = Path(clip_file(condition, clip, "clip.json"))
    info = ClipInfo.from_json(read_json(clip_json, "a clip.json"), where=clip_json)
    codec: INRCodec = registry.load_family(plan.configs[codec_id].family)  # type: ignore[assignment]
    settings = codec.resolve(info, plan.settings_of(clip, codec_id, point))
    inputs = fit_inputs(codec, info, settings, seed=int(run.removeprefix("seed")))
    if settings.encode_s is None:
        return inputs
    budget = read_budget(budget_file(folder, settings.encode_s, inputs))
    return {**inputs, "recipe": {**inputs["recipe"], "epochs": budget.epochs}} if budget else inputs
