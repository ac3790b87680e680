"""The solver of the sparse path: proximal Newton steps on a small working set, certified by the duality gap."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.linalg.blas import ssyrk
from scipy.special import expit, xlogy
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
    # given G and l, the features are read for their shape alone and the response for its length alone
    shapes = np.zeros((1, len(start))), np.array([np.sqrt(response)])
    most_passes = max(FEWEST_PASSES, len(start) // COORDINATES_A_PASS)
    limits = {"alphas": [penalty], "tol": accuracy / response, "max_iter": most_passes, "check_input": False}
    found = start.copy()
    for _ in range(MOST_ROUNDS if len(start) else 0):
        with warnings.catch_warnings():
            # the duality gap below is the judge of convergence
            warnings.simplefilter("ignore", ConvergenceWarning)
            _, passed, gaps = lasso_path(*shapes, precompute=gram, Xy=linear, coef_init=found, **limits)
        found = passed[:, 0]
        if gaps[0] <= accuracy:
            break
        # correlated coordinates creep towards their joint minimum; solving for all of them at once gets there
        found = _solve_selected(gram, linear, found, penalty)
    return found


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


LARGEST_STALENESS = 0.15
"""The Hessian is reused while its weights differ by less than this share, in the mean."""
SLOW_STEP = 0.3
"""A step that leaves more than this share of the duality gap makes the next one take a fresh Hessian."""
GAIN_SHARE = 0.1
"""A quadratic model is minimised to this share of the duality gap."""
ROUNDING = 1e-14
"""Share of the objective that rounding may add to it."""
MOST_STEPS = 200
"""Newton steps for one penalty before the solver gives up and returns the gap that it has."""
SMALLEST_WEIGHT = 1e-6
"""Floor of p (1 - p) in the Hessian: rows that are fitted perfectly must not make it singular."""


class NewtonPath:
    """Minimises mean logistic loss + penalty * |w|_1, intercept free, for one decreasing penalty after the other.

    Each step minimises a quadratic model of the loss on a working set of dimensions (strong rule, Tibshirani et al.
    2012) by coordinate descent on its Gram matrix. The gradient is exact and over all dimensions, so that the duality
    gap after each step is a certificate for the whole problem; the Hessian is in float32 and may be a few steps old,
    which changes the way to the solution and not the solution.

    Args:
        features: Standardised embedding, float (n, p).
        labels: 0 or 1, (n,), both present.
    """

    def __init__(self, features: np.ndarray, labels: np.ndarray):
        self._columns = np.ascontiguousarray(features.T, dtype=np.float64)
        self._columns_single = self._columns.astype(np.float32)
        self._labels = labels.astype(np.float64)
        dimensions, self._n = self._columns.shape
        self.coefficients = np.zeros(dimensions)
        share = self._labels.mean()
        self.intercept = float(np.log(share / (1 - share)))
        self._linear = np.zeros(self._n)
        self._hessian: _Hessian | None = None
        self._evaluate()
        self.largest_penalty = self._penalty = float(np.abs(self._gradient).max(initial=0.0))

    def solve(self, penalty: float, tolerance: float) -> float:
        """Move to the solution at `penalty` from wherever the solver stands.

        Args:
            penalty: Above 0.
            tolerance: Duality gap to reach, as a share of the objective.

        Returns:
            The gap reached, as a share of the objective.
        """
        working = np.abs(self._gradient) >= 2 * penalty - self._penalty
        self._penalty = penalty
        previous = np.inf
        for _ in range(MOST_STEPS):
            objective, gap = self._duality_gap(penalty)
            if gap <= tolerance * objective:
                break
            if gap > SLOW_STEP * previous and self._hessian is not None and not self._hessian.is_new:
                self._hessian = None
            previous = gap
            working |= (np.abs(self._gradient) > penalty) | (self.coefficients != 0)
            if not self._step(np.flatnonzero(working), penalty, gap, objective):
                break
        else:
            objective, gap = self._duality_gap(penalty)
        return max(gap, 0.0) / objective

    def _step(self, working: np.ndarray, penalty: float, gap: float, objective: float) -> bool:
        """Take one Newton step; False where not even the fresh Hessian lowers the objective (rounding is reached)."""
        # an accuracy far below what this step can gain would be wasted
        accuracy = GAIN_SHARE * gap
        hessian = self._refreshed(working)
        while accuracy > gap * GAIN_SHARE**4:
            change = self._direction(hessian, working, penalty, accuracy)
            if change.any() and self._search(working, change, penalty, objective):
                return True
            if hessian.is_new:
                accuracy *= GAIN_SHARE
            else:
                self._hessian = None
                hessian = self._refreshed(working)
        return False

    def _direction(self, hessian: _Hessian, working: np.ndarray, penalty: float, accuracy: float) -> np.ndarray:
        """Return the change of the working coefficients that minimises the quadratic model, but for `accuracy`."""
        gram = hessian.between(working)
        before, pull = self.coefficients[working], self._gradient[working]
        product = gram @ before
        # the squared length of the response of the weighted least squares problem that the model stands for
        response = before @ product + 2 * before @ pull + np.mean(self._residual**2 / hessian.weights)
        return minimise_lasso(gram, product + pull, before, penalty, accuracy, response) - before

    def _refreshed(self, working: np.ndarray) -> _Hessian:
        """Return the Hessian, computed anew where it is too old or lacks a dimension."""
        weights = np.maximum(self._probability * (1 - self._probability), SMALLEST_WEIGHT)
        if self._hessian is not None and self._hessian.serves(working, weights):
            self._hessian.is_new = False
        else:
            self._hessian = _Hessian(self._columns_single, working, weights)
        return self._hessian

    def _search(self, working: np.ndarray, change: np.ndarray, penalty: float, objective: float) -> bool:
        before = self.coefficients[working]
        along = self._product(working[change != 0], change[change != 0])
        slope = -self._gradient[working] @ change + penalty * (np.abs(before + change).sum() - np.abs(before).sum())
        linear, intercept, size = self._linear, self.intercept, 1.0
        # near the minimum a step lowers the gap, which is of first order, and changes the objective by rounding alone
        objective += ROUNDING * objective
        while size > 1e-3:
            self.coefficients[working] = before + size * change
            self._linear = linear + size * along
            self._evaluate()
            if self._loss + penalty * np.abs(self.coefficients).sum() <= objective + 1e-3 * size * slope:
                return True
            size /= 2
        self.coefficients[working], self._linear, self.intercept = before, linear, intercept
        self._evaluate()
        return False

    def _product(self, dimensions: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the scores, (n,), of coefficients that are 0 outside `dimensions`."""
        if len(dimensions) < len(self._columns) / 4:
            return values @ self._columns[dimensions]
        # reading all columns is quicker than copying many
        spread = np.zeros(len(self._columns))
        spread[dimensions] = values
        return spread @ self._columns

    def _evaluate(self) -> None:
        """Fit the intercept to the present coefficients, then loss, residuals and gradient."""
        self.intercept = best_intercept(self._linear, self._labels, self.intercept)
        scores = self._linear + self.intercept
        self._loss = float(np.mean(np.logaddexp(0, scores) - self._labels * scores))
        self._probability = expit(scores)
        self._residual = self._labels - self._probability
        self._gradient = self._columns @ self._residual / self._n

    def _duality_gap(self, penalty: float) -> tuple[float, float]:
        largest = np.abs(self._gradient).max(initial=0.0)
        scale = min(1.0, penalty / largest) if largest > 0 else 1.0
        # the dual variable y - scale * residual lies in [0, 1] and, the intercept being fitted, meets its constraint
        dual = self._labels - scale * self._residual
        entropy = float(-np.mean(xlogy(dual, dual) + xlogy(1 - dual, 1 - dual)))
        objective = self._loss + penalty * float(np.abs(self.coefficients).sum())
        return objective, objective - entropy


