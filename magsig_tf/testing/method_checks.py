"""What a method must do to be a method, checked on data that need no download."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from magsig_tf.config import Config, Settings
from magsig_tf.config_files import build_config
from magsig_tf.data.batches import Batch, read_batches
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.splits import split_of
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.resumption import snapshot
from magsig_tf.execution.run_log import read_log
from magsig_tf.execution.runtime import configure_tensorflow
from magsig_tf.methods.contract import Method
from magsig_tf.methods.needs import FoldGansNeeded
from magsig_tf.parquet_files import read_parquet
from magsig_tf.registry import registry
from magsig_tf.runs.run import Run
from magsig_tf.testing.carrying_out import carry_out, name_of
from magsig_tf.testing.tiny_data import tiny_dataset, write_fold
from magsig_tf.training.changed_batches import batch_change
from magsig_tf.training.planning import Job, needed_gans, needs_of
from magsig_tf.training.run import execute, provide
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.training.parts import RunParts

TOLERANCE = 1e-5
"""How far the gradients of two replicas may lie from those of one, relative to the largest."""
EPOCHS, STEPS_PER_EPOCH = 3, 6
_SETTINGS = {
    "dataset": "tiny",
    "holdout": ["400X"],
    "epochs": EPOCHS,
    "images_per_magnification": 4,
    "learning_rate": 0.003,
    "log_every": 2,
    "inference_batch": 16,
}
_PLAIN = {"encoder": "magsig_tf.testing.tiny_data:plain_encoder", "augment": [], "dropout": 0.0, "precision": "float32"}
HARD = "magsig_tf.models.encoders.small_cnn:build_with_dropout"


class Killed(BaseException):
    """Ends a run as a kill does: nothing is stored on the way out."""


class Killing(Observer):
    def __init__(self, step: int):
        self.step = step

    def step_done(self, step: int) -> None:
        if step == self.step:
            raise Killed


class MethodTrial:
    """A method on trial, with what its checks share: tiny data, configs, first steps, and a whole run.

    Args:
        method: As in `check_method`.
        folder: An empty folder.
        **options: As in `check_method`.
    """

    def __init__(self, method: type[Method] | str, folder: Path, **options: Any):
        configure_tensorflow(Settings(virtual_replicas=2))
        self.name = name_of(method)
        self.options, self.folder = options, folder
        self.prepared = tiny_dataset(Workspace(folder / "first"))

    def config(self, **changes: Any) -> Config:
        """Return the config of one tiny run of the method."""
        fields = registry("methods").load(changes.get("method", self.name)).Options.model_fields
        small = {"gan_size": 16} if "gan_size" in fields else {}
        values = _SETTINGS | {"encoder": "small_cnn", "method": self.name, "seed": 0} | small | self.options | changes
        config = build_config(values)
        name, seed = config.settings.method[0], config.settings.seed[0]
        return config.for_run(dataset="tiny", method=name, holdout="400X", patient_fold=0, seed=seed)

    def parts(self, **changes: Any) -> RunParts:
        """Return what a run trains with, at its start."""
        from magsig_tf.training.parts import RunParts

        config = self.config(**changes)
        return RunParts(config, self.prepared, split_of(config, self.prepared))

    def trained(self, steps: int, **changes: Any) -> tuple[RunParts, list[dict[str, float]]]:
        """Return what is trained after some steps of the first epoch, and their logs."""
        from magsig_tf.training.step import TrainingStep

        parts = self.parts(**changes)
        step, logs = TrainingStep(parts), []
        for number, batch in zip(range(steps), self.batches(parts, **changes), strict=False):
            logs.append({name: float(value) for name, value in step(batch, number).items()})
        return parts, logs

    @cached_property
    def first_steps(self) -> RunParts:
        """What is trained after the first three steps."""
        return self.trained(3)[0]

    def batches(self, parts: RunParts, **changes: Any) -> Iterator[Batch]:
        """Yield the training batches of the first epoch, changed as the method asks for."""
        job = Job(self.run(self.config(**changes), self.prepared), self.prepared, Observer())
        provide(job)
        change, _ = batch_change(job)
        yield from read_batches(self.prepared.images, self.prepared.labels, parts.plan, 0, change=change)

    def run(self, config: Config, prepared: PreparedDataset) -> Run:
        """Return a run on a data set; the GANs that it needs are made up, not trained."""
        run = Run.of(Workspace(prepared.folder.parents[1]), config)
        for need in needs_of(run):
            if isinstance(need, FoldGansNeeded):
                write_fold(needed_gans(run, need, prepared), prepared)
        return run

    @cached_property
    def finished(self) -> tuple[Run, dict[str, Any]]:
        """A whole run with dropout inside the encoder, unfused norms and augmentation, and its record."""
        run = self.run(self.config(encoder=HARD, checkpoint_every=2), self.prepared)
        return run, execute(run, self.prepared, Observer()).as_json()

    def model(self, run: Run) -> Any:
        """Return the saved model of a run."""
        from magsig_tf.models.saved_model import load_saved_model

        return load_saved_model(run.folder / "model.keras")


def check_method(method: type[Method] | str, **options: Any) -> None:
    """Check that a method keeps the contract: every function of `CHECKS`, in about a minute on two cores.

    Call it before anything else uses TensorFlow in the process: it splits the CPU into two replicas.

    The encoders of the checks are small; their first layer with weights is named `conv0`.

    Args:
        method: The class, at the top level of a module, or a registered name.
        **options: Config keys, of the method or general ones.

    Raises:
        AssertionError: it does not; the message says which check failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        carry_out(CHECKS, MethodTrial(method, Path(folder), **options))


