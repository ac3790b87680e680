"""The functions that a served model answers with, and the SavedModel that holds them: of images, or of embeddings."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf
from scipy.special import expit

from magsig_tf.data.columns import LABELS
from magsig_tf.data.prepared import EMBEDDINGS, IMAGES
from magsig_tf.errors import DataError
from magsig_tf.serving.exporting.preprocessing import Preprocessing

THRESHOLD = 0.5
"""Probability of malignant from which an image is labelled malignant."""
_ANY_SIZE = (None, None, None, 3)


@dataclass(frozen=True)
class SparseSignature:
    """A run's sparse classifier of embeddings, with its standardisation: plain arrays, and the arithmetic in the graph.

    Args:
        indices: The k selected dimensions, (k,).
        coefficients: Theirs, of the standardised embedding, (k,).
        intercept: Of the classifier.
        mean: Of each selected dimension over the training rows, (k,).
        scale: Its standard deviation, (k,).
        dimensions: Length p of the embedding.
        penalty: lambda of the fit.
    """

    indices: np.ndarray
    coefficients: np.ndarray
    intercept: float
    mean: np.ndarray
    scale: np.ndarray
    dimensions: int
    penalty: float

    def probability(self, embedding: tf.Tensor) -> tf.Tensor:
        """Return the probability of malignant.

        Args:
            embedding: float32 [batch, p].

        Returns:
            float32 [batch, 1], calculated in float64 as the signature was fitted.
        """
        chosen = tf.cast(tf.gather(embedding, self.indices.astype(np.int32), axis=1), tf.float64)
        standardised = (chosen - self.mean.astype(np.float64)) / self.scale.astype(np.float64)
        score = tf.linalg.matvec(standardised, tf.constant(self.coefficients, tf.float64)) + self.intercept
        return tf.cast(tf.sigmoid(score), tf.float32)[:, tf.newaxis]

    def probability_of(self, embedding: np.ndarray) -> np.ndarray:
        """Return the same for an array, float64 (n,): what the graph is held against."""
        standardised = (np.asarray(embedding)[:, self.indices].astype(np.float64) - self.mean) / self.scale
        return expit(standardised @ self.coefficients + self.intercept)

    def facts(self) -> dict[str, object]:
        """Return what `export.json` says of it."""
        named = {name: getattr(self, name) for name in ("dimensions", "penalty", "intercept")}
        arrays = {name: getattr(self, name).tolist() for name in ("indices", "coefficients")}
        return {"size": len(self.indices), **named, **arrays}


class GradCam:
    """Where in an image the last map holds evidence for malignant: the gradient-weighted map of the label head's logit.

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
    found = f"found none whose output has places in {encoder.name}"
    remedy = "Use an encoder that is a graph of layers"
    raise DataError("Expected an encoder with a convolution, for Grad-CAM", found, remedy)


