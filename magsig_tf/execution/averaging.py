"""Averages of the weights over training steps: a moving one, and that of a window which validation chooses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


class WeightAverage:
    """Exponential moving average of variables.

    The decay rises as min(decay, (1 + step) / (10 + step)), so that early steps do not weigh the initial weights.

    Args:
        variables: The trainable variables to average.
        decay: In (0, 1).
    """

    def __init__(self, variables: Iterable[keras.Variable], decay: float):
        self.variables, self.decay = list(variables), decay
        self.averages = _copies(self.variables)

    def update(self, step: tf.Tensor) -> None:
        """Take one averaging step; runs in the graph, outside the replicas."""
        import tensorflow as tf

        step = tf.cast(step, tf.float32)
        decay = tf.minimum(self.decay, (1.0 + step) / (10.0 + step))
        for average, variable in zip(self.averages, self.variables, strict=True):
            average.assign(decay * average.value + (1.0 - decay) * variable.value)


class StretchMean:
    """Mean of variables over the steps since it was emptied.

    Args:
        variables: The trainable variables to average.
    """

    def __init__(self, variables: Iterable[keras.Variable]):
        import keras

        self.variables = list(variables)
        self.averages = _copies(self.variables)
        self.steps = keras.Variable(0.0, trainable=False, dtype="float32", name="averaged_steps")

    def update(self, step: tf.Tensor) -> None:
        """Count the weights after a step; runs in the graph, outside the replicas."""
        self.steps.assign(self.steps.value + 1.0)
        for average, variable in zip(self.averages, self.variables, strict=True):
            average.assign(average.value + (variable.value - average.value) / self.steps.value)

    def empty(self) -> None:
        """Begin anew with the next step."""
        for variable in (self.steps, *self.averages):
            variable.assign(np.zeros(variable.shape, np.float32))

    def stretch(self, last_step: int, loss: float) -> Stretch:
        """Return the sums of the weights over the counted steps.

        Args:
            last_step: Steps taken so far.
            loss: Validation loss of the weights after it.
        """
        steps = int(self.steps.numpy())
        sums = [steps * average.numpy().astype(np.float64) for average in self.averages]
        return Stretch(last_step - steps + 1, last_step, loss, sums)


def _copies(variables: Sequence[keras.Variable]) -> list[keras.Variable]:
    import keras

    return [keras.Variable(v.numpy(), trainable=False, name=f"average_{i}") for i, v in enumerate(variables)]


@dataclass
class Stretch:
    """Consecutive training steps and the sums of the weights over them.

    Args:
        first_step: Of the stretch, counted from 1.
        last_step: Of the stretch; its weights were validated.
        loss: Their validation loss.
        sums: float64, one array a variable.
    """

    first_step: int
    last_step: int
    loss: float
    sums: list[np.ndarray]

    def __add__(self, later: Stretch) -> Stretch:
        sums = [a + b for a, b in zip(self.sums, later.sums, strict=True)]
        return Stretch(self.first_step, later.last_step, later.loss, sums)

    def mean(self) -> list[np.ndarray]:
        """Return the mean weights, float32."""
        return [(total / (self.last_step - self.first_step + 1)).astype(np.float32) for total in self.sums]


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
        if self.closed:
            return
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
            for name in ("recent", "inside", "after")
            for place, stretch in enumerate(getattr(self, name))
            for number, array in enumerate(stretch.sums)
        }

    def facts(self) -> dict[str, Any]:
        """Return everything but the sums, as JSON can hold it."""
        stretches = {
            name: [{key: getattr(each, key) for key in ("first_step", "last_step", "loss")} for each in found]
            for name in ("recent", "inside", "after")
            for found in [getattr(self, name)]
        }
        return {**stretches, "threshold": self.threshold, "above": self.above}

    def restore(self, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
        """Go on from what `arrays` and `facts` returned."""
        for name in ("recent", "inside", "after"):
            found = []
            for place, known in enumerate(facts[name]):
                prefix = f"window.{name}{place}/"
                count = sum(key.startswith(prefix) for key in arrays)
                found.append(Stretch(**known, sums=[arrays[f"{prefix}{number}"] for number in range(count)]))
            setattr(self, name, found)
        self.threshold, self.above = facts["threshold"], facts["above"]
