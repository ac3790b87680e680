"""Networks of inverted residual blocks (Sandler et al. 2018): MobileNetV2 and the EfficientNet-Lite family."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import keras
import numpy as np
from keras import KerasTensor, layers

from magsig_tf.models.layers.depthwise_convolution import DepthwiseConv2D
from magsig_tf.models.layers.fused_batch_normalization import FusedBatchNormalization

STEM, HEAD = 32, 1280


class Stage(NamedTuple):
    """Blocks of one width; the first has the stride, the others have 1."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    filters: int


@dataclass(frozen=True)
class InvertedResiduals:
    """A network of stem, blocks, head and average pooling, with ReLU6; its layers are named for these parts.

    Args:
        stages: Its blocks.
        momentum: Of batch normalization, as Keras counts it.
        epsilon: Of batch normalization.
        symmetric: Pad both sides alike before a stride, as PyTorch does. TensorFlow pads one side less where the size
            is even, so the same weights see other pixels.
    """

    stages: tuple[Stage, ...]
    momentum: float
    epsilon: float
    symmetric: bool = False

    def build(self, name: str, input_shape: tuple[int, int, int], preprocessing: keras.layers.Layer) -> keras.Model:
        """Return the network: pixels 0..255 -> average-pooled embedding of length 1280, float32.

        Args:
            name: Of the model.
            input_shape: Height, width, 3.
            preprocessing: From pixels 0..255 to what the stem expects.
        """
        pixels = keras.Input(input_shape, dtype="float32", name="pixels")
        x = self._padded(preprocessing(pixels), "stem", 3, 2)
        stem = layers.Conv2D(STEM, 3, strides=2, padding=self._padding(2), use_bias=False, name="stem_conv")
        x = self._convolve(x, "stem", stem)
        number = itertools.count()
        for stage in self.stages:
            for repeat in range(stage.repeats):
                x = self._block(x, f"block{next(number)}", stage._replace(stride=1) if repeat else stage)
        x = self._convolve(x, "head", layers.Conv2D(HEAD, 1, use_bias=False, name="head_conv"))
        return keras.Model(pixels, layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x), name=name)

    def _block(self, inputs: KerasTensor, name: str, stage: Stage) -> KerasTensor:
        x, channels = inputs, inputs.shape[-1]
        if stage.expansion != 1:
            expand = layers.Conv2D(channels * stage.expansion, 1, use_bias=False, name=f"{name}_expand_conv")
            x = self._convolve(x, f"{name}_expand", expand)
        padding = self._padding(stage.stride)
        x = self._padded(x, f"{name}_depthwise", stage.kernel, stage.stride)
        depthwise = DepthwiseConv2D(
            stage.kernel, strides=stage.stride, padding=padding, use_bias=False, name=f"{name}_depthwise_conv"
        )
        x = self._convolve(x, f"{name}_depthwise", depthwise)
        project = layers.Conv2D(stage.filters, 1, use_bias=False, name=f"{name}_project_conv")
        x = self._convolve(x, f"{name}_project", project, activate=False)
        same = stage.stride == 1 and channels == stage.filters
        return layers.Add(name=f"{name}_add")([x, inputs]) if same else x

    def _convolve(
        self, x: KerasTensor, name: str, convolution: keras.layers.Layer, activate: bool = True
    ) -> KerasTensor:
        x = convolution(x)
        x = FusedBatchNormalization(momentum=self.momentum, epsilon=self.epsilon, name=f"{name}_norm")(x)
        return layers.ReLU(6.0, name=f"{name}_relu")(x) if activate else x

    def _padding(self, stride: int) -> str:
        return "valid" if self.symmetric and stride > 1 else "same"

    def _padded(self, x: KerasTensor, name: str, kernel: int, stride: int) -> KerasTensor:
        # without a stride `same` is symmetric
        return layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x) if self._padding(stride) == "valid" else x


def assign_torch_weights(
    model: keras.Model,
    values: Mapping[str, np.ndarray],
    torch_name: Callable[[int | None, str, str], str],
    epsilon: float,
) -> None:
    """Give a network the weights that PyTorch's has.

    Args:
        model: As `InvertedResiduals.build` returns it.
        values: PyTorch's name -> array; convolutions as out, in / groups, height, width.
        torch_name: What PyTorch calls a layer, of the block's number (None for stem and head), the part (`stem`,
            `head`, `expand`, `depthwise`, `project`) and the kind (`conv`, `norm`).
        epsilon: Of PyTorch's batch normalization. Where the layer's own differs, its scale makes up for that, so that
            with the stored statistics it computes the same.
    """
    for layer in (layer for layer in model.layers if layer.weights):
        *block, part, kind = layer.name.split("_")
        name = torch_name(int(block[0].removeprefix("block")) if block else None, part, kind)
        if kind == "norm":
            found = (values[f"{name}.{each}"] for each in ("weight", "bias", "running_mean", "running_var"))
            scale, offset, mean, variance = found
            if layer.epsilon != epsilon:
                wide = variance.astype(np.float64)
                scale = scale * np.sqrt((wide + layer.epsilon) / (wide + epsilon))
            layer.set_weights([scale, offset, mean, variance])
        else:
            axes = (2, 3, 0, 1) if part == "depthwise" else (2, 3, 1, 0)
            layer.set_weights([values[f"{name}.weight"].transpose(axes)])
