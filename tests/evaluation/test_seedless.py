"""An exact method has one run a split, which stands beside every seed of the others."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import brier_score_loss

from magsig_tf.errors import RunError
from magsig_tf.evaluation import arrange, load_runs, summarise, summary_notes
from magsig_tf.evaluation.cells.differences import largest_pair, pair_groups
from magsig_tf.evaluation.cells.values import CaseBootstrap
from magsig_tf.evaluation.claims.evidence import Evidence
from magsig_tf.evaluation.claims.judge import judge_statement
from magsig_tf.evaluation.claims.paper import MoreOverlap, Overlap, SmallerSignatures, Statement
from magsig_tf.evaluation.comparison import compare, comparison_notes
from magsig_tf.evaluation.curves import risk_coverage_table, roc_table
from magsig_tf.report.page.answers import answer_how
from magsig_tf.report.tables.study import run_table
from magsig_tf.runs.matrix import Matrix, counterparts, differing
from magsig_tf.runs.result_files import read_signature_results
from magsig_tf.signatures.sources import sources_of_runs
from magsig_tf.signatures.stability import nogueira_stability
from magsig_tf.signatures.within_fold import _tests
from tests.evaluation.fake_runs import FakeStudy
from tests.evaluation.fake_signatures import write_signatures

HOLDOUTS = ("40X", "100X")
EXACT = {"seedless": True, "config_hash": "11near00"}


def exact(study, holdouts=HOLDOUTS, method="linear", **info):
    return study.write(methods=[method], holdouts=holdouts, **EXACT | info)


def load(study):
    return load_runs(study.workspace, study.dataset)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Linear with one run a split, grl with three seeds."""
    study = FakeStudy(tmp_path_factory.mktemp("study"), cases=(10, 14), images=2)
    exact(study)
    study.write(methods=["grl"], holdouts=HOLDOUTS, seeds=(0, 1, 2))
    return study


@pytest.fixture(scope="module")
def summary(study):
    return summarise(load(study), metrics=["auc", "brier"], replicates=50)


def brier(study, method, seed, holdout):
    frames = [study.predictions(method, holdout, fold, seed) for fold in (0, 1)]
    joined = pd.concat([frame[frame["part"] == "test"] for frame in frames])
    return brier_score_loss(joined["label"], joined["probability"])


def value(table, **where):
    found = table.loc[(table[list(where)] == pd.Series(where)).all(axis=1)]
    assert len(found) == 1
    return found.iloc[0]


@pytest.mark.parametrize("turned", [False, True])
def test_its_run_is_paired_with_every_seed(study, turned):
    names = ("grl", "linear") if turned else ("linear", "grl")
    comparison = compare(load(study), *names, metrics=["brier"], replicates=50)
    for holdout in HOLDOUTS:
        found = value(comparison.table, holdout=holdout, level="image")
        linear, grl = brier(study, "linear", 0, holdout), np.mean([brier(study, "grl", s, holdout) for s in (0, 1, 2)])
        sides = (grl, linear) if turned else (linear, grl)
        assert [found.method_value, found.reference_value] == pytest.approx(sides, abs=1e-12)
        assert found.value == pytest.approx(sides[0] - sides[1], abs=1e-12)
        assert (found.pairs, found.folds, found.seeds, found.left_out) == (6, 2, 3, 0)
        assert np.isfinite([found.low, found.high]).all()
    assert not any("Left out" in note for note in comparison_notes(comparison, ["brier"]))


def test_its_number_is_that_of_its_run_and_no_run_is_missing(study, summary):
    found = value(summary.table, label="linear", holdout="100X", level="image", metric="brier", quantity="held_out")
    assert found.value == pytest.approx(brier(study, "linear", 0, "100X"), abs=1e-12)
    assert (found.runs, found.seeds, found.missing_runs) == (2, 0, 0)
    # held out in one run, a source in the other: both without a seed
    drop = value(summary.table, label="linear", holdout="100X", level="image", metric="brier", quantity="drop")
    assert np.isfinite(drop.value)
    assert drop.reason == ""
    assert summary.missing == []


def test_it_competes_with_methods_of_any_seeds(summary):
    assert summary.table["compared"].all()
    notes = " ".join(summary_notes(summary, "image", ["brier"]))
    assert "other seeds" not in notes
    assert "missing" not in notes


