"""An encoder with the benign/malignant head on top."""

from __future__ import annotations

import keras

from magsig_tf.seeding import seed_for


def build_classifier(encoder: keras.Model, dropout: float, seed: int) -> keras.Model:
    """Return the classifier: pixels -> embedding and logit.

    Args:
        encoder: Model named `encoder` from pixels 0..255 to embeddings [batch, p] (see `build_encoder`).
        dropout: Share of the embedding dropped in front of the label head while training, in [0, 1).
        seed: The run's seed; the head's first weights depend on it alone.

    Returns:
        A functional model named `classifier`. Its output is a dictionary: `embedding` [batch, p], without dropout, and
        `logit` [batch, 1] of malignant, both float32 under every precision policy. The encoder is the layer `encoder`.
    """
    pixels = keras.Input(encoder.input_shape[1:], dtype="float32", name="pixels")
    embedding = keras.layers.Activation("linear", dtype="float32", name="embedding")(encoder(pixels))
    x = keras.layers.Dropout(dropout, seed=seed_for("dropout", "label head", seed), dtype="float32", name="dropout")(
        embedding
    )
    kernel = keras.initializers.GlorotUniform(seed=seed_for("initialisation", "label head", seed))
    logit = keras.layers.Dense(1, kernel_initializer=kernel, dtype="float32", name="logit")(x)
    return keras.Model(pixels, {"embedding": embedding, "logit": logit}, name="classifier")
