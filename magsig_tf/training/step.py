"""One training step on all replicas, as one graph, and its objective, evaluated as often as the method wants."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from magsig_tf.data.batches import Batch
from magsig_tf.execution.evaluated_weights import layers_with_batch_statistics
from magsig_tf.execution.runtime import replica_slices
from magsig_tf.methods.contract import Logs, Loss, Method
from magsig_tf.methods.step import StepTensors, gather, own_part, total
from magsig_tf.training.parts import RunParts

Outputs = dict[str, tf.Tensor]


class TrainingStep:
    """A compiled step: seeds, forward, method, gradients, updates; nothing in it waits for the host.

    Args:
        parts: The networks, optimizers and strategy of the run.
    """

    def __init__(self, parts: RunParts):
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
        return self._compiled(tf.constant(step, tf.int64), *self._arrays(batch))

    def gradients(self, batch: Batch, step: int) -> dict[str, np.ndarray]:
        """Return the gradients of global step `step` by variable, summed over replicas; the classifier stays as it is.

        The method's own networks take the updates that they take before its loss.
        """
        found = self._compiled_gradients(tf.constant(step, tf.int64), *self._arrays(batch))
        return {name: gradient.numpy() for name, gradient in found.items()}

    def _arrays(self, batch: Batch) -> tuple:
        arrays = (batch.images, batch.labels, batch.domains, batch.cases, batch.synthetic)
        present = [array for array in arrays if array is not None]
        return replica_slices(self.parts.strategy, present, self.parts.global_batch)

    def gather_statistics(self) -> None:
        """Give every replica the mean of the replicas' moving statistics, which drift apart while training."""
        if self.parts.strategy.num_replicas_in_sync > 1:
            self._gather()

    def _gather_on_replicas(self) -> None:
        trained = {id(variable) for variable in self.parts.classifier.trainable_variables}
        statistics = [variable for variable in self.parts.classifier.weights if id(variable) not in trained]
        values = [tf.identity(variable.value) for variable in statistics]
        means = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, values)
        for variable, mean in zip(statistics, means, strict=True):
            variable.assign(mean)

    def _step(self, step: tf.Tensor, *arrays: tf.Tensor) -> Logs:
        strategy = self.parts.strategy
        logs = strategy.run(self._replica_step, args=(step, self._begin(step), *arrays))
        if self.parts.average is not None:
            self.parts.average.update(step)
        return {name: strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None) for name, value in logs.items()}

    def _gradients(self, step: tf.Tensor, *arrays: tf.Tensor) -> dict[str, tf.Tensor]:
        def on_replica(*given: tf.Tensor) -> dict[str, tf.Tensor]:
            own, of_networks, _ = self._method_gradients(self._objective(*given))
            summed = {f"networks/{name}": map(total, each) for name, each in of_networks.items()}
            groups = {"classifier": own, **summed}
            return {f"{group}/{i}": gradient for group, each in groups.items() for i, gradient in enumerate(each)}

        found = self.parts.strategy.run(on_replica, args=(step, self._begin(step), *arrays))
        return {name: self.parts.strategy.experimental_local_results(value)[0] for name, value in found.items()}

    def _begin(self, step: tf.Tensor) -> tf.Tensor:
        """Let the method prepare the step outside the replicas; return training progress."""
        progress = tf.cast(step, tf.float32) / self.parts.total_steps
        self.parts.method.before_step(progress)
        return progress

    def _replica_step(self, *arrays: tf.Tensor) -> Logs:
        objective = self._objective(*arrays)
        gradients, of_networks, logs = self._method_gradients(objective)
        norm = self._apply(gradients, objective.weights)
        self._apply_networks(objective, of_networks)
        return {**logs, "gradient_norm": norm / self.parts.strategy.num_replicas_in_sync}

    def _method_gradients(self, objective: StepObjective) -> tuple[list[tf.Tensor], dict[str, list[tf.Tensor]], Logs]:
        """Return the gradients of the classifier, those of the method's networks, and what to log."""
        gradients, logs = self.parts.method.gradients(objective, objective.weights)
        if objective.network_gradients is None:
            raise ValueError("`gradients` of a method must evaluate the objective")
        return gradients, objective.network_gradients, logs

    def _objective(self, step: tf.Tensor, progress: tf.Tensor, *arrays: tf.Tensor) -> StepObjective:
        """Return the objective of this replica's images, augmented and mixed."""
        parts, (images, labels, domains, cases, *synthetic) = self.parts, arrays
        parts.assign_seeds(step)
        pixels = parts.augmentation(tf.cast(images, tf.float32), training=True)
        if type(parts.method).batch is not Method.batch:  # gathering the images of all replicas costs time
            parts.assign_batch_seed(step)
            mixed = parts.method.batch(*map(gather, (pixels, labels, domains, cases)))
            pixels, labels, domains, cases = map(own_part, mixed)
        apart = synthetic[0] if synthetic and self._normalises_by_batch else None
        known = {"progress": progress, "pixels": pixels, "labels": labels, "domains": domains, "cases": cases}
        constants = {"global_batch": parts.global_batch, "domain_count": len(parts.plan.rows_by_domain)}
        return StepObjective(parts, step, apart, known | constants)

    def _apply(self, gradients: Sequence[tf.Tensor], weights: Sequence[keras.Variable]) -> tf.Tensor:
        """Clip gradients that are summed over replicas by their norm and apply them; return that norm."""
        parts, replica_count = self.parts, self.parts.strategy.num_replicas_in_sync
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

    def _apply_networks(self, objective: StepObjective, gradients: dict[str, list[tf.Tensor]]) -> None:
        for name, own in gradients.items():
            if self.parts.precision == "mixed_float16":
                # a step that overflowed is skipped by the loss-scaling optimizer; here its gradient counts as nothing
                finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in own])
                own = [tf.where(finite, gradient, tf.zeros_like(gradient)) for gradient in own]
            self.parts.method.optimizers[name].apply_gradients(zip(own, objective.networks[name], strict=True))


