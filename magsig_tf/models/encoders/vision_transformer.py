"""ViT, DINOv2 and DINOv2 with registers from a local Hugging Face folder: `--encoder hf:FOLDER`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
from keras import KerasTensor, layers

from magsig_tf.errors import DataError, UsageError
from magsig_tf.models.encoders.build_encoder import check_weight_choice
from magsig_tf.models.encoders.huggingface_folder import HuggingFaceFolder, PreprocessorConfig, TransformerConfig
from magsig_tf.models.encoders.position_embeddings import resized_positions
from magsig_tf.models.layers.tokens import ChannelScale, ClassToken, PatchTokens


class FolderTransformer:
    """The transformer of one folder, called to be built; the embedding is its class token after the last norm.

    Dosovitskiy et al. 2021 (ViT), Oquab et al. 2024 (DINOv2), Darcet et al. 2024 (registers).

    Args:
        folder: As a user writes it behind `hf:`.
    """

    default_weights: ClassVar[str] = "folder"

    def __init__(self, folder: str):
        self.name = f"hf:{folder}"
        self.folder = HuggingFaceFolder(Path(folder).expanduser())

    def __call__(self, input_shape: tuple[int, int, int], weights: str = "folder") -> keras.Model:
        """Return the encoder: pixels 0..255 -> class token, float32 of the width of the network.

        Args:
            input_shape: Height, width, 3; sides in whole patches. Where they are not those of the config, the positions
                are interpolated.
            weights: `folder` (model.safetensors) or `none`.

        Raises:
            UsageError: a file is missing, the sides are no whole patches, or other weights were asked for.
            DataError: a file is not what it should be.
        """
        check_weight_choice(self.name, weights, ("folder", "none"))
        config, scaling = self.folder.config(), self.folder.preprocessing()
        if any(side % config.patch_size for side in input_shape[:2]):
            nearest = max(1, round(input_shape[0] / config.patch_size)) * config.patch_size
            raise UsageError(
                f"Expected images in whole patches of {config.patch_size} pixels for the encoder {self.name}",
                f"found {input_shape[0]} x {input_shape[1]}",
                f"Prepare the data with --size {nearest}, or --size {config.image_size} as it was trained",
            )
        values = self.folder.weights() if weights == "folder" else None
        model = transformer(config, scaling, input_shape)
        if values is not None:
            self._assign(model, config, values)
        return model

    def _assign(self, model: keras.Model, config: TransformerConfig, values: dict[str, np.ndarray]) -> None:
        waiting = dict(values)
        try:
            for layer in (layer for layer in model.layers if layer.weights):
                layer.set_weights(_of_layer(layer, config, waiting))
        except (KeyError, ValueError) as error:
            what = f"{error.args[0]}" if isinstance(error, KeyError) else (str(error).splitlines() or [""])[0][:160]
            raise self._mismatch(f"found no fitting {what}") from error
        if waiting:
            raise self._mismatch(f"found {len(waiting)} more, {min(waiting)[:60]!r} among them")

    def _mismatch(self, found: str) -> DataError:
        remedy = "Use the config.json and the model.safetensors of one published model"
        return DataError(f"Expected in {self.folder.path} the arrays that its config.json asks for", found, remedy)


def transformer(
    config: TransformerConfig, scaling: PreprocessorConfig, input_shape: tuple[int, int, int]
) -> keras.Model:
    """Return the network with random weights: pixels 0..255 -> class token after the last norm, float32.

    Args:
        config: Its widths and depth.
        scaling: Mean and SD of the colours, subtracted and divided by inside the model.
        input_shape: Height, width, 3; sides in whole patches.
    """
    mean = [value / scaling.rescale_factor for value in scaling.image_mean]
    variance = [(value / scaling.rescale_factor) ** 2 for value in scaling.image_std]
    pixels = keras.Input(input_shape, dtype="float32", name="pixels")
    x = layers.Normalization(mean=mean, variance=variance, dtype="float32", name="preprocessing")(pixels)
    x = layers.Conv2D(config.hidden_size, config.patch_size, strides=config.patch_size, name="patches")(x)
    x = PatchTokens(config.registers, name="tokens")(x)
    for number in range(config.num_hidden_layers):
        x = _block(x, f"block{number}", config)
    x = layers.LayerNormalization(epsilon=config.layer_norm_eps, name="norm")(x)
    return keras.Model(pixels, ClassToken(dtype="float32", name="class_token")(x), name="vision_transformer")


def _block(x: KerasTensor, name: str, config: TransformerConfig) -> KerasTensor:
    heads, width = config.num_attention_heads, config.hidden_size
    inner = layers.LayerNormalization(epsilon=config.layer_norm_eps, name=f"{name}_norm1")(x)
    inner = layers.MultiHeadAttention(heads, width // heads, name=f"{name}_attention")(inner, inner)
    x = layers.Add(name=f"{name}_add1")([x, _scaled(inner, f"{name}_scale1", config)])
    inner = layers.LayerNormalization(epsilon=config.layer_norm_eps, name=f"{name}_norm2")(x)
    if config.swiglu:
        gate = layers.Dense(config.inner_size, activation="silu", name=f"{name}_gate")(inner)
        up = layers.Dense(config.inner_size, name=f"{name}_up")(inner)
        inner = layers.Multiply(name=f"{name}_gated")([gate, up])
    else:
        inner = layers.Dense(config.inner_size, activation="gelu", name=f"{name}_up")(inner)
    inner = layers.Dense(width, name=f"{name}_down")(inner)
    return layers.Add(name=f"{name}_add2")([x, _scaled(inner, f"{name}_scale2", config)])


def _scaled(x: KerasTensor, name: str, config: TransformerConfig) -> KerasTensor:
    return x if config.model_type == "vit" else ChannelScale(name=name)(x)


_VIT = {"norm1": "layernorm_before", "norm2": "layernorm_after", "up": "intermediate.dense", "down": "output.dense"}
_DINO = {"norm1": "norm1", "norm2": "norm2", "up": "mlp.fc1", "down": "mlp.fc2"}


def _of_layer(layer: keras.layers.Layer, config: TransformerConfig, values: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Take the arrays of one layer out of `values`, as Keras orders and shapes them."""

    def pair(name: str) -> tuple[np.ndarray, np.ndarray]:
        return values.pop(f"{name}.weight"), values.pop(f"{name}.bias")

    block, _, part = layer.name.rpartition("_")
    prefix = f"encoder.layer.{block.removeprefix('block')}."
    names = _VIT if config.model_type == "vit" else _DINO
    if part == "patches":
        kernel, bias = pair("embeddings.patch_embeddings.projection")
        return [kernel.transpose(2, 3, 1, 0), bias]
    if part == "tokens":
        return _tokens(layer, config, values)
    if part == "norm":
        return list(pair("layernorm"))
    if part == "attention":
        return _attention(prefix, config, values)
    if part.startswith("scale"):
        return [values.pop(f"{prefix}layer_{part}.lambda1")]
    if part.startswith("norm"):
        return list(pair(prefix + names[part]))
    if config.swiglu and part in ("gate", "up"):
        half = slice(0, config.inner_size) if part == "gate" else slice(config.inner_size, 2 * config.inner_size)
        joined = {name: values[f"{prefix}mlp.weights_in.{name}"] for name in ("weight", "bias")}
        if part == "up":
            pair(f"{prefix}mlp.weights_in")
        return [joined["weight"][half].T, joined["bias"][half]]
    kernel, bias = pair(f"{prefix}mlp.weights_out" if config.swiglu else prefix + names[part])
    return [kernel.T, bias]


