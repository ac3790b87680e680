"""What is probed: the test rows of one run or control, with everything that is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

SOURCES, ALL = "source", "all"
SCOPES = (SOURCES, ALL)
"""Rows at the source magnifications, and rows at every magnification, the holdout too."""


@dataclass(frozen=True)
class ProbedRows:
    """The test rows of one embedding.

    Args:
        subject: Label of the table row: a method or a control.
        holdout: The magnification left out in training; empty where none is known.
        seed: Seed of the run; 0 for a control that has none.
        embedding: Frozen features, shape (n, p).
        label: 0 or 1, shape (n,).
        case: Name of each row's case, shape (n,).
        magnification: Shape (n,).
        sources: The source magnifications.
        picture: What each row was made from, shape (n,), shared by a digital zoom and its source; None where unknown.
        zoomed: Whether each row is a digital zoom, shape (n,); None where unknown.
        factors: Known factors by name, each of shape (n,).
        kind: "method", "control", or "file" for another model's embeddings.
    """

    subject: str
    holdout: str
    seed: int
    embedding: np.ndarray = field(repr=False)
    label: np.ndarray = field(repr=False)
    case: np.ndarray = field(repr=False)
    magnification: np.ndarray = field(repr=False)
    sources: tuple[str, ...]
    picture: np.ndarray | None = field(default=None, repr=False)
    zoomed: np.ndarray | None = field(default=None, repr=False)
    factors: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)
    kind: str = "method"

    def within(self, scope: str) -> ProbedRows:
        """Return the rows of a scope: "source" or "all"."""
        if scope == ALL:
            return self
        kept = np.isin(self.magnification, self.sources)
        return ProbedRows(
            self.subject,
            self.holdout,
            self.seed,
            self.embedding[kept],
            self.label[kept],
            self.case[kept],
            self.magnification[kept],
            self.sources,
            None if self.picture is None else self.picture[kept],
            None if self.zoomed is None else self.zoomed[kept],
            {name: values[kept] for name, values in self.factors.items()},
            self.kind,
        )
