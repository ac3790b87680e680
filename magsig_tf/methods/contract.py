"""What a training objective is to the loop.

A method decides the objective; the loop, the data order, the encoder, the schedule and the selection rule are the same
for every method, so that a difference between two methods is the methods'. This module and the built-in methods import
TensorFlow inside functions, so that their options can be listed quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np

from magsig_tf.config import MethodOptions
from magsig_tf.data.prepared import Inputs
from magsig_tf.methods.step import StepTensors
from magsig_tf.seeding import seed_for

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from magsig_tf.methods.averaging import Averaging
    from magsig_tf.methods.needs import ChangedImages, FoldGansNeeded, RunNeeded

__all__ = ["Method", "MethodOptions", "StepTensors", "Task", "UnlabelledRows"]

Logs = dict[str, "tf.Tensor"]
Loss = Callable[[StepTensors], tuple["tf.Tensor", Logs]]
OptionsT = TypeVar("OptionsT", bound=MethodOptions)


class Objective(Protocol):
    """The objective of one step, to be evaluated as often as a method wants."""

    def __call__(
        self, loss: Loss | None = None, moved_by: Sequence[tf.Tensor] | None = None
    ) -> tuple[list[tf.Tensor], Logs]:
        """Return the gradients, summed over replicas, and what to log; see `Method.gradients`."""


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


class UnlabelledRows:
    """Images by part; neither labels nor cases.

    Parts are `train` and `validation`, both at the source magnifications, and `held_out`: the validation cases at the
    held-out magnification. No image of a tested case is among them.

    Args:
        images: uint8 [N, height, width, 3], or what stands in their place: embeddings, float32 [N, p].
        rows: Part name to rows of `images`.
        batch_size: Images in a batch.
    """

    def __init__(self, images: Inputs, rows: Mapping[str, np.ndarray], batch_size: int):
        self._images, self._rows, self.batch_size = images, dict(rows), batch_size

    def count(self, part: str) -> int:
        """Return how many images a part has; some splits have none that are held out."""
        return len(self._rows[part])

    def batches(self, part: str) -> Iterator[np.ndarray]:
        """Yield the images of a part in order, float32 [batch_size, height, width, 3] in 0 to 255, or embeddings.

        The last batch is filled up with the first images of the part, so that nothing is traced twice.
        """
        rows = self._rows[part]
        filled = np.resize(rows, -(-len(rows) // self.batch_size) * self.batch_size)
        for chosen in filled.reshape(-1, self.batch_size):
            yield self._images[chosen].astype(np.float32)


class Method(Generic[OptionsT]):
    """Base of every method; on its own it is empirical risk minimisation.

    Override what the objective needs, most often `loss`; add networks with their own optimizer in `build`. A method
    with options derives from `Method[ItsOptions]`, so that a type checker knows them.

    Args:
        options: The validated `Options` of this class.
        task: What is known about the run.

    Attributes:
        networks: The method's own networks by name.
        optimizers: One for each of them, under the same name.
        state: Variables that change during training, scalars or arrays; all are checkpointed, scalars are logged.
        random: Seed generator for draws that are the same on every replica; set from (seed, step) before each step.
    """

    Options: type[MethodOptions] = MethodOptions

    def __init__(self, options: OptionsT, task: Task):
        import keras

        self.options, self.task = options, task
        self.networks: dict[str, keras.Model] = {}
        self.optimizers: dict[str, keras.optimizers.Optimizer] = {}
        self.state: dict[str, Any] = {}
        self.random = keras.random.SeedGenerator(seed_for("method", task.seed))
        self.build()

    # what a run needs and what it trains on, asked before anything is built

    @classmethod
    def needs(cls, options: OptionsT) -> tuple[FoldGansNeeded | RunNeeded, ...]:
        """Return what must be there before a run trains; training provides it in this order."""
        return ()

    @classmethod
    def changed_images(cls, options: OptionsT) -> ChangedImages | None:
        """Return how training batches are changed; None leaves them as they are."""
        return None

    @classmethod
    def fewest_magnifications(cls, options: OptionsT) -> int:
        """Return how many source magnifications a run needs at least; with fewer it is refused before any training."""
        return 1

    @classmethod
    def trains_embedding(cls, options: OptionsT) -> bool:
        """Return whether the objective acts on the embedding; where nothing could train that, a run is refused."""
        return False

    @classmethod
    def pairs_cases(cls, options: OptionsT) -> bool:
        """Return whether images that stand side by side in a batch are of one case at every source magnification."""
        return False

    # once, before training

    def build(self) -> None:
        """Create `networks`, their `optimizers` (same keys) and `state` (`keras.Variable`s)."""

    def network(self, classifier: keras.Model) -> keras.Model:
        """Return the classifier to train: the given one, perhaps with layers put in by `insert_after`.

        Called for the network that trains and for the one that is evaluated. Such layers change nothing outside
        training: the saved model does without them.
        """
        return classifier

    def averaging(self) -> Averaging | None:
        """Return how weights are averaged; None leaves it to the setting `ema`."""
        return None

    # every step, in the graph

    def before_step(self, progress: tf.Tensor) -> None:
        """Assign `state` for the coming step; runs once a step, outside the replicas."""

    def batch(
        self, pixels: tf.Tensor, labels: tf.Tensor, domains: tf.Tensor, cases: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return the augmented global batch to train on, mixed as the method wants; draw through `random`.

        Args:
            pixels: float32 [global_batch, height, width, 3] in 0 to 255.
            labels: float32 [global_batch, 1].
            domains: int32 [global_batch].
            cases: int32 [global_batch].

        Returns:
            The same four, of the same shapes. Synthetic images stay in their places.
        """
        return pixels, labels, domains, cases

    def update_networks(self, step: StepTensors) -> None:
        """Take further optimizer steps of `networks` alone; the embedding must be stopped by the method."""

    def loss(self, step: StepTensors) -> tuple[tf.Tensor, Logs]:
        """Return this replica's share of the objective and of what to log.

        Its gradient trains the encoder and the label head, and `networks` through their own optimizers.

        Returns:
            A float32 scalar, and float32 scalars by name; all are summed over replicas, so build them with `step.mean`
            or `step.share`.
        """
        classification = self.classification_loss(step)
        return classification, {"classification_loss": classification}

    def gradients(self, objective: Objective, variables: list[keras.Variable]) -> tuple[list[tf.Tensor], Logs]:
        """Return the gradients of the classifier's `variables` to train with, and what to log.

        Override to evaluate the objective more than once. The first evaluation trains `networks` and moves the moving
        statistics; the others leave both, and `state`, alone.

        Args:
            objective: Called as `objective()`, it returns both for `loss`, the gradients summed over replicas;
                `objective(loss)` does so for another loss, `objective(moved_by=moves)` at the weights plus `moves`.
            variables: What the gradients belong to, in order.
        """
        return objective()

    # after training

    def adapt(self, network: keras.Model, rows: UnlabelledRows) -> None:
        """Change the chosen network in place, with images whose labels are not known."""

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
