"""The summary's numbers equal hand calculations on the predictions, and what is absent has a reason."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, f1_score, roc_auc_score

from magsig_tf.errors import RunError, UsageError
from magsig_tf.evaluation import METRICS, LoadedRuns, load_runs, summarise, summary_notes
from magsig_tf.statistics.replicates import choose_threshold
from tests.evaluation.fake_runs import HOLDOUTS, FakeStudy


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two methods, four holdouts, two folds, two seeds."""
    study = FakeStudy(tmp_path_factory.mktemp("study"), cases=(12, 20), images=3)
    study.write(seeds=(0, 1))
    return study


@pytest.fixture(scope="module")
def summary(study):
    return summarise(load_runs(study.workspace, study.dataset), metrics=["auc", "f1", "brier"], replicates=200)


def cell(summary, label, holdout, metric, quantity="held_out", level="image"):
    """The one row of a summary that the arguments name."""
    frame = summary.table
    keys = {"label": label, "holdout": holdout, "metric": metric, "quantity": quantity, "level": level}
    for column, value in keys.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def predictions(study, method, holdout, fold, seed, part, magnification=None):
    frame = study.predictions(method, holdout, fold, seed)
    frame = frame[frame["part"] == part]
    return frame if magnification is None else frame[frame["magnification"] == magnification]


def auc(frame):
    return roc_auc_score(frame["label"], frame["probability"])


def test_auc_is_the_mean_over_seeds_and_folds_with_the_joined_value_beside(study, summary):
    row = cell(summary, "grl", "200X", "auc")
    tested = [[predictions(study, "grl", "200X", k, s, "test") for k in (0, 1)] for s in (0, 1)]
    assert row["value"] == pytest.approx(np.mean([[auc(f) for f in folds] for folds in tested]), abs=1e-12)
    assert row["fold_mean"] == row["value"]
    assert row["fold_joined"] == pytest.approx(np.mean([auc(pd.concat(folds)) for folds in tested]), abs=1e-12)
    assert row["low"] < row["value"] < row["high"]


def test_other_metrics_join_the_folds(study, summary):
    joined = [pd.concat([predictions(study, "grl", "40X", k, s, "test") for k in (0, 1)]) for s in (0, 1)]
    brier = np.mean([brier_score_loss(f["label"], f["probability"]) for f in joined])
    f1 = np.mean([f1_score(f["label"], f["probability"] >= 0.5) for f in joined])
    assert cell(summary, "grl", "40X", "brier")["value"] == pytest.approx(brier, abs=1e-12)
    assert cell(summary, "grl", "40X", "f1")["value"] == pytest.approx(f1, abs=1e-12)


def test_pooled_joins_the_held_out_predictions_of_all_holdouts(study, summary):
    by_seed = [
        [pd.concat([predictions(study, "baseline", m, k, s, "test") for m in HOLDOUTS]) for k in (0, 1)] for s in (0, 1)
    ]
    row = cell(summary, "baseline", "pooled", "auc")
    assert row["value"] == pytest.approx(np.mean([[auc(f) for f in folds] for folds in by_seed]), abs=1e-12)
    assert row["images"] == len(study.manifest)
    assert (row["cases_benign"], row["cases_malignant"]) == (12, 20)
    assert row["runs"] == 16


def test_in_domain_uses_the_same_runs_at_their_source_magnifications(study, summary):
    expected = np.mean([auc(predictions(study, "grl", "40X", k, s, "in_domain_test")) for k in (0, 1) for s in (0, 1)])
    assert cell(summary, "grl", "40X", "auc", "in_domain")["value"] == pytest.approx(expected, abs=1e-12)


