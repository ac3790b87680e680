"""The files of one run as evaluation reads them, checked: an untrusted folder gives numbers or an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_float_dtype, is_integer_dtype

from magsig_tf.atomic_files import read_json
from magsig_tf.config_files import read_config_file
from magsig_tf.errors import RunError, UsageError
from magsig_tf.statistics_rule import KEY, RULES, rule_of

COLUMNS = ("row", "part", "case", "magnification", "label", "probability")
_REMEDY = "Remove the run's folder and train it again"


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_names(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)


def _is_synthetic(value: object) -> bool:
    """Tell whether a run says in a readable way which GANs it drew from, and what share of their images it kept."""
    if value is None:
        return True
    share = value.get("kept_share") if isinstance(value, dict) else "none"
    kept = share is None or (isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1)
    return kept and _is_text(value.get("gan_folder"))


KEYS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "status": ("text", _is_text),
    "dataset": ("text", _is_text),
    "dataset_hash": ("text", _is_text),
    "method": ("text", _is_text),
    "holdout": ("text", _is_text),
    "source_magnifications": ("a list of names", _is_names),
    "patient_fold": ("a whole number", _is_number),
    "seed": ("a whole number", _is_number),
    "split_hash": ("text", _is_text),
    "config_hash": ("text", _is_text),
}
"""What `run.json` must hold: each key, its kind in words, and the check."""


def read_record(path: Path) -> dict:
    """Read one `run.json` and check the keys that evaluation relies on.

    Raises:
        RunError: a key is missing or its value is of another kind.
        MagsigError: the file is no JSON object.
    """
    info = read_json(path)
    missing = [key for key in KEYS if key not in info]
    if missing:
        raise RunError(f"Expected {', '.join(missing)} in {path}", "found none", "Remove the folder and train again")
    checks = KEYS | {
        "selection": ("source or oracle", lambda value: value in ("source", "oracle")),
        KEY: (f"{', '.join(RULES[:-1])} or {RULES[-1]}", lambda value: value in RULES),
        "synthetic": ("a gan_folder and a kept_share from 0 to 1", _is_synthetic),
    }
    for key, (kind, fits) in checks.items():
        if key in info and not fits(info[key]):
            raise RunError(f"Expected {kind} for {key} in {path}", f"found {repr(info[key])[:100]}", _REMEDY)
    return info


def read_settings(folder: Path) -> dict[str, Any]:
    """Read one run's `config.yaml`; empty where it has none.

    Raises:
        RunError: the file is no flat YAML mapping.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        return {}
    try:
        return read_config_file(str(path))
    except UsageError as error:
        raise RunError(error.expected, error.found, _REMEDY) from error


def batch_statistics_of(folder: Path, record: dict[str, Any]) -> str:
    """Return the rule of one run's batch statistics: "reestimated", "moving" or "frozen".

    Args:
        folder: Of the run.
        record: Its `run.json`, from `read_record`; one of an older version does not name the rule.

    Raises:
        RunError: the rule follows from `config.yaml`, which is no flat YAML mapping.
    """
    return rule_of(record, {} if KEY in record else read_settings(folder))


def read_predictions(path: Path) -> pd.DataFrame:
    """Read one run's predictions and check them.

    Returns:
        One row per image of a part, with the columns `COLUMNS`.

    Raises:
        RunError: the file is missing or unreadable, lacks a column or holds one of another kind, repeats a row, or
            holds labels other than 0 and 1 or probabilities that are NaN or outside [0, 1].
    """
    try:
        frame = pd.read_parquet(path, columns=list(COLUMNS))
    except Exception as error:  # pyarrow raises many kinds: ArrowInvalid, KeyError, OSError
        reason = "none" if not path.exists() else f"{type(error).__name__}: {str(error).splitlines()[0]}"
        raise RunError(f"Expected readable predictions in {path}", f"found {reason}", _REMEDY) from error
    for name, (kind, fits) in _COLUMN_KINDS.items():
        if not fits(frame[name]):
            found = f"found {frame[name].dtype}" + (" with gaps" if frame[name].isna().any() else "")
            raise RunError(f"Expected {kind} in the column {name} of {path}", found, _REMEDY)
    probability = frame["probability"].to_numpy(float)
    wrong = ~((probability >= 0) & (probability <= 1))  # true for NaN as well
    if wrong.any():
        found = f"found {int(wrong.sum())} others of {len(frame)}, first {probability[wrong][0]}"
        raise RunError(f"Expected probabilities from 0 to 1 in {path}", found, _REMEDY)
    if not np.isin(frame["label"].to_numpy(), (0, 1)).all():
        raise RunError(f"Expected labels 0 and 1 in {path}", f"found {sorted(frame['label'].unique())}", _REMEDY)
    if frame.duplicated(["part", "row"]).any():
        raise RunError(f"Expected each image once in a part of {path}", "found repeated rows", _REMEDY)
    return frame


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
}
