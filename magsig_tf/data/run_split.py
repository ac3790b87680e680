"""The split that the config of one run, or of the GANs of one fold, asks for."""

from __future__ import annotations

from magsig_tf.config import Config
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.splits import Split, make_split


def split_of(config: Config, prepared: PreparedDataset) -> Split:
    """Return the split that the config of one run asks for."""
    s = config.settings
    return make_split(
        prepared.manifest,
        content_hash=prepared.content_hash,
        holdout=s.holdout[0],
        patient_fold=s.patient_fold[0],
        folds=s.folds,
        split_seed=s.split_seed,
        group_by=s.group_by,
        magnifications=s.magnifications,
    )