def test_drop_compares_the_same_images_held_out_and_as_a_source(study, summary):
    held_out, source = [], []
    for seed in (0, 1):
        for fold in (0, 1):
            held_out.append(auc(predictions(study, "grl", "40X", fold, seed, "test")))
            others = [m for m in HOLDOUTS if m != "40X"]
            source += [auc(predictions(study, "grl", m, fold, seed, "in_domain_test", "40X")) for m in others]
    row = cell(summary, "grl", "40X", "auc", "drop")
    assert cell(summary, "grl", "40X", "auc", "as_source")["value"] == pytest.approx(np.mean(source), abs=1e-12)
    assert row["value"] == pytest.approx(np.mean(held_out) - np.mean(source), abs=1e-12)
    # the pairing shows: the difference is known better than either side
    side = cell(summary, "grl", "40X", "auc")
    assert row["high"] - row["low"] < side["high"] - side["low"]
    drops = [cell(summary, "grl", m, "auc", "drop")["value"] for m in HOLDOUTS]
    assert cell(summary, "grl", "pooled", "auc", "drop")["value"] == pytest.approx(np.mean(drops), abs=1e-12)


def test_the_method_that_loses_more_has_the_larger_drop(summary):
    worse, better = (cell(summary, label, "pooled", "auc", "drop") for label in ("baseline", "grl"))
    assert worse["value"] < better["value"] < 0
    assert worse["high"] < 0


def test_a_loss_is_below_0_for_every_metric(study, summary):
    assert METRICS["brier"].better == "lower"
    held_out, source, drop = (cell(summary, "baseline", "40X", "brier", q) for q in ("held_out", "as_source", "drop"))
    assert held_out["value"] > source["value"]
    # every run has all its partners here, so that both sides of the drop are those of the summary
    assert drop["value"] == pytest.approx(source["value"] - held_out["value"], abs=1e-12)
    assert drop["low"] < drop["value"] < drop["high"] < 0


def test_case_level_scores_the_mean_probability_of_each_case(study, summary):
    values = []
    for seed in (0, 1):
        for fold in (0, 1):
            frame = predictions(study, "grl", "100X", fold, seed, "test")
            values.append(auc(frame.groupby("case")[["label", "probability"]].mean()))
    assert cell(summary, "grl", "100X", "auc", level="case")["value"] == pytest.approx(np.mean(values), abs=1e-12)


def test_pooled_cases_are_never_averaged_over_models(study, summary):
    frames = [
        predictions(study, "grl", m, k, 0, "test").groupby("case")[["label", "probability"]].mean()
        for m in HOLDOUTS
        for k in (0, 1)
    ]
    one_seed = pd.concat(frames)
    expected = brier_score_loss(one_seed["label"], one_seed["probability"])
    loaded = load_runs(study.workspace, study.dataset, methods=["grl"])
    first = [run for run in loaded.runs if run.seed == 0]
    summary = summarise(LoadedRuns(loaded.dataset, first, []), metrics=["brier"], replicates=100)
    assert cell(summary, "grl", "pooled", "brier", level="case")["value"] == pytest.approx(expected, abs=1e-12)


def test_threshold_from_validation_is_chosen_for_each_run(study):
    summary = summarise(
        load_runs(study.workspace, study.dataset, methods=["grl"]),
        metrics=["balanced_accuracy"],
        threshold="validation",
        replicates=100,
    )
    values = []
    for seed in (0, 1):
        called = []
        for fold in (0, 1):
            chosen = predictions(study, "grl", "40X", fold, seed, "validation")
            threshold = choose_threshold(chosen["label"].to_numpy(), chosen["probability"].to_numpy())
            frame = predictions(study, "grl", "40X", fold, seed, "test")
            called.append(frame.assign(called=frame["probability"] >= threshold))
        joined = pd.concat(called)
        values.append(balanced_accuracy_score(joined["label"], joined["called"]))
    assert cell(summary, "grl", "40X", "balanced_accuracy")["value"] == pytest.approx(np.mean(values), abs=1e-12)


