"""Hold a prepared data set against its own manifest, pixel by pixel."""

import hashlib

import numpy as np

from magsig_tf.data.manifest import content_hash
from magsig_tf.data.prepared import PreparedDataset


def check_whole(dataset: PreparedDataset) -> None:
    found = [hashlib.sha256(np.ascontiguousarray(image)).hexdigest() for image in dataset.images]
    assert found == dataset.manifest["pixel_sha256"].tolist()
    assert content_hash(dataset.manifest) == dataset.content_hash