class StepObjective:
    """Evaluates a method's loss at the weights of a step; what a step may do once is done by the first evaluation.

    Args:
        parts: What is trained.
        step: The global step, from which every generator has its state.
        synthetic: bool [n], which images are to be normalised apart from the others; None where none are.
        known: What `StepTensors` hold before the images pass through the network.
    """

    def __init__(self, parts: RunParts, step: tf.Tensor, synthetic: tf.Tensor | None, known: dict[str, Any]):
        self.parts, self._step, self._synthetic, self._known = parts, step, synthetic, known
        self.weights = parts.classifier.trainable_variables
        self.networks = {name: network.trainable_variables for name, network in parts.method.networks.items()}
        self.network_gradients: dict[str, list[tf.Tensor]] | None = None

    def __call__(
        self, loss: Loss | None = None, moved_by: Sequence[tf.Tensor] | None = None
    ) -> tuple[list[tf.Tensor], Logs]:
        """Return the gradients of the classifier's weights, summed over replicas, and what to log.

        Args:
            loss: In the place of the method's own.
            moved_by: What to add to the weights while it is evaluated; they are put back bit for bit.
        """
        first = self.network_gradients is None
        with contextlib.ExitStack() as put_back:
            self.parts.assign_seeds(self._step)
            if not first:
                put_back.enter_context(kept(self._moving()))
            if moved_by is not None:
                put_back.enter_context(kept(self.weights))
                for weight, move in zip(self.weights, moved_by, strict=True):
                    weight.assign(weight.value + move)
            return self._evaluated(loss or self.parts.method.loss, first)

    def _evaluated(self, loss: Loss, first: bool) -> tuple[list[tf.Tensor], Logs]:
        parts = self.parts
        with tf.GradientTape() as tape:
            outputs = self._outputs(self._known["pixels"])
            embedding, logits = outputs["embedding"], outputs["logit"]
            known = self._known | {"forward": self._forward, "head": self._head}
            step = StepTensors(embedding=embedding, logits=logits, **known)
            if first:
                with tape.stop_recording():
                    parts.method.update_networks(step)
            value, logs = loss(step)
            scaled = parts.optimizer.scale_loss(value)
        variables = [self.weights, self.networks]
        found = tape.gradient(scaled, variables)
        # what a loss leaves out gets zeros, so that a method can add gradients up
        found = tf.nest.map_structure(lambda g, v: tf.zeros(v.shape) if g is None else g, found, variables)
        if parts.precision == "mixed_float16":
            scale = parts.optimizer.scale_loss(tf.constant(1.0))  # a power of two: nothing is lost
            found = tf.nest.map_structure(lambda gradient: gradient / scale, found)
        own, of_networks = found
        if first:
            self.network_gradients = of_networks
        if parts.strategy.num_replicas_in_sync > 1:
            own = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, own)
        length = tf.norm(tf.cast(embedding, tf.float32), axis=-1)
        return own, {"loss": value, **logs, "embedding_norm": step.mean(length)}

    def _forward(self, pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with kept([*self._statistics(self.parts.classifier), *self.parts.random_states()]):
            self.parts.assign_seeds(self._step)
            outputs = self._outputs(pixels)
        return outputs["embedding"], outputs["logit"]

    def _head(self, embedding: tf.Tensor) -> tf.Tensor:
        dropout, logit = (self.parts.classifier.get_layer(name) for name in ("dropout", "logit"))
        with kept(self.parts.random_states()):
            self.parts.assign_seeds(self._step)
            return self._apart(lambda rows: {"logit": logit(dropout(rows, training=True))}, embedding)["logit"]

    def _outputs(self, pixels: tf.Tensor) -> Outputs:
        return self._apart(lambda images: self.parts.classifier(images, training=True), pixels)

    def _apart(self, function: Callable[[tf.Tensor], Outputs], values: tf.Tensor) -> Outputs:
        """Return `function` of the values, a dictionary; synthetic images are normalised apart from real ones.

        The network is used on real images, with statistics of real images. Were both kinds normalised together it
        would be trained on activations that no real image has there (Xie et al. 2020, Adversarial examples improve
        image recognition, section 3.2).
        """
        if self._synthetic is None:
            return function(values)
        groups = [tf.where(kind)[:, 0] for kind in (tf.logical_not(self._synthetic), self._synthetic)]
        # a slice that has one kind only sends an image through as the other kind too, for nothing
        empty = [tf.zeros([tf.cast(tf.equal(tf.size(places), 0), tf.int32)], places.dtype) for places in groups]
        padded = [tf.concat(both, 0) for both in zip(groups, empty, strict=True)]
        found = [function(tf.gather(values, places)) for places in padded]
        counts = [tf.size(places) for places in groups]
        order = tf.argsort(tf.concat(groups, 0))

        def joined(name: str) -> tf.Tensor:
            return tf.gather(tf.concat([each[name][:n] for each, n in zip(found, counts, strict=True)], 0), order)

        return {name: joined(name) for name in found[0]}

    def _moving(self) -> list[keras.Variable]:
        """Return the variables that an evaluation may change beside gradients."""
        models = (self.parts.classifier, *self.parts.method.networks.values())
        return [*self.parts.method.state.values(), *(each for model in models for each in self._statistics(model))]

    @staticmethod
    def _statistics(model: keras.Model) -> list[keras.Variable]:
        """Return what layers keep beside weights, such as moving means; not weights that are frozen."""
        return [variable for layer in model._flatten_layers() for variable in layer._non_trainable_variables]


@contextlib.contextmanager
def kept(variables: Sequence[Any]) -> Iterator[None]:
    """Give variables back, on leaving, the values that they have on entering."""
    values = [tf.identity(tf.convert_to_tensor(variable)) for variable in variables]
    yield
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
