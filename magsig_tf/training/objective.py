"""The objective of one step on one replica: evaluated once, or as often as the method wants."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from magsig_tf.methods.contract import Logs, Loss, StepTensors

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from magsig_tf.training.parts import RunParts

Outputs = dict[str, "tf.Tensor"]


class StepObjective:
    """Evaluates a method's loss at the weights of a step; what a step may do once is done by the first evaluation.

    Args:
        parts: What is trained.
        apart: Calls a function of a batch so that synthetic and real images do not normalise each other.
        tensors: Makes the step from `embedding`, `logits`, `forward` and `head`.
        pixels: Of the step.
        reseed: Gives every generator its state of this step.
    """

    def __init__(
        self,
        parts: RunParts,
        apart: Callable[[Callable[[tf.Tensor], Outputs], tf.Tensor], Outputs],
        tensors: Callable[..., StepTensors],
        pixels: tf.Tensor,
        reseed: Callable[[], None],
    ):
        self.parts, self._apart, self._tensors, self._pixels, self._reseed = parts, apart, tensors, pixels, reseed
        self.weights = parts.classifier.trainable_variables
        self.networks = {name: network.trainable_variables for name, network in parts.method.networks.items()}
        self.network_gradients: list[tf.Tensor] | None = None

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
            self._reseed()
            if not first:
                put_back.enter_context(kept(self._moving()))
            if moved_by is not None:
                put_back.enter_context(kept(self.weights))
                for weight, move in zip(self.weights, moved_by, strict=True):
                    weight.assign(weight.value + move)
            return self._evaluated(loss or self.parts.method.loss, first)

    def _evaluated(self, loss: Loss, first: bool) -> tuple[list[tf.Tensor], Logs]:
        import tensorflow as tf

        parts, flat = self.parts, [variable for each in self.networks.values() for variable in each]
        with tf.GradientTape() as tape:
            outputs = self._outputs(self._pixels)
            step = self._tensors(
                embedding=outputs["embedding"], logits=outputs["logit"], forward=self._forward, head=self._head
            )
            if first:
                with tape.stop_recording():
                    parts.method.update_networks(step)
            value, logs = loss(step)
            scaled = parts.optimizer.scale_loss(value)
        variables = self.weights + flat
        gradients = tape.gradient(scaled, variables)
        # what a loss leaves out gets zeros, so that a method can add gradients up
        gradients = [tf.zeros(v.shape) if g is None else g for g, v in zip(gradients, variables, strict=True)]
        if parts.precision == "mixed_float16":
            scale = parts.optimizer.scale_loss(tf.constant(1.0))  # a power of two: nothing is lost
            gradients = [gradient / scale for gradient in gradients]
        own = gradients[: len(self.weights)]
        if first:
            self.network_gradients = gradients[len(self.weights) :]
        if parts.strategy.num_replicas_in_sync > 1:
            own = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, own)
        length = tf.norm(tf.cast(outputs["embedding"], tf.float32), axis=-1)
        return own, {"loss": value, **logs, "embedding_norm": step.mean(length)}

    def _forward(self, pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with kept([*self._statistics(self.parts.classifier), *self.parts.random_states()]):
            self._reseed()
            outputs = self._outputs(pixels)
        return outputs["embedding"], outputs["logit"]

    def _head(self, embedding: tf.Tensor) -> tf.Tensor:
        dropout, logit = (self.parts.classifier.get_layer(name) for name in ("dropout", "logit"))
        with kept(self.parts.random_states()):
            self._reseed()
            return self._apart(lambda rows: {"logit": logit(dropout(rows, training=True))}, embedding)["logit"]

    def _outputs(self, pixels: tf.Tensor) -> Outputs:
        return self._apart(lambda images: self.parts.classifier(images, training=True), pixels)

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
    import tensorflow as tf

    values = [tf.identity(tf.convert_to_tensor(variable)) for variable in variables]
    yield
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
