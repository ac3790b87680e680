"""Gradient reversal: the encoder is trained against a head that tells the source magnification from the embedding.

Source: Ganin et al. 2016, Domain-adversarial training of neural networks, JMLR 17(59).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from magsig_tf.methods.contract import Method, MethodOptions, StepTensors
from magsig_tf.seeding import seed_for

if TYPE_CHECKING:
    import tensorflow as tf


class GradientReversalOptions(MethodOptions):
    """Config keys of grl."""

    lambda_max: float = Field(1.0, ge=0, description="grl: strength of gradient reversal at the end of training")
    lambda_gamma: float = Field(10.0, gt=0, description="grl: how fast the strength rises with training progress")
    domain_hidden: int = Field(256, ge=1, description="grl: units in each hidden layer of the domain head")
    domain_learning_rate: float = Field(1e-3, gt=0, description="grl: learning rate of the domain head's own Adam")
    domain_updates: int = Field(
        1, ge=1, description="grl: updates of the domain head a step; a weak head removes nothing"
    )


class GradientReversalMethod(Method):
    """Binary cross-entropy plus the cross-entropy of a domain head behind gradient reversal.

    The strength is lambda(p) = lambda_max (2 / (1 + exp(-gamma p)) - 1) at training progress p (Ganin et al. 2016,
    section 5.2.2). The logged domain accuracy says how the head fares; it is no evidence of invariance.
    """

    Options = GradientReversalOptions

    def build(self) -> None:
        """Create the domain head, its optimizer and the strength."""
        import keras

        from magsig_tf.models.heads import build_domain_head

        head = build_domain_head(
            embedding_length=self.task.embedding_length,
            domains=len(self.task.source_magnifications),
            hidden=self.options.domain_hidden,
            seed=seed_for("domain head", self.task.seed),
            reversal=True,
        )
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
        domain, accuracy = self._domain_loss(step, step.embedding)
        logs = {"classification_loss": classification, "domain_loss": domain, "domain_accuracy": accuracy}
        return classification + domain, logs

    def _domain_loss(self, step: StepTensors, embedding: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        import tensorflow as tf

        logits = self.networks["domain"](embedding, training=True)
        loss = step.mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=step.domains, logits=logits))
        correct = tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), step.domains)
        return loss, step.mean(correct)
