"""The label head's first weights: a logistic regression on the embeddings of the encoder before its training.

Linear probing, then fine-tuning (Kumar et al. 2022, Fine-tuning can distort pretrained features and underperform
out-of-distribution): a head of random weights sends the encoder gradients that mean nothing, and what it had learned
elsewhere is lost before the head has found its place.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from magsig_tf.checksums import signing
from magsig_tf.data.splits import Split
from magsig_tf.errors import RunError
from magsig_tf.linear_models.linear_head import LinearHead, fitted_head
from magsig_tf.statistics.selection_loss import mean_cross_entropy
from magsig_tf.statistics_rule import REESTIMATED
from magsig_tf.training.evaluated_network import EvaluatedNetwork
from magsig_tf.training.outputs import computed_before
from magsig_tf.workspace import frozen_encoder_file


def start_from_linear(used: EvaluatedNetwork, encoder: str, split: Split, runs: Path) -> LinearHead:
    """Return the head that the network which `used` evaluates is to start with; called before the first step.

    It depends on the encoder's first weights and on the split alone, so all methods of a cell start alike.

    Args:
        used: The network that evaluates, with its data.
        encoder: Name of its encoder.
        split: The split of the run.
        runs: The folder above all runs of the data set.

    Raises:
        RunError: an embedding is not finite.
    """
    used.take_weights()
    train, validation = split.rows["train"], split.rows["validation"]
    if used.parts.batch_statistics == REESTIMATED:
        found = used.inference(np.concatenate([train, validation]))[1]
    else:
        found = _of_all_images(used, encoder, runs)[np.concatenate([train, validation])]
    if not np.isfinite(found).all():
        raise RunError(
            "Expected finite embeddings of the encoder before its training",
            "found NaN or infinity",
            "Choose other weights, or --head-start random",
        )
    labels, magnifications = used.prepared.labels, used.prepared.manifest["magnification"].to_numpy()[validation]
    return fitted_head(
        found[: len(train)],
        labels[train],
        found[len(train) :],
        lambda logits: mean_cross_entropy(labels[validation], logits, magnifications),
    )


def _of_all_images(used: EvaluatedNetwork, encoder: str, runs: Path) -> np.ndarray:
    """Return the encoder's embeddings of all images, float32 [N, p], computed once for all runs that start with it.

    All images in their order, whatever the split: a row's embedding can depend in its last bits on its batch.
    """
    prepared = used.prepared
    weights = hashlib.sha256(used.parts.precision.encode())
    for variable in used.parts.evaluated.get_layer("encoder").weights:
        weights.update(np.ascontiguousarray(variable.numpy()).tobytes())
    path = frozen_encoder_file(runs, encoder, weights.hexdigest()[:8])
    known = {"dataset_hash": prepared.content_hash, "weights": weights.hexdigest()}
    stored = computed_before(path, known, "embedding")
    if stored is not None and len(stored) == len(prepared.labels):
        return stored
    embeddings = used.inference(np.arange(len(prepared.labels)))[1].astype(np.float32)
    with signing(path) as temporary:
        facts: dict[str, Any] = {name: np.array(value) for name, value in known.items()}
        np.savez(temporary, embedding=embeddings, **facts)
    return embeddings
