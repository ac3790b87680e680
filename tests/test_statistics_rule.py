"""Runs of versions that used moving averages of the batch statistics are shown, marked, and held against no others."""

import io
from typing import get_args

import pandas as pd
import pytest
import yaml
from rich.console import Console

from magsig_tf.config import Settings
from magsig_tf.errors import RunError
from magsig_tf.evaluation import arrange, load_runs, summarise
from magsig_tf.evaluation.augmentation.explanation import explain, explanation_notes
from magsig_tf.evaluation.claims.judge import judge_claims
from magsig_tf.evaluation.comparison import compare, comparison_notes
from magsig_tf.report.terminal.results import print_summary
from magsig_tf.runs.matrix import differing
from magsig_tf.signatures.sources import sources_of_runs
from magsig_tf.statistics_rule import KEY, RULES
from tests.evaluation.fake_gans import fold_quality, write_gan_run, write_gans
from tests.evaluation.fake_runs import FakeStudy

OLD = {"baseline": "01d0ba5e", "grl": "01d09a81"}
MEANING = (
    "evaluated with moving averages of the batch statistics, which short runs do not reach; not comparable with runs "
    "of batch_statistics reestimated."
)


def write_new(study, methods=("baseline", "grl"), **settings):
    """Write runs of today, with a config.yaml."""
    for folder in study.write(methods, holdouts=["40X"]):
        _write_settings(folder, {"epochs": 3, "batch_statistics": "reestimated"} | settings)


def write_old(study, methods=("baseline", "grl"), **settings):
    """Write runs as versions before the key left them: run.json does not name the rule, config.yaml has a switch."""
    for method in methods:
        for folder in study.write([method], holdouts=["40X"], config_hash=OLD[method], batch_statistics=None):
            _write_settings(folder, {"epochs": 3, "freeze_batch_statistics": False} | settings)


def _write_settings(folder, settings):
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))


def loaded(study):
    return load_runs(study.workspace, study.dataset)


def printed(study, **look):
    console = Console(file=io.StringIO(), width=100, highlight=False, **look)
    print_summary(summarise(loaded(study), metrics=["auc", "brier"], replicates=100), metrics=["auc"], console=console)
    return console.file.getvalue()


def bold_rows(study):
    """Return the places of the rows that have a bold number."""
    text = printed(study, force_terminal=True, color_system="standard")
    lines = [line for line in text.splitlines() if " 12 + 14 " in line]
    assert len(lines) == len(arrange(loaded(study).runs).groups)
    return [index for index, line in enumerate(lines) if "\x1b[1m" in line]


@pytest.fixture
def study(tmp_path):
    """A small study without runs; grl is much better than baseline."""
    return FakeStudy(tmp_path, cases=(12, 14), images=2, drop={"baseline": 2.0, "grl": 0.0})


def test_the_rules_are_those_of_the_config():
    # a run records what auto came to
    assert set(get_args(Settings.model_fields[KEY].annotation)) == {"auto", *RULES}


def test_an_old_run_beside_a_new_one_is_a_row_of_its_own_marked_and_explained(study):
    write_new(study)
    write_old(study, ["baseline"])
    groups = arrange(loaded(study).runs).groups
    old = "baseline 01d0ba moving statistics"
    assert [group.label for group in groups] == ["baseline ba5e11", old, "grl"]
    assert [len(group.runs) for group in groups] == [2, 2, 2]
    text = printed(study)
    assert max(map(len, text.splitlines())) <= 100
    assert "moving" in text.split("Interval of each value")[1].split("baseline 01d0ba moving statistics: ")[0]
    assert f"{old}: {MEANING}" in " ".join(text.split())
    frame = summarise(loaded(study), metrics=["auc"], replicates=100).frame()
    assert set(frame.loc[frame["label"] == old, "batch_statistics"]) == {"moving"}
    assert set(frame.loc[frame["label"] == "grl", "batch_statistics"]) == {"reestimated"}


def test_runs_of_today_are_not_marked(study):
    write_new(study)
    assert "moving" not in printed(study)


def test_an_old_run_with_frozen_statistics_is_not_marked(study):
    write_old(study, ["baseline"], freeze_batch_statistics=True)
    (group,) = arrange(loaded(study).runs).groups
    assert (group.label, group.batch_statistics) == ("baseline", "frozen")


def test_an_old_run_without_its_config_counts_as_moving(study):
    study.write(["grl"], holdouts=["40X"], batch_statistics=None)
    (group,) = arrange(loaded(study).runs).groups
    assert group.label == "grl moving statistics"


def test_moving_statistics_do_not_compete_unless_all_rows_have_them(study):
    write_old(study)
    assert bold_rows(study) == [1]  # grl is the better of two that are alike
    study.write(["weak", "weaker"], holdouts=["40X"])
    assert not {0, 1} & set(bold_rows(study))
    matrix = arrange(loaded(study).runs)
    assert [group.method for group in matrix.compared(["40X"])] == ["weak", "weaker"]
    # that they are no part of the comparison is told by their mark alone
    assert "not compared" not in printed(study)