def test_repeating_it_gives_the_same_intervals_whatever_else_is_summarised(study, summary):
    again = summarise(load_runs(study.workspace, study.dataset, methods=["grl"]), metrics=["auc"], replicates=200)
    for quantity in ("held_out", "drop"):
        first, second = (cell(s, "grl", "200X", "auc", quantity) for s in (summary, again))
        assert first[["low", "high"]].tolist() == second[["low", "high"]].tolist()


def test_half_a_matrix_shows_the_rest_and_names_what_is_missing(tmp_path):
    study = FakeStudy(tmp_path, cases=(8, 10), images=2)
    study.write(methods=["baseline"])
    study.write(methods=["grl"], holdouts=["40X"])
    study.write(methods=["grl"], holdouts=["100X"], folds=[0])
    study.write_run("grl", "400X", 1, 0, status="running")
    summary = summarise(load_runs(study.workspace, study.dataset), metrics=["auc"], replicates=100)
    assert cell(summary, "grl", "400X", "auc")["reason"] == "not run"
    assert np.isnan(cell(summary, "grl", "400X", "auc")["value"])
    assert cell(summary, "grl", "40X", "auc", "drop")["reason"].startswith("drop from 1 of 6 pairs of runs")
    assert cell(summary, "grl", "pooled", "auc")["reason"] == "pools 2 of 4 holdouts"
    assert cell(summary, "grl", "pooled", "auc")["missing_runs"] == 5
    assert "grl 100X fold 1 seed 0" in summary.missing
    notes = " ".join(summary_notes(summary, "image", ["auc"]))
    assert "1 run running: grl 400X fold 1 seed 0." in notes
    assert "grl: 5 of 8 runs missing: 100X fold 1 seed 0, all at 200X, all at 400X." in notes
    # both sides of a drop rest on the same folds, here the only one that both holdouts have
    expected = auc(predictions(study, "grl", "40X", 0, 0, "test"))
    expected -= auc(predictions(study, "grl", "100X", 0, 0, "in_domain_test", "40X"))
    assert cell(summary, "grl", "40X", "auc", "drop")["value"] == pytest.approx(expected, abs=1e-12)


def test_a_drop_counts_only_what_it_rests_on(tmp_path):
    study = FakeStudy(tmp_path, cases=(12, 16), images=2)
    study.write(methods=["grl"], holdouts=["40X"])
    study.write(methods=["grl"], holdouts=["100X"], folds=[0])
    summary = summarise(load_runs(study.workspace, study.dataset), metrics=["auc"], replicates=100)
    held_out, drop = (cell(summary, "grl", "40X", "auc", quantity) for quantity in ("held_out", "drop"))
    counts = ["cases_benign", "cases_malignant", "images", "folds", "runs"]
    assert held_out[counts].tolist() == [12, 16, 28 * 2, 2, 2]
    assert drop[counts].tolist() == [6, 8, 14 * 2, 1, 1]
    assert drop["reason"] == "drop from 1 of 2 pairs of runs"
    # six benign cases suffice for an interval; with eight cases in all, four of a class do not
    assert np.isfinite(drop["low"])
    study = FakeStudy(tmp_path / "small", cases=(8, 8), images=2)
    study.write(methods=["grl"], holdouts=["40X"])
    study.write(methods=["grl"], holdouts=["100X"], folds=[0])
    summary = summarise(load_runs(study.workspace, study.dataset), metrics=["auc"], replicates=100)
    assert np.isfinite(cell(summary, "grl", "40X", "auc")["low"])
    assert np.isnan(cell(summary, "grl", "40X", "auc", "drop")["low"])
    assert "no interval with fewer than 5 cases" in cell(summary, "grl", "40X", "auc", "drop")["reason"]


