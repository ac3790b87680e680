"""The solver of the ridge path: L-BFGS steps that begin from a factor of the Hessian, certified by the duality gap."""

from __future__ import annotations

from collections import deque

import numpy as np
from scipy.linalg import get_blas_funcs, get_lapack_funcs, qr
from scipy.special import expit

from magsig_tf.linear_models.newton_path import best_intercept

SLOW_STEP = 0.3
"""A step that leaves more than this share of the duality gap is slow."""
SLOW_STEPS = 2
"""So many slow steps make the next one take a fresh Hessian."""
SECANTS = 20
"""Steps from which L-BFGS learns how the Hessian has changed since it was computed."""
MOST_STEPS = 500
"""Steps for one penalty before the solver gives up and leaves the gap that it has."""
SMALLEST_STEP = 1e-6
"""Share of a step below which the search along it ends."""
ROUNDING = 1e-14
"""Share of the objective that rounding may add to it."""
SINGLE_PRECISION = 1e-7
"""A Hessian is computed in float32 while the penalty is above this share of its trace: its rounding is far below."""
WIDE = 1.2
"""From so many dimensions a row the problem is moved to the space of the rows."""


def row_space(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates of the rows, (n, n), on an orthonormal basis of the space they span, and the basis, (p, n).

    The penalty pulls every coefficient outside that space to 0, so that the problem in it is the whole problem, with
    the same objective and the same norm of the gradient; `basis @ coefficients` goes back.

    Args:
        features: float64 (n, p), p at least n. Rows that repeat each other do no harm.
    """
    basis, triangle = qr(features.T, mode="economic", check_finite=False)
    return np.ascontiguousarray(triangle.T), basis


class RidgeSolver:
    """Minimises mean log-loss + penalty / 2 * |w|^2, intercept free, for one penalty after the other.

    The intercept is fitted anew after each step, so that the gradient g over the coefficients says how far the minimum
    is: the residuals are then a feasible point of the dual problem, and the duality gap is |g|^2 / (2 * penalty). A
    direction is that of L-BFGS (Nocedal and Wright 2006, algorithm 7.4) whose first matrix is the inverse of a Hessian
    that may be several penalties old; only the penalty on its diagonal is always the present one. Hessians are costly,
    n p^2 operations where a step has 4 n p: a new one is computed where steps become slow.

    Args:
        features: Standardised embedding, float64 (n, p), finite.
        labels: 0 or 1, (n,), both present with a weight above 0.
        weights: Of the rows, at least 0, mean 1, (n,).
    """

    def __init__(self, features: np.ndarray, labels: np.ndarray, weights: np.ndarray):
        rows, dimensions = features.shape
        self._features = features
        self._basis: np.ndarray | None = None
        if dimensions > WIDE * rows:
            self._features, self._basis = row_space(features)
        self._labels, self._shares = labels.astype(np.float64), weights / weights.sum()
        self._inner = np.zeros(self._features.shape[1])
        self._linear, self._penalty = np.zeros(rows), 0.0
        share = float(self._shares @ self._labels)
        self.intercept = float(np.log(share / (1 - share)))
        self._curvature: _Curvature | None = None
        self._secants: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=SECANTS)
        self._evaluate()

    @property
    def coefficients(self) -> np.ndarray:
        """Of the dimensions of the embedding, (p,)."""
        return self._inner.copy() if self._basis is None else self._basis @ self._inner

    @property
    def gradient_norm(self) -> float:
        """Euclidean norm of the objective's gradient over the coefficients; that over the intercept is 0."""
        return float(np.linalg.norm(self._gradient))

    @property
    def gap(self) -> float:
        """How far the objective can be above its minimum."""
        return float(self._gradient @ self._gradient) / (2 * self._penalty)

    def solve(self, penalty: float, tolerance: float) -> int:
        """Move to the solution at `penalty` from wherever the solver stands.

        Args:
            penalty: Above 0.
            tolerance: Duality gap to reach, as a share of the objective.

        Returns:
            How many steps it took.
        """
        # the secants stay true: another penalty adds its share of the step to the change of the gradient
        self._secants.extend([(s, y + (penalty - self._penalty) * s) for s, y in self._secants])
        self._penalty = penalty
        self._evaluate()
        slow, steps = 0, 0
        while self.gap > tolerance * self.objective and steps < MOST_STEPS:
            before = self.gap
            if self._curvature is None or slow >= SLOW_STEPS:
                self._curvature, slow = self._renewed(), 0
            curvature = self._curvature
            curvature.factor(penalty)
            if not self._step(curvature):
                if curvature.is_new:
                    break
                slow = SLOW_STEPS
                continue
            steps += 1
            curvature.is_new = False
            slow += self.gap > SLOW_STEP * before
        return steps

    def _renewed(self) -> _Curvature:
        scores = self._linear + self.intercept
        # 1 - expit would be 0 where a row is fitted perfectly
        weights = self._shares * expit(scores) * expit(-scores)
        self._secants.clear()
        return _Curvature(self._features, weights, self._penalty)

    def _step(self, curvature: _Curvature) -> bool:
        """Take one step; False where it does not lower the objective."""
        change = self._direction(curvature)
        slope = float(self._gradient @ change)
        if not slope < 0:
            return False
        along, inner, linear, size = self._features @ change, self._inner, self._linear, 1.0
        intercept, gradient = self.intercept, self._gradient
        highest = self.objective * (1 + ROUNDING)
        while size > SMALLEST_STEP:
            self._inner, self._linear = inner + size * change, linear + size * along
            self._fit_intercept()
            if self.objective <= highest + 1e-4 * size * slope:
                self._differentiate()
                moved, turned = size * change, self._gradient - gradient
                if moved @ turned > 0:
                    self._secants.append((moved, turned))
                return True
            size /= 2
        self._inner, self._linear, self.intercept = inner, linear, intercept
        self._evaluate()
        return False

    def _direction(self, curvature: _Curvature) -> np.ndarray:
        left, shares = -self._gradient, []
        for moved, turned in reversed(self._secants):
            shares.append((moved @ left) / (moved @ turned))
            left = left - shares[-1] * turned
        change = curvature.solve(left)
        for (moved, turned), share in zip(self._secants, reversed(shares), strict=True):
            change += (share - (turned @ change) / (moved @ turned)) * moved
        return change

    def _evaluate(self) -> None:
        self._fit_intercept()
        self._differentiate()

    def _fit_intercept(self) -> None:
        """Fit the intercept to the present coefficients; the objective follows."""
        self.intercept = best_intercept(self._linear, self._labels, self.intercept, self._shares)
        scores = self._linear + self.intercept
        loss = float(self._shares @ (np.logaddexp(0, scores) - self._labels * scores))
        self.objective = loss + self._penalty / 2 * float(self._inner @ self._inner)

    def _differentiate(self) -> None:
        residual = self._shares * (expit(self._linear + self.intercept) - self._labels)
        self._gradient = residual @ self._features + self._penalty * self._inner


class _Curvature:
    """Second derivatives of the mean loss, the intercept eliminated, and their factor with a penalty on the diagonal.

    Args:
        features: (n, p).
        weights: p (1 - p) of each row times its share of the rows, (n,).
        penalty: The first that it is for: it decides the precision.
    """

    def __init__(self, features: np.ndarray, weights: np.ndarray, penalty: float):
        self.is_new, self._features, self._weights = True, features, weights
        self._diagonal = np.arange(features.shape[1])
        self._sum_up(np.float32)
        if penalty < SINGLE_PRECISION * np.trace(self._sums):
            self._sum_up(np.float64)
        self._penalty = 0.0

    def _sum_up(self, precision: type) -> None:
        root = np.sqrt(self._weights)
        rows = np.multiply(self._features, root[:, None], dtype=precision, casting="same_kind")
        # removing the weighted mean of each dimension eliminates the intercept
        mean = (root.astype(precision) @ rows) / precision(self._weights.sum())
        rows -= root.astype(precision)[:, None] * mean
        (multiply,) = get_blas_funcs(("syrk",), (rows,))
        self._sums = multiply(1.0, rows.T, lower=1)

    def factor(self, penalty: float) -> None:
        """Factor the matrix with this penalty on its diagonal, unless that is done."""
        added = penalty
        while self._penalty != penalty:
            matrix = self._sums.copy(order="F")
            matrix[self._diagonal, self._diagonal] += matrix.dtype.type(added)
            (factorise,) = get_lapack_funcs(("potrf",), (matrix,))
            self._factor, failed = factorise(matrix, lower=1, overwrite_a=1, clean=0)
            if not failed and np.isfinite(self._factor[self._diagonal, self._diagonal]).all():
                self._penalty = penalty
            elif self._sums.dtype == np.float32:
                self._sum_up(np.float64)
            else:
                # below rounding: any positive matrix gives a direction, a larger diagonal a shorter step
                added = max(10 * added, np.finfo(np.float64).eps * float(np.trace(self._sums)))

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Return the factored matrix's inverse times a vector, float64 (p,)."""
        (substitute,) = get_blas_funcs(("trsv",), (self._factor,))
        half = substitute(self._factor, right.astype(self._factor.dtype), lower=1)
        return substitute(self._factor, half, lower=1, trans=1).astype(np.float64)
