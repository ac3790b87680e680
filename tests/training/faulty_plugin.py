"""Plugins that fail, each at another point of a run."""

import keras
import tensorflow as tf

from magsig_tf.methods.contract import Method


class FailingNeeds(Method):
    @classmethod
    def needs(cls, options):
        raise KeyError("what it needs")


class FailingBuild(Method):
    def build(self):
        raise AttributeError("no such head")


class FailingLoss(Method):
    def loss(self, step):
        raise ValueError("shapes do not match\nin a second line")


class FailingGraph(Method):
    def loss(self, step):
        loss, logs = super().loss(step)
        with tf.control_dependencies([tf.debugging.assert_less(step.progress, 0.5, message="too late")]):
            return tf.identity(loss), logs


class FailingAdapt(Method):
    def adapt(self, network, rows):
        return 1 / 0


class FailingLayers(Method):
    def network(self, classifier):
        return keras.Sequential([keras.Input(classifier.input_shape[1:]), keras.layers.Flatten()])


class Adapting(Method):
    """Takes the batch statistics of the held-out images (Li et al. 2018, AdaBN)."""

    def adapt(self, network, rows):
        from magsig_tf.execution.evaluated_weights import BatchStatistics

        BatchStatistics(network).estimate(rows.batches("held_out"))


class NotAMethod:
    """Has no `Options`."""
