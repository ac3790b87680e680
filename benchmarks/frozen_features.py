"""A linear head on a pretrained encoder that is never trained: what a trained run must beat to be worth its training.

The encoder embeds all images once. For each holdout and patient fold, on the split that any run of theirs has, the
embeddings are standardised on the training rows and a logistic regression with a ridge penalty is fitted to those rows,
which count alike whatever their magnification. Of a path of penalties the one with the lowest validation cross-entropy,
averaged over the source magnifications, is taken: the rule by which every method's epoch is chosen. Test rows choose
nothing.

Each becomes a finished run of the method frozen-linear, with the files that training writes, so that `magsig evaluate`,
`compare`, `probe`, `signatures`, `report`, `export` and `explain` take it as any other;
model.keras is the encoder with this head. `magsig train` does not know the method. A repeat writes the runs anew.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from benchmarks.options import quick_option
from magsig_tf.linear_models import linear_head

if TYPE_CHECKING:
    import keras

    from magsig_tf.config import Config
    from magsig_tf.data.prepared import PreparedDataset
    from magsig_tf.data.splits import Split
    from magsig_tf.runs.run import Run
    from magsig_tf.workspace import Workspace

METHOD = "frozen-linear"
KEPT_SETTINGS = (
    *("dataset", "method", "holdout", "patient_fold", "seed"),
    *("magnifications", "folds", "split_seed", "group_by", "selection", "encoder", "weights", "batch_statistics"),
    "equivalence_margin",
)
"""Keys of config.yaml. Those of a training (epochs, say) say nothing of these runs, and comparisons would note them."""


@click.command(help=__doc__)
@quick_option
@click.option(
    "--workspace", "root", default="workspace", show_default=True, type=click.Path(path_type=Path), help="Its data."
)
@click.option("--dataset", help="Data set; the only one prepared if not given.")
@click.option("--encoder", default="efficientnet_lite0", show_default=True, help="Name or import path.")
@click.option("--magnifications", default="", show_default="all", help="Limit the study to these, with commas.")
@click.option("--holdout", default="all", show_default=True, help="Magnifications to hold out, with commas.")
@click.option("--folds", default=5, show_default=True, help="Patient folds; each is tested once.")
def main(
    quick: bool, root: Path, dataset: str | None, encoder: str, magnifications: str, holdout: str, folds: int
) -> None:
    from benchmarks.made_up_run import set_up_tensorflow, write_random_dataset
    from magsig_tf.workspace import Workspace

    set_up_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) if quick else root)
        if quick:
            write_random_dataset(workspace.data("random"), size=32, images=1)
            dataset, encoder, magnifications, holdout, folds = "random", "small_cnn", "", "400X", 5
        asked = {"encoder": encoder, "holdout": holdout.split(","), "folds": folds}
        asked |= {"magnifications": magnifications.split(",")} if magnifications else {}
        write_runs(workspace, workspace.choose_dataset(dataset), say=click.echo, **asked)


def write_runs(workspace: Workspace, dataset: str, say: Callable[[str], None], **asked: Any) -> list[Path]:
    """Embed a data set, fit and write the run of every holdout and patient fold; return their folders.

    Args:
        workspace: Where the data lie and the runs go.
        dataset: Name of a prepared data set.
        say: Takes each line of progress.
        asked: Config keys: encoder, holdout, folds, magnifications.

    Raises:
        MagsigError: the data set, a holdout, a magnification or the encoder is not there.
    """
    from magsig_tf.config_files import build_config
    from magsig_tf.data.prepared import PreparedDataset
    from magsig_tf.data.splits import split_of
    from magsig_tf.training.planning import plan_matrix

    prepared = PreparedDataset.open(workspace.data(dataset))
    # no registered method is this one; splits do not depend on the method
    config = build_config(
        {"method": "baseline", "patient_fold": "all", "batch_statistics": "frozen", "precision": "float32", **asked}
    )
    runs = [of_this_method(run) for run in plan_matrix(config, prepared, workspace)]
    splits = [split_of(run.config, prepared) for run in runs]
    began = time.perf_counter()
    classifier, embeddings = embedded(config, prepared)
    embedding = time.perf_counter() - began
    images, length = embeddings.shape
    say(
        f"{dataset}: {images} images of {prepared.size} px embedded by {config.settings.encoder}, "
        f"length {length}, {embedding:.1f} s"
    )
    fitting = 0.0
    for run, split in zip(runs, splits, strict=True):
        began = time.perf_counter()
        head = fitted_head(embeddings, prepared, split)
        seconds = time.perf_counter() - began
        fitting += seconds
        write_run(run, prepared, split, classifier, embeddings, head, seconds)
        say(_said(run, head, seconds))
    say(f"{len(runs)} runs: embedding {embedding:.1f} s once, fits {fitting:.1f} s. {runs[0].folder.parents[1]}")
    return [run.folder for run in runs]


def of_this_method(run: Run) -> Run:
    """Return a planned run in the folder of this method; its config goes on naming the method it was built for."""
    above = run.workspace.runs(run.config.settings.dataset)
    return replace(run, method=METHOD, folder=above / METHOD / run.folder.parent.name / run.folder.name)


def embedded(config: Config, prepared: PreparedDataset) -> tuple[keras.Model, np.ndarray]:
    """Return the classifier around the frozen encoder, and the encoder's embeddings of all images, float32 (N, p)."""
    import keras

    from magsig_tf.models.classifier import build_classifier
    from magsig_tf.models.encoders import build_encoder
    from magsig_tf.training.evaluated_network import Inference

    settings, seed = config.settings, config.settings.seed[0]
    keras.config.set_dtype_policy(settings.precision)
    encoder = build_encoder(settings.encoder, (prepared.size, prepared.size, 3), settings.weights, seed)
    encoder.trainable = False
    classifier = build_classifier(encoder, 0.0, seed)
    rows = np.arange(len(prepared.manifest))
    return classifier, Inference(classifier, prepared.images, settings.inference_batch)(rows)[1]


