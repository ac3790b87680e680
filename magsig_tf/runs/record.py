"""`run.json`: what a run says of itself. Training writes it, everything after training reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_float_dtype, is_integer_dtype
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from magsig_tf.checksums import read_signed_json, write_signed_json
from magsig_tf.errors import MagsigError, RunError, reading_remedy
from magsig_tf.parquet_files import read_parquet
from magsig_tf.statistics_rule import RULES, Rule

FILE = "run.json"
VERSION = 2
"""Of the schema below. Files of magsig 0.1 have no version and count as 1; all that they lack has a default."""
REMEDY = "Move the run's folder aside and train it again"


class _Part(BaseModel):
    # further keys are kept: a method may record what only it knows
    model_config = ConfigDict(strict=True, frozen=True, extra="allow")


class Chosen(_Part):
    """The weights that became the model.

    Args:
        epoch: Index of the epoch after which they were taken; None where they are an average over a window.
        window: Its first and last step, where there is one.
        step: Global steps taken by then.
        validation_loss: Cross-entropy in nats by which they were chosen.
        state: The method's state by then, for instance lambda.
    """

    epoch: int | None = None
    window: dict[str, int] | None = None
    step: int
    validation_loss: float
    state: dict[str, float] = {}


class Synthetic(_Part):
    """The synthetic images of a run.

    Args:
        gan_folder: Folder of their GANs below the workspace.
        kept_share: Share of them that the filter kept, in [0, 1].
        filtered: Whether there was a filter.
    """

    gan_folder: str
    kept_share: float | None = Field(None, ge=0, le=1)
    filtered: bool = True


_SAID_WHERE_TRUE = ("seedless", "unused_settings")
"""Keys that a record has only where they say something, so that a run with a seed is written as it always was."""


class RunRecord(_Part):
    """The content of `run.json`; the description of a field says in words what it must be.

    A field that is None is absent: the run has not come so far, or an older version did not write it.
    A run that is `seedless` is of an exact method, which draws nothing: its seed is 0, and it stands for every seed.
    `unused_settings` are keys of its config that did not matter to it.
    """

    version: int = Field(1, description="a whole number")
    status: Literal["running", "done", "failed"] = Field(description="running, done or failed")
    dataset: str = Field(description="text")
    dataset_hash: str = Field(description="text")
    method: str = Field(description="text")
    holdout: str = Field(description="text")
    source_magnifications: list[str] = Field(min_length=1, description="a list of names")
    patient_fold: int = Field(description="a whole number")
    seed: int = Field(description="a whole number")
    seedless: bool = Field(False, description="true or false")
    unused_settings: list[str] = Field([], description="a list of config keys")
    split_hash: str = Field(description="text")
    config_hash: str = Field(description="text")
    encoder: str | None = Field(None, description="text")
    selection: Literal["source", "oracle"] = Field("source", description="source or oracle")
    batch_statistics: Rule | None = Field(None, description=f"{', '.join(RULES[:-1])} or {RULES[-1]}")
    cases_per_class: dict[str, dict[str, int]] | None = Field(None, description="numbers by part and class")
    images: dict[str, int] | None = Field(None, description="numbers by part")
    warnings: list[str] = Field([], description="a list of sentences")
    started: str | None = Field(None, description="a time")
    finished: str | None = Field(None, description="a time")
    seconds: float = Field(0.0, description="a number")
    versions: dict[str, str] | None = Field(None, description="versions by package")
    chosen: Chosen | None = Field(None, description="a step, a validation loss and a state")
    head_start: dict[str, float] | None = Field(None, description="the C and validation_loss of the head at the start")
    precision: str | None = Field(None, description="text")
    strategy: str | None = Field(None, description="text")
    steps: int | None = Field(None, description="a whole number")
    trained_weights: int | None = Field(None, description="a whole number")
    all_weights: int | None = Field(None, description="a whole number")
    synthetic: Synthetic | None = Field(None, description="a gan_folder and a kept_share from 0 to 1")
    training_rows: dict[str, float | None] | None = Field(None, description="losses on training rows")
    adapted: dict[str, int] | None = Field(None, description="numbers of images without labels by part")
    error: str | None = Field(None, description="text")

    def with_changes(self, **changes: Any) -> RunRecord:
        """Return the record with other values; None takes one away."""
        return RunRecord.model_validate(self.as_json() | changes)

    def as_json(self) -> dict[str, Any]:
        """Return plain values as `run.json` holds them."""
        found = {key: value for key, value in self.model_dump(mode="json").items() if value is not None}
        found = {key: value for key, value in found.items() if value or key not in _SAID_WHERE_TRUE}
        if self.chosen is not None:
            found["chosen"] = {key: value for key, value in found["chosen"].items() if value is not None}
        return found


def read_record(path: Path) -> RunRecord:
    """Read one `run.json`.

    Raises:
        RunError: it was written by a later version, a key is missing, or a value is of another kind.
        ChangedError: it is not what was written.
        MagsigError: the file is no JSON object.
    """
    return parse_record(read_signed_json(path), path)


def parse_record(found: Mapping[str, Any], path: Path) -> RunRecord:
    """Return the record that a JSON object holds.

    Args:
        found: The object.
        path: Where it was read, for messages.

    Raises:
        RunError: it was written by a later version, a key is missing, or a value is of another kind.
    """
    version = found.get("version", 1)
    if isinstance(version, int) and version > VERSION:
        expected = f"Expected a run of version {VERSION} or older in {path}"
        raise RunError(expected, f"found version {version}", "Update magsig to read it")
    try:
        record = RunRecord.model_validate(found)
    except ValidationError as error:
        problems = error.errors()
    else:
        if record.seedless and record.seed:
            raise RunError(f"Expected seed 0 of a run that has none, in {path}", f"found {record.seed}", REMEDY)
        return record
    absent = [str(each["loc"][0]) for each in problems if each["type"] == "missing" and len(each["loc"]) == 1]
    if absent:
        raise RunError(f"Expected {', '.join(absent)} in {path}", "found none", REMEDY)
    key = str(problems[0]["loc"][0])
    expected = f"Expected {RunRecord.model_fields[key].description} for {key} in {path}"
    raise RunError(expected, f"found {repr(found[key])[:100]}", REMEDY)


def write_record(folder: Path, record: RunRecord) -> None:
    """Write `run.json` of a run's folder, whole or not at all, with its checksum."""
    write_signed_json(folder / FILE, record.as_json())