def test_seeds_that_differ_are_not_alike_for_having_the_same_exact_method_beside(tmp_path):
    study = FakeStudy(tmp_path, cases=(6, 8), images=1)
    exact(study)
    study.write(methods=["grl"], holdouts=HOLDOUTS, seeds=(0, 1, 2))
    study.write(methods=["baseline"], holdouts=HOLDOUTS, seeds=(0,))
    summary = summarise(load(study), metrics=["brier"], replicates=10)
    by_label = summary.table.groupby("label")["compared"].all()
    assert by_label.to_dict() == {"baseline": False, "grl": True, "linear": True}
    assert "baseline at 40X, 100X: other seeds than the rows beside it" in " ".join(
        summary_notes(summary, "image", ["brier"])
    )


def test_folds_and_splits_that_differ_are_named(tmp_path):
    study = FakeStudy(tmp_path, cases=(6, 8), images=1)
    exact(study)
    exact(study, method="erasure")
    study.write(methods=["grl"], holdouts=["40X"], seeds=(1, 2), folds=[0])
    study.write(methods=["grl"], holdouts=["100X"], seeds=(1, 2), folds=[0])
    study.write(methods=["baseline"], holdouts=HOLDOUTS, seeds=(1,), split_hash="another")
    summary = summarise(load(study), metrics=["brier"], replicates=10)
    assert summary.table.groupby("label")["compared"].all().to_dict() == {
        "baseline": False,
        "erasure": True,
        "grl": False,
        "linear": True,
    }
    notes = " ".join(summary_notes(summary, "image", ["brier"]))
    assert "grl at 40X, 100X: other patient folds than the rows beside it" in notes
    assert "(40X fold 0: split another, theirs split-40X-0)" in notes


def test_a_missing_split_is_one_missing_run(tmp_path):
    study = FakeStudy(tmp_path, cases=(6, 8), images=1)
    exact(study, ["40X"])
    exact(study, ["100X"], folds=[0])
    study.write(methods=["grl"], holdouts=HOLDOUTS, seeds=(0, 1, 2))
    summary = summarise(load(study), metrics=["brier"], replicates=10)
    assert summary.missing == ["linear 100X fold 1"]
    assert "linear: 1 of 4 runs missing: 100X fold 1." in summary_notes(summary, "image", ["brier"])
    linear, grl = (next(g for g in summary.matrix.groups if g.method == name) for name in ("linear", "grl"))
    pair = pair_groups(linear, grl)
    assert len(pair.keys) == 9
    assert set(pair.left_out.values()) == {
        (f"grl 100X fold 1 seed {seed}", "linear has no such run") for seed in (0, 1, 2)
    }


def test_two_exact_methods_are_paired_once(study, tmp_path):
    study = FakeStudy(tmp_path, cases=(6, 8), images=1)
    exact(study)
    exact(study, method="erasure")
    found = compare(load(study), "erasure", "linear", metrics=["brier"], replicates=20).table.iloc[0]
    assert (found.pairs, found.seeds) == (2, 0)


