"""An encoder and a head that was fitted to its embeddings as one classifier of images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.models.classifier import build_classifier


@dataclass(frozen=True)
class EncoderInside:
    """An encoder that is to be put in front of a head.

    Args:
        images: The data set that it embedded.
        network: Builds it: from pixels 0..255 to embeddings [batch, p].
        batch: Images that it embedded at once; another number sums in another order.
    """

    images: PreparedDataset
    network: Callable[[], keras.Model]
    batch: int


def with_encoder(encoder: keras.Model, head: keras.Model, stored: np.dtype) -> keras.Model:
    """Return the classifier that goes from pixels to what a head makes of an encoder's embedding.

    Args:
        encoder: From pixels 0..255 to embeddings [batch, p].
        head: As `build_classifier` returns it, of embeddings of that length.
        stored: The kind of numbers that the head was fitted to: float16 is rounded to here as well.

    Returns:
        As `build_classifier` returns it; its encoder is one graph, from the pixels to the head's own embedding.
    """
    embedding = encoder.output
    if stored == np.float16:
        rounded = keras.ops.cast(keras.ops.cast(embedding, "float16"), "float32")
        # the same number to the last bit; gradients pass by the rounding, which would make small ones 0
        embedding = embedding + keras.ops.stop_gradient(rounded - embedding)
    whole = keras.Model(encoder.inputs, head.get_layer("encoder")(embedding), name="encoder")
    classifier = build_classifier(whole, 0.0, seed=0)
    classifier.get_layer("logit").set_weights(head.get_layer("logit").get_weights())
    return classifier
