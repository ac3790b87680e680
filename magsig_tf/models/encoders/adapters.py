"""Adapters: what stands in an encoder's place where the data set holds embeddings already.

Each begins with a standardisation that training fits to its training rows, so that learning rates do not depend on the
scale of somebody else's embeddings. Those that are trained add a change to the standardised embedding, which is zero at
first: with the label head's linear start, training sets out from the logistic regression on the embeddings.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import layers

from magsig_tf.linear_models.sparse_path import Scaling
from magsig_tf.models.encoders.build_encoder import check_weight_choice
from magsig_tf.models.layers.standardisation import Standardisation

UNITS = 256
"""Hidden units of the change that an adapter learns."""


def mlp_adapter(input_shape: tuple[int], weights: str = "none") -> keras.Model:
    """Return the embedding plus a perceptron of it with one hidden layer: [batch, p] -> [batch, p].

    Args:
        input_shape: (p,), length of the embeddings.
        weights: `none`; there are no others but your own file.

    Raises:
        UsageError: other weights were asked for.
    """
    return _adapter("mlp_adapter", input_shape, weights, _with_change(layers.Dense(UNITS, "relu", name="hidden")))


def linear_adapter(input_shape: tuple[int], weights: str = "none") -> keras.Model:
    """Return the embedding plus a linear map of it of rank 256; arguments and errors are those of `mlp_adapter`."""
    return _adapter("linear_adapter", input_shape, weights, _with_change(layers.Dense(UNITS, name="hidden")))


def identity(input_shape: tuple[int], weights: str = "none") -> keras.Model:
    """Return the standardisation alone, [batch, p] -> [batch, p]: the label head is all that is trained.

    Arguments and errors are those of `mlp_adapter`.
    """
    return _adapter("identity", input_shape, weights, lambda x: x)


def standardise(adapter: keras.Model, scaling: Scaling) -> None:
    """Set the standardisation that an adapter begins with; one without it, of a plugin, is left as it is.

    Args:
        adapter: Built.
        scaling: Fitted to the embeddings of the training rows.
    """
    for layer in adapter.layers:
        if isinstance(layer, Standardisation):
            layer.fit(scaling)


def _with_change(hidden: keras.layers.Layer) -> Callable[[keras.KerasTensor], keras.KerasTensor]:
    def network(x: keras.KerasTensor) -> keras.KerasTensor:
        change = layers.Dense(x.shape[-1], kernel_initializer="zeros", name="change")(hidden(x))
        return layers.Add(dtype="float32", name="changed")([x, change])

    return network


def _adapter(
    name: str, input_shape: tuple[int], weights: str, network: Callable[[keras.KerasTensor], keras.KerasTensor]
) -> keras.Model:
    check_weight_choice(name, weights, ("none",))
    inputs = keras.Input(input_shape, dtype="float32", name="features")
    standardised = Standardisation(dtype="float32", name="standardisation")(inputs)
    outputs = layers.Activation("linear", dtype="float32", name="adapted")(network(standardised))
    return keras.Model(inputs, outputs, name=name)


for _function in (mlp_adapter, linear_adapter, identity):
    vars(_function)["takes"] = "embeddings"
vars(identity)["trains"] = False
