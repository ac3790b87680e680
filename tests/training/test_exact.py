"""Exact methods as runs: fitted once a split, certified, written as every run is, the same whatever the seeds."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from magsig_tf.config_files import build_config
from magsig_tf.data.splits import split_of
from magsig_tf.errors import UsageError
from magsig_tf.execution.observer import Observer
from magsig_tf.linear_models.sparse_path import fit_scaling
from magsig_tf.models.saved_model import load_saved_model
from magsig_tf.runs.matrix import arrange
from magsig_tf.runs.run import Run
from magsig_tf.testing.tiny_data import tiny_dataset, tiny_embeddings
from magsig_tf.training.planning import plan_matrix
from magsig_tf.training.run import execute
from magsig_tf.workspace import Workspace


class Heard(Observer):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def planned(workspace, dataset, **given):
    return plan_matrix(build_config({"dataset": dataset.name, "holdout": "400X", **given}), dataset, workspace)


def fitted(workspace, dataset, **given):
    heard = Heard()
    runs = planned(workspace, dataset, **given)
    for run in runs:
        execute(run, dataset, heard)
    return [Run.found(run.folder) for run in runs], heard.notes


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("exact"))
    return workspace, tiny_embeddings(workspace, length=20)


def plain_embeddings(run, part):
    stored = np.load(run.folder / "embeddings.npz")
    chosen = stored["part"] == part
    return {name: stored[name][chosen] for name in ("embedding", "row", "magnification", "label")}


@pytest.mark.parametrize("method", ["linear", "erasure", "lasso"])
def test_a_run_leaves_what_every_run_leaves(study, method):
    (run,), _ = fitted(*study, method=method)
    record = run.record
    assert (record.status, record.seedless, record.seed) == ("done", True, 0)
    assert {"model.keras", "embeddings.npz", "predictions.parquet", "config.yaml"} <= {
        path.name for path in run.folder.iterdir()
    }
    tested = run.part("test")
    assert tested.loc[tested["label"] == 1, "logit"].mean() > tested.loc[tested["label"] == 0, "logit"].mean() + 1
    said = load_saved_model(run.folder / "model.keras")(study[1].inputs[tested["row"].to_numpy()])
    np.testing.assert_allclose(said["logit"].numpy()[:, 0], tested["logit"], atol=1e-4)
    stored = plain_embeddings(run, "test")
    np.testing.assert_allclose(said["embedding"].numpy(), stored["embedding"], atol=1e-4)


def test_linear_is_the_optimum_of_scikit_learn_chosen_by_source_validation(study):
    (run,), _ = fitted(*study, method="linear")
    dataset, split = study[1], split_of(planned(*study, method="linear")[0].config, study[1])
    train, judged = split.rows["train"], split.rows["validation"]
    scaling = fit_scaling(dataset.inputs[train])
    features, others = scaling.apply(dataset.inputs[train]), scaling.apply(dataset.inputs[judged])
    magnifications = dataset.manifest["magnification"].to_numpy()[judged]
    losses, heads = [], []
    for strength in run.record.certificate["path"]["C"]:
        head = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(features, dataset.labels[train])
        logits = head.decision_function(others)
        each = np.logaddexp(0, logits) - dataset.labels[judged] * logits
        losses.append(np.mean([each[magnifications == name].mean() for name in set(magnifications)]))
        heads.append(head)
    assert run.record.certificate["path"]["validation_loss"] == pytest.approx(losses, abs=1e-5)
    best = heads[int(np.argmin(losses))]
    tested = run.part("test")
    wanted = best.decision_function(scaling.apply(dataset.inputs[tested["row"].to_numpy()]))
    np.testing.assert_allclose(tested["logit"], wanted, atol=1e-3)
    assert run.record.certificate["duality_gap"] <= 1e-9


def test_after_erasure_training_rows_do_not_tell_magnifications_apart(study):
    (run,), notes = fitted(*study, method="erasure", erase="plain")
    proven = run.record.certificate["erasure"]
    assert proven["holds"]
    assert proven["cross_covariance"] < 1e-6
    assert proven["cross_entropy"] == pytest.approx(proven["entropy"], abs=1e-4)
    assert proven["validation_probe"]["before"] > 0.8 > 0.6 > proven["validation_probe"]["after"]
    stored = plain_embeddings(run, "train")
    means = [stored["embedding"][stored["magnification"] == name].mean(0) for name in ("40X", "100X", "200X")]
    np.testing.assert_allclose(means[0], means[1], atol=1e-5)
    np.testing.assert_allclose(means[0], means[2], atol=1e-5)
    assert any("directions erased (plain)" in note and "chance 0.333" in note for note in notes)


def test_one_run_serves_all_seeds_and_settings_that_do_not_matter_make_no_other(study):
    given = {"method": ["linear", "baseline"], "seed": [3, 4, 5]}
    runs = planned(*study, **given)
    assert [(run.method, run.seed) for run in runs if run.method == "linear"] == [("linear", 0)]
    assert sorted(run.seed for run in runs if run.method == "baseline") == [3, 4, 5]
    (first,) = planned(*study, method="linear")
    (second,) = planned(*study, method="linear", epochs=99, seed=7, encoder="identity", ema=0.9)
    (third,) = planned(*study, method="linear", row_weights="case")
    (fourth,) = planned(*study, method="linear", split_seed=1)
    assert first.folder == second.folder
    assert len({first.folder, third.folder, fourth.folder}) == 3


def test_its_config_holds_what_decides_it_and_no_more(study):
    (run,), _ = fitted(*study, method="linear")
    assert {"row_weights", "folds", "split_seed", "selection"} <= set(run.settings)
    assert not {"epochs", "encoder", "learning_rate", "augment"} & set(run.settings)
    assert {"epochs", "encoder", "learning_rate", "augment"} <= set(run.record.unused_settings)


def test_it_stands_beside_three_seeds_of_a_trained_method(study):
    (linear,), _ = fitted(*study, method="linear")
    trained, _ = fitted(*study, method="baseline", seed=[0, 1, 2], epochs=1, encoder="identity")
    matrix = arrange([linear, *trained])
    assert [group.method for group in matrix.compared(["400X"])] == ["baseline", "linear"]


def test_a_run_that_is_done_is_left_alone(study):
    (run,), _ = fitted(*study, method="linear")
    before = (run.folder / "predictions.parquet").stat().st_mtime_ns
    fitted(*study, method="linear")
    assert (run.folder / "predictions.parquet").stat().st_mtime_ns == before


def test_every_view_of_a_training_row_is_fitted_to(tmp_path):
    workspace = Workspace(tmp_path)
    dataset = tiny_embeddings(workspace, length=20, views=3)
    (run,), _ = fitted(workspace, dataset, method="linear")
    split = split_of(planned(workspace, dataset, method="linear")[0].config, dataset)
    values = np.asarray(dataset.embeddings[split.rows["train"]]).reshape(-1, 20)
    stored = plain_embeddings(run, "test")
    wanted = fit_scaling(values).apply(dataset.inputs[stored["row"]])
    np.testing.assert_allclose(stored["embedding"], wanted, atol=1e-5)


def test_images_are_refused_with_what_to_do(tmp_path):
    workspace = Workspace(tmp_path)
    with pytest.raises(UsageError, match=r"embeddings for the method linear.*magsig embed --dataset tiny"):
        planned(workspace, tiny_dataset(workspace), method=["baseline", "linear"], encoder="small_cnn")


def test_erasure_gives_the_same_bits_on_one_core(tmp_path, monkeypatch):
    found = []
    for cores in (1, 4):
        monkeypatch.setattr("magsig_tf.methods.erasure.available_cores", lambda cores=cores: cores)
        workspace = Workspace(tmp_path / str(cores))
        (run,), _ = fitted(workspace, tiny_embeddings(workspace, length=20), method="erasure")
        found.append(run)
    one, other = found
    np.testing.assert_array_equal(one.part("test")["logit"], other.part("test")["logit"])
    assert one.record.certificate == other.record.certificate


def test_erasure_with_one_source_magnification_is_refused(tmp_path):
    workspace = Workspace(tmp_path)
    dataset = tiny_embeddings(workspace, magnifications=("40X", "400X"))
    with pytest.raises(UsageError, match="at least 2 source magnifications for the method erasure"):
        planned(workspace, dataset, method="erasure")
