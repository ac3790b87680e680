"""One training step on all replicas, as one graph."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from magsig_tf.data.batches import Batch
from magsig_tf.execution.batch_statistics import layers_with_batch_statistics
from magsig_tf.execution.replica_slices import replica_slices
from magsig_tf.methods import replicas
from magsig_tf.methods.contract import Logs, Method, StepTensors
from magsig_tf.training.objective import Outputs, StepObjective

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from magsig_tf.training.parts import RunParts


class TrainingStep:
    """A compiled step: seeds, forward, method, gradients, updates; nothing in it waits for the host.

    Args:
        parts: The networks, optimizers and strategy of the run.
    """

    def __init__(self, parts: RunParts):
        import tensorflow as tf

        self.parts = parts
        self._normalises_by_batch = bool(layers_with_batch_statistics(parts.classifier))
        # no Python branch in a step depends on a tensor, and autograph stumbles over methods that are only a docstring
        self._compiled = tf.function(self._step, autograph=False)
        # one trace a run is right; TensorFlow counts the runs of a matrix together and would warn after the fifth
        self._compiled._omit_frequent_tracing_warning = True
        self._compiled_gradients = tf.function(self._gradients, autograph=False)
        self._gather = tf.function(lambda: parts.strategy.run(self._gather_on_replicas), autograph=False)

    def __call__(self, batch: Batch, step: int) -> Logs:
        """Take global step `step`; return scalars to log, not yet read by the host."""
        import tensorflow as tf

        return self._compiled(tf.constant(step, tf.int64), *self._arrays(batch))

    def gradients(self, batch: Batch, step: int) -> dict[str, np.ndarray]:
        """Return the gradients of global step `step` by variable, summed over replicas; the classifier stays as it is.

        The method's own networks take the updates that they take before its loss.
        """
        import tensorflow as tf

        found = self._compiled_gradients(tf.constant(step, tf.int64), *self._arrays(batch))
        return {name: gradient.numpy() for name, gradient in found.items()}

    def _arrays(self, batch: Batch) -> tuple:
        arrays = (batch.images, batch.labels, batch.domains, batch.cases)
        return self._distribute(arrays if batch.synthetic is None else (*arrays, batch.synthetic))

    def gather_statistics(self) -> None:
        """Give every replica the mean of the replicas' moving statistics, which drift apart while training."""
        if self.parts.strategy.num_replicas_in_sync > 1:
            self._gather()

    def _gather_on_replicas(self) -> None:
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        trained = {id(variable) for variable in self.parts.classifier.trainable_variables}
        statistics = [variable for variable in self.parts.classifier.weights if id(variable) not in trained]
        means = context.all_reduce(
            tf.distribute.ReduceOp.MEAN, [tf.identity(variable.value) for variable in statistics]
        )
        for variable, mean in zip(statistics, means, strict=True):
            variable.assign(mean)

    def _distribute(self, arrays: tuple) -> tuple:
        return replica_slices(self.parts.strategy, arrays, self.parts.global_batch)

    def _step(self, step: tf.Tensor, *arrays: tf.Tensor) -> Logs:
        import tensorflow as tf

        parts = self.parts
        progress = tf.cast(step, tf.float32) / parts.total_steps
        parts.method.before_step(progress)
        logs = parts.strategy.run(self._replica_step, args=(step, progress, *arrays))
        if parts.average is not None:
            parts.average.update(step)
        return {
            name: parts.strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None) for name, value in logs.items()
        }

    def _gradients(self, step: tf.Tensor, *arrays: tf.Tensor) -> dict[str, tf.Tensor]:
        import tensorflow as tf

        progress = tf.cast(step, tf.float32) / self.parts.total_steps
        self.parts.method.before_step(progress)

        def on_replica(*given: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
            objective = self._objective(*given)
            gradients, of_networks, _ = self._method_gradients(objective)
            return gradients, [replicas.total(gradient) for gradient in of_networks]

        own, of_networks = self.parts.strategy.run(on_replica, args=(step, progress, *arrays))
        named = {f"classifier/{number}": gradient for number, gradient in enumerate(own)}
        named |= {f"networks/{number}": gradient for number, gradient in enumerate(of_networks)}
        return {name: self.parts.strategy.experimental_local_results(value)[0] for name, value in named.items()}

    def _replica_step(self, *arrays: tf.Tensor) -> Logs:
        objective = self._objective(*arrays)
        gradients, of_networks, logs = self._method_gradients(objective)
        norm = self._apply(gradients, objective.weights)
        self._apply_networks(of_networks, objective.networks)
        return {**logs, "gradient_norm": norm / self.parts.strategy.num_replicas_in_sync}

    def _method_gradients(self, objective: StepObjective) -> tuple[list[tf.Tensor], list[tf.Tensor], Logs]:
        """Return the gradients of the classifier, those of the method's networks, and what to log."""
        gradients, logs = self.parts.method.gradients(objective, objective.weights)
        if objective.network_gradients is None:
            raise ValueError("`gradients` of a method must evaluate the objective")
        return gradients, objective.network_gradients, logs

    def _objective(self, step: tf.Tensor, progress: tf.Tensor, *arrays: tf.Tensor) -> StepObjective:
        """Return the objective of this replica's images, augmented and mixed."""
        import tensorflow as tf

        parts, (images, labels, domains, cases, *synthetic) = self.parts, arrays
        parts.assign_seeds(step)
        pixels = parts.augmentation(tf.cast(images, tf.float32), training=True)
        if type(parts.method).batch is not Method.batch:  # gathering the images of all replicas costs time
            parts.assign_batch_seed(step)
            whole = [replicas.gather(each) for each in (pixels, labels, domains, cases)]
            mixed = parts.method.batch(*whole)
            pixels, labels, domains, cases = (replicas.own_part(each) for each in mixed)
        tensors = functools.partial(
            StepTensors,
            labels=labels,
            domains=domains,
            progress=progress,
            global_batch=parts.global_batch,
            domain_count=len(parts.plan.rows_by_domain),
            cases=cases,
            pixels=pixels,
        )
        apart = functools.partial(self._apart, synthetic[0] if synthetic else None)
        return StepObjective(parts, apart, tensors, pixels, functools.partial(parts.assign_seeds, step))

    def _apart(
        self, synthetic: tf.Tensor | None, function: Callable[[tf.Tensor], Outputs], values: tf.Tensor
    ) -> Outputs:
        """Return `function` of the values, a dictionary; synthetic images are normalised apart from real ones.

        The network is used on real images, with statistics of real images. Were both kinds normalised together it
        would be trained on activations that no real image has there (Xie et al. 2020, Adversarial examples improve
        image recognition, section 3.2).
        """
        import tensorflow as tf

        if synthetic is None or not self._normalises_by_batch:
            return function(values)
        groups = [tf.where(kind)[:, 0] for kind in (tf.logical_not(synthetic), synthetic)]
        # a slice that has one kind only sends an image through as the other kind too, for nothing
        empty = [tf.zeros([tf.cast(tf.equal(tf.size(places), 0), tf.int32)], places.dtype) for places in groups]
        padded = [tf.concat(both, 0) for both in zip(groups, empty, strict=True)]
        found = [function(tf.gather(values, places)) for places in padded]
        counts = [tf.size(places) for places in groups]
        order = tf.argsort(tf.concat(groups, 0))

        def joined(name: str) -> tf.Tensor:
            return tf.gather(tf.concat([each[name][:n] for each, n in zip(found, counts, strict=True)], 0), order)

        return {name: joined(name) for name in found[0]}

    def _apply(self, gradients: Sequence[tf.Tensor], weights: Sequence[keras.Variable]) -> tf.Tensor:
        """Clip gradients that are summed over replicas by their norm and apply them; return that norm."""
        import tensorflow as tf

        parts = self.parts
        replica_count = parts.strategy.num_replicas_in_sync
        norm = tf.linalg.global_norm(gradients)
        if parts.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, parts.clip_norm, use_norm=norm)
        if replica_count > 1:
            # the optimizer clips before it sums over replicas: hand it equal shares of the clipped sum
            gradients = [gradient / replica_count for gradient in gradients]
        if parts.precision == "mixed_float16":
            scale = parts.optimizer.scale_loss(tf.constant(1.0))
            gradients = [gradient * scale for gradient in gradients]
        parts.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return norm

    def _apply_networks(self, gradients: Sequence[tf.Tensor], networks: dict[str, list[keras.Variable]]) -> None:
        import tensorflow as tf

        left = iter(gradients)
        for name, variables in networks.items():
            own = [next(left) for _ in variables]
            if self.parts.precision == "mixed_float16":
                # a step that overflowed is skipped by the loss-scaling optimizer; here its gradient counts as nothing
                finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in own])
                own = [tf.where(finite, gradient, tf.zeros_like(gradient)) for gradient in own]
            self.parts.method.optimizers[name].apply_gradients(zip(own, variables, strict=True))
