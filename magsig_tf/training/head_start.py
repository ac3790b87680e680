"""The label head's first weights: a logistic regression on the embeddings of the encoder before its training.

Linear probing, then fine-tuning (Kumar et al. 2022, Fine-tuning can distort pretrained features and underperform
out-of-distribution): a head of random weights sends the encoder gradients that mean nothing, and what it had learned
elsewhere is lost before the head has found its place.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from magsig_tf.checksums import signing
from magsig_tf.data.prepared import EmbeddedDataset
from magsig_tf.data.splits import Split
from magsig_tf.errors import RunError
from magsig_tf.linear_models.linear_head import LinearHead, fitted_head
from magsig_tf.statistics.selection_loss import mean_cross_entropy
from magsig_tf.statistics_rule import REESTIMATED
from magsig_tf.training.evaluated_network import EvaluatedNetwork
from magsig_tf.training.exact import rows_of
from magsig_tf.training.outputs import computed_before
from magsig_tf.workspace import frozen_encoder_file

_BLOCK = 4096


def start_from_linear(used: EvaluatedNetwork, encoder: str, split: Split, runs: Path) -> LinearHead:
    """Return the head that the network which `used` evaluates is to start with; called before the first step.

    It depends on the encoder's first weights and on the split alone, so all methods of a cell start alike. In a data
    set of embeddings every view is a training row, as for exact methods.

    Args:
        used: The network that evaluates, with its data.
        encoder: Name of its encoder.
        split: The split of the run.
        runs: The folder above all runs of the data set.

    Raises:
        RunError: an embedding is not finite.
    """
    used.take_weights()
    prepared, train, validation = used.prepared, split.rows["train"], split.rows["validation"]
    labels = prepared.labels
    if isinstance(prepared, EmbeddedDataset):
        viewed, judged = rows_of(prepared, train, every_view=True), rows_of(prepared, validation)
        adapted = [_adapted(used, rows.embeddings) for rows in (viewed, judged)]
        given = _Given(adapted[0], viewed.labels, adapted[1], judged.labels, judged.magnifications)
    else:
        if used.parts.batch_statistics == REESTIMATED:
            found = used.inference(np.concatenate([train, validation]))[1]
        else:
            found = _of_all_images(used, encoder, runs)[np.concatenate([train, validation])]
        magnifications = prepared.manifest["magnification"].to_numpy(str)[validation]
        given = _Given(found[: len(train)], labels[train], found[len(train) :], labels[validation], magnifications)
    if not (np.isfinite(given.train).all() and np.isfinite(given.validation).all()):
        raise RunError(
            "Expected finite embeddings of the encoder before its training",
            "found NaN or infinity",
            "Choose other weights, or --head-start random",
        )
    digest = given.digest()
    if digest not in _FITTED:
        _FITTED[digest] = given.fitted()
    return _FITTED[digest]


@dataclass(frozen=True)
class _Given:
    """What a head is fitted to: embeddings (n, p) and labels of training rows, the same of validation rows."""

    train: np.ndarray
    labels: np.ndarray
    validation: np.ndarray
    judged_labels: np.ndarray
    magnifications: np.ndarray

    def digest(self) -> str:
        """Return the SHA-256 of all of it."""
        found = hashlib.sha256()
        for part in fields(self):
            values = np.ascontiguousarray(getattr(self, part.name))
            found.update(f"{values.dtype} {values.shape} ".encode() + values.tobytes())
        return found.hexdigest()

    def fitted(self) -> LinearHead:
        """Return the head that the validation rows prefer."""
        return fitted_head(
            self.train,
            self.labels,
            self.validation,
            lambda logits: mean_cross_entropy(self.judged_labels, logits, self.magnifications),
        )


_FITTED: dict[str, LinearHead] = {}
"""Heads of this process by what they were fitted to: adapters of all seeds and methods begin alike."""


def _adapted(used: EvaluatedNetwork, embeddings: np.ndarray) -> np.ndarray:
    """Return what an adapter makes of embeddings, float32 [n, p]."""
    adapter = used.parts.evaluated.get_layer("encoder")
    blocks = range(0, len(embeddings), _BLOCK)
    return np.concatenate([adapter(embeddings[start : start + _BLOCK], training=False).numpy() for start in blocks])


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