def test_settings_that_it_does_not_use_do_not_differ(tmp_path):
    study = FakeStudy(tmp_path, cases=(6, 8), images=1)
    linear = exact(study, ["40X"], unused_settings=["epochs"], batch_statistics="frozen")
    grl = study.write(methods=["grl"], holdouts=["40X"], seeds=(0, 1))
    for folders, settings in ((linear, {"epochs": 30, "augment": "none"}), (grl, {"epochs": 4, "augment": "none"})):
        for folder in folders:
            (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    groups = {group.method: group for group in arrange(load(study).runs).groups}
    assert differing(groups["linear"], groups["grl"]) == differing(groups["grl"], groups["linear"]) == {}
    assert counterparts(groups["grl"], [groups["linear"]]) == [groups["linear"]]
    assert len(largest_pair([groups["linear"]], [groups["grl"]]).keys) == 4
    for folder in linear:
        (folder / "config.yaml").write_text(yaml.safe_dump({"epochs": 30, "augment": "all"}))
    groups = {group.method: group for group in arrange(load(study).runs).groups}
    assert differing(groups["grl"], groups["linear"]) == {"augment": ("none", "all")}


def test_it_has_no_mark_where_its_record_names_no_rule(tmp_path):
    study = FakeStudy(tmp_path, cases=(6, 8), images=1)
    exact(study, batch_statistics=None)
    (group,) = arrange(load(study).runs).groups
    assert (group.label, group.batch_statistics) == ("linear", "frozen")


def test_records_that_contradict_themselves_are_refused(tmp_path):
    study = FakeStudy(tmp_path, cases=(6, 8), images=1)
    exact(study, seeds=(1,))
    with pytest.raises(RunError, match=r"Expected seed 0 of a run that has none.*found 1"):
        load(study)
    other = FakeStudy(tmp_path / "other", cases=(6, 8), images=1)
    exact(other, ["40X"])
    exact(other, ["100X"], seedless=False)
    with pytest.raises(RunError, match="Expected all runs of linear 11near00 with seeds, or all without"):
        arrange(load(other).runs)


def test_names_have_no_seed_and_other_records_stay_as_they_were(study):
    runs = load(study).runs
    linear, grl = (next(run for run in runs if run.method == name) for name in ("linear", "grl"))
    assert linear.name == "linear 100X fold 0"
    assert linear.title == "linear, holdout 100X, patient fold 0"
    assert linear.record.as_json()["seedless"] is True
    assert grl.name == "grl 100X fold 0 seed 0"
    assert not {"seedless", "unused_settings"} & set(grl.record.as_json())
    assert [source.name for source in sources_of_runs(arrange(runs))][-1] == "linear 100X fold 1"


def test_curves_and_the_list_of_runs_have_one_run_a_split(study):
    matrix = arrange(load(study).runs)
    for table in (roc_table(matrix, 10), risk_coverage_table(matrix, 10)):
        runs = table.groupby("label")["runs"].max()
        assert runs["grl"] == 3 * runs["linear"]
    listed = run_table(matrix)
    assert set(listed.frame.loc[listed.frame["label"] == "grl", "seed"]) == {0, 1, 2}
    assert listed.frame.loc[listed.frame["label"] == "linear", "seed"].isna().all()
    assert "3 seeds" in answer_how(matrix, 24)[0]
    alone = Matrix([group for group in matrix.groups if group.seedless], matrix.holdouts)
    assert "seed" not in answer_how(alone, 24)[0]


def finding(study, rule):
    loaded = load(study)
    results = read_signature_results(study.workspace.results() / study.dataset)
    evidence = Evidence(arrange(loaded.runs), CaseBootstrap(loaded.runs, 50, "d"), results)
    statement = Statement.model_validate(
        {
            "claim": "c",
            "kind": "statement",
            "statement": "s",
            "paper": "p",
            "holds_if": [rule.model_dump(exclude_unset=True)],
        }
    )
    return judge_statement(statement, evidence, 0.02)


def test_claims_on_signatures_pair_it_with_every_seed_and_count_it_once_alone(tmp_path):
    study = FakeStudy(tmp_path, cases=(6, 8), images=1, folds=2)
    exact(study)
    study.write(methods=["grl"], holdouts=HOLDOUTS, seeds=(1, 2, 3))
    sizes, jaccard = {"grl": 100, "linear": 300}, {"grl": 0.6, "linear": 0.2}
    write_signatures(study, sizes, jaccard, lambda method, tested: np.full(len(tested), 0.5))
    about = {"method": "grl", "reference": "linear"}
    smaller = finding(study, SmallerSignatures(rule="smaller_signatures", at_least=2.0, **about))
    assert "n 12" in smaller.ours  # two holdouts, two patient folds, three seeds
    assert smaller.verdict.value == "holds"
    more = finding(study, MoreOverlap(rule="more_overlap", holdouts=HOLDOUTS, **about))
    assert more.ours.endswith("n 6)")
    assert "not" not in more.verdict.value
    alone = finding(study, Overlap(rule="overlap", whose="reference", at_least=0.1, holdouts=HOLDOUTS, **about))
    assert alone.ours.endswith("n 2)")


def test_the_test_of_two_stabilities_stands_at_every_seed():
    rng = np.random.default_rng(0)
    found = [nogueira_stability(rng.random((50, 10)) < share) for share in (0.2, 0.3, 0.4, 0.5)]
    keys = [("linear", "40X", 0, None), ("grl", "40X", 0, 1), ("grl", "40X", 0, 2), ("grl", "100X", 0, 1)]
    table = _tests(dict(zip(keys, found, strict=True)))
    assert table[["holdout", "patient_fold", "seed", "first", "second"]].to_numpy().tolist() == [
        ["40X", 0, 1, "linear", "grl"],
        ["40X", 0, 2, "linear", "grl"],
    ]


def test_a_run_of_an_older_version_has_a_seed(study):
    folder = next(run.folder for run in load(study).runs if run.method == "grl")
    assert "seedless" not in json.loads((folder / "run.json").read_text())