def learns(trial: MethodTrial) -> None:
    """What is logged is finite, and the chosen weights know the training labels better than guessing."""
    run, record = trial.finished
    logs = [each for each in read_log(run.folder / "log.jsonl") if each["kind"] == "train"]
    # a log holds what is not finite as text
    odd = {name: value for each in logs for name, value in each.items() if name != "kind" and isinstance(value, str)}
    assert not odd, f"expected finite numbers in the log, found {odd}"
    loss = record["training_rows"]["inference"]
    assert loss < np.log(2), f"expected a label cross-entropy on training rows below {np.log(2):.3f}, found {loss:.3f}"


def trains_every_part(trial: MethodTrial) -> None:
    """Encoder, label head and the method's own networks all change."""
    before = snapshot(trial.parts().variables())
    parts = trial.first_steps
    after = snapshot(parts.variables())
    assert set(before) == set(after)
    for prefix in ("classifier/", *(f"network.{name}/" for name in parts.method.networks)):
        changed = [not np.array_equal(before[key], after[key]) for key in before if key.startswith(prefix)]
        # a bias can stay where it was; most weights may not
        assert np.mean(changed) > 0.6, f"expected most of {prefix} to change, found {np.mean(changed):.0%}"


def repeats_by_seed(trial: MethodTrial) -> None:
    """The same seed gives the same bits, another seed others."""
    each = (trial.first_steps, trial.trained(3)[0], trial.parts(), trial.parts(seed=1))
    first, second, start, other = (snapshot(parts.variables()) for parts in each)
    odd = [key for key in first if not np.array_equal(first[key], second[key])]
    assert not odd, f"expected the same bits from the same seed, found others in {odd[:3]}: draw through `random`"
    assert any(not np.array_equal(start[key], other[key]) for key in first), "expected another seed to matter"


def starts_as_the_baseline(trial: MethodTrial) -> None:
    """Weights and dropout of the classifier are those of every method of the seed."""
    import keras
    import tensorflow as tf

    found, wanted = trial.parts(encoder=HARD), trial.parts(encoder=HARD, method="baseline")
    weights = {variable.path: variable.numpy() for variable in found.classifier.weights}
    states = []
    for parts in (found, wanted):
        parts.assign_seeds(tf.constant(5, tf.int64))
        layers = [layer for layer in parts.classifier._flatten_layers() if isinstance(layer, keras.layers.Dropout)]
        states.append({layer.name: layer.seed_generator.state.numpy().tolist() for layer in layers})
    assert wanted.classifier.get_layer("dropout").name in states[1]
    for variable in wanted.classifier.weights:
        same = variable.path in weights and np.array_equal(variable.numpy(), weights[variable.path])
        assert same, f"expected {variable.path} to start as baseline's, found another value or none"
    odd = [name for name in states[1] if states[0].get(name) != states[1][name]]
    assert not odd, f"expected the dropout of baseline, found another seed in {odd[:3]}"


