"""The sparse path: n = 4000, p = 2048, 20 penalties, beside saga and liblinear; and a fold at p = 1280, within 30 s."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import click
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from benchmarks.options import quick_option, rounds_option
from benchmarks.timing import processor_seconds, report
from magsig_tf.seeding import generator_for
from magsig_tf.signatures import fit_signatures, fit_sparse_path, largest_penalty, penalty_path

FASTER_THAN_SAGA = 15.0
FASTER_THAN_LIBLINEAR = 3.0
LONGEST_FOLD = 30.0
"""Seconds for 50 penalties on all rows and on those of five folds."""
SAGA_TOLERANCE, LIBLINEAR_TOLERANCE = 1e-4, 1e-4
SAGA_PASSES = 200
"""saga's passes for one penalty; it does not converge in them at small penalties, so that its time is a lower bound."""


@click.command(help=__doc__)
@rounds_option(1)
@click.option("--rival", "rivals", multiple=True, type=click.Choice(["saga", "liblinear", "fold"]), help="Only these.")
@quick_option
def main(rounds: int, rivals: tuple[str, ...], quick: bool) -> None:
    n, p, values, rounds = (120, 30, 4, 1) if quick else (4000, 2048, 20, rounds)
    rivals = rivals or ("liblinear", "saga", "fold")
    features, labels = embedding_like(n, p)
    if "saga" in rivals:
        penalties = penalty_path(largest_penalty(features, labels), values, 1e-2)
        beside(
            f"sparse path n={n} p={p}, {values} penalties, saga",
            lambda: magsig_path(features, labels, penalties),
            lambda: scikit_learn_path(features, labels, penalties, "saga"),
            (features, labels, penalties),
            "saga",
            FASTER_THAN_SAGA,
            rounds,
        )
    if "liblinear" in rivals:
        # liblinear penalises the intercept, so it goes without; half the rows mirrored make the free intercept 0
        half, half_labels = features[: n // 2], labels[: n // 2]
        mirrored = np.asfortranarray(np.concatenate([half, -half]))
        mirrored_labels = np.concatenate([half_labels, 1 - half_labels])
        penalties = penalty_path(largest_penalty(mirrored, mirrored_labels), values, 1e-2)
        beside(
            f"sparse path n={n} p={p}, {values} penalties, liblinear without intercept",
            lambda: magsig_path(mirrored, mirrored_labels, penalties),
            lambda: scikit_learn_path(mirrored, mirrored_labels, penalties, "liblinear"),
            (mirrored, mirrored_labels, penalties),
            "liblinear",
            FASTER_THAN_LIBLINEAR,
            rounds,
        )
    if "fold" in rivals:
        whole_fold(*((120, 30) if quick else (3200, 1280)))


def embedding_like(n: int, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of standardised, rectified, correlated dimensions, 40 of which bear on the labels, and labels."""
    draw = generator_for("benchmark of the sparse path", n, p)
    factors = draw.normal(size=(60, p))
    features = np.maximum(draw.normal(size=(n, 60)) @ factors / 8 + draw.normal(size=(n, p)), 0)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    coefficients = np.zeros(p)
    coefficients[draw.choice(p, min(40, p // 2), replace=False)] = 0.5 * draw.normal(size=min(40, p // 2))
    labels = (draw.uniform(size=n) < 1 / (1 + np.exp(-(features @ coefficients)))).astype(int)
    return np.asfortranarray(features), labels


def magsig_path(features: np.ndarray, labels: np.ndarray, penalties: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    path = fit_sparse_path(features, labels, penalties)
    return path.coefficients, path.intercepts


def scikit_learn_path(
    features: np.ndarray, labels: np.ndarray, penalties: np.ndarray, solver: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients and intercepts of scikit-learn's solver; saga starts from the penalty before."""
    saga = solver == "saga"
    model = LogisticRegression(
        solver=solver,
        l1_ratio=1.0,
        tol=SAGA_TOLERANCE if saga else LIBLINEAR_TOLERANCE,
        max_iter=SAGA_PASSES if saga else 1000,
        warm_start=saga,
        fit_intercept=saga,
        random_state=0,
    )
    coefficients, intercepts = [], []
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for penalty in penalties:
            model.set_params(C=1 / (len(labels) * penalty)).fit(features, labels)
            coefficients.append(model.coef_[0].copy())
            intercepts.append(float(np.ravel(model.intercept_)[0]))
    return np.array(coefficients), np.array(intercepts)


def beside(
    name: str,
    ours: Callable[[], tuple[np.ndarray, np.ndarray]],
    theirs: Callable[[], tuple[np.ndarray, np.ndarray]],
    problem: tuple[np.ndarray, np.ndarray, np.ndarray],
    rival: str,
    target: float,
    rounds: int,
) -> None:
    """Time both in turns and print the ratio, with how far each objective is above the lower of the two."""
    seconds, processor, ratios = {"magsig": [], rival: []}, {"magsig": [], rival: []}, []
    objectives = {}
    for number in range(rounds):
        calls = {"magsig": ours, rival: theirs}
        for who in list(calls)[:: 1 if number % 2 == 0 else -1]:
            began, used = time.perf_counter(), time.process_time()
            found = calls[who]()
            seconds[who].append(time.perf_counter() - began)
            processor[who].append(time.process_time() - used)
            objectives[who] = objective(*problem, *found)
        ratios.append(seconds[rival][-1] / seconds["magsig"][-1])
    best = np.minimum(objectives["magsig"], objectives[rival])
    report(
        name,
        ratios,
        of="magsig",
        to=rival,
        target=target,
        milliseconds={who: round(1000 * float(np.median(times)), 1) for who, times in seconds.items()},
        processor_ratio=round(float(np.median(processor[rival]) / np.median(processor["magsig"])), 3),
        above_the_best={who: float(f"{np.max(values / best - 1):.2g}") for who, values in objectives.items()},
    )


def objective(
    features: np.ndarray, labels: np.ndarray, penalties: np.ndarray, coefficients: np.ndarray, intercepts: np.ndarray
) -> np.ndarray:
    """Return mean log-loss + penalty * |w|_1 at each penalty, (values,)."""
    scores = features @ coefficients.T + intercepts
    loss = np.mean(np.logaddexp(0, scores) - labels[:, None] * scores, axis=0)
    return loss + penalties * np.abs(coefficients).sum(axis=1)


def whole_fold(n: int, p: int) -> None:
    features, labels = embedding_like(n, p)
    # cases of ten rows with one label, as patients have
    order = np.argsort(labels, kind="stable")
    features, labels = np.ascontiguousarray(features[order], np.float32), labels[order]
    case = np.char.add(np.where(labels, "m", "b"), (np.arange(n) // 10).astype(str))
    began, used = time.perf_counter(), processor_seconds()
    fitted = fit_signatures(features, labels, case)
    seconds = time.perf_counter() - began
    report(
        f"signature of a fold n={n} p={p}, 50 penalties, 5 folds",
        [LONGEST_FOLD / seconds],
        of="magsig",
        to=f"{LONGEST_FOLD:g} s",
        target=1.0,
        seconds=round(seconds, 2),
        processor_seconds=round(processor_seconds() - used, 2),
        size=fitted.one_standard_error.size,
        largest_gap=float(f"{fitted.path.gaps.max():.2g}"),
    )


if __name__ == "__main__":
    main()
