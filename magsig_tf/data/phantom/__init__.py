"""The phantom: synthetic H&E tiles at four magnifications with a known truth, rendered without a download."""

from magsig_tf.data.phantom.cases import phantom_manifest
from magsig_tf.data.phantom.render import measure_rows, render_rows
from magsig_tf.data.phantom.settings import PhantomSettings

__all__ = ["PhantomSettings", "measure_rows", "phantom_manifest", "render_rows"]
