"""The functions that a served model answers with, and the SavedModel that holds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import keras
import tensorflow as tf

from magsig_tf.data.columns import LABELS
from magsig_tf.serving.exporting.grad_cam import GradCam
from magsig_tf.serving.exporting.preprocessing import Preprocessing
from magsig_tf.serving.exporting.sparse_signature import SparseSignature

THRESHOLD = 0.5
"""Probability of malignant from which an image is labelled malignant."""
_ANY_SIZE = (None, None, None, 3)


@dataclass(frozen=True)
class ServedModel:
    """A classifier with everything around it that a client would otherwise have to know.

    Args:
        classifier: As `build_classifier` returns it, in the precision that it was trained with.
        preprocessing: From any image to the classifier's pixels.
        temperature: The logit is divided by it; 1 leaves it as it is.
        signature: Its sparse signature, where that is wanted.
    """

    classifier: keras.Model = field(repr=False)
    preprocessing: Preprocessing
    temperature: float = 1.0
    signature: SparseSignature | None = None

    def module(self) -> tf.Module:
        """Return the functions, each traced once for every number and size of images, with the weights they share.

        Its attributes are the functions of `SIGNATURES`, and `prepared` (image_bytes -> the pixels that the network
        sees), by which the check of an export compares resizing.
        """
        module = tf.Module(name="magsig")
        # the weights alone: the Keras objects around them would need Keras to be loaded again
        module.weights = [variable.value for variable in self.classifier.variables]
        pixels = tf.TensorSpec(_ANY_SIZE, tf.uint8, name="images")
        levels = tf.TensorSpec(_ANY_SIZE, tf.float32, name="images")
        encoded = tf.TensorSpec((None,), tf.string, name="image_bytes")
        prepare = self.preprocessing

        def serving_default(images: tf.Tensor) -> dict[str, tf.Tensor]:
            return self._labelled(prepare.pixels(images))

        def serving_bytes(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            return self._labelled(prepare.decoded(image_bytes))

        def embed(images: tf.Tensor) -> dict[str, tf.Tensor]:
            return self._embedded(prepare.pixels(images))

        module.serving_default = tf.function(serving_default, [pixels])
        module.serving_float = tf.function(serving_default, [levels])
        module.serving_bytes = tf.function(serving_bytes, [encoded])
        module.embed = tf.function(embed, [pixels])
        module.gradcam = tf.function(self._explained(GradCam(self.classifier)), [pixels])
        module.prepared = tf.function(prepare.decoded, [encoded])
        return module

    def save(self, folder: Path) -> None:
        """Write the SavedModel to a folder."""
        module = self.module()
        tf.saved_model.save(module, str(folder), signatures={name: getattr(module, name) for name in SIGNATURES})

    def _labelled(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        probability = self._probability(self.classifier(pixels, training=False)["logit"])
        return {"probability": probability, "label": self._label(probability)}

    def _embedded(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        embedding = tf.cast(self.classifier(pixels, training=False)["embedding"], tf.float32)
        if self.signature is None:
            return {"embedding": embedding}
        return {"embedding": embedding, "signature_probability": self.signature.probability(embedding)}

    def _explained(self, grad_cam: GradCam) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
        def gradcam(images: tf.Tensor) -> dict[str, tf.Tensor]:
            maps, logit = grad_cam(self.preprocessing.pixels(images))
            shape = tf.shape(images)
            heat = self.preprocessing.spread(maps, shape[1], shape[2])
            return {"heat": heat, "probability": self._probability(logit)}

        return gradcam

    def _probability(self, logit: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(tf.cast(logit, tf.float32) / self.temperature)

    def _label(self, probability: tf.Tensor) -> tf.Tensor:
        return tf.where(probability[:, 0] >= THRESHOLD, LABELS[1], LABELS[0])


SIGNATURES = ("serving_default", "serving_float", "serving_bytes", "embed", "gradcam")
"""The named signatures of an export; docs/serving.md says what each takes and gives."""
