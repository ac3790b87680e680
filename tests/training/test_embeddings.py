"""Gradient methods on data sets of embeddings: adapters, views, defaults, and what is refused before training."""

import numpy as np
import pytest

from magsig_tf.config import ADAPTERS
from magsig_tf.config_files import build_config
from magsig_tf.data.batches import BatchPlan, read_batches
from magsig_tf.errors import UsageError
from magsig_tf.execution.observer import Observer
from magsig_tf.methods.needs import RunNeeded
from magsig_tf.models.saved_model import load_saved_model
from magsig_tf.runs.run import Run
from magsig_tf.testing.tiny_data import tiny_dataset, tiny_embeddings
from magsig_tf.training import head_start
from magsig_tf.training.planning import needed_run, plan_matrix
from magsig_tf.training.run import execute
from magsig_tf.workspace import Workspace
from tests.training.stopping import Stopping

QUICK = {"holdout": "400X", "epochs": 12, "images_per_magnification": 8, "learning_rate": 0.01}


def runs_of(workspace, dataset, **given):
    return plan_matrix(build_config({"dataset": dataset.name, **QUICK, **given}), dataset, workspace)


def trained(workspace, dataset, **given):
    runs = runs_of(workspace, dataset, **given)
    for run in runs:
        execute(run, dataset, Observer())
    return [Run.found(run.folder) for run in runs]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("embeddings"))
    return workspace, tiny_embeddings(workspace, views=3)


@pytest.mark.parametrize("encoder", ADAPTERS)
def test_a_run_on_embeddings_learns_and_leaves_what_every_run_leaves(study, encoder):
    (run,) = trained(*study, encoder=encoder)
    tested = run.part("test")
    assert tested.loc[tested["label"] == 1, "logit"].mean() > tested.loc[tested["label"] == 0, "logit"].mean() + 1
    assert run.record.encoder == encoder
    assert {"model.keras", "embeddings.npz", "config.yaml"} <= {path.name for path in run.folder.iterdir()}
    dataset = study[1]
    rows = tested["row"].to_numpy()
    said = load_saved_model(run.folder / "model.keras")(dataset.inputs[rows])["logit"].numpy()[:, 0]
    np.testing.assert_allclose(said, tested["logit"], atol=1e-5)


def test_no_random_encoder_is_written_for_embeddings(study):
    workspace, dataset = study
    trained(workspace, dataset, encoder="linear_adapter", epochs=1)
    assert not list(workspace.runs(dataset.name).glob("random-encoder*"))


def test_adapters_standardise_by_training_rows_and_ignore_a_constant_dimension(study):
    workspace, dataset = study
    (run,) = trained(workspace, dataset, encoder="identity", epochs=1)
    embedding = np.load(run.folder / "embeddings.npz")
    in_training = embedding["part"] == "train"
    assert embedding["embedding"][in_training].mean(0) == pytest.approx(np.zeros(12), abs=1e-5)
    assert embedding["embedding"][in_training].std(0)[[0, 1, 2, 4]] == pytest.approx(np.ones(4), abs=1e-5)
    assert not embedding["embedding"][:, 3].any()


def test_gradient_reversal_changes_the_adapter(study):
    baseline, grl = trained(*study, method=["baseline", "grl"], lambda_max=1.0)
    weights = [
        load_saved_model(run.folder / "model.keras").get_layer("encoder").get_weights() for run in (baseline, grl)
    ]
    apart = max(np.abs(one - other).max() for one, other in zip(*weights, strict=True))
    assert apart > 1e-3


def test_defaults_are_those_for_embeddings_unless_they_are_given(study):
    (run,) = plan_matrix(build_config({"dataset": study[1].name, "holdout": "400X"}), study[1], study[0])
    assert run.config.settings.encoder == "mlp_adapter"
    assert run.config.settings.augment == []
    (given,) = runs_of(*study, epochs=4, learning_rate=3e-4, encoder="identity")
    assert (given.config.settings.epochs, given.config.settings.learning_rate) == (4, 3e-4)
    assert given.config.settings.encoder == "identity"


def test_a_method_has_its_own_defaults_for_embeddings_unless_they_are_given(study):
    (run,) = runs_of(*study, method="grl")
    assert run.config.options["grl"].domain_updates == 1
    (given,) = runs_of(*study, method="grl", domain_updates=4)
    assert given.config.options["grl"].domain_updates == 4
    assert build_config({"method": "grl"}).options["grl"].domain_updates == 8


