"""An edit reruns what depends on it and nothing else. A needless fit costs GPU days."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack

from tiny_repo import Finished

NEW_ROW = "other\tsynthetic\tmoving-discs\t-\t64\t48\t25\t10\tbt709\tlimited\tleft\tCC0 1.0\tnone\tnone\n"
WORDS = (
    ("ffnerv/model.py", "import annotations\n", "import annotations\n\n# A comment.\n"),
    ("ffnerv/blocks.py", '"""', '"""Well: '),
    ("bench/inr/fitting/trainer.py", "import annotations\n", "import annotations\n\n\n"),
    ("bench/__init__.py", '__version__ = "', '__version__ = "1'),
    ("config/sequences.tsv", "discs-tiny\t", f"{NEW_ROW}discs-tiny\t"),
    ("config/codecs/nerv-matched.yaml", "note:", "note: well,"),
)
FIGURES = {"figure_rd", "figure_frames", "figure_strip", "figure_fit", "figure_parts"}
PAGE = {"report_frames", "html_report"}
COLLECTED = {"collect", "points", "bd_rate", "summary", "inspect", *FIGURES, *PAGE}


def test_comments_notes_and_new_sequences_rerun_nothing(finished: Finished) -> None:
    with ExitStack() as edits:
        for path, old, new in WORDS:
            edits.enter_context(finished.repo.edited(path, old, new))
        assert finished.repo.planned() == {}


def test_an_edit_of_a_figure_draws_only_that_figure(finished: Finished) -> None:
    with finished.repo.with_new_code_in("bench/figures/rd.py"):
        assert set(finished.repo.planned()) == {"figure_rd"}
    with finished.repo.with_new_code_in("bench/figures/style.py"):
        assert set(finished.repo.planned()) == {*FIGURES, "html_report"}


def test_an_edit_of_the_report_page_writes_only_the_page(finished: Finished) -> None:
    with finished.repo.edited("bench/report/assets/style.css", "margin: 0", "margin:  0"):
        assert set(finished.repo.planned()) == {"html_report"}
    with finished.repo.with_new_code_in("bench/report/frame_choice.py"):
        assert set(finished.repo.planned()) == PAGE


def test_an_edit_of_a_table_writes_only_that_table(finished: Finished) -> None:
    with finished.repo.with_new_code_in("bench/tables/summary.py"):
        assert set(finished.repo.planned()) == {"summary"}


def test_an_edit_of_ffnerv_fits_only_ffnerv(finished: Finished) -> None:
    with finished.repo.with_new_code_in("ffnerv/model.py"):
        planned = finished.repo.planned()
    assert planned.pop("encode") == {"ffnerv-matched"}
    assert planned.pop("measure") == {"ffnerv-matched"}
    assert set(planned) == COLLECTED


def test_an_edit_of_the_trainer_fits_the_networks(finished: Finished) -> None:
    with finished.repo.with_new_code_in("bench/inr/fitting/trainer.py"):
        assert finished.repo.planned()["encode"] == {"ffnerv-matched", "nerv-matched"}


def test_bench_plan_has_the_jobs_of_a_dry_run(finished: Finished) -> None:
    """After an edit of code, too, though all files exist."""
    words = (sys.executable, "-m", "bench", "plan", "--condition", "tiny", "--no-timing")

    with finished.repo.with_new_code_in("bench/inr/fitting/trainer.py"):
        printed = finished.repo.run(*words).stdout
        dry_run = finished.repo.snakemake("--dry-run", "--quiet", "host")
    rows = re.findall(r"^(\w[\w .-]*?)  +(\d+) +(\d+)$", printed, re.MULTILINE)
    planned = {kind: int(to_do) for kind, to_do, _ in rows}
    for codec in ("ffnerv-matched", "nerv-matched"):
        assert planned.pop(f"encode {codec}") == 1
    assert planned.pop("encode x264-medium") == planned.pop("encode identity") == 0
    assert dry_run.count("\nrule encode:") == 2
    assert planned["measure"] == dry_run.count("\nrule measure:") + dry_run.count("\nrule measure_reference:")
    assert planned["prepare"] == 0


def test_an_edit_of_a_metric_measures_again_and_fits_nothing(finished: Finished) -> None:
    with finished.repo.with_new_code_in("bench/scoring/metrics.py"):
        planned = finished.repo.planned()
    assert "encode" not in planned
    assert planned["measure"] == {"ffnerv-matched", "nerv-matched", "x264-medium", "identity"}
    assert planned["measure_reference"] == {"mean-frame"}


def test_a_setting_of_one_point_encodes_only_its_codec(finished: Finished) -> None:
    with finished.repo.edited("config/codecs/x264-medium.yaml", "crf: 38", "crf: 39"):
        assert finished.repo.planned()["encode"] == {"x264-medium"}


def test_another_trim_reruns_everything(finished: Finished) -> None:
    with finished.repo.edited("config/conditions/tiny.yaml", "- 6\n", "- 5\n"):
        planned = finished.repo.planned()
    assert planned["encode"] == {"ffnerv-matched", "nerv-matched", "x264-medium", "identity"}
    assert planned["prepare"] == {"discs"}


def test_another_label_measures_and_draws_again_but_fits_nothing(finished: Finished) -> None:
    with finished.repo.edited("config/codecs/nerv-matched.yaml", "label: NeRV", "label: NeRV 2021"):
        planned = finished.repo.planned()
    assert "encode" not in planned
    assert planned["measure"] == {"nerv-matched"}


def test_a_new_codec_is_one_module_and_one_file(finished: Finished) -> None:
    module, config = (finished.repo.root / name for name in ("baselines/copy.py", "config/codecs/copy.yaml"))
    module.write_text(
        "from baselines.control import Control\n\n\nclass Copy(Control):\n    pass\n\n\nCODEC = Copy\n"
    )
    text = (finished.repo.root / "config/codecs/identity.yaml").read_text()
    config.write_text(text.replace("family: control", "family: copy"))
    try:
        with finished.repo.edited(
            "config/conditions/tiny.yaml", "  identity: {}", "  identity: {}\n  copy: {}"
        ):
            assert finished.repo.planned()["encode"] == {"copy"}
    finally:
        module.unlink()
        config.unlink()
