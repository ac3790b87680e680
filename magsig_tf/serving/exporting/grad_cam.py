"""Grad-CAM: where in an image the encoder's last map holds evidence for malignant."""

from __future__ import annotations

import keras
import tensorflow as tf

from magsig_tf.errors import DataError


class GradCam:
    """The gradient-weighted class activation map of the label head's logit.

    The map is the last one of the encoder, as its pooling sees it: the last convolution with the normalisation,
    activation and shortcut that follow it.

    Args:
        classifier: As `build_classifier` returns it.

    Raises:
        DataError: the encoder has no map with more than one place.

    Source: Selvaraju et al., Grad-CAM, ICCV 2017, equations 1 and 2.
    """

    def __init__(self, classifier: keras.Model):
        encoder = classifier.get_layer("encoder")
        self._maps = keras.Model(encoder.inputs, {"map": last_map(encoder).output, "embedding": encoder.output})
        self._head = [classifier.get_layer(name) for name in ("embedding", "logit")]

    def __call__(self, pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the map and the logit of some images.

        Args:
            pixels: float32 0..255 [batch, size, size, 3].

        Returns:
            Maps, float32 [batch, h, w] in 0..1, each divided by its largest value; a map is 0 throughout where nothing
            speaks for malignant. Logits, float32 [batch, 1].
        """
        with tf.GradientTape() as tape:
            tape.watch(pixels)  # without it, a frozen encoder would leave nothing to differentiate
            outputs = self._maps(pixels, training=False)
            logit = outputs["embedding"]
            for layer in self._head:
                logit = layer(logit)
            places = tf.size(outputs["map"][0, ..., 0])
            # the map is scaled to its largest value in the end; a larger gradient stays clear of float16's smallest
            scaled = logit * tf.cast(places, logit.dtype)
        gradient = tf.cast(tape.gradient(scaled, outputs["map"]), tf.float32)
        weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
        maps = tf.nn.relu(tf.reduce_sum(weights * tf.cast(outputs["map"], tf.float32), axis=-1))
        return tf.math.divide_no_nan(maps, tf.reduce_max(maps, axis=(1, 2), keepdims=True)), logit


def last_map(encoder: keras.Model) -> keras.Operation:
    """Return the last step of an encoder whose output has places: [batch, h, w, channels] with h * w above 1.

    Raises:
        DataError: there is none.
    """
    # a sum written with + is a step of the graph, but none of its layers
    for step in reversed(getattr(encoder, "operations", encoder.layers)):
        shape: tuple[int | None, ...] = getattr(getattr(step, "output", None), "shape", ())
        if len(shape) == 4 and (shape[1] or 2) * (shape[2] or 2) > 1 and not isinstance(step, keras.layers.InputLayer):
            return step
    raise DataError(
        "Expected an encoder with a convolution, for Grad-CAM",
        f"found none whose output has places in {encoder.name}",
        "Use an encoder that is a graph of layers",
    )