COLUMNS = ("row", "part", "case", "magnification", "label", "probability")
AGREEMENT = 1e-6
"""How far a stored probability may lie from the sigmoid of its stored logit: both are float64 of the same number."""


def read_predictions(path: Path) -> pd.DataFrame:
    """Read one run's predictions and check them.

    Returns:
        One row per image of a part, with the columns `COLUMNS`, and `logit` where the file has it. Label 1 is
        malignant, probability is that of malignant.

    Raises:
        ChangedError: it is not what the run wrote.
        RunError: the file is missing or unreadable, lacks a column or holds one of another kind, repeats a row, or
            holds labels other than 0 and 1 or probabilities that are NaN or outside [0, 1].
    """
    try:
        frame = read_parquet(path)
        frame = frame[[*COLUMNS, *(name for name in ("logit",) if name in frame)]]
    except MagsigError:
        raise
    except Exception as error:  # pyarrow raises many kinds: ArrowInvalid, KeyError, OSError
        reason = "none" if not path.exists() else f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        remedy = reading_remedy(error, REMEDY)
        raise RunError(f"Expected readable predictions in {path}", f"found {reason}", remedy) from error
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


_WHOLE, _TEXT, _NUMBER = ("whole numbers", _whole_numbers), ("text", _texts), ("numbers", _numbers)
_KINDS = (_WHOLE, _TEXT, _TEXT, _TEXT, _WHOLE, _NUMBER, _NUMBER)
_COLUMN_KINDS: dict[str, tuple[str, Callable[[pd.Series], bool]]] = dict(zip((*COLUMNS, "logit"), _KINDS, strict=True))
