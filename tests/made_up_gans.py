"""Runs of the method gan whose GANs are made up."""

from __future__ import annotations

from magsig_tf.config import Config
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.execution.observer import Observer
from magsig_tf.gan.fold import FoldGans
from magsig_tf.runs.run import Run
from magsig_tf.testing.tiny_data import write_fold
from magsig_tf.training.planning import needed_gans, needs_of
from magsig_tf.workspace import Workspace
from tests.tiny import tiny_config

__all__ = ["Notes", "fold_of", "gan_config", "gan_run", "write_fold"]


def gan_config(**changes) -> Config:
    """Return the config of a gan run that trains in a second or two."""
    return tiny_config(**{"method": ["gan"], "gan_size": 16, "epochs": 1, **changes})


def gan_run(workspace: Workspace, **changes) -> Run:
    """Return that run."""
    return Run.of(workspace, gan_config(**changes))


def fold_of(run: Run, prepared: PreparedDataset) -> FoldGans:
    """Return the GANs that a gan run draws from."""
    return needed_gans(run, needs_of(run)[0], prepared)


class Notes(Observer):
    """Remembers what was said."""

    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)
