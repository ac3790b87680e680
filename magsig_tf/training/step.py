"""One training step on all replicas, as one graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magsig_tf.data.batches import Batch
from magsig_tf.execution.batch_statistics import BatchStatistics
from magsig_tf.execution.replica_slices import replica_slices
from magsig_tf.methods.contract import StepTensors

if TYPE_CHECKING:
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
        self._normalises_by_batch = BatchStatistics(parts.classifier).serves
        # no Python branch in a step depends on a tensor, and autograph stumbles over methods that are only a docstring
        self._compiled = tf.function(self._step, autograph=False)
        # one trace a run is right; TensorFlow counts the runs of a matrix together and would warn after the fifth
        self._compiled._omit_frequent_tracing_warning = True
        self._gather = tf.function(lambda: parts.strategy.run(self._gather_on_replicas), autograph=False)

    def __call__(self, batch: Batch, step: int) -> dict[str, tf.Tensor]:
        """Take global step `step`; return scalars to log, not yet read by the host."""
        import tensorflow as tf

        arrays = (batch.images, batch.labels, batch.domains)
        if batch.synthetic is not None:
            arrays = (*arrays, batch.synthetic)
        return self._compiled(tf.constant(step, tf.int64), *self._distribute(arrays))

    def gather_statistics(self) -> None:
        """Give every replica the mean of the replicas' moving statistics, which drift apart while training."""
        if self.parts.strategy.num_replicas_in_sync > 1:
            self._gather()

    def _gather_on_replicas(self):
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

    def _step(self, step, images, labels, domains, synthetic=None):
        import tensorflow as tf

        parts = self.parts
        progress = tf.cast(step, tf.float32) / parts.total_steps
        parts.method.before_step(progress)
        logs = parts.strategy.run(self._replica_step, args=(step, progress, images, labels, domains, synthetic))
        if parts.average is not None:
            parts.average.update(step)
        return {
            name: parts.strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None) for name, value in logs.items()
        }

    def _replica_step(self, step, progress, images, labels, domains, synthetic):
        import tensorflow as tf

        parts = self.parts
        parts.assign_seeds(step)
        pixels = parts.augmentation(tf.cast(images, tf.float32), training=True)
        networks = {name: network.trainable_variables for name, network in parts.method.networks.items()}
        weights = parts.classifier.trainable_variables
        with tf.GradientTape() as tape:
            outputs = self._outputs(pixels, synthetic)
            tensors = StepTensors(labels, domains, outputs["embedding"], outputs["logit"], progress, parts.global_batch)
            with tape.stop_recording():
                parts.method.update_networks(tensors)
            loss, logs = parts.method.loss(tensors)
            scaled = parts.optimizer.scale_loss(loss)
        flat_networks = [variable for variables in networks.values() for variable in variables]
        gradients = tape.gradient(scaled, weights + flat_networks)
        scale = parts.optimizer.scale_loss(tf.constant(1.0))
        norm = self._apply(gradients[: len(weights)], weights, scale)
        self._apply_networks(gradients[len(weights) :], networks, scale)
        replicas = parts.strategy.num_replicas_in_sync
        length = tf.norm(tf.cast(outputs["embedding"], tf.float32), axis=-1)
        return {"loss": loss, **logs, "embedding_norm": tensors.mean(length), "gradient_norm": norm / replicas}

    def _outputs(self, pixels, synthetic):
        """Return the network's outputs in training; synthetic images are normalised apart from real ones.

        The network is used on real images, with statistics of real images. Were both kinds normalised together it
        would be trained on activations that no real image has there (Xie et al. 2020, Adversarial examples improve
        image recognition, section 3.2).
        """
        import tensorflow as tf

        if synthetic is None or not self._normalises_by_batch:
            return self.parts.classifier(pixels, training=True)
        groups = [tf.where(kind)[:, 0] for kind in (tf.logical_not(synthetic), synthetic)]
        # a slice that has one kind only sends an image through as the other kind too, for nothing
        empty = [tf.zeros([tf.cast(tf.equal(tf.size(places), 0), tf.int32)], places.dtype) for places in groups]
        padded = [tf.concat(both, 0) for both in zip(groups, empty, strict=True)]
        found = [self.parts.classifier(tf.gather(pixels, places), training=True) for places in padded]
        counts = [tf.size(places) for places in groups]
        order = tf.argsort(tf.concat(groups, 0))

        def joined(name):
            return tf.gather(tf.concat([each[name][:n] for each, n in zip(found, counts, strict=True)], 0), order)

        return {name: joined(name) for name in found[0]}

    def _apply(self, gradients, weights, scale):
        """Clip by the norm of the summed gradient and apply; return that norm."""
        import tensorflow as tf

        replicas = self.parts.strategy.num_replicas_in_sync
        if replicas > 1:
            # the optimizer clips before it sums over replicas: sum first, and hand it equal shares of the sum
            gradients = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        norm = tf.linalg.global_norm(gradients)
        if self.parts.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self.parts.clip_norm * scale, use_norm=norm)
        gradients = [gradient / replicas for gradient in gradients] if replicas > 1 else gradients
        self.parts.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return norm / scale

    def _apply_networks(self, gradients, networks, scale) -> None:
        import tensorflow as tf

        gradients = iter(gradients)
        for name, variables in networks.items():
            own = [next(gradients) / scale for _ in variables]
            if self.parts.precision == "mixed_float16":
                # a step that overflowed is skipped by the loss-scaling optimizer; here its gradient counts as nothing
                finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in own])
                own = [tf.where(finite, gradient, tf.zeros_like(gradient)) for gradient in own]
            self.parts.method.optimizers[name].apply_gradients(zip(own, variables, strict=True))
