"""MixStyle (Zhou et al. 2021): a layer inside the encoder mixes feature statistics of images while training."""

import keras
import tensorflow as tf

from magsig_tf.methods.contract import Method
from magsig_tf.methods.step import gather, own_part
from magsig_tf.models.classifier import insert_after


class MixedStatistics(keras.layers.Layer):
    def __init__(self, random, **keywords):
        super().__init__(**keywords)
        self.random = random

    def call(self, inputs, training=False):
        if not training:
            return inputs
        mean, variance = tf.nn.moments(tf.stop_gradient(inputs), [1, 2], keepdims=True)
        own = tf.concat([mean, tf.sqrt(variance + 1e-6)], -1)
        whole = gather(own)
        share = keras.random.beta((tf.shape(whole)[0], 1, 1, 1), 0.3, 0.3, seed=self.random)
        partners = tf.gather(whole, keras.random.shuffle(tf.range(tf.shape(whole)[0]), seed=self.random))
        (mean, deviation), mixed = tf.split(own, 2, -1), own_part(share * whole + (1 - share) * partners)
        return (inputs - mean) / deviation * tf.split(mixed, 2, -1)[1] + tf.split(mixed, 2, -1)[0]


class MixStyle(Method):
    def network(self, classifier):
        return insert_after(classifier, "conv0", MixedStatistics(self.random, name="mixed_statistics"))
