"""The recipes of training: what plain leaves as it was, where a linear head starts, and how a run averages its tail."""

import keras
import numpy as np
import pytest

from magsig_tf.data.splits import split_of
from magsig_tf.execution.observer import Observer
from magsig_tf.linear_models.linear_head import fitted_head
from magsig_tf.models.classifier import build_classifier
from magsig_tf.runs.run import Run
from magsig_tf.testing.tiny_data import plain_encoder
from magsig_tf.training.evaluated_network import EvaluatedNetwork
from magsig_tf.training.head_start import start_from_linear
from magsig_tf.training.parts import RunParts, build_optimizer, starts_linear
from magsig_tf.training.run import execute
from magsig_tf.training.step import TrainingStep
from magsig_tf.workspace import Workspace
from tests.tiny import tiny_config, tiny_dataset
from tests.training.stopping import Stopping

BEFORE = {"head_start": "random", "encoder_rate": 1.0, "average_from": 1.0, "early_stop": 0}
LIKE_PRETRAINED = f"{__name__}:like_pretrained"


def like_pretrained(input_shape, weights):
    """Return a plain encoder that says of itself that it comes with weights that somebody has trained."""
    return plain_encoder(input_shape, "none")


vars(like_pretrained)["default_weights"] = "imagenet"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return tiny_dataset(Workspace(tmp_path_factory.mktemp("recipe")), darker=0.85)


def config_of(method="baseline", **changes):
    values = {"method": [method], "encoder": LIKE_PRETRAINED} | changes
    return tiny_config(**values).for_run(dataset="tiny", method=method, holdout="400X", patient_fold=0, seed=0)


def run_in(folder, method="baseline", **changes):
    return Run.of(Workspace(folder), config_of(method, **changes))


def weights_of(run):
    return keras.models.load_model(run.folder / "model.keras", safe_mode=True).get_weights()


class Notes(Observer):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def start_of(prepared, runs, method="baseline", **changes):
    """Return the parts of a run at its start, and the linear head."""
    config = config_of(method, head_start="linear", **changes)
    split = split_of(config, prepared)
    parts = RunParts(config, prepared, split)
    used = EvaluatedNetwork(parts, prepared, config.settings)
    head = start_from_linear(used, config.settings.encoder, split, runs)
    parts.start_head(head.weights[:, None].astype(np.float32), np.array([head.offset], np.float32))
    used.take_weights()
    return parts, used, head, split


