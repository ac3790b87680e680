"""One run of a study: what it is, where it lies, how far it is, and what it left, checked when it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_float_dtype, is_integer_dtype

from magsig_tf.config import Config
from magsig_tf.config_files import read_config_file
from magsig_tf.errors import RunError, UsageError
from magsig_tf.runs.record import FILE, REMEDY, RunRecord, read_record
from magsig_tf.statistics_rule import rule_of
from magsig_tf.workspace import Workspace

COLUMNS = ("row", "part", "case", "magnification", "label", "probability")
AGREEMENT = 1e-6
"""How far a stored probability may lie from the sigmoid of its stored logit: both are float64 of the same number."""


@dataclass(frozen=True)
class Run:
    """One run: (data set, method, holdout, patient fold, seed, config).

    Args:
        folder: Where it lies: `runs/<dataset>/<method>/<holdout>/<run>` below the workspace.
        method: Name of the method.
        holdout: The held-out magnification.
        patient_fold: Index of the tested patient fold.
        seed: Seed of the run.
        config_hash: Hash of everything that changes what a run computes, apart from the axes above.
        planned: Its config where it was planned from one; a run that was found has `settings`.
    """

    folder: Path
    method: str
    holdout: str
    patient_fold: int
    seed: int
    config_hash: str
    planned: Config | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, workspace: Workspace, config: Config) -> Run:
        """Return the run that a config with single values names."""
        s, name = config.settings, config.identity_hash()
        method, holdout, fold, seed = s.method[0], s.holdout[0], config.tested_fold, s.seed[0]
        assert s.dataset is not None, "a run's config names its data set"
        # magnifications of other data sets can hold any character, and a method's import path a colon
        above = workspace.runs(s.dataset) / quote(method, safe=" ") / quote(holdout, safe=" ")
        place = above / f"fold{fold}-seed{seed}-{name}"
        return cls(place, method, holdout, fold, seed, name, config)

    @classmethod
    def found(cls, folder: Path) -> Run:
        """Return the run of a folder, whatever its status.

        Raises:
            RunError: the folder holds no run, or one whose `run.json` is damaged or of a later version.
        """
        folder = Path(folder)
        if not (folder / FILE).is_file():
            raise RunError(
                f"Expected the folder of a run at {folder}",
                f"found no {FILE}",
                "Name a run's folder, as `magsig train` prints it",
            )
        record = read_record(folder / FILE)
        run = cls(folder, record.method, record.holdout, record.patient_fold, record.seed, record.config_hash)
        run.__dict__["record"] = record
        return run

    @property
    def config(self) -> Config:
        """The config that it was planned from.

        Raises:
            UsageError: it was found on disk instead.
        """
        if self.planned is None:
            raise UsageError(f"Expected the config of {self.title}", "found only its folder", "Plan the run first")
        return self.planned

    @property
    def title(self) -> str:
        """The run in words."""
        return run_title(self.method, self.holdout, self.patient_fold, self.seed)

    @property
    def name(self) -> str:
        """The run in a few words, for lists."""
        return run_name(self.method, self.holdout, self.patient_fold, self.seed)

    @property
    def place(self) -> str:
        """Its folder below that of all runs: dataset/method/holdout/run."""
        return "/".join(self.folder.resolve().parts[-4:])

    @property
    def workspace(self) -> Workspace:
        """The study that it belongs to."""
        return Workspace(self.folder.parents[4])

    def read(self) -> RunRecord | None:
        """Return `run.json` as it is now; None where the run has not begun."""
        path = self.folder / FILE
        return read_record(path) if path.exists() else None

    @property
    def status(self) -> str:
        """`done`, `failed`, `running` (begun and to be resumed) or `new`, as it is now."""
        record = self.read()
        return "new" if record is None else record.status

    @cached_property
    def record(self) -> RunRecord:
        """`run.json`, read once: for a run that is finished.

        Raises:
            RunError: the run has not begun.
        """
        return type(self).found(self.folder).record

    @cached_property
    def settings(self) -> dict[str, Any]:
        """`config.yaml`, flat, as it was written, perhaps by another version; empty where there is none.

        Raises:
            RunError: the file is no flat YAML mapping.
        """
        path = self.folder / "config.yaml"
        if not path.is_file():
            return {}
        try:
            return read_config_file(str(path))
        except UsageError as error:
            raise RunError(error.expected, error.found, REMEDY) from error

    @property
    def magnifications(self) -> tuple[str, ...]:
        """Those of its study: the held-out one and the sources."""
        return (self.holdout, *self.record.source_magnifications)

    @property
    def dataset_hash(self) -> str:
        """Content hash of the data that it was trained on."""
        return self.record.dataset_hash

    @property
    def split_hash(self) -> str:
        """Hash of its split."""
        return self.record.split_hash

    @property
    def selection(self) -> str:
        """Return "source", or "oracle" for a run chosen by looking at the holdout."""
        return self.record.selection

    @property
    def batch_statistics(self) -> str:
        """The rule of the batch statistics that it was evaluated with: "reestimated", "moving" or "frozen"."""
        return self.record.batch_statistics or rule_of({}, self.settings)

    @property
    def precision(self) -> str:
        """Keras's policy that it was trained with."""
        return self.record.precision or "float32"

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Its predictions, one row per image of a part; see `read_predictions`."""
        return read_predictions(self.folder / "predictions.parquet")

    def with_predictions(self, predictions: pd.DataFrame, **changes: Any) -> Run:
        """Return the run as if it had left other predictions.

        Args:
            predictions: With the columns of `read_predictions`.
            **changes: Other values of fields, for instance `holdout`.
        """
        other = replace(self, **changes)
        other.__dict__.update(record=self.record, predictions=predictions)
        return other

    @cached_property
    def _parts(self) -> dict[tuple[str, str | None], pd.DataFrame]:
        return {}

    def part(self, part: str, magnification: str | None = None) -> pd.DataFrame:
        """Return the predictions of one part ("test", "in_domain_test", "validation"), perhaps at one magnification."""
        key = (part, magnification)
        if key not in self._parts:
            rows = self.predictions[self.predictions["part"] == part] if magnification is None else self.part(part)
            self._parts[key] = rows if magnification is None else rows[rows["magnification"] == magnification]
        return self._parts[key]


def run_name(method: str, holdout: str, patient_fold: int, seed: int) -> str:
    """Return a run in a few words without a comma, for lists of runs."""
    return f"{method} {holdout} fold {patient_fold} seed {seed}"


def run_title(method: str, holdout: str, patient_fold: int, seed: int) -> str:
    """Return a run in words."""
    return f"{method}, holdout {holdout}, patient fold {patient_fold}, seed {seed}"


def read_predictions(path: Path) -> pd.DataFrame:
    """Read one run's predictions and check them.

    Returns:
        One row per image of a part, with the columns `COLUMNS`, and `logit` where the file has it. Label 1 is
        malignant, probability is that of malignant.

    Raises:
        RunError: the file is missing or unreadable, lacks a column or holds one of another kind, repeats a row, or
            holds labels other than 0 and 1 or probabilities that are NaN or outside [0, 1].
    """
    try:
        frame = pd.read_parquet(path)
        frame = frame[[*COLUMNS, *(name for name in ("logit",) if name in frame)]]
    except Exception as error:  # pyarrow raises many kinds: ArrowInvalid, KeyError, OSError
        reason = "none" if not path.exists() else f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        raise RunError(f"Expected readable predictions in {path}", f"found {reason}", REMEDY) from error
    for name, (kind, fits) in _COLUMN_KINDS.items():
        if name in frame and not fits(frame[name]):
            found = f"found {frame[name].dtype}" + (" with gaps" if frame[name].isna().any() else "")
            raise RunError(f"Expected {kind} in the column {name} of {path}", found, REMEDY)
    probability = frame["probability"].to_numpy(float)
    wrong = ~((probability >= 0) & (probability <= 1))  # true for NaN as well
    if wrong.any():
        found = f"found {int(wrong.sum())} others of {len(frame)}, first {probability[wrong][0]}"
        raise RunError(f"Expected probabilities from 0 to 1 in {path}", found, REMEDY)
    if not np.isin(frame["label"].to_numpy(), (0, 1)).all():
        raise RunError(f"Expected labels 0 and 1 in {path}", f"found {sorted(frame['label'].unique())}", REMEDY)
    if frame.duplicated(["part", "row"]).any():
        raise RunError(f"Expected each image once in a part of {path}", "found repeated rows", REMEDY)
    return frame


def check_logits(frame: pd.DataFrame, path: Path) -> None:
    """Refuse predictions whose probabilities do not belong to their logits.

    Raises:
        RunError: there are no rows or no logits, or a probability is none of its logit.
    """
    if "logit" not in frame or not len(frame):
        raise RunError(f"Expected predictions with logits in {path}", "found none", REMEDY)
    with np.errstate(over="ignore"):
        off = np.abs(frame["probability"].to_numpy(float) - 1.0 / (1.0 + np.exp(-frame["logit"].to_numpy(float))))
    if not (off <= AGREEMENT).all():
        found = f"found them {np.nanmax(off, initial=0.0):.2g} apart"
        raise RunError(f"Expected probabilities that belong to the logits in {path}", found, REMEDY)


def _whole_numbers(column: pd.Series) -> bool:
    return is_integer_dtype(column) and not column.isna().any()


def _texts(column: pd.Series) -> bool:
    return pd.api.types.infer_dtype(column, skipna=False) in ("string", "empty")


def _numbers(column: pd.Series) -> bool:
    return (is_float_dtype(column) or is_integer_dtype(column)) and not is_bool_dtype(column)


_COLUMN_KINDS: dict[str, tuple[str, Callable[[pd.Series], bool]]] = {
    "row": ("whole numbers", _whole_numbers),
    "part": ("text", _texts),
    "case": ("text", _texts),
    "magnification": ("text", _texts),
    "label": ("whole numbers", _whole_numbers),
    "probability": ("numbers", _numbers),
    "logit": ("numbers", _numbers),
}
