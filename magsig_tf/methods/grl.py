"""Gradient reversal: the encoder is trained against a head that predicts the source magnification from it.

Source: Ganin et al. 2016, Domain-adversarial training of neural networks, JMLR 17(59).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from magsig_tf.methods.contract import Method, MethodOptions, StepTensors
from magsig_tf.seeding import seed_for

if TYPE_CHECKING:
    import tensorflow as tf


LOST_NATS = 0.5
"""A domain loss this far above that of guessing means that the head no longer keeps up."""


class GradientReversalOptions(MethodOptions):
    """Config keys of grl."""

    # a larger head tells the magnifications of a few hundred embeddings apart without fail, and has no gradient left
    FOR_EMBEDDINGS: ClassVar[Mapping[str, Any]] = {
        **{"lambda_max": 3.0, "domain_hidden": 32, "domain_learning_rate": 3e-4, "domain_updates": 1}
    }

    lambda_max: float = Field(0.3, ge=0, description="grl: strength of gradient reversal at the end of training")
    lambda_gamma: float = Field(10.0, gt=0, description="grl: how fast the strength rises with training progress")
    reversal: Literal["faded", "plain"] = Field(
        "faded",
        description="grl: faded: the reversed gradient of an image falls to zero as the domain head's loss on it rises "
        "to that of guessing; plain: never, as in Ganin et al. 2016",
    )
    domain_normalization: Literal["layer", "none"] = Field(
        "layer",
        description="grl: layer: the domain head gets each embedding with mean 0 and variance 1, so that its scale "
        "cannot fool the head; none: as it is",
    )
    domain_hidden: int = Field(256, ge=1, description="grl: units in each hidden layer of the domain head")
    domain_learning_rate: float = Field(5e-3, gt=0, description="grl: learning rate of the domain head's own Adam")
    domain_updates: int = Field(
        8, ge=1, description="grl: updates of the domain head per step; a weak head removes nothing"
    )


class GradientReversalMethod(Method[GradientReversalOptions]):
    """Binary cross-entropy plus the cross-entropy of a domain head behind gradient reversal.

    The strength is lambda(p) = lambda_max (2 / (1 + exp(-gamma p)) - 1) at training progress p (Ganin et al. 2016,
    section 5.2.2). The plain form of that paper has no bound: the encoder can raise the head's loss for ever, by the
    embedding's scale, at the cost of the label. So the head sees normalised embeddings, and the push on an image fades
    with the head's loss on it: max(0, 1 - CE / ln K) for K source magnifications, none from the loss of guessing on.
    The logged domain accuracy says how the head fares; it is no evidence of invariance.
    """

    Options = GradientReversalOptions

    @classmethod
    def fewest_magnifications(cls, options: GradientReversalOptions) -> int:
        """Return two: with one there is nothing for the domain head to tell apart."""
        return 2

    @classmethod
    def trains_embedding(cls, options: GradientReversalOptions) -> bool:
        """Return true: what is reversed is the gradient of the embedding."""
        return True

    def build(self) -> None:
        """Create the domain head, its optimizer and the strength."""
        import keras

        from magsig_tf.models.classifier import build_domain_head

        length, domains = self.task.embedding_length, len(self.task.source_magnifications)
        hidden, normalized = self.options.domain_hidden, self.options.domain_normalization == "layer"
        seed = seed_for("domain head", self.task.seed)
        head = build_domain_head(length, domains, hidden, seed, reversal=True, normalized=normalized)
        self.networks["domain"] = head
        self.optimizers["domain"] = keras.optimizers.Adam(self.options.domain_learning_rate)
        self.state["lambda"] = head.get_layer("reversal").strength

    def before_step(self, progress: tf.Tensor) -> None:
        """Set the strength that belongs to this progress."""
        import tensorflow as tf

        rise = 2.0 / (1.0 + tf.exp(-self.options.lambda_gamma * progress)) - 1.0
        self.state["lambda"].assign(self.options.lambda_max * rise)

    def update_networks(self, step: StepTensors) -> None:
        """Train the head alone on the standing embedding, `domain_updates` - 1 times."""
        import tensorflow as tf

        head = self.networks["domain"]
        embedding = tf.stop_gradient(step.embedding)
        for _ in range(self.options.domain_updates - 1):
            with tf.GradientTape() as tape:
                loss, _ = self._domain_loss(step, embedding)
            gradients = tape.gradient(loss, head.trainable_variables)
            self.optimizers["domain"].apply_gradients(zip(gradients, head.trainable_variables, strict=True))

    def loss(self, step: StepTensors) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Return classification plus domain loss; reversal turns the latter's gradient round for the encoder."""
        classification = self.classification_loss(step)
        embedding, logs = step.embedding, {"classification_loss": classification}
        if self.options.reversal == "faded":
            push = self._push(step)
            embedding = _weighting_gradients(embedding, push)
            logs["reversal_push"] = step.mean(push)
        domain, logs["domain_accuracy"] = self._domain_loss(step, embedding)
        logs["domain_loss"] = domain
        return classification + domain, logs

    def epoch_warnings(self, logs: Mapping[str, float], progress: float) -> list[str]:
        """Say when the encoder has fooled the head by more than hiding the magnification, or has lost the label."""
        guessing = math.log(len(self.task.source_magnifications))
        found = []
        if logs["domain_loss"] > guessing + LOST_NATS:
            found.append(
                f"the domain head has failed: its loss {logs['domain_loss']:.2f} is far above that of guessing, "
                f"{guessing:.2f}, so its gradient no longer removes the magnification. Lower --lambda-max, or raise "
                "--domain-updates or --domain-learning-rate"
            )
        if progress > 1 / 3 and logs["classification_loss"] > math.log(2):
            found.append(
                f"the label head has failed: the classification loss {logs['classification_loss']:.2f} is above that "
                "of guessing, 0.69. Lower --lambda-max"
            )
        return found

    def _push(self, step: StepTensors) -> tf.Tensor:
        """Return how much of the reversed gradient each image keeps, [n, 1] in [0, 1]."""
        import tensorflow as tf

        losses, _ = self._losses(step, tf.stop_gradient(step.embedding))
        guessing = math.log(len(self.task.source_magnifications))
        return tf.stop_gradient(tf.clip_by_value(1.0 - losses / guessing, 0.0, 1.0))[:, None]

    def _domain_loss(self, step: StepTensors, embedding: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        losses, correct = self._losses(step, embedding)
        return step.mean(losses), step.mean(correct)

    def _losses(self, step: StepTensors, embedding: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the head's cross-entropy on each image and whether it is right, [n] each."""
        import tensorflow as tf

        logits = self.networks["domain"](embedding, training=True)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=step.domains, logits=logits)
        return losses, tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), step.domains)


def _weighting_gradients(embedding: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Return the embedding as it is; the gradient that comes back to each row is multiplied by its weight."""
    import tensorflow as tf

    @tf.custom_gradient
    def weighted(values: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        return tf.identity(values), lambda upstream: upstream * weights

    return weighted(embedding)
