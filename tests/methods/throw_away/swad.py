"""SWAD (Cha et al. 2021): the mean of the weights over a window that source validation chooses."""

from magsig_tf.methods.averaging import AverageWindow
from magsig_tf.methods.contract import Method


class Swad(Method):
    def averaging(self):
        return AverageWindow(validations_per_epoch=3, patience_start=2, patience_end=2, tolerance=1.1)
