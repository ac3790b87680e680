"""The explanation puts the same paired differences beside averages of the GANs' own tables, and trusts no file."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import spearmanr

from magsig_tf.errors import RunError
from magsig_tf.evaluation import load_runs
from magsig_tf.evaluation.augmentation.explanation import explain, explanation_notes
from magsig_tf.evaluation.comparison import compare
from tests.evaluation.fake_gans import GOOD, LITE0, RANDOM, fold_quality, quality_rows, write_gan_run, write_gans
from tests.evaluation.fake_runs import HOLDOUTS, FakeStudy

PAIR = ("40X", "400X")
DROP = {"baseline": 0.6, "baseline-resampled": 0.8, "gan": 2.0}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two holdouts, two folds, two seeds; the GANs of 400X are poor, those of one fold have a better malignant one."""
    study = FakeStudy(tmp_path_factory.mktemp("study"), cases=(10, 12), images=2, drop=DROP)
    study.write(methods=["baseline", "baseline-resampled"], holdouts=PAIR, seeds=(0, 1))
    for fold in (0, 1):
        write_gans(study, "40X", fold, fold_quality())
        for holdout in PAIR:
            for seed in (0, 1):
                write_gan_run(study, holdout, fold, seed, kept_share=0.25 + 0.5 * seed)
    write_gans(study, "400X", 0, fold_quality(kid=0.06, coverage=0.3))
    mixed = [*quality_rows("benign", kid=0.05, coverage=0.2), *quality_rows("malignant", kid=0.03, coverage=0.4)]
    write_gans(study, "400X", 1, pd.DataFrame(mixed + quality_rows("benign", RANDOM)))
    return study


@pytest.fixture(scope="module")
def loaded(study):
    return load_runs(study.workspace, study.dataset)


@pytest.fixture(scope="module")
def explanation(study, loaded):
    return explain(loaded, study.workspace, replicates=100)


def row(explanation, holdout, quantity, fold="all", level="", **keys):
    keys |= {"holdout": holdout, "quantity": quantity, "patient_fold": fold, "level": level}
    frame = explanation.table
    for name, value in keys.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def small_study(tmp_path, holdouts=("40X",), **quality):
    """Return a study of one fold's GANs whose files a test spoils, with a gan run for each of two folds."""
    study = FakeStudy(tmp_path, cases=(6, 6), images=1, drop=DROP)
    study.write(methods=["baseline"], holdouts=holdouts)
    for holdout in holdouts:
        for fold in (0, 1):
            write_gans(study, holdout, fold, fold_quality(**quality))
            write_gan_run(study, holdout, fold)
    return study


def explained(study):
    return explain(load_runs(study.workspace, study.dataset), study.workspace, replicates=100)


@pytest.mark.parametrize("reference", ["baseline", "baseline-resampled"])
def test_the_differences_are_those_of_a_comparison(loaded, explanation, reference):
    compared = compare(loaded, "gan", reference, metrics=["auc", "brier"], replicates=100).table
    for each in compared.itertuples():
        found = row(
            explanation, each.holdout, each.metric, level=each.level, compared="gan", reference_method=reference
        )
        for name in ("value", "low", "high", "p"):
            assert found[name] == pytest.approx(getattr(each, name), abs=1e-12)
        assert found["n"] == each.pairs


def test_the_two_parts_of_the_difference_add_up(explanation):
    for metric in ("auc", "brier"):
        keys = {"holdout": "400X", "quantity": metric, "level": "image"}
        whole = row(explanation, **keys, compared="gan", reference="baseline")["value"]
        synthetic = row(explanation, **keys, compared="gan", reference="baseline-resampled")["value"]
        resampling = row(explanation, **keys, compared="baseline-resampled")["value"]
        assert whole == pytest.approx(synthetic + resampling, abs=1e-12)


def test_quality_is_the_mean_over_gans_each_fold_once(explanation):
    # two folds of two GANs, shared by two seeds
    kid = row(explanation, "400X", "kid")
    assert (kid["value"], kid["n"], kid["features"]) == (pytest.approx((0.06 + 0.06 + 0.05 + 0.03) / 4), 4, LITE0)
    assert row(explanation, "400X", "kid_floor")["value"] == pytest.approx(0.01)
    assert row(explanation, "400X", "coverage")["value"] == pytest.approx((0.3 + 0.3 + 0.2 + 0.4) / 4)
    assert row(explanation, "400X", "kid", fold="1")["value"] == pytest.approx(0.04)
    assert row(explanation, "400X", "kid_above_floor")["value"] == 1
    assert row(explanation, "40X", "kid_above_floor")["value"] == 0
    assert row(explanation, "pooled", "copied")["n"] == 8
    kept = row(explanation, "pooled", "kept_share")
    assert (kept["value"], kept["n"]) == (pytest.approx(0.5), 8)


