"""Which synthetic images the fold's own baseline run finds worth training on."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from magsig_tf.checksums import signing
from magsig_tf.data.resampling import downsampled
from magsig_tf.data.splits import split_of
from magsig_tf.errors import RunError
from magsig_tf.gan.fold import read_synthetic_images
from magsig_tf.methods.needs import RunNeeded
from magsig_tf.training.changed_batches import filtered, nearest_distances
from magsig_tf.training.planning import missing_prerequisites, needed_run
from magsig_tf.training.run import execute
from magsig_tf.workspace import Workspace
from tests.made_up_gans import Notes, fold_of, gan_run, write_fold
from tests.tiny import SIZE, tiny_dataset


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def prepared(workspace):
    return tiny_dataset(workspace)


def save_judge(folder):
    """Replace a run's model by one whose embedding is the mean colour, and which calls dark images malignant."""
    import keras

    pixels = keras.Input((SIZE, SIZE, 3))
    embedding = keras.layers.GlobalAveragePooling2D(name="embedding")(pixels)
    dense = keras.layers.Dense(1, name="logit")
    model = keras.Model(pixels, {"embedding": embedding, "logit": dense(embedding)})
    dense.set_weights([np.full((3, 1), -0.03), np.array([0.03 * 3 * 95.0])])
    with signing(folder / "model.keras") as temporary:
        model.save(temporary)


@pytest.fixture(scope="module")
def judged(workspace, prepared):
    """A finished baseline run, and the settings of gan runs that it judges for."""
    common = {"synthetic_filter": True, "gan_seed": 15, "learning_rate": 0.001}
    run = gan_run(workspace, **common)
    write_fold(fold_of(run, prepared), prepared)
    baseline = needed_run(run, RunNeeded("baseline"), prepared)
    listed = missing_prerequisites([run], prepared)
    assert [(each.folder, each.status) for each in listed] == [(str(baseline.folder), "new")]
    notes = Notes()
    with pytest.raises(RunError, match=r"at least 8 synthetic images .*found \d of 36 usable"):
        execute(gan_run(workspace, **common, synthetic_confidence=0.9999999), prepared, notes)
    assert any("its baseline run is trained first" in text for text in notes.said)
    assert baseline.status == "done"
    save_judge(baseline.folder)
    return common


def test_the_filter_has_the_baseline_run_trained_first_and_says_what_it_kept(workspace, prepared, judged):
    run, notes = gan_run(workspace, **judged), Notes()
    record = execute(run, prepared, notes).as_json()["synthetic"]
    table = pd.read_parquet(run.folder / "synthetic_kept.parquet")
    assert len(table) == 72
    assert 16 <= table["kept"].sum() < 72
    assert record["filtered"]
    assert record["kept"] == table["kept"].sum()
    for label, name in enumerate(("benign", "malignant")):
        rows, found = table[table["label"] == label], record["by_class"][name]
        assert (found["available"], found["kept"]) == (len(rows), rows["kept"].sum())
        assert found["kept_share"] == pytest.approx(rows["kept"].mean())
        dropped = [found[reason] for reason in ("wrong", "unsure", "copy", "far")]
        assert sum(dropped) == (~rows["kept"]).sum()
        assert any(f"{found['kept']} of {found['available']} {name} images kept" in text for text in notes.said)


def test_the_filter_sees_wrong_unsure_copied_and_far_images(workspace, prepared, judged):
    run = gan_run(workspace, **judged)
    synthetic = read_synthetic_images(fold_of(run, prepared))
    benign = np.flatnonzero(synthetic.label == 0)
    rows = split_of(run.config, prepared).rows["train"]
    images = np.array(synthetic.images)
    for place, level in zip(benign, (20, 96, 250), strict=False):
        images[place] = level
    images[benign[3]] = downsampled(prepared.images[rows[prepared.labels[rows] == 0][:1]], 16)[0]
    planted = dataclasses.replace(synthetic, images=images)
    judge = needed_run(run, RunNeeded("baseline"), prepared).folder / "model.keras"
    found = filtered(planted, prepared, rows, judge, 0.7, 16)
    assert found["reason"].iloc[benign[:4]].tolist() == ["wrong", "unsure", "far", "copy"]
    own = found["own_probability"].iloc[benign[0]]
    assert own == pytest.approx(1 / (1 + np.exp(0.03 * 3 * (95 - 20))), rel=0.02)
    assert found["kept"].mean() > 0.5


def test_distances_to_the_nearest_are_those_of_a_plain_loop():
    synthetic, real = np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 1.0], [3.0, 0.0], [3.0, 4.5]])
    towards, among = nearest_distances(synthetic, real)
    np.testing.assert_allclose(towards, [1.0, 0.5])
    np.testing.assert_allclose(among, [np.hypot(3, 1), np.hypot(3, 1), 4.5])
