"""What a training objective is to the loop.

A method decides the objective; the loop, the data order, the encoder, the schedule and the selection rule are the same
for every method, so that a difference between two methods is the methods'. This module and the built-in methods import
TensorFlow inside functions, so that their options can be listed quickly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magsig_tf.config import MethodOptions

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from magsig_tf.methods.needs import ChangedImages, FoldGansNeeded, RunNeeded

__all__ = ["Method", "MethodOptions", "StepTensors", "Task"]


@dataclass(frozen=True)
class Task:
    """What a method may know about the run it trains in.

    Args:
        embedding_length: p, the length of the embedding.
        source_magnifications: Names of the domains, in the order of the domain labels.
        seed: The run's seed.
        global_batch: Images in one step over all replicas.
        label_smoothing: Share of label smoothing, in [0, 1).
    """

    embedding_length: int
    source_magnifications: tuple[str, ...]
    seed: int
    global_batch: int
    label_smoothing: float = 0.0


@dataclass
class StepTensors:
    """One replica's share of one training step.

    Args:
        labels: float32 [n, 1], 1 is malignant.
        domains: int32 [n], index into `Task.source_magnifications`.
        embedding: float32 [n, p].
        logits: float32 [n, 1] of the label head.
        progress: float32 scalar in [0, 1), share of training done.
        global_batch: Images in the step over all replicas.
    """

    labels: tf.Tensor
    domains: tf.Tensor
    embedding: tf.Tensor
    logits: tf.Tensor
    progress: tf.Tensor
    global_batch: int

    def mean(self, values: tf.Tensor) -> tf.Tensor:
        """Return this replica's share of the mean of per-image values over the global batch (sum the replicas)."""
        import tensorflow as tf

        return tf.reduce_sum(tf.cast(values, tf.float32)) / self.global_batch


class Method:
    """Base of every method; on its own it is empirical risk minimisation.

    Override `loss`; add networks with their own optimizer in `build` where the objective needs them.

    Args:
        options: The validated `Options` of this class.
        task: What is known about the run.
    """

    Options: type[MethodOptions] = MethodOptions

    def __init__(self, options: MethodOptions, task: Task):
        self.options, self.task = options, task
        self.networks: dict[str, keras.Model] = {}
        self.optimizers: dict[str, keras.optimizers.Optimizer] = {}
        self.state: dict[str, Any] = {}
        self.build()

    @classmethod
    def needs(cls, options: MethodOptions) -> tuple[FoldGansNeeded | RunNeeded, ...]:
        """Return what must be there before a run trains; training provides it in this order."""
        return ()

    @classmethod
    def changed_images(cls, options: MethodOptions) -> ChangedImages | None:
        """Return how training batches are changed; None leaves them as they are."""
        return None

    def build(self) -> None:
        """Create `networks`, their `optimizers` (same keys) and `state` (scalar variables, logged and checkpointed)."""

    def before_step(self, progress: tf.Tensor) -> None:
        """Assign `state` for the coming step; runs in the graph, once a step, outside the replicas."""

    def update_networks(self, step: StepTensors) -> None:
        """Take further optimizer steps of `networks` alone; the embedding must be stopped by the method."""

    def loss(self, step: StepTensors) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Return this replica's share of the objective and of what to log.

        Its gradient trains the encoder and the label head, and `networks` through their own optimizers.

        Returns:
            A float32 scalar, and float32 scalars by name; all are summed over replicas, so build them with `step.mean`.
        """
        classification = self.classification_loss(step)
        return classification, {"classification_loss": classification}

    def epoch_warnings(self, logs: Mapping[str, float], progress: float) -> list[str]:
        """Return sentences for the user where an epoch went wrong in a way that only the method can tell.

        Args:
            logs: Means over the epoch's steps of what `loss` returned.
            progress: Share of training done at the end of the epoch, in (0, 1].
        """
        return []

    def classification_loss(self, step: StepTensors) -> tf.Tensor:
        """Return this replica's share of the mean binary cross-entropy, with label smoothing where it is set."""
        import tensorflow as tf

        smoothing = self.task.label_smoothing
        targets = step.labels * (1 - smoothing) + 0.5 * smoothing
        return step.mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=step.logits))
