"""Several data sets of the same images: rows are paired by image, cases drawn once, what does not fit is refused."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss

from magsig_tf import workflows
from magsig_tf.errors import DataError, RunError, UsageError
from magsig_tf.evaluation import load_runs, summary_notes
from magsig_tf.evaluation.comparison import comparison_notes
from magsig_tf.runs.side_by_side import put_side_by_side
from magsig_tf.statistics.intervals import holm
from tests.evaluation.fake_encoders import FakeEncoder

SIZE = {"cases": (10, 12), "images": 2}
HOLDOUTS = ["40X", "100X"]
LACKING = "case-003"


def answers(method, frame):
    """The better encoder: sure and right, for one malignant case in three sure and wrong."""
    wrong = (frame["label"] == 1) & (frame["case"].str[-1].astype(int) % 3 == 0)
    right = {"linear": 0.8, "grl": 0.9}[method]
    return np.where((frame["label"] == 1) ^ wrong, right, 1 - right)


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """Uni, lite0 with other answers, in another order and without a case, and a copy of uni in a third order."""
    root = tmp_path_factory.mktemp("workspace")
    made = (
        FakeEncoder(root, "uni", **SIZE),
        FakeEncoder(root, "lite0", seed=1, without=[LACKING], answer=answers, **SIZE),
        FakeEncoder(root, "copy", seed=2, **SIZE),
    )
    for each in made:
        each.write(methods=["linear"], holdouts=HOLDOUTS, seedless=True, config_hash="11near00")
        each.write(methods=["grl"], holdouts=HOLDOUTS, seeds=(0, 1))
    return made


@pytest.fixture(scope="module")
def workspace(encoders):
    return encoders[0].workspace


@pytest.fixture(scope="module")
def evaluated(workspace):
    return workflows.evaluate(workspace, ["uni", "lite0"], replicates=100)


@pytest.fixture(scope="module")
def across(workspace):
    return workflows.compare(workspace, "linear", "linear", ["lite0", "uni"], replicates=100)


def answered(encoder, method, holdout, seed=0):
    """Return the test predictions of all patient folds on the common images, with their paths, ordered by these."""
    frames = [encoder.predictions(method, holdout, fold, seed) for fold in (0, 1)]
    joined = pd.concat([frame[frame["part"] == "test"] for frame in frames])
    joined = joined.assign(path=encoder.images["path"].to_numpy()[joined["row"]])
    return joined[joined["case"] != LACKING].sort_values("path")


def value(frame, **where):
    found = frame.loc[(frame[list(where)] == pd.Series(where)).all(axis=1)]
    assert len(found) == 1
    return found.iloc[0]


def test_rows_are_labelled_by_data_set_and_rest_on_the_common_images(encoders, evaluated, workspace):
    frame = evaluated.frame
    assert list(dict.fromkeys(frame["label"])) == ["uni: grl", "uni: linear", "lite0: grl", "lite0: linear"]
    assert (frame["label"].str.split(": ").str[0] == frame["dataset"]).all()
    assert frame["compared"].all()
    for encoder in encoders[:2]:
        where = {"label": f"{encoder.dataset}: linear", "holdout": "100X", "level": "image", "quantity": "held_out"}
        found = value(frame, metric="brier", **where)
        rows = answered(encoder, "linear", "100X")
        assert found.value == pytest.approx(brier_score_loss(rows["label"], rows["probability"]), abs=1e-12)
        assert (found.images, found.cases_benign + found.cases_malignant) == (42, 21)
    written = workspace.results() / "uni+lite0"
    assert pd.read_parquet(written / "summary.parquet").equals(frame)
    assert set(pd.read_csv(written / "summary.csv")["dataset"]) == {"uni", "lite0"}


def test_counts_are_told(evaluated, across):
    told = "Paired on 168 images of 21 cases that all data sets have, by path and case: 168 of 176 images of uni, "
    assert summary_notes(evaluated.found, "image", ["auc"])[0] == f"{told}168 of 168 images of lite0."
    assert comparison_notes(across.found, ["auc"])[0].startswith("Paired on 168 images of 21 cases")
    assert not any("configs" in note for note in summary_notes(evaluated.found, "image", ["auc"]))


def test_one_method_is_compared_across_data_sets_image_by_image(encoders, across, workspace):
    uni, lite0, _ = encoders
    assert list(dict.fromkeys(zip(across.frame["label"], across.frame["reference_label"], strict=True))) == [
        ("lite0: linear", "uni: linear")
    ]
    for holdout in HOLDOUTS:
        one, other = answered(lite0, "linear", holdout), answered(uni, "linear", holdout)
        assert (one["path"].to_numpy() == other["path"].to_numpy()).all()
        found = value(across.frame, holdout=holdout, level="image", metric="brier")
        sides = [brier_score_loss(rows["label"], rows["probability"]) for rows in (one, other)]
        # .2 squared for right answers, .8 squared for wrong ones
        by_hand = np.where((one["probability"] >= 0.5) == (one["label"] == 1), 0.04, 0.64).mean()
        assert found.method_value == pytest.approx(by_hand, abs=1e-12)
        assert found.value == pytest.approx(sides[0] - sides[1], abs=1e-12)
        assert (found.pairs, found.left_out) == (2, 0)
        assert np.isfinite([found.low, found.high, found.p]).all()
        assert (found.dataset, found.reference_dataset) == ("lite0", "uni")
    assert (workspace.results() / "lite0+uni" / "comparison-linear-linear.csv").is_file()


def test_equal_answers_in_another_order_are_equal_to_the_last_bit(workspace):
    frame = workflows.evaluate(workspace, ["uni", "copy"], replicates=100).frame
    columns = ["holdout", "level", "metric", "quantity", "value", "low", "high", "images", "replicates"]
    uni, copy = (frame.loc[frame["dataset"] == name, columns].reset_index(drop=True) for name in ("uni", "copy"))
    pd.testing.assert_frame_equal(uni, copy, check_exact=True)
    found = workflows.compare(workspace, "grl", "grl", ["uni", "copy"], replicates=100).frame
    assert (found.loc[found["metric"] == "auc", "value"] == 0).all()


def test_the_draws_do_not_depend_on_names_or_order_of_the_data_sets(workspace, evaluated):
    turned = workflows.evaluate(workspace, ["lite0", "uni"], replicates=100).frame
    keys = ["label", "holdout", "level", "metric", "quantity"]
    both = evaluated.frame.merge(turned, on=keys, suffixes=("", "_turned"))
    assert len(both) == len(turned)
    for name in ("value", "low", "high"):
        np.testing.assert_array_equal(both[name], both[f"{name}_turned"])


def test_two_methods_are_compared_within_each_data_set_and_holm_counts_all(workspace):
    frame = workflows.compare(workspace, "grl", "linear", ["uni", "lite0"], replicates=100).frame
    assert list(dict.fromkeys(zip(frame["label"], frame["reference_label"], strict=True))) == [
        ("uni: grl", "uni: linear"),
        ("lite0: grl", "lite0: linear"),
    ]
    family = frame[(frame["metric"] == "brier") & (frame["level"] == "image") & (frame["holdout"] != "pooled")]
    assert (family["tests"] == family["p"].notna().sum()).all()
    assert len(family) == 4
    np.testing.assert_allclose(family["holm_p"], holm(family["p"].to_numpy()))


def test_the_reference_can_be_of_another_data_set(encoders, workspace):
    numbers = workflows.compare(workspace, "grl", "linear", "lite0", reference_dataset="uni", replicates=100)
    assert set(numbers.frame["label"]) == {"lite0: grl"}
    assert set(numbers.frame["reference_label"]) == {"uni: linear"}
    found = value(numbers.frame, holdout="40X", level="image", metric="brier")
    frames = [answered(encoders[1], "grl", "40X", 0), answered(encoders[1], "grl", "40X", 1)]
    one = np.mean([brier_score_loss(rows["label"], rows["probability"]) for rows in frames])
    rows = answered(encoders[0], "linear", "40X")
    other = brier_score_loss(rows["label"], rows["probability"])
    assert found.value == pytest.approx(one - other, abs=1e-12)
    assert (found.pairs, found.seeds) == (4, 2)


def test_the_same_data_set_twice_is_one(workspace):
    once, twice = (workflows.evaluate(workspace, names, replicates=20) for names in ("uni", ["uni", "uni"]))
    assert once.frame.equals(twice.frame)
    assert set(once.frame["label"]) == {"grl", "linear"}
    assert once.files == twice.files


def test_a_method_may_be_missing_in_some_data_sets_and_not_in_all(tmp_path):
    uni, lite0 = (FakeEncoder(tmp_path, name, **SIZE) for name in ("uni", "lite0"))
    uni.write(methods=["baseline", "grl"], holdouts=["40X"])
    lite0.write(methods=["baseline"], holdouts=["40X"])
    names = ["uni", "lite0"]
    frame = workflows.evaluate(uni.workspace, names, methods=["baseline", "grl"], replicates=20).frame
    assert set(frame["label"]) == {"uni: baseline", "uni: grl", "lite0: baseline"}
    with pytest.raises(UsageError, match="found none of 'gan'"):
        workflows.evaluate(uni.workspace, names, methods=["gan"], replicates=20)
    with pytest.raises(RunError, match="a method that was asked for in lite0, found none of grl"):
        workflows.evaluate(uni.workspace, names, methods=["grl"], replicates=20)
    with pytest.raises(UsageError, match=r"found uni: grl, and no two of them"):
        workflows.compare(uni.workspace, "grl", "grl", names, replicates=20)


def test_a_mean_of_fewer_holdouts_than_others_says_so(tmp_path):
    whole, part = FakeEncoder(tmp_path, "uni", **SIZE), FakeEncoder(tmp_path, "lite0", seed=1, **SIZE)
    whole.write(methods=["linear"], holdouts=HOLDOUTS, seedless=True, config_hash="11near00")
    part.write(methods=["linear"], holdouts=["40X"], seedless=True, config_hash="11near00")
    found = workflows.evaluate(whole.workspace, ["uni", "lite0"], replicates=100)
    (said,) = [note for note in summary_notes(found.found, "image", ["auc"]) if note.startswith("Pooled AUC mixes")]
    first, second = said.partition("holdouts: ")[2].split(", ")
    assert "holdouts" not in first
    assert second.endswith("(1 of 2 holdouts).")


def test_data_sets_that_share_no_image_are_refused(tmp_path):
    uni, lite0 = (FakeEncoder(tmp_path, name, **SIZE) for name in ("uni", "lite0"))
    for each in (uni, lite0):
        each.write(methods=["baseline"], holdouts=["40X"])
    lite0.images["path"] = "other/" + lite0.images["path"]
    lite0.write_manifest()
    with pytest.raises(DataError, match="found none of the 176 images of uni among the 176 of lite0"):
        workflows.evaluate(uni.workspace, ["uni", "lite0"], replicates=20)


def test_splits_that_put_cases_into_other_parts_are_refused(tmp_path):
    uni, lite0 = FakeEncoder(tmp_path, "uni", **SIZE), FakeEncoder(tmp_path, "lite0", seed=3, **SIZE)
    lite0.manifest["fold"] = lite0.manifest["case"].map({"case-002": 1, "case-005": 0}).fillna(lite0.manifest["fold"])
    for each in (uni, lite0):
        each.write(methods=["baseline"], holdouts=["40X"])
    expected = r"each case in the same part, found case 'case-002' tested at holdout 40X, patient fold 0 of uni alone"
    with pytest.raises(RunError, match=expected):
        workflows.evaluate(uni.workspace, ["uni", "lite0"], replicates=20)
    with pytest.raises(RunError, match=expected):
        workflows.compare(uni.workspace, "baseline", "baseline", ["uni", "lite0"], replicates=20)


@pytest.mark.parametrize("fact", ["label", "magnification"])
def test_data_sets_that_contradict_each_other_are_refused(tmp_path, fact):
    uni, lite0 = (FakeEncoder(tmp_path, name, **SIZE) for name in ("uni", "lite0"))
    for each in (uni, lite0):
        each.write(methods=["baseline"], holdouts=["40X"])
    lite0.images.loc[5, fact] = {"label": "malignant", "magnification": "20X"}[fact]
    lite0.write_manifest()
    with pytest.raises(DataError, match=rf"Expected one {fact} of each image.*found 1 images.*'0005.png'"):
        workflows.evaluate(uni.workspace, ["uni", "lite0"], replicates=20)


def test_what_is_gone_or_belongs_to_another_manifest_is_refused(tmp_path):
    uni, lite0 = (FakeEncoder(tmp_path, name, **SIZE) for name in ("uni", "lite0"))
    for each in (uni, lite0):
        each.write(methods=["baseline"], holdouts=["40X"])
    lite0.images = lite0.images.iloc[::-1].reset_index(drop=True)
    lite0.write_manifest()
    with pytest.raises(RunError, match="rows or cases that its manifest does not have"):
        workflows.evaluate(uni.workspace, ["uni", "lite0"], replicates=20)
    (uni.workspace.data("lite0") / "manifest.parquet").unlink()
    with pytest.raises(DataError, match="Expected the manifest of data set lite0"):
        workflows.evaluate(uni.workspace, ["uni", "lite0"], replicates=20)


def test_runs_that_tested_no_common_image_are_left_out_and_counted(tmp_path):
    uni, lite0 = (FakeEncoder(tmp_path, name, **SIZE) for name in ("uni", "lite0"))
    for each in (uni, lite0):
        each.write(methods=["baseline"], holdouts=HOLDOUTS)
    lite0.images.loc[lite0.images["magnification"] == "100X", "path"] += ".other"
    lite0.write_manifest()
    loaded = put_side_by_side(uni.workspace, [load_runs(uni.workspace, name) for name in ("uni", "lite0")])
    assert {(run.dataset, run.holdout) for run in loaded.runs} == {("uni", "40X"), ("lite0", "40X")}
    left_out = "2 runs left out, which tested none of the images that all data sets have."
    assert loaded.notes[1:] == (f"uni: {left_out}", f"lite0: {left_out}")


def test_results_of_a_data_set_of_that_name_are_not_overwritten(tmp_path):
    for name in ("uni", "lite0", "uni+lite0"):
        FakeEncoder(tmp_path, name, **SIZE).write(methods=["baseline"], holdouts=["40X"])
    workspace = FakeEncoder(tmp_path, "uni", **SIZE).workspace
    with pytest.raises(UsageError, match=r"found a data set uni\+lite0"):
        workflows.evaluate(workspace, ["uni", "lite0"], replicates=20)
    assert workflows.evaluate(workspace, ["lite0", "uni"], replicates=20).files