def test_a_study_of_fewer_magnifications_is_complete_in_itself(tmp_path):
    study = FakeStudy(tmp_path, cases=(8, 10), images=2)
    study.write(methods=["baseline"])
    pair = ("100X", "200X")
    for holdout, source in (pair, pair[::-1]):
        study.write(methods=["grl"], holdouts=[holdout], source_magnifications=[source])
    summary = summarise(load_runs(study.workspace, study.dataset), metrics=["auc"], replicates=100)
    assert summary.missing == []
    assert cell(summary, "grl", "40X", "auc")["reason"] == "not run: 40X is not in its study"
    pooled = cell(summary, "grl", "pooled", "auc")
    assert (pooled["reason"], pooled["runs"]) == ("", 4)
    notes = " ".join(summary_notes(summary, "image", ["auc"]))
    assert "Study of 100X, 200X: grl." in notes


def test_pooled_auc_is_given_beside_the_mean_of_the_holdouts(summary):
    means = [cell(summary, "grl", holdout, "auc")["value"] for holdout in HOLDOUTS]
    pooled = cell(summary, "grl", "pooled", "auc")
    assert pooled["holdout_mean"] == pytest.approx(np.mean(means), abs=1e-12)
    assert np.isnan(cell(summary, "grl", "40X", "auc")["holdout_mean"])
    notes = " ".join(summary_notes(summary, "image", ["auc"]))
    assert f"grl {np.mean(means):.3f}" in notes


def test_what_a_split_warned_of_is_repeated_once(tmp_path):
    study = FakeStudy(tmp_path, cases=(8, 10), images=2)
    for fold, cases in ((0, 3), (1, 4)):
        study.write(
            methods=["grl"], holdouts=["40X"], folds=[fold], warnings=[f"Only {cases} benign cases in training"]
        )
    summary = summarise(load_runs(study.workspace, study.dataset), metrics=["auc"], replicates=100)
    notes = [note for note in summary_notes(summary, "image", ["auc"]) if "benign cases in training" in note]
    assert notes == ["Only 3 benign cases in training (grl 40X fold 0 seed 0, grl 40X fold 1 seed 0)."]


def test_an_interval_above_its_value_is_explained_for_binned_metrics(tmp_path):
    study = FakeStudy(tmp_path, cases=(8, 10), images=2)
    study.write(methods=["grl"], holdouts=["40X"])
    summary = summarise(load_runs(study.workspace, study.dataset), metrics=["auc", "ece"], replicates=100)
    table = summary.table
    table.loc[table["quantity"] == "held_out", "low"] = table["value"] + 0.01
    assert any(
        note.startswith("ECE: resampling adds noise") for note in summary_notes(summary, "image", ["auc", "ece"])
    )
    assert not any("resampling adds noise" in note for note in summary_notes(summary, "image", ["auc"]))


def test_one_holdout_alone_has_no_drop_and_no_pooled_row(tmp_path):
    study = FakeStudy(tmp_path, cases=(8, 10), images=2)
    study.write(methods=["grl"], holdouts=["400X"])
    summary = summarise(load_runs(study.workspace, study.dataset), metrics=["auc"], replicates=100)
    assert set(summary.table["holdout"]) == {"400X"}
    assert cell(summary, "grl", "400X", "auc", "drop")["reason"] == "not run"
    assert any(note.startswith("Drop not run for grl 400X") for note in summary_notes(summary, "image", ["auc"]))


def test_a_fold_of_one_class_is_left_out_of_the_mean_and_named(tmp_path):
    study = FakeStudy(tmp_path, cases=(1, 9), folds=2)
    study.write(methods=["grl"], holdouts=["40X"])
    summary = summarise(load_runs(study.workspace, study.dataset), replicates=100)
    row = cell(summary, "grl", "40X", "auc")
    assert row["value"] == pytest.approx(auc(predictions(study, "grl", "40X", 0, 0, "test")), abs=1e-12)
    assert row["undefined_folds"] == 1
    assert "without patient fold 1, not defined there: one class" in row["reason"]
    assert "no interval with fewer than 5 cases in a class" in row["reason"]
    assert np.isnan(row["low"])


