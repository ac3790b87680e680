"""How much a training step of a network has to compute and to move at least."""

from __future__ import annotations

import math
from dataclasses import dataclass

# how often one tensor is read or written, forward and backward: normalization reads its input for the statistics and
# again for the result; backward it reads input and gradient twice
PASSES = {"BatchNormalization": 3 + 5, "ReLU": 2 + 3, "Activation": 2 + 3, "Add": 3 + 0}


@dataclass(frozen=True)
class NetworkCost:
    """What one image costs in a training step.

    Args:
        parameters: Trainable weights.
        operations: Floating-point operations of convolutions and dense layers, forward and backward.
        depthwise_operations: The part of `operations` in depthwise convolutions, which are short of data, not of
            arithmetic.
        values_moved: Values that normalization, activation and addition read and write, were nothing kept in a cache.
    """

    parameters: int
    operations: float
    depthwise_operations: float
    values_moved: float


def network_cost(model) -> NetworkCost:
    """Return the cost of a built Keras model, nested ones included.

    A multiply-add counts as two operations, and the backward pass as twice the forward pass.
    """
    operations = depthwise = moved = 0.0
    for layer in model._flatten_layers(include_self=False):
        kind = next((name for name in (base.__name__ for base in type(layer).__mro__) if name in PASSES), None)
        if kind is not None:
            moved += PASSES[kind] * math.prod(_shape(layer.output)[1:])
        elif hasattr(layer, "kernel"):
            kernel, outputs = layer.kernel.shape, _shape(layer.output)[1:]
            is_depthwise = "Depthwise" in type(layer).__name__
            # of a depthwise kernel [rows, columns, channels, 1] each output takes rows x columns values
            taken = math.prod(kernel[:2]) if is_depthwise else math.prod(kernel[:-1])
            step = 3 * 2 * taken * math.prod(outputs)
            operations += step
            depthwise += step if is_depthwise else 0
    parameters = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    return NetworkCost(parameters, operations, depthwise, moved)


def _shape(tensor) -> tuple[int, ...]:
    return tuple((tensor[0] if isinstance(tensor, list) else tensor).shape)
