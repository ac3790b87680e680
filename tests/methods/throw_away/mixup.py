"""Mixup (Zhang et al. 2018): images and labels of the global batch are mixed in pairs."""

import keras
import tensorflow as tf

from magsig_tf.methods.contract import Method


class Mixup(Method):
    def batch(self, pixels, labels, domains, cases):
        images = tf.shape(pixels)[0]
        share = keras.random.beta((images, 1), 0.2, 0.2, seed=self.random)
        partners = keras.random.shuffle(tf.range(images), seed=self.random)

        def mixed(values, share):
            return share * values + (1 - share) * tf.gather(values, partners)

        return mixed(pixels, share[:, :, None, None]), mixed(labels, share), domains, cases
