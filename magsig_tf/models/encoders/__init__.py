"""Encoders by name: functions `build(input_shape, weights)` from pixels 0..255 to an embedding."""

from magsig_tf.models.encoders.build_encoder import build_encoder, is_pretrained

__all__ = ["build_encoder", "is_pretrained"]
