"""Paired differences equal hand calculations and a plain loop; only like is compared with like."""

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import brier_score_loss, roc_auc_score

from magsig_tf.errors import RunError, UsageError
from magsig_tf.evaluation import arrange, load_runs
from magsig_tf.evaluation.cells.differences import pair_groups
from magsig_tf.evaluation.comparison import compare, comparison_notes
from magsig_tf.statistics.cases import case_multiplicities
from magsig_tf.statistics.intervals import Bootstrapped, p_value, student_interval
from tests.evaluation.fake_runs import DATASET_HASH, FakeStudy

PAIR = ("40X", "100X")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = FakeStudy(tmp_path_factory.mktemp("study"), cases=(10, 14), images=2)
    study.write(holdouts=PAIR, seeds=(0, 1))
    return study


@pytest.fixture(scope="module")
def loaded(study):
    return load_runs(study.workspace, study.dataset)


@pytest.fixture(scope="module")
def comparison(loaded):
    return compare(loaded, "grl", "baseline", metrics=["auc", "brier"], replicates=100)


def row(comparison, holdout, metric, level="image"):
    (found,) = comparison.table.query("holdout == @holdout and metric == @metric and level == @level").itertuples()
    return found


def answer(folder, probability):
    """Overwrite the probabilities of a run by those that a function of its frame gives."""
    frame = pd.read_parquet(folder / "predictions.parquet")
    frame.assign(probability=probability(frame)).to_parquet(folder / "predictions.parquet")


def rows_of(study, method, holdout, fold, seed):
    frame = study.predictions(method, holdout, fold, seed)
    return frame[frame["part"] == "test"].reset_index(drop=True)


def test_a_hand_worked_difference(tmp_path):
    study = FakeStudy(tmp_path, cases=(6, 6), images=2)
    for folder in study.write(methods=["baseline"], holdouts=["40X"]):
        answer(folder, lambda frame: 0.5)
    for folder in study.write(methods=["grl"], holdouts=["40X"]):
        answer(folder, lambda frame: np.where(frame["label"] == 1, 0.9, 0.1))
    comparison = compare(load_runs(study.workspace, study.dataset), "grl", "baseline", replicates=100)
    # Brier 0.1^2 against 0.5^2, AUC 1 against 1/2, in every replicate and at both levels
    for level in ("image", "case"):
        for metric, value in (("brier", 0.01 - 0.25), ("auc", 0.5)):
            found = row(comparison, "40X", metric, level)
            assert found.value == pytest.approx(value, abs=1e-12)
            # replicates that are all the same say nothing of how far the difference may be off
            assert np.isnan([found.low, found.high, found.p]).all()
            assert found.reason_code == "no_spread"
    assert set(comparison.table["holdout"]) == {"40X"}


def test_it_equals_a_plain_loop_over_resampled_rows(study, loaded):
    comparison = compare(loaded, "grl", "baseline", metrics=["auc", "brier"], replicates=20)
    cases = sorted(study.manifest["case"].unique())
    labels = study.manifest.drop_duplicates("case").set_index("case")["label"][cases].to_numpy()
    keys = [(method, fold, seed) for method in ("grl", "baseline") for fold in (0, 1) for seed in (0, 1)]
    tested = {(method, fold, seed): rows_of(study, method, "100X", fold, seed) for method, fold, seed in keys}

    def scores(method, seed, times):
        folds = [tested[method, fold, seed] for fold in (0, 1)]
        folds = [frame.loc[frame.index.repeat(frame["case"].map(times))] for frame in folds]
        joined = pd.concat(folds)
        auc = np.mean([roc_auc_score(frame["label"], frame["probability"]) for frame in folds])
        return np.array([auc, brier_score_loss(joined["label"], joined["probability"])])

    differences = []
    for weights in case_multiplicities(labels, 20, DATASET_HASH).astype(int):
        times = dict(zip(cases, weights, strict=True))
        by_seed = [scores("grl", seed, times) - scores("baseline", seed, times) for seed in (0, 1)]
        differences.append(np.mean(by_seed, axis=0))
    for metric, values in zip(("auc", "brier"), np.transpose(differences), strict=True):
        found = row(comparison, "100X", metric)
        of_values = Bootstrapped(values[0], values[1:], (10, 14), (-1, 1))
        expected = [values[0], *student_interval(of_values, 0.95)]
        assert [found.value, found.low, found.high] == pytest.approx(expected, abs=1e-12)
        assert found.p == pytest.approx(p_value(of_values))
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0)


