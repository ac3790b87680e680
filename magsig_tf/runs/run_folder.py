"""Where a run lies, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from magsig_tf.atomic_files import read_json
from magsig_tf.config import Config
from magsig_tf.workspace import Workspace


@dataclass(frozen=True)
class Run:
    """One trained model of the matrix, done or not.

    Args:
        config: Its config, single values on every axis.
        folder: Where it lies.
        workspace: The study it belongs to.
    """

    config: Config
    folder: Path
    workspace: Workspace

    @classmethod
    def of(cls, workspace: Workspace, config: Config) -> Run:
        """Return the run that a config with single values names."""
        s = config.settings
        # magnifications of other data sets can hold any character, and a method's import path a colon
        method, holdout = (quote(name, safe=" ") for name in (s.method[0], s.holdout[0]))
        name = f"fold{s.patient_fold[0]}-seed{s.seed[0]}-{config.identity_hash()}"
        return cls(config, workspace.runs(s.dataset) / method / holdout / name, workspace)

    @property
    def title(self) -> str:
        """Return the run in words."""
        s = self.config.settings
        return f"{s.method[0]}, holdout {s.holdout[0]}, patient fold {s.patient_fold[0]}, seed {s.seed[0]}"

    def record(self) -> dict[str, Any]:
        """Return `run.json`, or an empty mapping where the run has not begun."""
        path = self.folder / "run.json"
        return read_json(path) if path.exists() else {}

    @property
    def status(self) -> str:
        """Return `done`, `failed`, `running` (begun and to be resumed) or `new`."""
        return self.record().get("status", "new")