def test_a_sentence_traces_the_degraded_holdout_and_calls_the_good_one_good(explanation):
    degraded, fine = (row(explanation, h, "sentence", level="image")["words"] for h in ("400X", "40X"))
    difference = row(explanation, "400X", "auc", level="image", compared="gan", reference="baseline")
    ends = f"(.{-difference['high'] * 1000:03.0f} to .{-difference['low'] * 1000:03.0f})"
    assert f"AUC .{-difference['value'] * 1000:03.0f} lower than baseline {ends}" in degraded
    assert "KID .05, 5.0 times its floor, coverage .300 (floor .900): poor generators" in degraded
    assert "the filter kept .500" in degraded
    assert "near what real images of other patients reach" in fine
    assert explanation_notes(explanation, "image")[:2] == [fine, degraded]


def test_no_correlation_below_eight_folds_and_spearmans_from_there(tmp_path):
    study = FakeStudy(tmp_path, cases=(6, 6), images=1, drop=DROP)
    study.write(methods=["baseline"])
    for number, holdout in enumerate(HOLDOUTS):
        for fold in (0, 1):
            write_gans(study, holdout, fold, fold_quality(kid=0.01 * (2 * number + fold + 1)))
            write_gan_run(study, holdout, fold)
    explanation = explained(study)
    found = row(explanation, "pooled", "kid_auc_correlation", level="image")
    folds = explanation.table[explanation.table["patient_fold"] != "all"]
    folds = folds[(folds["quantity"] == "auc") & (folds["level"] == "image")]
    assert found["n"] == len(folds) == 8
    assert found["value"] == pytest.approx(spearmanr(np.arange(8), folds["value"]).statistic)
    assert any("rank correlation" in note for note in explanation_notes(explanation, "image"))
    (study.workspace.gan("fake") / "40X" / "fold0-0123abcd" / "quality.parquet").unlink()
    assert "kid_auc_correlation" not in set(explained(study).table["quantity"])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "quality.parquet").unlink(), "quality not measured"),
        (lambda folder: (folder / "quality.parquet").write_bytes(b"PAR1 or not"), "quality.parquet damaged"),
        (lambda folder: fold_quality().drop(columns="low").to_parquet(folder / "quality.parquet"), "damaged"),
        (lambda folder: fold_quality(kid=np.inf).to_parquet(folder / "quality.parquet"), "quality.parquet damaged"),
        (lambda folder: fold_quality().assign(value="1").to_parquet(folder / "quality.parquet"), "damaged"),
        (lambda folder: (folder / "fold.json").write_text("{"), "fold.json damaged"),
        (lambda folder: (folder / "fold.json").unlink(), "GANs not there"),
        (lambda folder: rewrite(folder / "fold.json", status="running"), "GANs not finished"),
    ],
)
def test_what_cannot_be_read_is_said_and_the_rest_is_averaged(tmp_path, spoil, words):
    study = small_study(tmp_path, kid=0.02)
    spoil(study.workspace.gan("fake") / "40X" / "fold1-0123abcd")
    explanation = explained(study)
    kid = row(explanation, "40X", "kid")
    assert (kid["value"], kid["n"]) == (pytest.approx(0.02), 2)
    assert words in kid["words"]
    assert np.isnan(row(explanation, "40X", "kid", fold="1")["value"])
    assert any(note.startswith("gan 40X fold 1: ") and words in note for note in explanation_notes(explanation, "case"))


