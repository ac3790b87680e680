"""Which weights become the model: those of an epoch, or their mean over a window of steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from magsig_tf.errors import RunError
from magsig_tf.execution.evaluated_weights import Stretch, StretchMean
from magsig_tf.execution.resumption import read_checkpoint, restore, snapshot, write_checkpoint
from magsig_tf.methods.averaging import AverageWindow
from magsig_tf.training.evaluated_network import EvaluatedNetwork

_STRETCHES = ("recent", "inside", "after")
"""What `WindowChoice` keeps: stretches before the window begins, those inside it, and those that may be after it."""

Facts = dict[str, Any]


@dataclass(frozen=True)
class SelectionRule:
    """Lowest validation cross-entropy from a share of training on; ties go to the earliest epoch.

    Args:
        part: The rows it looks at.
        select_from: Progress in [0, 1] before which no epoch is chosen.
    """

    part: str
    select_from: float

    def prefers(self, loss: float, progress: float, best: float | None) -> bool:
        """Return whether an epoch with this validation loss replaces the best so far."""
        return progress >= self.select_from and np.isfinite(loss) and (best is None or loss < best)


def selection_rule(name: str, select_from: float) -> SelectionRule:
    """Return the rule named `source` or `oracle`."""
    return SelectionRule({"source": "validation", "oracle": "validation_holdout"}[name], select_from)


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

    def judge(self, loss: float, progress: float, now: Facts, best: Facts | None) -> Facts | None:
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

    def finish(self, best: Facts) -> Facts:
        """Put the chosen weights into `used`; return what was chosen, as `run.json` stores it."""
        restore(self.used.variables(), read_checkpoint(self.path)[0])
        return best

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what a checkpoint must hold beside the variables."""
        return {}

    def facts(self) -> Facts:
        """Return what a checkpoint must say of it."""
        return {}

    def restore(self, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
        """Go on from what `arrays` and `facts` returned."""


class WindowChoice:
    """Chooses, stretch by stretch, the window of steps whose weights are averaged.

    Source: Cha et al. 2021, SWAD: Domain generalization by seeking flat minima, algorithm 1.

    Args:
        patience_start: Validations in a row, of which the first has the lowest loss, with which the window begins.
        patience_end: Validations in a row above the threshold that end it; they are not part of it.
        tolerance: The threshold in multiples of the mean loss of those first ones.
    """

    def __init__(self, patience_start: int, patience_end: int, tolerance: float):
        self.patience_start, self.patience_end, self.tolerance = patience_start, patience_end, tolerance
        self.recent: list[Stretch] = []
        self.inside: list[Stretch] = []
        self.after: list[Stretch] = []
        self.threshold: float | None = None
        self.above = 0

    @property
    def closed(self) -> bool:
        """Whether the window has ended: what comes later changes nothing."""
        return self.above >= self.patience_end

    def take(self, stretch: Stretch) -> None:
        """Look at the next stretch."""
        if self.threshold is not None:
            self._place(stretch)
            return
        self.recent.append(stretch)
        if len(self.recent) < self.patience_start:
            return
        losses = [each.loss for each in self.recent]
        if all(map(math.isfinite, losses)) and losses[0] == min(losses):
            self.threshold = self.tolerance * sum(losses) / len(losses)
            for each in self.recent:
                self._place(each)
            self.recent = []
        else:
            del self.recent[0]

    def _place(self, stretch: Stretch) -> None:
        """Count a stretch as part of the window, or as after it until another one falls below the threshold."""
        if self.closed:
            return
        waiting = [self.after[0] + stretch] if self.after else [stretch]
        if self.threshold is not None and stretch.loss <= self.threshold:
            self.inside = [self.inside[0] + waiting[0]] if self.inside else waiting
            self.after, self.above = [], 0
        else:
            self.after, self.above = waiting, self.above + 1
            if self.closed:
                self.after = []

    def window(self) -> Stretch | None:
        """Return the window as of now; None where no loss was finite.

        What follows a window that has not ended belongs to it. Where none has begun, the loss still falls: it is the
        stretch with the lowest loss of the last ones.
        """
        if self.inside:
            return self.inside[0] + self.after[0] if self.after else self.inside[0]
        finite = [each for each in self.recent if math.isfinite(each.loss)]
        return min(finite, key=lambda each: each.loss) if finite else None

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the running sums by name, for a checkpoint."""
        return {
            f"window.{name}{place}/{number}": array
            for name in _STRETCHES
            for place, stretch in enumerate(getattr(self, name))
            for number, array in enumerate(stretch.sums)
        }

    def facts(self) -> Facts:
        """Return everything but the sums, as JSON can hold it."""
        stretches = {name: [each.facts() for each in getattr(self, name)] for name in _STRETCHES}
        return {**stretches, "threshold": self.threshold, "above": self.above}

    def restore(self, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
        """Go on from what `arrays` and `facts` returned."""
        for name in _STRETCHES:
            found = []
            for place, known in enumerate(facts[name]):
                prefix = f"window.{name}{place}/"
                count = sum(key.startswith(prefix) for key in arrays)
                found.append(Stretch(**known, sums=[arrays[f"{prefix}{number}"] for number in range(count)]))
            setattr(self, name, found)
        self.threshold, self.above = facts["threshold"], facts["above"]


class AveragedChoice(WindowChoice):
    """Averages the weights over the window of steps that validation chooses (see `AverageWindow`).

    Args:
        used: The network that validates the weights of the moment.
        rule: The selection rule; the window begins no earlier than it allows.
        window: What the method asks for.
        average: The mean weights since the last validation.
        rows: Those that validate.
    """

    def __init__(
        self, used: EvaluatedNetwork, rule: SelectionRule, window: AverageWindow, average: StretchMean, rows: np.ndarray
    ):
        super().__init__(window.patience_start, window.patience_end, window.tolerance)
        self.used, self.rule, self.average, self.rows = used, rule, average, rows
        self._steps = window.validation_steps(used.parts.plan.steps_per_epoch)

    def validates_after(self, step: int) -> bool:
        """Return whether weights are validated after a step inside an epoch, counted from 1."""
        return step in self._steps

    def judge(self, loss: float, progress: float, now: Facts, best: Facts | None) -> Facts | None:
        """Look at weights that were just validated; return the window so far (see `EpochChoice.judge`)."""
        if progress < self.rule.select_from:
            return best
        self.take(self.average.stretch(now["step"], loss))
        window = self.window()
        if window is None:
            return best
        state = now["state"] if window.last_step == now["step"] or best is None else best["state"]
        steps = {"first_step": window.first_step, "last_step": window.last_step}
        return {"window": steps, "step": window.last_step, "validation_loss": window.loss, "state": state}

    def finish(self, best: Facts) -> Facts:
        """Put the mean weights of the window into `used`, with statistics of their own; return what was chosen."""
        window = self.window()
        assert window is not None, "something was chosen, so there is a window"
        self.used.take_weights(window.mean())
        loss, _ = self.used.cross_entropy(self.rows)
        if not np.isfinite(loss):
            raise RunError(
                "Expected a finite validation loss of the averaged weights",
                f"found {loss}",
                "Lower --learning-rate and repeat",
            )
        return best | {"validation_loss": loss}
