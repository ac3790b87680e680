"""The quadratic model with an L1 penalty that a step of the solver minimises, by scikit-learn's coordinate descent."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lasso_path

FEWEST_PASSES = 50
"""Passes over the coordinates between two direct solutions on the selected ones, more where there are many of them."""
COORDINATES_A_PASS = 6
"""Coordinates that stand for one pass: the cost of a direct solution, in passes, grows with their number."""
MOST_ROUNDS = 40
"""Rounds of passes and direct solution: a model that is not solved by then is better replaced by a newer one."""
MOST_REMOVALS = 20
"""Coefficients that one direct solution may set to 0."""


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
        The coefficients, (k,), with exact zeros. After `MOST_ROUNDS` rounds they are returned as they are.
    """
    found = start.copy()
    for _ in range(MOST_ROUNDS if len(start) else 0):
        found, gap = _pass_over_coordinates(gram, linear, found, penalty, accuracy, response)
        if gap <= accuracy:
            break
        # correlated coordinates creep towards their joint minimum; solving for all of them at once gets there
        found = _solve_selected(gram, linear, found, penalty)
    return found


def _pass_over_coordinates(
    gram: np.ndarray, linear: np.ndarray, start: np.ndarray, penalty: float, accuracy: float, response: float
) -> tuple[np.ndarray, float]:
    with warnings.catch_warnings():
        # the caller's duality gap is the judge of convergence
        warnings.simplefilter("ignore", ConvergenceWarning)
        # given G and l, the features are read for their shape alone and the response for its length alone
        _, found, gaps = lasso_path(
            np.zeros((1, len(start))),
            np.array([np.sqrt(response)]),
            alphas=[penalty],
            precompute=gram,
            Xy=linear,
            coef_init=start,
            tol=accuracy / response,
            max_iter=max(FEWEST_PASSES, len(start) // COORDINATES_A_PASS),
            check_input=False,
        )
    return found[:, 0], float(gaps[0])


def _solve_selected(gram: np.ndarray, linear: np.ndarray, start: np.ndarray, penalty: float) -> np.ndarray:
    """Minimise over the coefficients that are not 0, signs kept; those that reach 0 on the way stay there.

    The objective falls with each of these moves (feature-sign search, Lee et al. 2007).
    """
    found = start.copy()
    for _ in range(MOST_REMOVALS):
        selected = np.flatnonzero(found)
        signs = np.sign(found[selected])
        try:
            factor = cho_factor(gram[np.ix_(selected, selected)], overwrite_a=True, check_finite=False)
        except LinAlgError:
            # coordinates that repeat each other: only the passes can decide between them
            return found
        target = cho_solve(factor, linear[selected] - penalty * signs, check_finite=False)
        crossing = np.flatnonzero(target * signs <= 0)
        if not len(crossing):
            found[selected] = target
            return found
        before = found[selected]
        shares = before[crossing] / (before[crossing] - target[crossing])
        found[selected] = before + shares.min() * (target - before)
        found[selected[crossing[shares.argmin()]]] = 0.0
    return found