def fitted_head(
    embeddings: np.ndarray, prepared: PreparedDataset, split: Split, strengths: tuple[float, ...] = linear_head.PATH
) -> linear_head.LinearHead:
    """Return the head of a path that the validation rows of a split prefer; no other part is looked at but training.

    Args:
        embeddings: Of all images, (N, p).
        prepared: Their data set.
        split: The split.
        strengths: The path: values of C, ascending; each fit begins at the weights of the one before it.
    """
    train, validation = split.rows["train"], split.rows["validation"]

    def loss(logits: np.ndarray) -> float:
        return _loss(prepared, validation, logits)

    return linear_head.fitted_head(embeddings[train], prepared.labels[train], embeddings[validation], loss, strengths)


def write_run(
    run: Run,
    prepared: PreparedDataset,
    split: Split,
    classifier: keras.Model,
    embeddings: np.ndarray,
    head: linear_head.LinearHead,
    seconds: float,
) -> None:
    """Write the folder of one run as training does; `run.json` says that it is done once everything else is there.

    Args:
        run: From `of_this_method`.
        prepared: The data.
        split: The run's split.
        classifier: Gets the head's weights.
        embeddings: Of all images, (N, p).
        head: The head.
        seconds: How long its path took.
    """
    import yaml

    from magsig_tf.checksums import write_signed_text
    from magsig_tf.execution.resumption import now
    from magsig_tf.models.classifier import trained_weights
    from magsig_tf.runs.record import write_record
    from magsig_tf.training.outputs import write_outputs
    from magsig_tf.training.run import opening_record
    from magsig_tf.training.selection import selection_rule

    settings = run.config.settings
    # no registered method has this name: what a record says by its method is said of the one it was planned with
    planned = replace(run, method=run.config.settings.method[0])
    record = opening_record(planned, prepared, split, {}).with_changes(method=run.method)
    write_signed_text(
        run.folder / "config.yaml",
        yaml.safe_dump({key: run.config.flat()[key] for key in KEPT_SETTINGS}, sort_keys=False),
    )
    write_record(run.folder, record)
    classifier.get_layer("logit").set_weights([head.weights[:, None], np.array([head.offset])])

    def answers(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return head.logits(embeddings[rows]), embeddings[rows]

    rule = selection_rule(settings.selection, settings.select_from)
    write_outputs(run.folder, classifier, answers, prepared, split, rule.part)
    trained, weights = trained_weights(classifier)
    record = record.with_changes(
        chosen={
            "epoch": 0,
            "step": 0,
            "validation_loss": head.losses[head.chosen],
            "state": {"C": head.strengths[head.chosen]},
        },
        path={"C": head.strengths, "validation_loss": head.losses, "at_edge": head.at_edge},
        precision=settings.precision,
        strategy="one x 1",
        steps=0,
        trained_weights=trained,
        all_weights=weights,
        training_rows=_training_rows(prepared, split, head, embeddings),
        status="done",
        finished=now(),
        seconds=round(seconds, 2),
    )
    write_record(run.folder, record)


def _training_rows(
    prepared: PreparedDataset, split: Split, head: linear_head.LinearHead, embeddings: np.ndarray
) -> dict[str, float]:
    """Return the cross-entropy of all training rows; frozen statistics know no other mode than that of inference."""
    rows = split.rows["train"]
    loss = _loss(prepared, rows, head.logits(embeddings[rows]))
    return {"images": len(rows), "inference": loss, "by_batch": loss}


def _loss(prepared: PreparedDataset, rows: np.ndarray, logits: np.ndarray) -> float:
    from magsig_tf.statistics.selection_loss import mean_cross_entropy

    return mean_cross_entropy(prepared.labels[rows], logits, prepared.manifest["magnification"].to_numpy()[rows])


def _said(run: Run, head: linear_head.LinearHead, seconds: float) -> str:
    s = run.config.settings
    edge = ", at the edge of the path" if head.at_edge else ""
    return (
        f"holdout {s.holdout[0]}, patient fold {s.patient_fold[0]}: C {head.strengths[head.chosen]:g}{edge}, "
        f"validation cross-entropy {head.losses[head.chosen]:.3f}, {seconds:.1f} s"
    )


if __name__ == "__main__":
    main()