def _tokens(layer: keras.layers.Layer, config: TransformerConfig, values: dict[str, np.ndarray]) -> list[np.ndarray]:
    _, rows, columns, _ = layer.input.shape
    positions = values.pop("embeddings.position_embeddings")
    if positions.shape[1:] != (1 + (config.image_size // config.patch_size) ** 2, config.hidden_size):
        raise ValueError(f"embeddings.position_embeddings, but {positions.shape}")
    arrays = [values.pop("embeddings.cls_token")]
    arrays.append(resized_positions(positions, rows, columns, smooth=config.registers > 0))
    return [*arrays, values.pop("embeddings.register_tokens")] if config.registers else arrays


def _attention(prefix: str, config: TransformerConfig, values: dict[str, np.ndarray]) -> list[np.ndarray]:
    width, heads = config.hidden_size, config.num_attention_heads
    arrays: list[np.ndarray] = []
    for part in ("query", "key", "value"):
        name = f"{prefix}attention.attention.{part}"
        arrays.append(values.pop(f"{name}.weight").T.reshape(width, heads, -1))
        bias = values.pop(f"{name}.bias") if config.qkv_bias else np.zeros(width, np.float32)
        arrays.append(bias.reshape(heads, -1))
    kernel = values.pop(f"{prefix}attention.output.dense.weight")
    return [*arrays, kernel.T.reshape(heads, -1, width), values.pop(f"{prefix}attention.output.dense.bias")]
