"""Methods that break the contract, each in one way."""

import sys

import keras
import numpy as np
import tensorflow as tf

from magsig_tf.methods.contract import Method
from magsig_tf.models.classifier import insert_after


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


class OtherStart(Method):
    """Weights that no other method of the seed starts from."""

    def network(self, classifier):
        kernel = classifier.get_layer("logit").kernel
        kernel.assign(kernel.value * 2)
        return classifier


class Cloned(Method):
    """A network of other layers than the one that was built."""

    def network(self, classifier):
        return keras.models.clone_model(classifier)


class HeadOnly(Method):
    """An objective that does not reach the encoder."""

    def loss(self, step):
        return step.mean(step.head(tf.stop_gradient(step.embedding)) ** 2), {}


class IdleNetwork(Method):
    """A network that no loss trains."""

    def build(self):
        self.networks["idle"] = keras.Sequential([keras.Input((self.task.embedding_length,)), keras.layers.Dense(2)])
        self.optimizers["idle"] = keras.optimizers.Adam()


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
