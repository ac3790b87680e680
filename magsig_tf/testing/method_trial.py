"""A method on trial: tiny data, configs, first steps, and a whole run, for the checks to look at."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magsig_tf.config import Config, Settings
from magsig_tf.config_files import build_config
from magsig_tf.data.batches import Batch, Change, read_batches
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.splits import split_of
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.workers import ALONE
from magsig_tf.methods.contract import Method
from magsig_tf.methods.needs import FoldGansNeeded
from magsig_tf.registry import registry
from magsig_tf.runs.run import Run
from magsig_tf.testing.made_up_gans import write_fold
from magsig_tf.testing.tiny_data import tiny_dataset
from magsig_tf.training.method_data import batch_change
from magsig_tf.training.prerequisites import needed_gans, needs_of, provide
from magsig_tf.training.run import execute
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    import keras

    from magsig_tf.training.parts import RunParts

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
    """A method with what its checks share: data, configs and a finished run.

    Args:
        method: As in `check_method`.
        folder: An empty folder.
        **options: As in `check_method`.
    """

    def __init__(self, method: type[Method] | str, folder: Path, **options: Any):
        from magsig_tf.execution.runtime import configure_tensorflow

        configure_tensorflow(Settings(virtual_replicas=2))
        self.name = method if isinstance(method, str) else f"{method.__module__}:{method.__qualname__}"
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
        from magsig_tf.training.parts import build_parts

        config = self.config(**changes)
        return build_parts(config, self.prepared, split_of(config, self.prepared))

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
        change = self._change(self.config(**changes))
        yield from read_batches(self.prepared.images, self.prepared.labels, parts.plan, 0, change=change)

    def _change(self, config: Config) -> Change | None:
        run = self.run(config, self.prepared)
        provided = provide(run, self.prepared, Observer(), ALONE, execute)
        return batch_change(run, self.prepared, split_of(config, self.prepared), provided, Observer(), ALONE)[0]

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

    def model(self, run: Run) -> keras.Model:
        """Return the saved model of a run."""
        from magsig_tf.models.saved_model import load_saved_model

        return load_saved_model(run.folder / "model.keras")