@dataclass(frozen=True)
class Served(abc.ABC):
    """What models of images and of embeddings have in common.

    Args:
        classifier: As `build_classifier` returns it, in the precision that it was trained with.
        temperature: The logit is divided by it; 1 leaves it as it is.
        signature: Its sparse signature, where that is wanted.
    """

    takes: ClassVar[str]
    signatures: ClassVar[tuple[str, ...]]

    classifier: keras.Model = field(repr=False)
    temperature: float = field(default=1.0, kw_only=True)
    signature: SparseSignature | None = field(default=None, kw_only=True)

    @abc.abstractmethod
    def module(self) -> tf.Module:
        """Return the functions, each traced once for every number and size of inputs, with the weights they share.

        Its attributes are the functions of `signatures`.
        """

    @abc.abstractmethod
    def warm_up(self) -> dict[str, dict[str, np.ndarray]]:
        """Return one request for each signature."""

    @abc.abstractmethod
    def facts(self) -> dict[str, object]:
        """Return what `export.json` says of what it takes."""

    def save(self, folder: Path) -> None:
        """Write the SavedModel to a folder."""
        module = self.module()
        tf.saved_model.save(module, str(folder), signatures={name: getattr(module, name) for name in self.signatures})

    def _module(self) -> tf.Module:
        module = tf.Module(name="magsig")
        # the weights alone: the Keras objects around them would need Keras to be loaded again
        module.weights = [variable.value for variable in self.classifier.variables]
        return module

    def _labelled(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        probability = self._probability(self.classifier(inputs, training=False)["logit"])
        return {"probability": probability, "label": tf.where(probability[:, 0] >= THRESHOLD, LABELS[1], LABELS[0])}

    def _embedded(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        embedding = tf.cast(self.classifier(inputs, training=False)["embedding"], tf.float32)
        if self.signature is None:
            return {"embedding": embedding}
        return {"embedding": embedding, "signature_probability": self.signature.probability(embedding)}

    def _probability(self, logit: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(tf.cast(logit, tf.float32) / self.temperature)


@dataclass(frozen=True)
class ServedModel(Served):
    """A classifier of images with everything around it that a client would otherwise have to know.

    Args:
        preprocessing: From any image to the classifier's pixels.
    """

    takes = IMAGES
    signatures = ("serving_default", "serving_float", "serving_bytes", "embed", "gradcam")

    preprocessing: Preprocessing

    def module(self) -> tf.Module:
        """Return the functions, and `prepared` (image_bytes -> the network's pixels), which the check compares."""
        prepare, grad_cam = self.preprocessing, GradCam(self.classifier)

        def serving_default(images: tf.Tensor) -> dict[str, tf.Tensor]:
            return self._labelled(prepare.pixels(images))

        def serving_bytes(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            return self._labelled(prepare.decoded(image_bytes))

        def embed(images: tf.Tensor) -> dict[str, tf.Tensor]:
            return self._embedded(prepare.pixels(images))

        def gradcam(images: tf.Tensor) -> dict[str, tf.Tensor]:
            maps, logit = grad_cam(prepare.pixels(images))
            shape = tf.shape(images)
            return {"heat": prepare.spread(maps, shape[1], shape[2]), "probability": self._probability(logit)}

        module = self._module()
        pixels = [tf.TensorSpec(_ANY_SIZE, tf.uint8, name="images")]
        encoded = [tf.TensorSpec((None,), tf.string, name="image_bytes")]
        module.serving_default = tf.function(serving_default, pixels)
        module.serving_float = tf.function(serving_default, [tf.TensorSpec(_ANY_SIZE, tf.float32, name="images")])
        module.serving_bytes = tf.function(serving_bytes, encoded)
        module.embed = tf.function(embed, pixels)
        module.gradcam = tf.function(gradcam, pixels)
        module.prepared = tf.function(prepare.decoded, encoded)
        return module

    def warm_up(self) -> dict[str, dict[str, np.ndarray]]:
        """Return one grey image for each signature."""
        size = self.preprocessing.size
        grey = np.full((1, size, size, 3), 128, np.uint8)
        return {name: {"images": grey} for name in self.signatures} | {
            "serving_float": {"images": grey.astype(np.float32)},
            "serving_bytes": {"image_bytes": np.array([tf.io.encode_png(grey[0]).numpy()], object)},
        }

    def facts(self) -> dict[str, object]:
        """Return the size of the images and how they are brought to it."""
        return {"takes": IMAGES, "image_size": self.preprocessing.size, "resize": self.preprocessing.resize}


@dataclass(frozen=True)
class ServedHead(Served):
    """A classifier of embeddings that another model calculated."""

    takes = EMBEDDINGS
    signatures = ("serving_default", "embed")

    @property
    def length(self) -> int:
        """Numbers in one embedding that it takes."""
        return int(self.classifier.input_shape[-1])

    def module(self) -> tf.Module:
        """Return the functions of float32 [batch, length]."""
        inputs = [tf.TensorSpec((None, self.length), tf.float32, name="embeddings")]
        module = self._module()
        module.serving_default = tf.function(lambda embeddings: self._labelled(embeddings), inputs)
        module.embed = tf.function(lambda embeddings: self._embedded(embeddings), inputs)
        return module

    def warm_up(self) -> dict[str, dict[str, np.ndarray]]:
        """Return one embedding of zeros for each signature."""
        return {name: {"embeddings": np.zeros((1, self.length), np.float32)} for name in self.signatures}

    def facts(self) -> dict[str, object]:
        """Return the length of what it takes."""
        return {"takes": EMBEDDINGS, "input_length": self.length}
