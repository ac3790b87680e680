"""Layers of magsig. Importing this package registers them, so that saved models load with `safe_mode=True`."""

from magsig_tf.models.layers.augmentation import Augmentation, CropZoom, QuarterTurns, StainJitter
from magsig_tf.models.layers.caffe_preprocessing import CaffePreprocessing
from magsig_tf.models.layers.depthwise_convolution import DepthwiseConv2D, DepthwiseGroups
from magsig_tf.models.layers.fused_batch_normalization import FusedBatchNormalization
from magsig_tf.models.layers.gradient_reversal import GradientReversal
from magsig_tf.models.layers.spectral_normalization import SpectralNormalization

__all__ = [
    "Augmentation",
    "CaffePreprocessing",
    "CropZoom",
    "DepthwiseConv2D",
    "DepthwiseGroups",
    "FusedBatchNormalization",
    "GradientReversal",
    "QuarterTurns",
    "SpectralNormalization",
    "StainJitter",
]