def rewrite(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_values_that_are_not_defined_are_left_out_with_their_reason(tmp_path):
    study = small_study(tmp_path)
    table = fold_quality()
    spoiled = (table["part"] == "benign") & (table["metric"] == "coverage") & (table["kind"] == "synthetic")
    table.loc[spoiled, ["value", "low", "high"]] = np.nan
    table.loc[spoiled, "reason"] = "2 images on a side"
    blind = (table["metric"] == "magnification_shift") & (table["kind"] == "synthetic")
    table.loc[blind, "reason"] = "the probe is blind"
    table.to_parquet(study.workspace.gan("fake") / "40X" / "fold0-0123abcd" / "quality.parquet")
    explanation = explained(study)
    assert row(explanation, "40X", "coverage")["n"] == 3
    # a probe that cannot distinguish real magnifications says nothing of synthetic ones
    assert row(explanation, "40X", "magnification_shift")["n"] == 2
    notes = " ".join(explanation_notes(explanation, "image"))
    assert "magnification shift: the probe is blind" in notes


def test_folds_are_compared_in_features_that_all_of_them_have(tmp_path):
    study = small_study(tmp_path)
    write_gans(study, "40X", 1, fold_quality(spaces=[RANDOM], kid=0.5))
    explanation = explained(study)
    kid = row(explanation, "40X", "kid")
    assert (kid["features"], kid["value"]) == (RANDOM, pytest.approx((GOOD["kid"] + 0.5) / 2))
    assert any("random CNN" in note for note in explanation_notes(explanation, "image"))


@pytest.mark.parametrize("name", ["split_hash", "dataset_hash"])
def test_gans_of_another_split_are_refused_with_both_hashes(tmp_path, name):
    study = small_study(tmp_path)
    rewrite(study.workspace.gan("fake") / "40X" / "fold1-0123abcd" / "fold.json", **{name: "another"})
    wanted = {"split_hash": "split-40X-1", "dataset_hash": "d" * 16}[name]
    with pytest.raises(RunError, match=rf"{wanted}.*found another") as error:
        explained(study)
    assert "train it again" in str(error.value)


@pytest.mark.parametrize("place", ["../elsewhere", "/etc", "gan/../..", "a\0b"])
def test_gans_outside_the_workspace_are_refused(tmp_path, place):
    study = small_study(tmp_path)
    write_gan_run(study, "40X", 0, synthetic={"gan_folder": place, "kept_share": None})
    with pytest.raises(RunError, match="inside the workspace"):
        explained(study)


@pytest.mark.parametrize(
    "synthetic",
    [3, {}, {"gan_folder": 5}, {"gan_folder": "gan", "kept_share": 2}, {"gan_folder": "g", "kept_share": "x"}],
)
def test_a_run_that_misstates_its_gans_is_refused(tmp_path, synthetic):
    study = small_study(tmp_path)
    write_gan_run(study, "40X", 0, synthetic=synthetic)
    with pytest.raises(RunError, match="gan_folder"):
        load_runs(study.workspace, study.dataset)


def test_several_configs_are_rows_of_their_own_and_the_notes_tell_them_apart(tmp_path):
    study = small_study(tmp_path)
    for fold in (0, 1):
        for config, filtered in (("0ff1ce00", False), ("f117e700", True)):
            kept = {"kept_share": 0.25 if filtered else None}
            folder = write_gan_run(study, "40X", fold, config_hash=config, **kept)
            settings = {"synthetic_filter": filtered, "epochs": 3, "method": ["gan"]}
            (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    explanation = explained(study)
    assert [group.label for group in explanation.groups] == ["gan 0ff1ce", "gan f117e7"]
    plain, filtered = (row(explanation, "40X", "kept_share", label=g.label) for g in explanation.groups)
    assert plain["words"] == "not filtered"
    assert filtered["value"] == 0.25
    notes = explanation_notes(explanation, "image")
    assert "gan f117e7: synthetic_filter true." in notes
    keys = {"label": "gan f117e7", "compared": "gan f117e7", "reference": "baseline"}
    assert row(explanation, "40X", "auc", level="image", **keys)["tests"] == 2


def test_what_was_not_run_is_said(tmp_path):
    study = small_study(tmp_path)
    explanation = explained(study)
    missing = row(explanation, "40X", "auc", level="image", compared="gan", reference="baseline-resampled")
    assert (missing["reason_code"], missing["words"]) == ("no_method", "no baseline-resampled")
    assert "AUC against baseline-resampled not run" in explanation.sentences("image")[0]
    for path in study.workspace.runs("fake").glob("baseline/*/*/run.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "running"}))
    assert explained(study).sentences("image") == [
        "gan at 40X: nothing to compare: no baseline; no baseline-resampled."
    ]


def test_a_baseline_with_other_settings_is_no_reference(tmp_path):
    study = small_study(tmp_path)
    for method, epochs in (("gan", 20), ("baseline", 10)):
        for path in study.workspace.runs("fake").glob(f"{method}/*/*/run.json"):
            (path.parent / "config.yaml").write_text(yaml.safe_dump({"epochs": epochs, "threads": epochs}))
    explanation = explained(study)
    words = row(explanation, "40X", "auc", level="image", compared="gan", reference="baseline")["words"]
    assert words == "baseline was run with other epochs"


def test_runs_without_gans_have_nothing_to_explain(tmp_path):
    study = FakeStudy(tmp_path, cases=(6, 6), images=1)
    study.write(methods=["baseline"], holdouts=["40X"])
    with pytest.raises(RunError, match="found none"):
        explained(study)