def test_runs_of_one_config_with_two_rules_are_refused_with_both_folders(study):
    new = study.write_run("grl", "40X", 0, 0)
    old = study.write_run("grl", "40X", 1, 0, batch_statistics=None)
    with pytest.raises(RunError, match=r"found reestimated in .* and moving in ") as error:
        arrange(loaded(study).runs)
    assert str(new) in str(error.value)
    assert str(old) in str(error.value)


@pytest.mark.parametrize("value", ["averaged", "", 3, True, ["moving"]])
def test_an_unknown_rule_is_refused(study, value):
    study.write_run("grl", "40X", 0, 0, batch_statistics=value)
    with pytest.raises(RunError, match="Expected reestimated, moving or frozen for batch_statistics"):
        loaded(study)


def test_an_old_run_whose_config_is_no_yaml_is_refused_by_name(study):
    folder = study.write_run("grl", "40X", 0, 0, batch_statistics=None)
    (folder / "config.yaml").write_text("a: [")
    with pytest.raises(RunError, match=r"config\.yaml"):
        loaded(study)


def test_the_rule_is_a_setting_that_differs_and_its_old_name_is_none(study):
    write_new(study)
    write_old(study)
    baseline, old_baseline, grl, old_grl = arrange(loaded(study).runs).groups
    assert differing(baseline, old_baseline) == {"batch_statistics": ("reestimated", "moving")}
    assert differing(grl, old_baseline) == {"batch_statistics": ("reestimated", "moving")}
    assert differing(old_baseline, old_grl) == differing(baseline, grl) == {}
    # configs are paired with their like
    pairs = compare(loaded(study), "grl", "baseline", metrics=["auc"], replicates=100).pairs
    assert [(pair.first.label, pair.reference.label) for pair in pairs] == [
        ("grl 9a81be", "baseline ba5e11"),
        ("grl 01d09a moving statistics", "baseline 01d0ba moving statistics"),
    ]


def test_an_old_frozen_run_has_the_setting_of_a_new_one(study):
    write_old(study, ["baseline"], freeze_batch_statistics=True)
    for folder in study.write(["grl"], holdouts=["40X"], batch_statistics="frozen"):
        _write_settings(folder, {"epochs": 3, "batch_statistics": "frozen"})
    assert differing(*arrange(loaded(study).runs).groups) == {}


def test_old_against_new_says_what_differs_and_what_the_mark_means(study):
    write_new(study, ["grl"])
    write_old(study, ["baseline"])
    comparison = compare(loaded(study), "grl", "baseline", metrics=["auc"], replicates=100)
    notes = comparison_notes(comparison, ["auc"])
    assert notes[0] == f"baseline moving statistics: {MEANING}"
    assert (
        "grl and baseline moving statistics differ in their settings: batch_statistics reestimated against moving."
        in notes
    )
    assert set(comparison.table["reference_label"]) == {"baseline moving statistics"}


def judged(study):
    claims = judge_claims(loaded(study), study.workspace, replicates=100)
    return claims.table.set_index("claim"), " ".join(claims.notes)


def test_claims_leave_out_moving_statistics_where_there_are_others(study):
    write_old(study)
    write_new(study, ["baseline"])
    table, notes = judged(study)
    assert table.loc["falsified_by_brier", "why"].startswith("no finished runs of grl: run `magsig train")
    assert "Runs evaluated with moving averages of the batch statistics are left out: baseline, grl." in notes
    write_new(study)
    with_old, _ = judged(study)
    for path in study.workspace.runs(study.dataset).glob("*/*/*-01d0*/run.json"):
        path.unlink()
    without_old, notes = judged(study)
    assert "moving" not in notes
    numbers = ["value", "low", "high", "verdict"]
    pd.testing.assert_frame_equal(with_old[numbers], without_old[numbers])


def test_claims_of_moving_statistics_alone_say_so(study):
    write_old(study)
    table, notes = judged(study)
    assert table.loc["falsified_by_brier", "verdict"] == "does not hold"
    assert f"baseline, grl: {MEANING}" in notes


def test_an_old_baseline_explains_no_new_run(tmp_path):
    study = FakeStudy(tmp_path, cases=(6, 6), images=1)
    write_old(study, ["baseline"])
    for fold in (0, 1):
        write_gans(study, "40X", fold, fold_quality())
        write_gan_run(study, "40X", fold)
    table = explain(loaded(study), study.workspace, replicates=100).table
    rows = table[(table["compared"] == "gan") & (table["reference"] == "baseline") & (table["patient_fold"] == "all")]
    assert set(rows["words"]) == {"baseline was run with other batch_statistics"}
    for fold in (0, 1):
        write_gan_run(study, "40X", fold, config_hash="01d06a11", batch_statistics=None)
    explanation = explain(loaded(study), study.workspace, replicates=100)
    assert f"gan 01d06a moving statistics: {MEANING}" in explanation_notes(explanation, "image")


def test_signatures_and_probes_name_the_rows_alike(study):
    write_old(study, ["baseline"])
    matrix = arrange(loaded(study).runs)
    assert {source.label for source in sources_of_runs(matrix)} == {"baseline moving statistics"}
