"""The domain head: predicts the source magnification from the embedding."""

from __future__ import annotations

import keras

from magsig_tf.models.layers.gradient_reversal import GradientReversal
from magsig_tf.seeding import seed_for


def build_domain_head(
    embedding_length: int, domains: int, hidden: int, seed: int, reversal: bool = True, normalized: bool = False
) -> keras.Model:
    """Return a two-layer perceptron from embeddings to one logit a source magnification.

    Args:
        embedding_length: p, the embedding's length.
        domains: Number of source magnifications, >= 2.
        hidden: Units of each of the two hidden layers.
        seed: The run's seed; the first weights depend on it alone.
        reversal: Put a `GradientReversal` in front: the layer named `reversal`, strength 0 until it is assigned.
        normalized: Bring each embedding to mean 0 and variance 1 first, without scale and offset of its own.

    Returns:
        A functional model named `domain_head`, [batch, p] -> [batch, domains], float32 under every precision policy.
    """
    embedding = keras.Input((embedding_length,), dtype="float32", name="embedding")
    x = embedding
    if reversal:
        x = GradientReversal(strength=0.0, dtype="float32", name="reversal")(x)
    if normalized:
        x = keras.layers.LayerNormalization(center=False, scale=False, dtype="float32", name="normalization")(x)
    for number in range(2):
        kernel = keras.initializers.HeUniform(seed=seed_for("initialisation", "domain head", number, seed))
        x = keras.layers.Dense(
            hidden, activation="relu", kernel_initializer=kernel, dtype="float32", name=f"hidden{number}"
        )(x)
    kernel = keras.initializers.GlorotUniform(seed=seed_for("initialisation", "domain head", "logits", seed))
    logits = keras.layers.Dense(domains, kernel_initializer=kernel, dtype="float32", name="domain_logits")(x)
    return keras.Model(embedding, logits, name="domain_head")