def test_a_test_cell_of_one_class_is_not_defined_but_its_brier_score_is(tmp_path):
    study = FakeStudy(tmp_path, cases=(0, 10), folds=2)
    study.write(methods=["grl"], holdouts=["40X"])
    summary = summarise(load_runs(study.workspace, study.dataset), replicates=100)
    assert cell(summary, "grl", "40X", "auc")["reason"].startswith("not defined: one class")
    assert np.isfinite(cell(summary, "grl", "40X", "brier")["value"])
    assert "AUC not defined: one class" in " ".join(summary_notes(summary, "image", ["auc"]))


def test_few_cases_and_replicates_without_a_class_are_noted(tmp_path):
    study = FakeStudy(tmp_path, cases=(6, 8), folds=2)
    study.write(methods=["grl"], holdouts=["40X"])
    summary = summarise(load_runs(study.workspace, study.dataset), metrics=["auc"], replicates=500)
    row = cell(summary, "grl", "40X", "auc")
    # 6 draws of 6 cases, 3 in each fold: a fold is without benign cases with probability 2 / 2**6
    assert row["partial_replicates"] / 500 == pytest.approx(2 / 64 + 2 / 256, abs=0.025)
    assert row["replicates"] == 500
    notes = " ".join(summary_notes(summary, "image", ["auc"]))
    assert "Only 14 cases at 40X: intervals are likely too narrow" in notes
    assert "lack a class in a patient fold" in notes


def test_a_fixed_test_cohort_counts_its_images_once(tmp_path):
    study = FakeStudy(tmp_path, cases=(8, 10), folds=2)
    study.manifest["fold"] = 0
    for fold in (0, 1):  # both patient folds test the same cases
        path = study.write_run("grl", "40X", fold, 0) / "predictions.parquet"
        study.predictions("grl", "40X", 0, fold).to_parquet(path)
    summary = summarise(load_runs(study.workspace, study.dataset), replicates=100)
    row = cell(summary, "grl", "40X", "brier")
    assert (row["cases_benign"], row["cases_malignant"], row["images"]) == (8, 10, 18 * 4)
    # a fold is then a repeat, as a seed is: two models' answers to one image are never binned or counted together
    tested = [predictions(study, "grl", "40X", 0, fold, "test") for fold in (0, 1)]
    f1 = np.mean([f1_score(frame["label"], frame["probability"] >= 0.5) for frame in tested])
    assert cell(summary, "grl", "40X", "f1")["value"] == pytest.approx(f1, abs=1e-12)
    ece = cell(summary, "grl", "40X", "ece")
    assert ece["value"] == ece["fold_mean"]
    assert np.isnan(ece["fold_joined"])


def test_different_splits_of_two_methods_are_noted(tmp_path):
    study = FakeStudy(tmp_path, cases=(8, 10), images=2)
    study.write(methods=["baseline"], holdouts=["40X"])
    study.write(methods=["grl"], holdouts=["40X"], split_hash="other")
    summary = summarise(load_runs(study.workspace, study.dataset), metrics=["auc"], replicates=100)
    notes = [note for note in summary_notes(summary, "image", ["auc"]) if "other splits than the rows beside" in note]
    assert len(notes) == 1
    assert cell(summary, "baseline", "40X", "auc")["compared"] != cell(summary, "grl", "40X", "auc")["compared"]


def test_wrong_requests_are_refused(study):
    loaded = load_runs(study.workspace, study.dataset)
    with pytest.raises(UsageError, match="'brier'"):
        summarise(loaded, metrics=["brir"])
    with pytest.raises(UsageError, match="threshold"):
        summarise(loaded, threshold="median")
    run = loaded.runs[0]
    run = run.with_predictions(run.predictions[run.predictions["part"] != "validation"])
    loaded = LoadedRuns(loaded.dataset, [run], [])
    with pytest.raises(RunError, match=r"--threshold 0\.5"):
        summarise(loaded, threshold="validation")
