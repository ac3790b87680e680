"""Erasure, n = 4000, p = 1280 and 2560: all strengths beside LEACE written out in numpy, one beside LDA."""

from __future__ import annotations

import click
import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from threadpoolctl import threadpool_limits

from benchmarks.options import quick_option, rounds_option
from benchmarks.timing import compare, processor_seconds
from magsig_tf.linear_models.erasure import LEDOIT_WOLF, SHRINKAGES, fit_eraser, measure_covariances
from magsig_tf.linear_models.erasure_certificate import certify
from magsig_tf.seeding import generator_for

FASTER_THAN_TEXTBOOK = 2.0
FASTER_THAN_LDA = 2.0
STRENGTHS = [each for each in SHRINKAGES if each != LEDOIT_WOLF]


@click.command(help=__doc__)
@rounds_option(3)
@click.option("--length", "lengths", multiple=True, type=int, help="p; 1280 and 2560 if not given.")
@quick_option
def main(rounds: int, lengths: tuple[int, ...], quick: bool) -> None:
    rows, rounds = (200, 1) if quick else (4000, rounds)
    for length in (20, 30) if quick else lengths or (1280, 2560):
        # as many threads for everyone: few gain from a second one, and a busy machine has none to give
        with threadpool_limits(1):
            beside(rows, length, rounds)


def beside(rows: int, length: int, rounds: int) -> None:
    """Time both rivals in turns with magsig and print a line for each."""
    embeddings, domains = embedding_like(rows, length)
    used = processor_seconds()
    found = certify(fit_eraser(embeddings, domains), embeddings, domains)
    used = processor_seconds() - used
    compare(
        f"erasure n={rows} p={length}, {len(STRENGTHS)} strengths, numpy",
        {"magsig": lambda: every_strength(embeddings, domains), "numpy": lambda: textbook(embeddings, domains)},
        of="magsig",
        to="numpy",
        rounds=rounds,
        target=FASTER_THAN_TEXTBOOK,
        fit_and_certificate_processor_seconds=round(used, 2),
        relative_cross_covariance=float(f"{found.relative_cross_covariance:.2g}"),
        nats_below_entropy=float(f"{found.entropy - found.cross_entropy:.2g}"),
    )
    lda = LinearDiscriminantAnalysis()
    compare(
        f"erasure n={rows} p={length}, one strength, scikit-learn's LDA",
        {"magsig": lambda: fit_eraser(embeddings, domains), "LDA": lambda: lda.fit(embeddings, domains)},
        of="magsig",
        to="LDA",
        rounds=rounds,
        target=FASTER_THAN_LDA,
    )


def embedding_like(rows: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return correlated, rectified dimensions in float32 that depend on one of three magnifications."""
    draw = generator_for("benchmark of erasure", rows, length)
    domains = draw.integers(0, 3, rows)
    factors = draw.normal(size=(rows, 60)) @ draw.normal(size=(60, length)) / 8
    shifts = draw.normal(size=(3, length)) / 3
    embeddings = np.maximum(factors + draw.normal(size=(rows, length)) + shifts[domains], 0)
    return embeddings.astype(np.float32), domains


def every_strength(embeddings: np.ndarray, domains: np.ndarray) -> list[np.ndarray]:
    covariances = measure_covariances(embeddings, domains)
    return [covariances.eraser(strength).readers for strength in STRENGTHS]


def textbook(embeddings: np.ndarray, domains: np.ndarray) -> list[np.ndarray]:
    """Return the p x p projectors of LEACE as the paper writes them, from one eigendecomposition for all strengths."""
    centred = embeddings.astype(np.float64) - embeddings.mean(axis=0, dtype=np.float64)
    indicators = np.eye(3)[domains] - np.eye(3)[domains].mean(axis=0)
    covariance, cross = centred.T @ centred / len(centred), centred.T @ indicators / len(centred)
    values, vectors = np.linalg.eigh(covariance)
    found = []
    for strength in STRENGTHS:
        shrunk = (1 - float(strength)) * np.maximum(values, 1e-12) + float(strength) * values.mean()
        whitening = (vectors / np.sqrt(shrunk)) @ vectors.T
        basis, sizes, _ = np.linalg.svd(whitening @ cross, full_matrices=False)
        basis = basis[:, sizes > 1e-9]
        found.append((vectors * np.sqrt(shrunk)) @ (vectors.T @ basis) @ (basis.T @ whitening))
    return found


if __name__ == "__main__":
    main()
