"""Embeddings with a planted direction of the label and one of the magnification."""

from __future__ import annotations

import numpy as np

from magsig_tf.seeding import generator_for

MAGNIFICATIONS = np.array(["100X", "200X", "400X"])


def planted(rows=4000, length=12, confounding=0.0, name="planted", magnifications=MAGNIFICATIONS, shift=1.2):
    """Return embeddings (n, p), magnification and label; confounding 1 leaves two magnifications, a label each.

    The label is worth 1.5 along the first dimension, magnifications some `shift` along every dimension; all lies on
    correlated noise of deviation 1 or a little more.
    """
    draw = generator_for("made-up domains", name)
    directions = generator_for("directions of made-up domains").normal(size=(len(magnifications), 200))[:, :length]
    mixing = generator_for("noise of made-up domains").normal(size=(200, 200))[:length, :length]
    label = draw.integers(0, 2, rows)
    place = draw.integers(0, len(magnifications), rows)
    place = np.where(draw.uniform(size=rows) < confounding, label, place)
    noise = draw.normal(size=(rows, length)) + 0.3 * draw.normal(size=(rows, length)) @ mixing / np.sqrt(length)
    embeddings = noise + shift * directions[place] + 5
    embeddings[:, 0] += 1.5 * label
    return embeddings, magnifications[place], label


def cross_covariance(embeddings, domains, labels=None):
    """Return the covariance with the indicators, (p, K): of all rows, or the mean of those within classes."""
    groups = [np.ones(len(domains), bool)] if labels is None else [labels == each for each in np.unique(labels)]
    indicators = (domains[:, None] == np.unique(domains)).astype(float)
    within = [
        (embeddings[rows] - embeddings[rows].mean(0)).T @ (indicators[rows] - indicators[rows].mean(0)) / rows.sum()
        for rows in groups
    ]
    return np.mean(within, axis=0)