def saves_a_plain_model(trial: MethodTrial) -> None:
    """The saved model holds no class of a plugin and gives the stored predictions."""
    run, _ = trial.finished
    named: list[dict[str, Any]] = []
    with zipfile.ZipFile(run.folder / "model.keras") as archive:
        json.loads(archive.read("config.json"), object_hook=named.append)
    modules = {each["module"] for each in named if "class_name" in each and each.get("module")}
    foreign = sorted(name for name in modules if name.partition(".")[0] not in ("keras", "magsig_tf", "builtins"))
    assert not foreign, f"expected layers of Keras and magsig alone in the saved model, found some of {foreign}"
    stored = read_parquet(run.folder / "predictions.parquet")
    logits = trial.model(run)(trial.prepared.images[stored["row"]].astype(np.float32), training=False)["logit"]
    np.testing.assert_allclose(logits[:, 0], stored["logit"], atol=1e-4)


def survives_a_kill(trial: MethodTrial) -> None:
    """A run that is killed and started again ends with the bits of one that was left alone."""
    run, _ = trial.finished
    prepared = tiny_dataset(Workspace(trial.folder / "second"))
    broken = trial.run(run.config, prepared)
    # in the middle of the second epoch, one step after a checkpoint
    with contextlib.suppress(Killed):
        execute(broken, prepared, Killing(STEPS_PER_EPOCH + 3))
    assert broken.status == "running", f"expected a run of more than {STEPS_PER_EPOCH + 3} steps"
    execute(broken, prepared, Observer())
    whole, again = (trial.model(each).get_weights() for each in (run, broken))
    assert all(np.array_equal(a, b) for a, b in zip(whole, again, strict=True)), "expected the same weights"
    a, b = (read_parquet(each.folder / "predictions.parquet") for each in (run, broken))
    pd.testing.assert_frame_equal(a, b, check_exact=True)
    assert run.record.chosen == broken.record.chosen


def takes_the_same_first_step_on_two_replicas(trial: MethodTrial) -> None:
    """The gradients of the first step reach most weights and are those of one replica (without norms, in float32)."""
    from magsig_tf.training.step import TrainingStep

    found = []
    for strategy in ("one", "mirrored"):
        parts = trial.parts(**_PLAIN, strategy=strategy)
        batch = next(trial.batches(parts, **_PLAIN, strategy=strategy))
        found.append(TrainingStep(parts).gradients(batch, 0))
    one, two = found
    assert parts.strategy.num_replicas_in_sync == 2, "expected two replicas"
    largest = max(float(np.abs(gradient).max()) for gradient in one.values())
    reached = np.mean([gradient.any() for gradient in one.values()])
    assert reached > 0.6, f"expected a gradient of most weights, found one of {reached:.0%}"
    for name, gradient in one.items():
        apart = float(np.abs(gradient - two[name]).max())
        assert apart <= TOLERANCE * max(largest, 1.0), (
            f"expected the gradient of {name} on two replicas within {TOLERANCE:g}, found it {apart:.2g} apart: use "
            "`step.mean`, or `step.gather` and `step.share`"
        )


def adapts_without_labels(trial: MethodTrial) -> None:
    """`adapt` gives the same bits on data from which the labels were taken out."""
    from magsig_tf.training.evaluated_network import EvaluatedNetwork

    if registry("methods").load(trial.name).adapt is Method.adapt:
        return
    found = []
    hidden = trial.prepared.manifest.drop(columns=["label", "subtype"])
    for prepared in (trial.prepared, dataclasses.replace(trial.prepared, manifest=hidden)):
        parts, config = trial.parts(), trial.config()
        used = EvaluatedNetwork(parts, prepared, config.settings)
        parts.put_weights_to_use()
        try:
            used.adapt(split_of(config, trial.prepared).rows)
        except Exception as error:  # a plugin may raise anything over what is not there
            raise AssertionError(f"expected `adapt` to work, found {type(error).__name__}: {error}") from error
        found.append(snapshot(used.variables()))
    odd = [name for name in found[0] if not np.array_equal(found[0][name], found[1][name])]
    assert not odd, f"expected the same adapted network without labels, found others in {odd[:3]}"


CHECKS: tuple[Callable[[MethodTrial], None], ...] = (
    trains_every_part,
    repeats_by_seed,
    starts_as_the_baseline,
    takes_the_same_first_step_on_two_replicas,
    learns,
    saves_a_plain_model,
    survives_a_kill,
    adapts_without_labels,
)
"""Every check, quick ones first; each raises AssertionError."""
