"""What an exact method must do to be one, checked on embeddings that need no download."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from magsig_tf.config_files import build_config
from magsig_tf.data.embedded.write import write_array, write_dataset
from magsig_tf.data.prepared import EmbeddedDataset
from magsig_tf.data.splits import split_of
from magsig_tf.execution.observer import Observer
from magsig_tf.methods.exact import ExactMethod
from magsig_tf.models.saved_model import load_saved_model
from magsig_tf.runs.run import Run
from magsig_tf.statistics.metrics import auc
from magsig_tf.testing.carrying_out import carry_out, name_of
from magsig_tf.testing.tiny_data import tiny_embeddings
from magsig_tf.training.planning import plan_matrix
from magsig_tf.training.run import execute
from magsig_tf.workspace import Workspace

LEARNED = 0.7
AGREEMENT = 1e-3
"""Of logits in float32 and float64, as a share of the largest."""


class ExactTrial:
    """An exact method on trial, with what its checks share: made-up embeddings and a finished run.

    Args:
        method: As in `check_exact_method`.
        folder: An empty folder.
        **options: As in `check_exact_method`.
    """

    def __init__(self, method: type[ExactMethod] | str, folder: Path, **options: Any):
        self.name = name_of(method)
        self.folder, self.options = folder, options
        self.dataset = tiny_embeddings(Workspace(folder / "first"), length=20)

    @cached_property
    def run(self) -> Run:
        """A finished run."""
        return self.fitted(self.dataset)

    def planned(self, dataset: EmbeddedDataset) -> Run:
        """Return the run on a data set, not begun."""
        config = build_config({"dataset": dataset.name, "method": self.name, "holdout": "400X"} | self.options)
        (run,) = plan_matrix(config, dataset, Workspace(dataset.folder.parents[1]))
        return run

    def fitted(self, dataset: EmbeddedDataset) -> Run:
        """Return a finished run on a data set."""
        run = self.planned(dataset)
        execute(run, dataset, Observer())
        return Run.found(run.folder)

    def with_other_tests(self) -> EmbeddedDataset:
        """Return the data set with other embeddings of tested cases."""
        split = split_of(self.planned(self.dataset).config, self.dataset)
        values = np.array(self.dataset.embeddings)
        values[np.concatenate([split.rows["test"], split.rows["in_domain_test"]])] *= -3.0
        folder = Workspace(self.folder / "other").data("tiny-embeddings")
        folder.mkdir(parents=True)
        rows, views, length = values.shape
        write_array(folder / "embeddings.npy", [values], rows, views, length, "float32")
        kept = self.dataset.manifest.drop(columns=["embedding_sha256", "pixel_sha256", "split_case"])
        write_dataset(folder, kept, {"name": "tiny-embeddings", "report": {}})
        return EmbeddedDataset.open(folder)


def check_exact_method(method: type[ExactMethod] | str, **options: Any) -> None:
    """Check that an exact method keeps the contract: every function of `EXACT_CHECKS`, in seconds.

    Args:
        method: The class, at the top level of a module, or a registered name.
        **options: Config keys, of the method or general ones.

    Raises:
        AssertionError: it does not; the message says which check failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        carry_out(EXACT_CHECKS, ExactTrial(method, Path(folder), **options))


def tells_classes_apart(trial: ExactTrial) -> None:
    """On tested cases, which it has not seen, at the held-out magnification."""
    tested = trial.run.part("test")
    found = auc(tested["label"].to_numpy(), tested["logit"].to_numpy(float))
    assert found > LEARNED, f"expected an AUC above {LEARNED} on easy embeddings, found {found:.3f}"


def repeats_itself(trial: ExactTrial) -> None:
    """A second fit to the same rows gives the same bits: there is nothing to draw."""
    again = trial.fitted(tiny_embeddings(Workspace(trial.folder / "again"), length=20))
    one, other = (run.predictions["logit"].to_numpy(float) for run in (trial.run, again))
    assert (one == other).all(), f"expected the same logits, found them up to {np.abs(one - other).max():.1e} apart"


def looks_at_no_tested_case(trial: ExactTrial) -> None:
    """Other embeddings of tested cases leave the answers on validation cases as they are."""
    other = trial.fitted(trial.with_other_tests())
    one, two = (run.part("validation")["logit"].to_numpy(float) for run in (trial.run, other))
    assert (one == two).all(), "expected the fit to depend on training and validation rows alone"


def saves_what_it_answers(trial: ExactTrial) -> None:
    """model.keras opens in safe mode and gives the logits of the run."""
    tested = trial.run.part("test")
    said = load_saved_model(trial.run.folder / "model.keras")(trial.dataset.inputs[tested["row"].to_numpy()])
    apart = np.abs(said["logit"].numpy()[:, 0] - tested["logit"]).max()
    scale = max(1.0, float(np.abs(tested["logit"]).max()))
    assert apart <= AGREEMENT * scale, f"expected the logits of the run, found them {apart:.1e} apart"


EXACT_CHECKS: tuple[Callable[[ExactTrial], None], ...] = (
    tells_classes_apart,
    repeats_itself,
    looks_at_no_tested_case,
    saves_what_it_answers,
)
