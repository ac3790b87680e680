"""Everything that `magsig signatures` calculates, as tidy frames, and the files that they are written to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from magsig_tf.parallel_work import available_cores
from magsig_tf.runs.result_files import write_frame
from magsig_tf.signatures.fold_comparison import compare_methods, compare_pairs
from magsig_tf.signatures.sources import Source, fit_sources, prediction_table, signature_table
from magsig_tf.signatures.within_fold import WithinFold, measure_within_fold

Progress = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]


@dataclass(frozen=True)
class SignatureStudy:
    """The tables of a study of signatures; docs/signatures.md lists their columns.

    Args:
        name: Of the data set, or of the files of another model.
        runs: One row per run.
        pairs: One row per pair of holdouts; None where holdouts were not compared.
        methods: Two rows a method: its signatures and the permuted control; None where holdouts were not compared.
        within: What drawing the cases again says; None where they were not.
        replicates: Bootstrap replicates behind the intervals of scores.
        predictions: One row per run and test image; None where there is none.
    """

    name: str
    runs: pd.DataFrame = field(repr=False)
    pairs: pd.DataFrame | None = field(repr=False)
    methods: pd.DataFrame | None = field(repr=False)
    within: WithinFold | None = field(repr=False)
    replicates: int = 2000
    predictions: pd.DataFrame | None = field(default=None, repr=False)

    @property
    def table(self) -> pd.DataFrame:
        """One row a run."""
        return self.runs

    def frames(self) -> dict[str, pd.DataFrame]:
        """Return the tables by the names of their files."""
        frames = {"signatures": self.runs, "signature_pairs": self.pairs, "signature_methods": self.methods}
        frames["signature_predictions"] = self.predictions
        if self.within is not None:
            frames["signature_stability"] = self.within.stability
            frames["signature_tests"] = self.within.tests
            frames["selection_frequencies"] = self.within.frequencies
        return {name: frame for name, frame in frames.items() if frame is not None}


def study_signatures(
    name: str,
    sources: Sequence[Source],
    *,
    compare_folds: bool = False,
    bootstraps: int = 0,
    replicates: int = 2000,
    progress: Progress = lambda description: nullcontext(lambda done, total: None),
) -> SignatureStudy:
    """Fit the signatures of some sources and calculate what was asked for.

    Args:
        name: Of the data set, or of the files of another model.
        sources: Whose signatures.
        compare_folds: Whether to compare holdouts.
        bootstraps: Bootstraps over cases for the stability within a fold; 0 leaves it out.
        replicates: Bootstrap replicates behind the intervals of scores.
        progress: Called with what is being done; gives a context of what takes the steps done and of all.

    Raises:
        DataError: a file is missing, damaged, or not as documented.
    """
    for source in sources:
        source.read()  # a file that is damaged stops the study before minutes of fitting, not after
    with progress("signatures") as report:
        fitted = fit_sources(sources, replicates=replicates, progress=report)
    pairs = methods = within = None
    if compare_folds:
        with progress("pairs of holdouts") as report:
            pairs = compare_pairs(fitted, report)
        methods = compare_methods(fitted, pairs)
    if bootstraps:
        with progress("bootstraps over training cases") as report:
            within = measure_within_fold(fitted, bootstraps, processes=available_cores(), progress=report)
    return SignatureStudy(name, signature_table(fitted), pairs, methods, within, replicates, prediction_table(fitted))


def write_study(study: SignatureStudy, results: Path, chosen: str = "") -> list[Path]:
    """Write every table as CSV and Parquet, each whole or not at all.

    Args:
        study: What to write.
        results: The results folder of the workspace; `<name>/<table>.csv` and `.parquet` are written below it.
        chosen: What tells the files of a part of the runs from those of all.

    Returns:
        The files written.
    """
    ending = f"{chosen and '-'}{chosen}"
    folder = results / study.name
    return [path for name, frame in study.frames().items() for path in write_frame(frame, folder, name + ending)]
