"""Everything that a report is made of, gathered before a line of it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from magsig_tf.evaluation import LoadedRuns, Matrix, Summary
from magsig_tf.evaluation.claims import Claims
from magsig_tf.evaluation.comparison import Comparison
from magsig_tf.evaluation.explanation import Explanation
from magsig_tf.report.page.result_tables import ResultTables


@dataclass(frozen=True)
class Tile:
    """One prepared image.

    Args:
        path: Its name in the manifest.
        source: Its pixels as a data address.
    """

    path: str
    source: str = field(repr=False)


@dataclass(frozen=True)
class Material:
    """The numbers of a study.

    Args:
        loaded: Its finished runs.
        summary: Their numbers.
        comparisons: Each method with the reference.
        reference: The method that others are compared with.
        claims: The paper's statements, judged.
        explanation: What synthetic images did; None where no run drew from GANs.
        tables: What signatures and probes left in the results folder.
        worst: From `worst_images`.
        tiles: Prepared images by their row in the manifest, those of `worst`; empty where the data are gone.
        gan_folder: Where the GANs of the data set lie.
        remarks: Sentences on what could not be gathered.
    """

    loaded: LoadedRuns
    summary: Summary
    comparisons: Sequence[Comparison]
    reference: str
    claims: Claims
    explanation: Explanation | None
    tables: ResultTables
    worst: pd.DataFrame = field(repr=False)
    tiles: dict[int, Tile] = field(repr=False)
    gan_folder: Path
    remarks: list[str]

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.loaded.dataset

    @property
    def matrix(self) -> Matrix:
        """The runs, arranged."""
        return self.summary.matrix

    @property
    def labels(self) -> list[str]:
        """Labels of the methods, in the order of tables."""
        return [group.label for group in self.matrix.groups]
