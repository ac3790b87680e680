"""A finished run as an export reads it: its record, its config, its predictions."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from magsig_tf.atomic_files import read_json
from magsig_tf.config_files import read_config_file
from magsig_tf.errors import RunError
from magsig_tf.statistics_rule import rule_of

FILES = ("config.yaml", "run.json", "model.keras", "predictions.parquet", "embeddings.npz")
KEYS = {
    **dict.fromkeys(("dataset", "dataset_hash", "split_hash", "method", "holdout", "config_hash", "encoder"), str),
    **dict.fromkeys(("patient_fold", "seed"), int),
    "source_magnifications": list,
    "chosen": dict,
    "versions": dict,
}
"""What an export needs of `run.json`."""
AGREEMENT = 1e-6
"""How far a stored probability may lie from the sigmoid of its stored logit: both are float64 of the same number."""
_REMEDY = "Remove the run's folder and train it again"


@dataclass(frozen=True)
class FinishedRun:
    """One run that is done.

    Args:
        folder: Where it lies.
        record: Its `run.json`.
        settings: Its `config.yaml`, flat.
        predictions: Its `predictions.parquet`.
    """

    folder: Path
    record: dict[str, Any]
    settings: dict[str, Any] = field(repr=False)
    predictions: pd.DataFrame = field(repr=False)

    @classmethod
    def open(cls, folder: Path) -> FinishedRun:
        """Read a run's folder.

        Raises:
            RunError: it holds no run, or one that is not done or whose files are incomplete or damaged.
        """
        folder = Path(folder)
        if not (folder / "run.json").is_file():
            raise RunError(
                f"Expected the folder of a run at {folder}",
                "found no run.json",
                "Pass RUN_DIR as `magsig train` names it",
            )
        record = read_json(folder / "run.json")
        if record.get("status") != "done":
            raise RunError(
                f"Expected a finished run in {folder}",
                f"found one that is {record.get('status', 'not begun')}",
                "Repeat its `magsig train` command: it resumes from there",
            )
        missing = [name for name in FILES if not (folder / name).is_file()]
        missing += [f"{key} in run.json" for key, kind in KEYS.items() if not isinstance(record.get(key), kind)]
        if missing:
            raise RunError(f"Expected a whole run in {folder}", f"found no {', no '.join(missing)}", _REMEDY)
        settings = read_config_file(str(folder / "config.yaml"))
        return cls(folder, record, settings, _predictions(folder / "predictions.parquet"))

    @property
    def precision(self) -> str:
        """Keras's policy that it was trained with."""
        return self.record.get("precision", "float32")

    @property
    def batch_statistics(self) -> str:
        """The rule of the batch statistics that it was evaluated with: "reestimated", "moving" or "frozen"."""
        return rule_of(self.record, self.settings)

    @property
    def title(self) -> str:
        """The run in words."""
        return "{method}, holdout {holdout}, patient fold {patient_fold}, seed {seed}".format_map(self.record)

    @property
    def place(self) -> str:
        """Its folder below that of all runs: dataset/method/holdout/run."""
        return "/".join(self.folder.resolve().parts[-4:])

    def part(self, name: str) -> pd.DataFrame:
        """Return the predictions of one part: validation, test or in_domain_test."""
        return self.predictions[self.predictions["part"] == name]


def _predictions(path: Path) -> pd.DataFrame:
    wanted = ["row", "part", "case", "magnification", "label", "probability", "logit"]
    try:
        frame = pd.read_parquet(path, columns=wanted)
        probability, logit = (frame[name].to_numpy(np.float64) for name in ("probability", "logit"))
    except Exception as error:  # pyarrow and pandas raise many kinds on damaged files
        found = f"found {type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        raise RunError(f"Expected readable predictions in {path}", found, _REMEDY) from error
    off = np.abs(probability - 1.0 / (1.0 + np.exp(-logit)))
    if not len(frame) or not (off <= AGREEMENT).all():
        found = f"found them {np.nanmax(off):.2g} apart" if len(frame) else "found no rows"
        raise RunError(f"Expected probabilities that belong to the logits in {path}", found, _REMEDY)
    return frame