class _Hessian:
    """Second derivatives of the mean loss over some dimensions, the intercept eliminated.

    Args:
        columns: float32 (p, n).
        dimensions: Indices into p, ascending.
        weights: p (1 - p) of each row, (n,).
    """

    def __init__(self, columns: np.ndarray, dimensions: np.ndarray, weights: np.ndarray):
        self.is_new, self.weights = True, weights
        self._position = np.full(len(columns), -1)
        self._position[dimensions] = np.arange(len(dimensions))
        root = np.sqrt(weights).astype(np.float32)
        rows = columns[dimensions] * root
        mean = rows @ root / np.float32(weights.sum())
        # removing the weighted mean of each row eliminates the intercept
        rows -= mean[:, None] * root
        gram = ssyrk(np.float32(1 / len(weights)), rows.T, trans=1, lower=1)
        # both triangles, and in float64: coordinate descent adds up many small changes
        self._gram = np.ascontiguousarray(np.tril(gram, -1).T + gram, dtype=np.float64)

    def serves(self, dimensions: np.ndarray, weights: np.ndarray) -> bool:
        """Return whether it has all `dimensions` and its weights are near `weights`."""
        if (self._position[dimensions] < 0).any():
            return False
        return bool(np.abs(weights - self.weights).sum() <= LARGEST_STALENESS * weights.sum())

    def between(self, dimensions: np.ndarray) -> np.ndarray:
        """Return the second derivatives between some of its dimensions, indices into p, as a table of their own."""
        chosen = self._position[dimensions]
        return self._gram if len(chosen) == len(self._gram) else self._gram[np.ix_(chosen, chosen)]


def best_intercept(linear: np.ndarray, labels: np.ndarray, start: float, shares: np.ndarray | None = None) -> float:
    """Return the intercept b at which the mean of labels - expit(linear + b) is 0.

    Args:
        linear: Scores without intercept, (n,).
        labels: 0 or 1, (n,), both present.
        start: Where to begin.
        shares: Of the rows in that mean, at least 0, sum 1, (n,); None means equal ones.
    """
    mean = np.mean if shares is None else shares.dot
    low, high = -linear.max() - 40.0, -linear.min() + 40.0
    value = start
    for _ in range(100):
        probability = expit(linear + value)
        excess = float(mean(labels - probability))
        low, high = (value, high) if excess > 0 else (low, value)
        if abs(excess) < 1e-15:
            break
        curvature = float(mean(probability * (1 - probability)))
        proposed = value + excess / curvature if curvature > 0 else np.inf
        proposed = proposed if low < proposed < high else (low + high) / 2
        if proposed == value:
            break
        value = proposed
    return float(value)
