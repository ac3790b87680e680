"""Methods that break the contract, each in one way."""

import sys

import keras
import numpy as np
import tensorflow as tf

from magsig_tf.methods.contract import Method
from magsig_tf.models.inserted_layers import insert_after


class OfOneReplica(Method):
    """A batch statistic of each replica's own images."""

    def loss(self, step):
        loss, logs = super().loss(step)
        return loss + step.share(tf.math.reduce_variance(step.embedding)), logs


class Forgetful(Method):
    """State that no checkpoint holds."""

    def build(self):
        self.counted = keras.Variable(0.0, trainable=False)

    def before_step(self, progress):
        self.counted.assign_add(1.0)

    def loss(self, step):
        loss, logs = super().loss(step)
        return loss * (1 + self.counted.value), logs


class Unseeded(Method):
    """Numbers that no seed repeats."""

    def batch(self, pixels, labels, domains, cases):
        return pixels + float(np.random.default_rng().normal(0, 5)), labels, domains, cases


class Doubling(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs


class ChangedNetwork(Method):
    """A layer that works outside training too, and is not in the saved model."""

    def network(self, classifier):
        return insert_after(classifier, "conv0", Doubling())


class OtherDropout(Method):
    """A network of another seed."""

    def network(self, classifier):
        classifier.get_layer("dropout").seed_generator = keras.random.SeedGenerator(3)
        return classifier


class HeadOnly(Method):
    """An objective that does not reach the encoder."""

    def loss(self, step):
        return step.mean(step.head(tf.stop_gradient(step.embedding)) ** 2), {}


class Silent(Method):
    """Logs what is not a number."""

    def loss(self, step):
        loss, logs = super().loss(step)
        return loss, logs | {"odd": loss * np.nan}


class Peeking(Method):
    """Adapts by the labels that its caller holds."""

    def adapt(self, network, rows):
        labels = sys._getframe(1).f_locals["self"].prepared.labels
        network.get_layer("logit").bias.assign_add([float(labels.mean())])
