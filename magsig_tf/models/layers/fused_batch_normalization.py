"""Batch normalization on TensorFlow's fused kernel, with Keras's weights and Keras's numbers."""

from __future__ import annotations

import keras
import tensorflow as tf

# the kernel raises smaller values to this one (a limit of cuDNN), which would change the numbers
SMALLEST_EPSILON = 1.001e-5


@keras.saving.register_keras_serializable(package="magsig")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, several times faster on [batch, height, width, channels] images.

    Keras 3 composes batch normalization of elementary operations on TensorFlow; this layer calls the fused kernel.
    Configuration, weights and their order, moving statistics and the meaning of `trainable=False` are Keras's own.
    Where the kernel does not apply (a rank other than 4, another axis, a mask, batch renormalization, statistics
    synchronized between replicas, float64, epsilon below 1.001e-5, training while frozen) the inherited code runs.

    Args:
        *args: Those of `keras.layers.BatchNormalization`.
        **kwargs: Those of `keras.layers.BatchNormalization`.

    Call arguments:
        inputs: [batch, height, width, channels]; statistics are float32 for float16 and bfloat16 inputs too.
        training: Normalise by the batch and update the moving statistics, unless the layer is frozen.
        mask: As in Keras.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None) -> tf.Tensor:
        """Return the normalised inputs in the layer's compute dtype."""
        # on a GPU under op determinism the kernel has no gradient through moving statistics
        frozen = training and not self.trainable
        if frozen or mask is not None or not self._kernel_applies(inputs):
            return super().call(inputs, training=training, mask=mask)
        # a mixed policy's low-precision inputs stay as they are: the kernel itself accumulates in float32
        inputs = tf.cast(inputs, self.compute_dtype)
        gamma = tf.convert_to_tensor(self.gamma) if self.scale else tf.ones(self.moving_mean.shape)
        beta = tf.convert_to_tensor(self.beta) if self.center else tf.zeros(self.moving_mean.shape)
        moving = (self.moving_mean, self.moving_variance)
        mean, variance = (None, None) if training else map(tf.convert_to_tensor, moving)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, gamma, beta, mean, variance, self.epsilon, is_training=bool(training)
        )
        if training:
            self._update_moving_statistics(inputs, mean, variance)
        return outputs

    def _kernel_applies(self, inputs: tf.Tensor) -> bool:
        return (
            len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and self.epsilon >= SMALLEST_EPSILON
            and not self.synchronized
            and not getattr(self, "renorm", False)  # Keras before 3.13 has no batch renormalization
            and self.compute_dtype in ("float32", "float16", "bfloat16")
            and self.variable_dtype == "float32"
        )

    def _update_moving_statistics(self, inputs: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor) -> None:
        # the kernel returns the unbiased variance, n/(n-1) times the one that Keras averages; for n = 1 it is 0
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), tf.float32)
        variance = variance * ((count - 1.0) / tf.maximum(count, 1.0))
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + value * (1.0 - self.momentum))