def test_swapping_the_methods_turns_every_sign_and_keeps_p(loaded, comparison):
    turned = compare(loaded, "baseline", "grl", metrics=["auc", "brier"], replicates=100)
    one, two = comparison.table, turned.table
    for column, mirrored in (("value", "value"), ("low", "high"), ("high", "low"), ("holdout_mean", "holdout_mean")):
        np.testing.assert_allclose(one[column], -two[mirrored], atol=1e-12)
    assert one[["p", "holm_p", "tests"]].equals(two[["p", "holm_p", "tests"]])
    assert one["method_value"].equals(two["reference_value"])


def test_holm_corrects_the_holdouts_of_one_metric_and_leaves_pooled_rows_apart(comparison):
    for metric in ("auc", "brier"):
        raw = [row(comparison, holdout, metric).p for holdout in PAIR]
        corrected = [row(comparison, holdout, metric).holm_p for holdout in PAIR]
        assert min(corrected) == pytest.approx(min(1, 2 * min(raw)))
        assert row(comparison, "40X", metric).tests == 2
        pooled = row(comparison, "pooled", metric)
        assert (pooled.holm_p, pooled.tests) == (pooled.p, 1)


def test_pooled_joins_the_holdouts_and_gives_their_mean_beside(study, comparison):
    differences = []
    for seed in (0, 1):
        sides = []
        for method in ("grl", "baseline"):
            joined = pd.concat([rows_of(study, method, m, fold, seed) for m in PAIR for fold in (0, 1)])
            sides.append(brier_score_loss(joined["label"], joined["probability"]))
        differences.append(sides[0] - sides[1])
    pooled = row(comparison, "pooled", "brier")
    assert pooled.value == pytest.approx(np.mean(differences), abs=1e-12)
    assert pooled.holdout_mean == pytest.approx(np.mean([row(comparison, m, "brier").value for m in PAIR]), abs=1e-12)


def test_only_runs_on_the_same_split_fold_and_seed_are_paired_and_the_rest_is_named(tmp_path):
    study = FakeStudy(tmp_path, cases=(12, 12), images=1)
    study.write(holdouts=["40X"], seeds=(0,))
    study.write(methods=["baseline"], holdouts=["40X"], seeds=(1,))
    study.write(methods=["baseline"], holdouts=["100X"], folds=[0])
    study.write(methods=["grl"], holdouts=["100X"], folds=[0], split_hash="another")
    comparison = compare(load_runs(study.workspace, study.dataset), "grl", "baseline", metrics=["auc"], replicates=100)
    found = row(comparison, "40X", "auc")
    assert (found.pairs, found.left_out, found.seeds) == (2, 2, 1)
    assert row(comparison, "100X", "auc").reason.startswith("no two runs on the same split")
    assert row(comparison, "100X", "auc").reason_code == "no_pair"
    assert row(comparison, "pooled", "auc").reason == "pools 1 of 2 holdouts"
    (pair,) = comparison.pairs
    assert set(pair.left_out.values()) == {
        ("baseline 40X fold 0 seed 1", "grl has no such run"),
        ("baseline 40X fold 1 seed 1", "grl has no such run"),
        ("grl 100X fold 0 seed 0", "split another, that of baseline is split-100X-0"),
    }
    notes = " ".join(comparison_notes(comparison, ["auc"]))
    assert "Left out, grl has no such run: baseline 40X fold 0 seed 1, baseline 40X fold 1 seed 1." in notes
    # both sides rest on the paired runs alone
    frames = [rows_of(study, "baseline", "40X", fold, 0) for fold in (0, 1)]
    expected = np.mean([roc_auc_score(frame["label"], frame["probability"]) for frame in frames])
    assert found.reference_value == pytest.approx(expected, abs=1e-12)


