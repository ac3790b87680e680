"""Every method, with its default options, learns what is easy to learn."""

import keras
import numpy as np
import pytest

from magsig_tf.data.splits import split_of
from magsig_tf.execution.observer import Observer
from magsig_tf.methods.needs import FoldGansNeeded
from magsig_tf.registry import registry
from magsig_tf.runs.run import Run
from magsig_tf.statistics.metrics import auc
from magsig_tf.training.planning import is_exact, needed_gans, needs_of
from magsig_tf.training.run import execute
from magsig_tf.workspace import Workspace
from tests.made_up_gans import write_fold
from tests.tiny import tiny_config, tiny_dataset

METHODS = [name for name in registry("methods").names() if not is_exact(name)]  # these have checks of their own
ENCODERS = ("small_cnn", pytest.param("tests.training.slow_encoders:pretrained_like", marks=pytest.mark.slow))
STEPS = 60


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    # the magnification is plainer than the label: what fights it must not lose the label on the way
    return tiny_dataset(Workspace(tmp_path_factory.mktemp("methods")), images=4, tinted=True, darker=0.85)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("method", METHODS)
def test_a_method_ranks_its_own_training_rows_rightly(prepared, method, encoder):
    config = tiny_config(
        method=[method], encoder=encoder, epochs=STEPS // 6, images_per_magnification=8, augment=[], gan_size=16
    ).for_run(dataset="tiny", method=method, holdout="400X", patient_fold=0, seed=0)
    run = Run.of(Workspace(prepared.folder.parents[1]), config)
    for need in needs_of(run):
        if isinstance(need, FoldGansNeeded):
            write_fold(needed_gans(run, need, prepared), prepared)
    record = execute(run, prepared, Observer()).as_json()
    assert record["steps"] == STEPS
    rows = split_of(config, prepared).rows["train"]
    model = keras.models.load_model(run.folder / "model.keras", safe_mode=True)
    logits = model(prepared.images[rows].astype(np.float32), training=False)["logit"].numpy()[:, 0]
    assert auc(prepared.labels[rows], logits) > 0.95