@pytest.mark.parametrize("statistics", ["frozen", "reestimated"])
def test_the_network_starts_with_the_logits_of_the_linear_solution(prepared, tmp_path, statistics):
    _, used, head, split = start_of(prepared, tmp_path, batch_statistics=statistics)
    rows = split.rows["train"]
    logits, embeddings = used.inference(rows)
    wanted = head.logits(embeddings)
    np.testing.assert_allclose(logits, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
    loss, _ = used.cross_entropy(split.rows["validation"])
    assert loss == pytest.approx(min(head.losses), abs=1e-5)


def test_the_head_of_the_start_is_scikit_learns(prepared, tmp_path):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    _, used, head, split = start_of(prepared, tmp_path)
    train, validation = (used.inference(split.rows[part])[1] for part in ("train", "validation"))
    scaler = StandardScaler().fit(train)
    strength = head.strengths[head.chosen]
    reference = LogisticRegression(C=strength, tol=1e-8, max_iter=10_000)
    reference.fit(scaler.transform(train), prepared.labels[split.rows["train"]])
    wanted = reference.decision_function(scaler.transform(validation))
    np.testing.assert_allclose(head.logits(validation), wanted, rtol=2e-3, atol=5e-3)  # two solvers, each near


def test_all_methods_of_a_cell_start_alike(prepared, tmp_path):
    first, second = (start_of(prepared, tmp_path, method)[0] for method in ("baseline", "grl"))
    for name in ("kernel", "bias"):
        one, two = (getattr(parts.classifier.get_layer("logit"), name).numpy() for parts in (first, second))
        np.testing.assert_array_equal(one, two)
        assert one.any()


def test_the_embeddings_are_computed_once_and_a_damaged_file_is_written_anew(prepared, tmp_path):
    heads = [start_of(prepared, tmp_path)[2]]
    (path,) = (tmp_path / "frozen-encoder").glob("*.npz")
    written = path.stat().st_mtime_ns
    heads.append(start_of(prepared, tmp_path)[2])
    assert path.stat().st_mtime_ns == written
    path.write_bytes(path.read_bytes()[:-100])
    heads.append(start_of(prepared, tmp_path)[2])
    assert path.stat().st_mtime_ns != written
    for head in heads[1:]:
        np.testing.assert_array_equal(head.weights, heads[0].weights)


def test_two_replicas_start_with_the_same_head(prepared, tmp_path):
    parts, _, head, _ = start_of(prepared, tmp_path, strategy="mirrored")
    assert parts.strategy.num_replicas_in_sync == 2
    kernel = parts.classifier.get_layer("logit").kernel
    for value in parts.strategy.experimental_local_results(kernel.value):
        np.testing.assert_array_equal(value.numpy()[:, 0], head.weights.astype(np.float32))


def test_averages_begin_with_the_head_of_the_start(prepared, tmp_path):
    parts, _, head, _ = start_of(prepared, tmp_path, ema=0.9)
    names = [variable.path for variable in parts.classifier.trainable_variables]
    (place,) = (place for place, name in enumerate(names) if name.endswith("logit/kernel"))
    np.testing.assert_array_equal(parts.average.averages[place].numpy()[:, 0], head.weights.astype(np.float32))


@pytest.mark.parametrize(
    ("settings", "linear"),
    [
        ({"head_start": "auto"}, True),
        ({"head_start": "auto", "weights": "none"}, False),
        ({"head_start": "auto", "encoder": "small_cnn"}, False),
        ({"head_start": "linear", "encoder": "small_cnn"}, True),
        ({"head_start": "random"}, False),
        ({"recipe": "plain"}, False),
        ({"recipe": "strong"}, True),
    ],
)
def test_auto_starts_linear_where_the_weights_are_pretrained(settings, linear):
    assert starts_linear(config_of(**settings).settings) == linear


def test_training_rows_alone_are_fitted_and_validation_rows_alone_choose():
    random = np.random.default_rng(0)
    train, validation = random.normal(size=(40, 3)), random.normal(size=(20, 3))
    labels, judged = (train[:, 0] > 0).astype(int), []
    head = fitted_head(train, labels, validation, lambda logits: float(judged.append(logits) or -len(judged)))
    assert head.chosen == len(head.strengths) - 1
    assert head.at_edge
    assert [len(logits) for logits in judged] == [20] * len(head.strengths)
    np.testing.assert_allclose(head.logits(validation), judged[-1], atol=1e-10)


def test_a_run_says_where_it_started(prepared, tmp_path):
    run, watcher = run_in(tmp_path, head_start="auto"), Notes()
    record = execute(run, prepared, watcher).as_json()
    assert set(record["head_start"]) == {"C", "validation_loss"}
    said = f"C {record['head_start']['C']:g}, validation cross-entropy {record['head_start']['validation_loss']:.3f}"
    assert any("label head starts as a logistic regression" in note and said in note for note in watcher.notes)


def test_a_stopped_run_with_the_strong_recipe_goes_on_to_the_same_bits(prepared, tmp_path):
    settings = {"recipe": "strong", "average_from": 0.4, "checkpoint_every": 100}
    whole, broken = (run_in(tmp_path / name, **settings) for name in ("whole", "broken"))
    execute(whole, prepared, Observer())
    with pytest.raises(KeyboardInterrupt):
        execute(broken, prepared, Stopping(7))
    execute(broken, prepared, Observer())
    for one, two in zip(weights_of(whole), weights_of(broken), strict=True):
        np.testing.assert_array_equal(one, two)
    assert whole.record.chosen == broken.record.chosen
    assert whole.record.head_start == broken.record.head_start is not None


def test_plain_is_what_was_done_before_there_were_recipes(tmp_path):
    """The numbers were computed before there were recipes; their last digits depend on the processor."""
    prepared = tiny_dataset(Workspace(tmp_path / "data"))
    plain = run_in(tmp_path / "plain", encoder="small_cnn", strategy="one", recipe="plain")
    spelled = run_in(tmp_path / "spelled", encoder="small_cnn", strategy="one", recipe="strong", **BEFORE)
    assert plain.config_hash == spelled.config_hash == "7902d805"
    for run in (plain, spelled):
        execute(run, prepared, Observer())
    for one, two in zip(weights_of(plain), weights_of(spelled), strict=True):
        np.testing.assert_array_equal(one, two)
    norm = np.sqrt(sum(np.square(weights, dtype=np.float64).sum() for weights in weights_of(plain)))
    assert norm == pytest.approx(41.71666010, rel=1e-4)
    assert plain.record.chosen.validation_loss == pytest.approx(0.003647834, rel=0.02)


@pytest.mark.parametrize(("weights", "rate"), [("auto", 0.25), ("none", 1.0)])
def test_only_an_encoder_with_pretrained_weights_learns_at_the_share(weights, rate):
    inputs = keras.Input((2, 2, 3))
    outputs = keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(inputs))
    network = build_classifier(keras.Model(inputs, outputs, name="encoder"), 0.0, 0)
    optimizer = build_optimizer(config_of(encoder_rate=0.25, weights=weights).settings, network, 5, "float32")
    assert optimizer.factors == (rate, rate, 1.0, 1.0)


def test_the_model_is_the_mean_of_the_weights_from_a_share_of_training_on(prepared, tmp_path, monkeypatch):
    kept, call = [], TrainingStep.__call__

    def watched(self, batch, step):
        logs = call(self, batch, step)
        kept.append([variable.numpy() for variable in self.parts.classifier.trainable_variables])
        return logs

    monkeypatch.setattr(TrainingStep, "__call__", watched)
    run = run_in(tmp_path, average_from=0.4, select_from=0.0)
    execute(run, prepared, Observer())
    total, chosen = len(kept), run.record.chosen
    first = int(0.4 * total)
    # until then the weights of the moment
    counted = kept[first : chosen.step] if chosen.step > first else kept[chosen.step - 1 : chosen.step]
    model = keras.models.load_model(run.folder / "model.keras", safe_mode=True)
    for place, variable in enumerate(model.trainable_variables):
        wanted = np.mean([weights[place] for weights in counted], axis=0)
        np.testing.assert_allclose(variable.numpy(), wanted, atol=2e-6)