def test_runs_that_score_other_images_are_no_pair(tmp_path):
    study = FakeStudy(tmp_path, cases=(8, 8), images=2)
    first, _ = study.write(methods=["grl"], holdouts=["40X"])
    study.write(methods=["baseline"], holdouts=["40X"])
    frame = pd.read_parquet(first / "predictions.parquet")
    frame.iloc[1:].to_parquet(first / "predictions.parquet")
    groups = arrange(load_runs(study.workspace, study.dataset).runs).groups
    pair = pair_groups(groups[1], groups[0])
    assert pair.left_out == {("40X", 0, 0): ("grl 40X fold 0 seed 0", "other test images than that of baseline")}
    assert pair.keys == {("40X", 1, 0)}


def test_configs_are_paired_by_their_settings(tmp_path):
    study = FakeStudy(tmp_path, cases=(8, 8), images=1)
    for method, config, epochs in (("baseline", "b10", 10), ("baseline", "b20", 20), ("grl", "g20", 20)):
        for folder in study.write(methods=[method], holdouts=["40X"], config_hash=config):
            settings = {"epochs": epochs, "seed": [0], "threads": len(config), "method": [method]}
            (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    loaded = load_runs(study.workspace, study.dataset)
    comparison = compare(loaded, "grl", "baseline", metrics=["auc"], replicates=100)
    assert [pair.reference.config_hash for pair in comparison.pairs] == ["b20"]
    # where none agrees all are shown, with what differs
    loaded = load_runs(study.workspace, study.dataset, configs=["b10", "g20"])
    comparison = compare(loaded, "grl", "baseline", metrics=["auc"], replicates=100)
    assert "grl and baseline differ in their settings: epochs 20 against 10." in comparison_notes(comparison, ["auc"])
    # one method's configs among themselves
    loaded = load_runs(study.workspace, study.dataset)
    comparison = compare(loaded, "baseline", "baseline", metrics=["auc"], replicates=100)
    assert [(p.first.config_hash, p.reference.config_hash) for p in comparison.pairs] == [("b10", "b20")]
    assert row(comparison, "40X", "auc").value == 0


def test_few_cases_have_neither_interval_nor_p(tmp_path):
    study = FakeStudy(tmp_path, cases=(4, 10), images=2)
    study.write(holdouts=["40X"])
    comparison = compare(load_runs(study.workspace, study.dataset), "grl", "baseline", replicates=100)
    found = row(comparison, "40X", "brier")
    assert np.isfinite(found.value)
    assert np.isnan([found.low, found.p, found.holm_p]).all()
    assert found.tests == 0
    assert found.reason == "no interval with fewer than 5 cases in a class"


def test_what_cannot_be_compared_is_refused_with_a_reason(study, loaded, tmp_path):
    with pytest.raises(UsageError, match=r"found none of 'grll'.*Did you mean 'grl'"):
        compare(loaded, "grll", "baseline")
    with pytest.raises(UsageError, match="found one config of 'grl'"):
        compare(loaded, "grl", "grl")
    other = FakeStudy(tmp_path, cases=(6, 6), images=1)
    other.write(methods=["grl"], holdouts=["40X"], seeds=(0,))
    other.write(methods=["baseline"], holdouts=["40X"], seeds=(1,))
    with pytest.raises(RunError, match=r"found none \(.*has no such run\)"):
        compare(load_runs(other.workspace, other.dataset), "grl", "baseline")
