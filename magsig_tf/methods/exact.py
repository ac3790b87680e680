"""Exact methods: fitted to frozen embeddings to a proven optimum, without epochs and without a seed."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from magsig_tf.linear_models.erasure import Eraser
from magsig_tf.linear_models.sparse_path import Scaling
from magsig_tf.methods.contract import Method, OptionsT
from magsig_tf.statistics.selection_loss import mean_cross_entropy

DECISIVE = ("magnifications", "folds", "split_seed", "group_by", "selection")
"""The settings that decide what an exact method computes, beside its own options."""


@dataclass(frozen=True)
class Rows:
    """Rows of one part of a split.

    Args:
        embeddings: float [n, p], as the encoder gave them.
        labels: int [n], 1 is malignant.
        magnifications: Name of each row's magnification, [n].
        cases: Index of each row's case, int [n].
    """

    embeddings: np.ndarray
    labels: np.ndarray
    magnifications: np.ndarray
    cases: np.ndarray

    def loss(self, logits: np.ndarray) -> float:
        """Return the cross-entropy of logits [n] in nats, averaged within and then over magnifications."""
        return mean_cross_entropy(self.labels, logits, self.magnifications)


@dataclass(frozen=True)
class ExactModel:
    """A linear classifier of embeddings: standardised, perhaps erased, then a weighted sum.

    Args:
        scaling: How each dimension is standardised.
        weights: Of the standardised (and erased) dimensions, [p].
        intercept: Of the logit.
        validation_loss: Cross-entropy in nats by which it was chosen, averaged over source magnifications.
        eraser: What is taken out of standardised embeddings; None for nothing.
        chosen: Numbers that validation chose, by name.
        certificate: How far the fit is from its optimum, and what else was proven; plain values.
        notes: Sentences for the user.
    """

    scaling: Scaling
    weights: np.ndarray
    intercept: float
    validation_loss: float
    eraser: Eraser | None = None
    chosen: dict[str, float] = field(default_factory=dict)
    certificate: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def embed(self, embeddings: np.ndarray) -> np.ndarray:
        """Return what the label is read from: standardised (and erased) embeddings, float64 [n, p]."""
        standardised = self.scaling.apply(embeddings)
        return standardised if self.eraser is None else self.eraser.apply(standardised)

    def logits(self, embedded: np.ndarray) -> np.ndarray:
        """Return the logit of malignant of what `embed` gave, float64 [n]."""
        return embedded @ self.weights + self.intercept


class ExactMethod(Method[OptionsT], abc.ABC):
    """Base of exact methods: override `fit`, and nothing else of `Method` but what is asked before a run begins.

    Args:
        options: The validated `Options` of this class.
    """

    def __init__(self, options: OptionsT):
        self.options = options

    @abc.abstractmethod
    def fit(self, train: Rows, validation: Rows) -> ExactModel:
        """Return the model of one split.

        Args:
            train: To fit to.
            validation: To choose by, by the mean cross-entropy over source magnifications.
        """
