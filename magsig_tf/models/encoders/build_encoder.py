"""One door to encoders: built-in, from a plugin, or any function named by its import path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras

from magsig_tf.config import ADAPTERS, WEIGHT_WORDS, weight_file_path
from magsig_tf.data.prepared import EMBEDDINGS, IMAGES
from magsig_tf.errors import MagsigError, RunError, UsageError, nearest
from magsig_tf.models.fuse import swap_batch_normalization, swap_depthwise_convolution, swap_grouped_convolution
from magsig_tf.models.saved_model import load_weight_file
from magsig_tf.registry import registry
from magsig_tf.seeding import seed_for

WEIGHT_SUFFIXES = (".h5", ".keras")


def check_weight_choice(encoder: str, weights: str, choices: tuple[str, ...]) -> None:
    """Refuse weights that an encoder does not have.

    Raises:
        UsageError: `weights` is none of `choices`.
    """
    if weights not in choices:
        raise UsageError(
            f"Expected weights for the encoder {encoder}: {', '.join(choices)}, or an existing weight file",
            f"found {weights!r}",
            nearest(weights, choices),
        )


def build_encoder(name: str, input_shape: tuple[int, ...], weights: str, seed: int) -> keras.Model:
    """Return the encoder `name`, with initial weights that depend on (name, seed) only.

    Every holdout, fold and method of a seed therefore starts from the same weights. Keras's global seed is set.

    Args:
        name: A registered encoder (`magsig plugins` lists them), an import path `package.module:function`, or `hf:` and
            the folder of a vision transformer.
        input_shape: Height, width, channels of the images; (p,) of embeddings, which an adapter takes.
        weights: `auto` (the encoder's own default), `imagenet`, `folder`, `none`, or the path of a `.weights.h5`, `.h5`
            or `.keras` file.
        seed: The run's seed.

    Returns:
        A model named `encoder` from pixels 0..255 [batch, height, width, channels], or embeddings, to embeddings
        [batch, p]; batch normalization is fused, and depthwise convolution quick, unless the function carries
        `fuse = False`.

    Raises:
        UsageError: no such encoder, function, weights or weight file, or the function raises an error.
        RunError: the function returned something else than such a model.
    """
    function = registry("encoders").load(name)
    check_input(name, EMBEDDINGS if len(input_shape) == 1 else IMAGES)
    weights = _resolved(function, weights)
    path = _weight_path(weights)
    keras.utils.set_random_seed(seed_for("initialisation", name, seed))
    model = _checked(name, _built(name, function, input_shape, "none" if path else weights), input_shape)
    if getattr(function, "fuse", True):
        model = swap_depthwise_convolution(swap_grouped_convolution(swap_batch_normalization(model)))
    if path:
        load_weight_file(model, path)
    model.name = "encoder"
    return model


def check_input(name: str, data: str) -> None:
    """Refuse an encoder of images for embeddings, and an adapter of embeddings for images.

    Args:
        name: As in `build_encoder`.
        data: What there is, "images" or "embeddings".

    Raises:
        UsageError: the function takes the other; an adapter carries `takes = "embeddings"`.
    """
    takes = getattr(registry("encoders").load(name), "takes", IMAGES)
    if takes != data:
        remedy = f"Choose {' or '.join(ADAPTERS)}" if data == EMBEDDINGS else "Choose an encoder of images"
        raise UsageError(f"Expected an encoder that takes {data}", f"found {name!r}, which takes {takes}", remedy)


def is_pretrained(name: str, weights: str) -> bool:
    """Return whether an encoder starts from weights that somebody has trained: its own default, ImageNet's or a file.

    Args:
        name: As in `build_encoder`.
        weights: As in `build_encoder`.

    Raises:
        UsageError: there is no such encoder or function.
    """
    return _resolved(registry("encoders").load(name), weights) != "none"


def _resolved(function: Callable[..., keras.Model], weights: str) -> str:
    return getattr(function, "default_weights", "none") if weights == "auto" else weights


def _built(name: str, function: Callable[..., keras.Model], input_shape: tuple[int, ...], weights: str) -> object:
    try:
        return function(input_shape, weights)
    except MagsigError:
        raise
    except Exception as error:  # a plugin's function may raise anything
        size = " x ".join(map(str, input_shape))
        what = f"{size} images" if len(input_shape) > 1 else f"embeddings of length {size}"
        raise UsageError(
            f"Expected the encoder {name} to build for {what} and weights {weights}",
            f"found {type(error).__name__}: {(str(error).splitlines() or [''])[0]}",
            "Mend the function, or choose other images or weights",
        ) from error


def _weight_path(weights: str) -> Path | None:
    path = Path(weights)
    known = weight_file_path(weights)
    if known is None and weights not in WEIGHT_WORDS and (path.suffix in WEIGHT_SUFFIXES or len(path.parts) > 1):
        raise UsageError(f"Expected a weight file at {path}", "found none", "Check --weights")
    return known


def _checked(name: str, model: object, input_shape: tuple[int, ...]) -> keras.Model:
    if isinstance(model, keras.Model):
        shape = model.compute_output_shape((None, *input_shape))
        if isinstance(shape, tuple) and len(shape) == 2 and shape[1]:
            return model
        found = f"a model with output shape {shape}"
    else:
        found = type(model).__name__
    raise RunError(
        f"Expected the encoder {name} to return a keras.Model from [batch, {_dimensions(input_shape)}] to [batch, p]",
        f"found {found}",
        "Leave out the label head and end the model in a pooling layer",
    )


def _dimensions(input_shape: tuple[int, ...]) -> str:
    return "height, width, 3" if len(input_shape) > 1 else "length"
