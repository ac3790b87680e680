"""The ridge path: n = 3,500, p = 1,280, 13 penalties, beside scikit-learn's lbfgs and newton-cholesky.

scikit-learn gets every advantage: each fit starts from the weights of the one before, and its tolerance at each penalty
is the loosest of `TOLERANCES` at which its objective is within 1e-6 of the minimum, found before the clock runs. magsig
stops at a duality gap of 1e-6 of the objective, which it has to prove.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from benchmarks.options import quick_option, rounds_option
from benchmarks.timing import processor_seconds, report
from magsig_tf.linear_models.ridge_path import RidgePath, fit_ridge_path
from magsig_tf.linear_models.sparse_path import fit_scaling
from magsig_tf.seeding import generator_for

FASTER = {"lbfgs": 3.0, "newton-cholesky": None}
"""Rivals, and the ratio to reach."""
STRENGTHS = np.logspace(-5, 1, 13)
"""C of scikit-learn."""
WITHIN = 1e-6
"""How far above the minimum an objective may be, as a share of it."""
TOLERANCES = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7)
MOST_STEPS = 100_000


@click.command(help=__doc__)
@rounds_option(1)
@click.option("--rival", "rivals", multiple=True, type=click.Choice(list(FASTER)), help="Only these.")
@click.option("--rows", default=3500, show_default=True, help="Rows of the made-up embeddings.")
@click.option("--length", default=1280, show_default=True, help="Their length.")
@click.option(
    "--embeddings", type=click.Path(path_type=Path, exists=True), help="An .npz of a run, instead of made-up ones."
)
@quick_option
def main(rounds: int, rivals: tuple[str, ...], rows: int, length: int, embeddings: Path | None, quick: bool) -> None:
    rows, length, rounds = (80, 30, 1) if quick else (rows, length, rounds)
    features, labels = embedding_like(rows, length) if embeddings is None else embeddings_of(embeddings)
    penalties = 1 / (len(labels) * STRENGTHS)
    for rival in rivals or FASTER:
        beside(features, labels, penalties, rival, rounds)


def embedding_like(n: int, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Return standardised rows whose variances fall with the rank as those of real tiles do, and labels.

    Of EfficientNet-Lite0's embeddings of 1,274 tiles the eigenvalues fall with rank^-0.86 from the 4th to the 300th.
    """
    draw = generator_for("benchmark of the ridge path", n, p)
    directions = min(n, p)
    rank = np.arange(1, directions + 1)
    factors = draw.normal(size=(n, directions))
    features = (factors * rank**-0.45) @ draw.normal(size=(directions, p))
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    scores = factors @ (draw.normal(size=directions) * rank**-0.5)
    labels = (draw.uniform(size=n) < 1 / (1 + np.exp(-2 * scores / scores.std()))).astype(int)
    return features, labels


def embeddings_of(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return standardised embeddings and labels of a run's `embeddings.npz`."""
    from magsig_tf.npz_files import read_npz

    arrays = read_npz(file)
    embedding = np.asarray(arrays["embedding"])
    return fit_scaling(embedding).apply(embedding), np.asarray(arrays["label"]).astype(int)


def beside(features: np.ndarray, labels: np.ndarray, penalties: np.ndarray, rival: str, rounds: int) -> None:
    """Time both in turns and print the ratio, with how far each objective is above the minimum."""
    least = fit_ridge_path(features, labels, penalties, tolerance=1e-12)
    tolerances = loosest(features, labels, penalties, rival, least.objectives)
    calls: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {
        "magsig": lambda: magsig_path(features, labels, penalties),
        rival: lambda: scikit_learn_path(features, labels, penalties, rival, tolerances),
    }
    seconds, processor = {who: [] for who in calls}, {who: [] for who in calls}
    above = {}
    for number in range(rounds):
        for who in list(calls)[:: 1 if number % 2 == 0 else -1]:
            began, used = time.perf_counter(), processor_seconds()
            found = calls[who]()
            seconds[who].append(time.perf_counter() - began)
            processor[who].append(processor_seconds() - used)
            above[who] = np.max(objectives(features, labels, penalties, *found) / least.objectives - 1)
    ratios = [theirs / ours for theirs, ours in zip(seconds[rival], seconds["magsig"], strict=True)]
    report(
        f"ridge path n={features.shape[0]} p={features.shape[1]}, {len(penalties)} penalties, {rival}",
        ratios,
        of="magsig",
        to=rival,
        target=FASTER[rival],
        processor_ratio=round(float(np.median(processor[rival]) / np.median(processor["magsig"])), 3),
        milliseconds={who: round(1000 * float(np.median(times)), 1) for who, times in seconds.items()},
        processor_milliseconds={who: round(1000 * float(np.median(times)), 1) for who, times in processor.items()},
        above_the_minimum={who: float(f"{value:.2g}") for who, value in above.items()},
        rival_tolerances=tolerances,
    )


def magsig_path(
    features: np.ndarray, labels: np.ndarray, penalties: np.ndarray, tolerance: float = WITHIN
) -> tuple[np.ndarray, np.ndarray]:
    path: RidgePath = fit_ridge_path(features, labels, penalties, tolerance=tolerance)
    return path.coefficients, path.intercepts


def scikit_learn_path(
    features: np.ndarray, labels: np.ndarray, penalties: np.ndarray, solver: str, tolerances: list[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients and intercepts of scikit-learn's solver, each fit from the one before."""
    regression = LogisticRegression(solver=solver, max_iter=MOST_STEPS, warm_start=True)
    coefficients, intercepts = [], []
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for penalty, tolerance in zip(penalties, tolerances, strict=True):
            regression.set_params(C=1 / (len(labels) * penalty), tol=tolerance).fit(features, labels)
            coefficients.append(regression.coef_[0].copy())
            intercepts.append(float(regression.intercept_[0]))
    return np.array(coefficients), np.array(intercepts)


def loosest(
    features: np.ndarray, labels: np.ndarray, penalties: np.ndarray, solver: str, least: np.ndarray
) -> list[float]:
    """Return for each penalty the loosest tolerance at which scikit-learn comes near enough to the minimum."""
    regression = LogisticRegression(solver=solver, max_iter=MOST_STEPS, warm_start=True)
    found = []
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for penalty, lowest in zip(penalties, least, strict=True):
            start = (regression.coef_, regression.intercept_) if found else None
            for tolerance in TOLERANCES:
                # each begins where the timed one will; none goes on from a fit at a looser tolerance
                if start is None:
                    regression = LogisticRegression(solver=solver, max_iter=MOST_STEPS, warm_start=True)
                else:
                    regression.coef_, regression.intercept_ = start[0].copy(), start[1].copy()
                regression.set_params(C=1 / (len(labels) * penalty), tol=tolerance).fit(features, labels)
                reached = objectives(features, labels, np.array([penalty]), regression.coef_, regression.intercept_)
                if reached[0] <= lowest * (1 + WITHIN):
                    break
            found.append(tolerance)
    return found


def objectives(
    features: np.ndarray, labels: np.ndarray, penalties: np.ndarray, coefficients: np.ndarray, intercepts: np.ndarray
) -> np.ndarray:
    """Return mean log-loss + penalty / 2 * |w|^2 at each penalty, (points,)."""
    scores = features @ coefficients.T + intercepts
    loss = np.mean(np.logaddexp(0, scores) - labels[:, None] * scores, axis=0)
    return loss + penalties / 2 * (coefficients**2).sum(axis=1)


if __name__ == "__main__":
    main()
