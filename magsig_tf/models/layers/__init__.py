"""Layers of magsig. Importing this package registers them, so that saved models load with `safe_mode=True`."""

from magsig_tf.models.layers.augmentation import Augmentation
from magsig_tf.models.layers.caffe_preprocessing import CaffePreprocessing
from magsig_tf.models.layers.crop_zoom import CropZoom
from magsig_tf.models.layers.depthwise_convolution import DepthwiseConv2D
from magsig_tf.models.layers.depthwise_groups import DepthwiseGroups
from magsig_tf.models.layers.fused_batch_normalization import FusedBatchNormalization
from magsig_tf.models.layers.gradient_reversal import GradientReversal
from magsig_tf.models.layers.quarter_turns import QuarterTurns
from magsig_tf.models.layers.spectral_normalization import SpectralNormalization
from magsig_tf.models.layers.stain_jitter import StainJitter

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