def test_a_run_that_another_method_needs_has_the_defaults_for_embeddings(study):
    workspace, dataset = study
    own, asking = runs_of(workspace, dataset, method=["grl", "baseline"])
    assert needed_run(asking, RunNeeded("grl"), dataset).folder == own.folder


@pytest.mark.parametrize(
    ("given", "start"),
    [({}, "linear"), ({"recipe": "strong"}, "linear"), ({"head_start": "random", "recipe": "strong"}, "random")],
)
def test_a_head_starts_linear_on_embeddings_unless_another_start_is_given(study, given, start):
    (run,) = runs_of(*study, **given)
    assert run.config.settings.head_start == start
    assert run.config.settings.average_from == (0.5 if given else 1.0)


@pytest.mark.parametrize("adapter", ["mlp_adapter", "linear_adapter"])
def test_training_sets_out_from_the_logistic_regression(study, adapter):
    hardly = {"learning_rate": 1e-12, "epochs": 1, "encoder": adapter}
    trained_run, exact = trained(*study, method=["baseline", "linear"], **hardly)
    assert trained_run.record.head_start["C"] == exact.record.chosen.state["C"]
    np.testing.assert_allclose(trained_run.part("test")["logit"], exact.part("test")["logit"], atol=1e-4)


def test_the_linear_start_is_fitted_once_for_all_seeds_of_a_split(tmp_path, monkeypatch):
    workspace = Workspace(tmp_path)
    dataset = tiny_embeddings(workspace, length=7)
    calls, fit = [], head_start.fitted_head

    def counted(*arguments):
        calls.append(arguments)
        return fit(*arguments)

    monkeypatch.setattr(head_start, "fitted_head", counted)
    monkeypatch.setattr(head_start, "_FITTED", {})
    trained(workspace, dataset, seed=[0, 1], epochs=1)
    assert len(calls) == 1
    trained(workspace, dataset, patient_fold=1, epochs=1)
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"encoder": "small_cnn"}, r"takes embeddings.*'small_cnn', which takes images"),
        ({"augment": ["QuarterTurns"]}, "no augmentation of embeddings"),
        ({"method": ["baseline", "gan"]}, "Expected images for the method gan"),
        ({"method": ["baseline", "grl"], "encoder": "identity"}, "adapter that the method grl can train"),
    ],
)
def test_what_makes_no_sense_on_embeddings_is_refused_before_training(study, given, message):
    with pytest.raises(UsageError, match=message):
        runs_of(*study, **given)


def test_adapters_are_refused_for_images(tmp_path):
    workspace = Workspace(tmp_path)
    with pytest.raises(UsageError, match=r"takes images.*'identity', which takes embeddings"):
        runs_of(workspace, tiny_dataset(workspace), encoder="identity")


def test_views_are_drawn_by_the_seed_for_every_method_alike():
    embeddings = np.arange(8 * 5, dtype=np.float32).reshape(8, 5, 1)  # 5 views of 8 rows
    plan = BatchPlan({0: np.arange(4), 1: np.arange(4, 8)}, 4, ("split", 0))

    def drawn(epoch, **keywords):
        return [batch.images[:, 0] for batch in read_batches(embeddings, np.zeros(8), plan, epoch, **keywords)]

    (first,), (again,), (other,) = drawn(0), drawn(0), drawn(1)
    rows = plan.epoch_rows(0).reshape(-1)
    np.testing.assert_array_equal(first // 5, rows)
    np.testing.assert_array_equal(first, again)
    assert len(set(first % 5)) > 1
    assert not np.array_equal(first % 5, other % 5)
    halves = [drawn(0, share=(index, 2))[0] for index in (0, 1)]
    np.testing.assert_array_equal(np.concatenate(halves), first)


def test_a_run_on_embeddings_is_resumed_to_the_same_weights(tmp_path):
    workspace = Workspace(tmp_path)
    dataset = tiny_embeddings(workspace, views=2)
    (whole,) = trained(workspace, dataset, method=["grl"])
    weights = load_saved_model(whole.folder / "model.keras").get_weights()
    other = Workspace(tmp_path / "other")
    again = tiny_embeddings(other, views=2)
    (run,) = runs_of(other, again, method=["grl"])
    with pytest.raises(KeyboardInterrupt):
        execute(run, again, Stopping(7))
    assert run.status == "running"
    execute(run, again, Observer())
    for one, two in zip(weights, load_saved_model(run.folder / "model.keras").get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
