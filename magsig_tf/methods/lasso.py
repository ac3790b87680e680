"""Lasso: L1-penalised logistic regression on standardised embeddings, the sparse path as a classifier."""

from __future__ import annotations

import numpy as np

from magsig_tf.linear_models.sparse_path import fit_scaling, fit_sparse_path
from magsig_tf.methods.exact import ExactMethod, ExactModel, Rows


class Lasso(ExactMethod):
    """Binary cross-entropy plus penalty times the absolute weights, the intercept free.

    Of the path the penalty with the lowest cross-entropy on source validation is taken, of equal ones the strongest.
    The signature of `magsig signatures` is sparser: it is chosen by cross-validation, within one standard error.
    """

    def fit(self, train: Rows, validation: Rows) -> ExactModel:
        """Return the head that source validation prefers."""
        scaling = fit_scaling(train.embeddings)
        path = fit_sparse_path(scaling.apply(train.embeddings), train.labels)
        logits = scaling.apply(validation.embeddings) @ path.coefficients.T + path.intercepts
        losses = [validation.loss(each) for each in logits.T]
        place = int(np.argmin(losses))
        selected = int(np.count_nonzero(path.coefficients[place]))
        at_edge = place in (0, len(losses) - 1)
        return ExactModel(
            scaling=scaling,
            weights=path.coefficients[place],
            intercept=float(path.intercepts[place]),
            validation_loss=losses[place],
            chosen={"penalty": float(path.penalties[place]), "dimensions": float(selected)},
            certificate={
                "duality_gap": float(path.gaps[place]),
                "path": {"penalty": [float(each) for each in path.penalties], "validation_loss": losses},
            },
            notes=("the penalty lies at the edge of the path",) if at_edge else (),
        )
