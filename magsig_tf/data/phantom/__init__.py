"""The phantom: synthetic H&E tiles at four magnifications with a known truth, rendered without a download."""

from magsig_tf.data.phantom.cases import INVARIANT_FACTORS, NUISANCE_FACTORS, Case, draw_cases
from magsig_tf.data.phantom.layout import phantom_manifest
from magsig_tf.data.phantom.measure import MEASURED, measure_rows, nuclear_mask
from magsig_tf.data.phantom.render import render_rows
from magsig_tf.data.phantom.settings import DEFAULT_FIELDS_UM, MAGNIFICATIONS, TRUE_FIELDS_UM, PhantomSettings

__all__ = [
    "DEFAULT_FIELDS_UM",
    "INVARIANT_FACTORS",
    "MAGNIFICATIONS",
    "MEASURED",
    "NUISANCE_FACTORS",
    "TRUE_FIELDS_UM",
    "Case",
    "PhantomSettings",
    "draw_cases",
    "measure_rows",
    "nuclear_mask",
    "phantom_manifest",
    "render_rows",
]
