"""The linear head on frozen features: chosen on validation rows alone, stored as a run that everything else reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks import frozen_features
from magsig_tf.atomic_files import read_json
from magsig_tf.config_files import build_config
from magsig_tf.data.splits import split_of
from magsig_tf.evaluation import load_runs, summarise
from magsig_tf.statistics.selection_loss import mean_cross_entropy
from magsig_tf.workspace import Workspace
from tests.tiny import tiny_dataset


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return a workspace with runs, their data set, their folders and what was said."""
    workspace, said = Workspace(tmp_path_factory.mktemp("frozen")), []
    prepared = tiny_dataset(workspace)
    asked = {"encoder": "small_cnn", "holdout": ["400X"], "folds": 4, "magnifications": ["100X", "200X", "400X"]}
    return workspace, prepared, frozen_features.write_runs(workspace, "tiny", said.append, **asked), said


def made_up_embeddings(prepared):
    """Return embeddings of which one dimension tells the classes apart and one is constant, and a split."""
    embeddings = np.random.default_rng(0).normal(5.0, 3.0, (len(prepared.manifest), 6)).astype(np.float32)
    embeddings[:, 0] += 4 * prepared.labels
    embeddings[:, 5] = 7.0
    return embeddings, split_of(build_config({"holdout": "400X"}), prepared)


def test_evaluate_shows_the_method_and_it_learned_what_is_easy(written):
    workspace, _, folders, _ = written
    loaded = load_runs(workspace, "tiny")
    assert {(run.method, run.holdout, run.patient_fold) for run in loaded.runs} == {
        ("frozen-linear", "400X", fold) for fold in range(4)
    }
    assert sorted(run.folder for run in loaded.runs) == sorted(folders)
    table = summarise(loaded, replicates=100).table
    auc = table[(table["metric"] == "auc") & (table["quantity"] == "held_out") & (table["level"] == "image")]
    assert (auc["value"] > 0.9).all()


def test_the_record_says_what_was_chosen_and_that_nothing_of_the_encoder_was_trained(written):
    _, _, folders, said = written
    for folder, line in zip(folders, said[1:-1], strict=True):
        record = read_json(folder / "run.json")
        assert (record["status"], record["method"], record["batch_statistics"]) == ("done", "frozen-linear", "frozen")
        path = record["path"]
        losses, strength = path["validation_loss"], record["chosen"]["state"]["C"]
        assert record["chosen"]["validation_loss"] == min(losses) == losses[path["C"].index(strength)]
        assert path["at_edge"] == (strength in (path["C"][0], path["C"][-1])) == ("edge" in line)
        assert f"C {strength:g}" in line
        assert record["trained_weights"] == 128 + 1
        predictions = pd.read_parquet(folder / "predictions.parquet")
        rows = predictions[predictions["part"] == "validation"]
        found = mean_cross_entropy(*(rows[name].to_numpy() for name in ("label", "logit", "magnification")))
        assert found == pytest.approx(min(losses), rel=1e-6)


def test_the_stored_model_answers_as_the_stored_predictions_say(written):
    from magsig_tf.models.saved_model import load_saved_model

    _, prepared, folders, _ = written
    for folder in folders[:2]:
        predictions = pd.read_parquet(folder / "predictions.parquet")
        pixels = prepared.images[predictions["row"].to_numpy()].astype(np.float32)
        logits = load_saved_model(folder / "model.keras")(pixels, training=False)["logit"].numpy()[:, 0]
        np.testing.assert_allclose(logits, predictions["logit"], atol=1e-4)


def test_neither_images_nor_labels_of_test_cases_change_the_head(written):
    _, prepared, _, _ = written
    embeddings, split = made_up_embeddings(prepared)
    head = frozen_features.fitted_head(embeddings, prepared, split)
    others = np.concatenate([split.rows[part] for part in ("test", "in_domain_test", "validation_holdout")])
    changed = replace(prepared)
    changed.__dict__["labels"] = prepared.labels.copy()
    changed.labels[others] = 1 - changed.labels[others]
    embeddings[others] = 1e6
    again = frozen_features.fitted_head(embeddings, changed, split)
    np.testing.assert_array_equal(again.weights, head.weights)
    assert (again.offset, again.losses) == (head.offset, head.losses)


def test_the_head_is_that_of_scikit_learn_on_standardised_rows(written):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    _, prepared, _, _ = written
    embeddings, split = made_up_embeddings(prepared)
    train, test = split.rows["train"], split.rows["test"]
    head = frozen_features.fitted_head(embeddings, prepared, split, strengths=(0.02,))
    expected = make_pipeline(StandardScaler(), LogisticRegression(C=0.02, tol=1e-8, max_iter=1000))
    expected.fit(embeddings[train].astype(float), prepared.labels[train])
    np.testing.assert_allclose(head.logits(embeddings[test]), expected.decision_function(embeddings[test]), atol=1e-3)
    assert head.weights[5] == 0


def test_the_smallest_form_says_what_it_did(capsys):
    frozen_features.main.main(["--quick"], standalone_mode=False)
    first, *cells, last = capsys.readouterr().out.splitlines()
    assert first.startswith("random: 60 images of 32 px embedded by small_cnn")
    assert len(cells) == 5
    assert last.startswith("5 runs: embedding ")
