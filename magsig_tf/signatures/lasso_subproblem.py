"""The quadratic model with an L1 penalty that a step of the solver minimises, by scikit-learn's coordinate descent."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lasso_path

MOST_PASSES = 2000
"""Passes over the coordinates: a model that is not solved by then is better replaced by a newer one."""


def minimise_lasso(
    gram: np.ndarray, linear: np.ndarray, start: np.ndarray, penalty: float, accuracy: float, response: float
) -> np.ndarray:
    """Return v that minimises v'Gv / 2 - l'v + penalty * |v|_1.

    Args:
        gram: G, positive semidefinite float64 (k, k), row by row in memory.
        linear: l, (k,).
        start: Where to begin, (k,).
        penalty: Weight of the absolute values, above 0.
        accuracy: Duality gap at which to stop, in units of the objective.
        response: Squared length of a response for which this is a least squares problem; at least twice what the
            quadratic part can fall below 0.

    Returns:
        The coefficients, (k,), with exact zeros. After `MOST_PASSES` passes they are returned as they are.
    """
    if not len(start):
        return start.copy()
    with warnings.catch_warnings():
        # the caller's duality gap is the judge of convergence
        warnings.simplefilter("ignore", ConvergenceWarning)
        # given G and l, the features are read for their shape alone and the response for its length alone
        _, found, _ = lasso_path(
            np.zeros((1, len(start))),
            np.array([np.sqrt(response)]),
            alphas=[penalty],
            precompute=gram,
            Xy=linear,
            coef_init=start.copy(),
            tol=accuracy / response,
            max_iter=MOST_PASSES,
            check_input=False,
        )
    return found[:, 0]
