"""Layers of magsig. Importing this package registers them, so that saved models load with `safe_mode=True`."""

from magsig_tf.models.layers import (  # noqa: F401
    augmentation,
    caffe_preprocessing,
    depthwise_convolution,
    erasure,
    fused_batch_normalization,
    gradient_reversal,
    spectral_normalization,
    standardisation,
)
