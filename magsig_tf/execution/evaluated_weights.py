"""What a network is evaluated with and was not trained with: averages of its weights, and batch statistics of theirs.

Batch statistics are estimated on real rows, and never by a moving average. Moving averages with a momentum of .99 need
hundreds of steps to arrive, and a short training has a hundred. Until then a network that is evaluated with them is not
the network that was trained.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
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


class TailMean:
    """Mean of variables over all steps from one on; the variables themselves until then.

    Args:
        variables: The trainable variables to average.
        first_step: The first step that counts, from 0.
    """

    def __init__(self, variables: Iterable[keras.Variable], first_step: int):
        self.variables, self.first_step = list(variables), first_step
        self.averages = _copies(self.variables)

    def update(self, step: tf.Tensor) -> None:
        """Count the weights after a step; runs in the graph, outside the replicas."""
        share = 1.0 / tf.maximum(tf.cast(step - self.first_step + 1, tf.float32), 1.0)
        for average, variable in zip(self.averages, self.variables, strict=True):
            average.assign((1.0 - share) * average.value + share * variable.value)


def _copies(variables: Iterable[keras.Variable]) -> list[keras.Variable]:
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

    def facts(self) -> dict[str, Any]:
        """Return everything but the sums, as JSON can hold it."""
        return {"first_step": self.first_step, "last_step": self.last_step, "loss": self.loss}

    def mean(self) -> list[np.ndarray]:
        """Return the mean weights, float32."""
        return [(total / (self.last_step - self.first_step + 1)).astype(np.float32) for total in self.sums]


def layers_with_batch_statistics(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers that normalise by the batch while the model trains: those of batch norm that are not frozen."""
    return [layer for layer in model._flatten_layers() if hasattr(layer, "moving_mean") and layer.trainable]


class BatchStatistics:
    """Runs a network whose batch norms use the statistics of the batch, while everything else is as in inference.

    Dropout and stochastic depth are off, since they are off in the network that is evaluated: with them on, the
    variances would be those of another network (Li et al. 2019, Understanding the disharmony between dropout and batch
    normalization by variance shift).

    Args:
        model: Any Keras model. Layers with `moving_mean`, `moving_variance` and `momentum` that are not frozen are
            served; a network without such layers is left as it is.
    """

    def __init__(self, model: keras.Model):
        self.layers = layers_with_batch_statistics(model)
        self.serves = bool(self.layers)
        self.variables = [variable for layer in self.layers for variable in (layer.moving_mean, layer.moving_variance)]

        @functools.partial(tf.function, autograph=False)
        def forward(inputs: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
            with _normalising_by_batch(self.layers):
                outputs = model(inputs, training=False)
            # with a momentum of 0 the moving statistics are those of this batch
            return outputs, [tf.convert_to_tensor(variable) for variable in self.variables]

        forward._omit_frequent_tracing_warning = True  # one trace a network is right
        self._forward = forward

    def outputs(self, batches: Iterable[np.ndarray]) -> list[Any]:
        """Return the network's outputs for each batch, normalised by the batch; its statistics stay as they are.

        Args:
            batches: Float32 inputs, [n, ...] each; of one length, so that nothing is traced twice.
        """
        return [outputs for outputs, _, _ in self._passes(batches)]

    def estimate(self, batches: Iterable[np.ndarray]) -> None:
        """Give every served layer the mean and the variance over all rows of the batches.

        The variance is that within the batches plus that of the batches' means, each batch weighted by its rows. Every
        layer sees inputs that the layers before it normalised by the batch, as in training (Izmailov et al. 2018,
        Averaging weights leads to wider optima and better generalization, section 3.2).

        Args:
            batches: As in `outputs`; empty ones leave the statistics as they are.
        """
        if not self.serves:
            return
        sizes, found = [], []
        for _, statistics, size in self._passes(batches):
            sizes.append(size)
            found.append([value.numpy().astype(np.float64) for value in statistics])
        if not sizes:
            return
        stacked = [np.stack(values) for values in zip(*found, strict=True)]  # [batches, channels] each
        for layer, means, variances in zip(self.layers, stacked[0::2], stacked[1::2], strict=True):
            mean, variance = pooled(means, variances, np.array(sizes, np.float64))
            layer.moving_mean.assign(mean.astype(np.float32))
            layer.moving_variance.assign(variance.astype(np.float32))

    def _passes(self, batches: Iterable[np.ndarray]) -> Iterator[tuple[Any, list[Any], int]]:
        kept = [variable.numpy() for variable in self.variables]
        try:
            for variable in self.variables:
                variable.assign(np.zeros(variable.shape))  # a momentum of 0 would keep what is not finite
            for inputs in batches:
                yield *self._forward(inputs), len(inputs)
        finally:
            for variable, value in zip(self.variables, kept, strict=True):
                variable.assign(value)


def pooled(means: np.ndarray, variances: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance over the rows of all batches together, from those of each batch.

    Args:
        means: [batches, channels].
        variances: Population variances within each batch, [batches, channels].
        sizes: Rows of each batch, [batches].
    """
    shares = (sizes / sizes.sum())[:, None]
    mean = (shares * means).sum(axis=0)
    return mean, (shares * (variances + (means - mean) ** 2)).sum(axis=0)


@contextlib.contextmanager
def _normalising_by_batch(layers: list[keras.layers.Layer]) -> Iterator[None]:
    """Make batch norms ignore that the network is in inference, while it is traced."""
    with contextlib.ExitStack() as put_back:
        for layer in layers:
            put_back.callback(setattr, layer, "momentum", layer.momentum)
            put_back.callback(delattr, layer, "call")
            layer.momentum, layer.call = 0.0, _by_batch(layer.call)
        yield


def _by_batch(call: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    return lambda inputs, training=None, mask=None: call(inputs, training=True, mask=mask)
