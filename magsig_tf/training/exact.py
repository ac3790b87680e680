"""One run of an exact method: fitted to the embeddings of its split, and written as every run is."""

from __future__ import annotations

import contextlib
from typing import Any

import keras
import numpy as np
from threadpoolctl import threadpool_limits

from magsig_tf.data.prepared import Dataset
from magsig_tf.errors import RunError
from magsig_tf.execution.run_log import RunLog
from magsig_tf.methods.exact import ExactMethod, ExactModel, Rows
from magsig_tf.models.classifier import build_classifier
from magsig_tf.models.layers.erasure import Erasure
from magsig_tf.models.layers.standardisation import Standardisation
from magsig_tf.registry import registry
from magsig_tf.training.outputs import write_outputs
from magsig_tf.training.planning import Job
from magsig_tf.training.selection import selection_rule


@threadpool_limits.wrap(limits=1)
def fit_run(job: Job) -> dict[str, Any]:
    """Fit the run of a job and write what it leaves; return what `run.json` says of it.

    One BLAS thread is used: matrices of this size gain nothing from several, which wait for each other, and the result
    does not depend on the number of cores.

    Raises:
        RunError: there are no rows to choose by, or a prediction is not finite.
    """
    run, split, prepared = job.run, job.split, job.prepared
    method_class = registry("methods").load(run.method)
    assert issubclass(method_class, ExactMethod), "the planner tells both kinds apart"
    rule = selection_rule(run.config.settings.selection, run.config.settings.select_from)
    if not len(split.rows[rule.part]):
        choose = "Choose --selection source or more patient data"
        raise RunError(f"Expected images in the part {rule.part}", "found none", choose)
    job.observer.run_started(run.title, 1, 1 / len(split.source_magnifications))
    for warning in split.warnings:
        job.observer.note(warning)
    train = rows_of(prepared, split.rows["train"], every_view=True)
    validation = rows_of(prepared, split.rows[rule.part])
    model = method_class(run.config.options[run.method]).fit(train, validation)
    with contextlib.closing(RunLog(run.folder / "log.jsonl")) as log:
        for note in model.notes:
            job.observer.note(note)
            log.write("note", 0, text=note)
    classifier = as_network(model)

    def answer(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        embedded = model.embed(prepared.inputs[rows])
        return model.logits(embedded), embedded

    write_outputs(run.folder, classifier, answer, prepared, split, rule.part)
    shown = rows_of(prepared, split.rows["train"])
    loss = shown.loss(model.logits(model.embed(shown.embeddings)))
    return {
        "chosen": {"step": 0, "validation_loss": model.validation_loss, "state": model.chosen},
        "certificate": model.certificate,
        "precision": "float64",
        "strategy": "exact",
        "steps": 0,
        "trained_weights": len(model.weights) + 1,
        "all_weights": len(model.weights) + 1,
        "training_rows": {"images": len(shown.labels), "inference": loss, "by_batch": None},
    }


def rows_of(prepared: Dataset, rows: np.ndarray, every_view: bool = False) -> Rows:
    """Return rows of a data set of embeddings.

    Args:
        prepared: The data set.
        rows: Row numbers.
        every_view: Whether each view is a row of its own; the plain ones alone otherwise.
    """
    if every_view:
        views = np.asarray(prepared.array[rows], np.float32)
        rows = np.repeat(rows, views.shape[1])
        embeddings = views.reshape(len(rows), -1)
    else:
        embeddings = prepared.inputs[rows]
    magnifications = prepared.manifest["magnification"].to_numpy(str)[rows]
    return Rows(embeddings, prepared.labels[rows], magnifications, prepared.cases[rows])


def as_network(model: ExactModel) -> keras.Model:
    """Return the classifier that gives what an exact model gives, in float32."""
    inputs = keras.Input((len(model.weights),), dtype="float32", name="features")
    standardisation = Standardisation(dtype="float32", name="standardisation")
    embedded = standardisation(inputs)
    standardisation.fit(model.scaling)
    if model.eraser is not None and model.eraser.rank:
        erasure = Erasure(model.eraser.rank, dtype="float32", name="erasure")
        embedded = erasure(embedded)
        erasure.fit(model.eraser.mean, model.eraser.directions, model.eraser.readers)
    classifier = build_classifier(keras.Model(inputs, embedded, name="encoder"), 0.0, seed=0)
    classifier.get_layer("logit").set_weights([model.weights[:, None], np.array([model.intercept])])
    return classifier
