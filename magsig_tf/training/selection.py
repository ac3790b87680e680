"""Which weights become the model: those of an epoch, or their mean over a window of steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from magsig_tf.errors import RunError
from magsig_tf.execution.averaging import StretchMean, WindowChoice
from magsig_tf.execution.checkpoint import read_checkpoint, restore, snapshot, write_checkpoint
from magsig_tf.methods.averaging import AverageWindow
from magsig_tf.training.evaluated_network import EvaluatedNetwork


@dataclass(frozen=True)
class SelectionRule:
    """Lowest validation cross-entropy from a share of training on; ties go to the earliest epoch.

    Args:
        name: As in the config.
        part: The rows it looks at.
        select_from: Progress in [0, 1] before which no epoch is chosen.
    """

    name: str
    part: str
    select_from: float

    @property
    def is_oracle(self) -> bool:
        """Whether it looks at the holdout; everything it chose is labelled so."""
        return self.name == "oracle"

    def prefers(self, loss: float, progress: float, best: float | None) -> bool:
        """Return whether an epoch with this validation loss replaces the best so far."""
        return progress >= self.select_from and np.isfinite(loss) and (best is None or loss < best)


def selection_rule(name: str, select_from: float) -> SelectionRule:
    """Return the rule named `source` or `oracle`."""
    part = {"source": "validation", "oracle": "validation_holdout"}[name]
    return SelectionRule(name, part, select_from)


class EpochChoice:
    """Keeps the weights of the epoch with the lowest validation loss.

    Args:
        used: The network that validates, with the weights that would be used.
        rule: The selection rule.
        path: File of the best weights so far.
    """

    closed = False

    def __init__(self, used: EvaluatedNetwork, rule: SelectionRule, path: Path):
        self.used, self.rule, self.path = used, rule, path

    def validates_after(self, step: int) -> bool:
        """Return whether weights are validated after a step inside an epoch, counted from 1; not before its end."""
        return False

    def take(
        self, loss: float, progress: float, now: dict[str, Any], best: dict[str, Any] | None
    ) -> dict[str, Any] | None:
        """Look at weights that were just validated; return what is chosen so far.

        Args:
            loss: Their validation loss.
            progress: Share of training done.
            now: Their epoch, step and the method's state.
            best: What this returned before.
        """
        if not self.rule.prefers(loss, progress, best["validation_loss"] if best else None):
            return best
        write_checkpoint(self.path, snapshot(self.used.variables()), {})
        return now | {"validation_loss": loss}

    def finish(self, best: dict[str, Any]) -> dict[str, Any]:
        """Put the chosen weights into `used`; return what was chosen, as `run.json` stores it."""
        arrays, _ = read_checkpoint(self.path)
        restore(self.used.variables(), arrays)
        return best

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what a checkpoint must hold beside the variables."""
        return {}

    def facts(self) -> dict[str, Any]:
        """Return what a checkpoint must say of it."""
        return {}

    def resume(self, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        """Go on from what `arrays` and `facts` returned."""


class AveragedChoice:
    """Averages the weights over the window of steps that validation chooses (see `AverageWindow`).

    Args:
        used: The network that validates the weights of the moment.
        rule: The selection rule; the window begins no earlier than it allows.
        declared: What the method asks for.
        average: The mean weights since the last validation.
        steps_per_epoch: Steps of one epoch.
        loss: Returns the validation loss of `used`.
    """

    def __init__(
        self,
        used: EvaluatedNetwork,
        rule: SelectionRule,
        declared: AverageWindow,
        average: StretchMean,
        steps_per_epoch: int,
        loss: Callable[[], float],
    ):
        self.used, self.rule, self.average, self.loss = used, rule, average, loss
        self.choice = WindowChoice(declared.patience_start, declared.patience_end, declared.tolerance)
        self._steps = declared.validation_steps(steps_per_epoch)

    @property
    def closed(self) -> bool:
        """Whether the window has ended, and training with it."""
        return self.choice.closed

    def validates_after(self, step: int) -> bool:
        """Return whether weights are validated after a step inside an epoch, counted from 1."""
        return step in self._steps

    def take(
        self, loss: float, progress: float, now: dict[str, Any], best: dict[str, Any] | None
    ) -> dict[str, Any] | None:
        """Look at weights that were just validated; return the window so far (see `EpochChoice.take`)."""
        if progress < self.rule.select_from:
            return best
        self.choice.take(self.average.stretch(now["step"], loss))
        window = self.choice.window()
        if window is None:
            return best
        state = now["state"] if window.last_step == now["step"] or best is None else best["state"]
        steps = {"first_step": window.first_step, "last_step": window.last_step}
        return {"window": steps, "step": window.last_step, "validation_loss": window.loss, "state": state}

    def finish(self, best: dict[str, Any]) -> dict[str, Any]:
        """Put the mean weights of the window into `used`, with statistics of their own; return what was chosen."""
        window = self.choice.window()
        assert window is not None, "something was chosen, so there is a window"
        self.used.take_mean(window.mean())
        loss = self.loss()
        if not np.isfinite(loss):
            raise RunError(
                "Expected a finite validation loss of the averaged weights",
                f"found {loss}",
                "Lower --learning-rate and repeat",
            )
        return best | {"validation_loss": loss}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the running sums."""
        return self.choice.arrays()

    def facts(self) -> dict[str, Any]:
        """Return what the window is so far."""
        return self.choice.facts()

    def resume(self, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        """Go on from what `arrays` and `facts` returned."""
        self.choice.restore(arrays, facts)
