"""Finished runs in an MLflow store: one MLflow run each, logged once."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd

from magsig_tf.checksums import verified
from magsig_tf.errors import UsageError
from magsig_tf.execution.run_log import read_log, scalars
from magsig_tf.parquet_files import read_parquet
from magsig_tf.runs.record import RunRecord
from magsig_tf.runs.run import Run
from magsig_tf.statistics import metrics
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient

URI, EXPERIMENT = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"
"""Environment variables of MLflow that magsig follows."""
ARTIFACTS = ("config.yaml", "run.json", "log.jsonl", "predictions.parquet")
KEY = "magsig.key"
"""Tag by which a logged run is found again."""
SCORED = ("test", "in_domain_test")
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_PARAMETERS_AT_ONCE, _BATCH = 100, 500
_LONGEST_VALUE, _LONGEST_SAID = 6000, 160
_CALM = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
"""No telemetry, and an unreachable store costs seconds only; a user's own settings take precedence."""
_QUIET = ("mlflow", "alembic")


@dataclass(frozen=True)
class Store:
    """Where MLflow runs go.

    Args:
        uri: The tracking URI.
        artifacts: Where the artefacts of a new experiment lie, as URI; None leaves it to the store.
    """

    uri: str
    artifacts: str | None

    @classmethod
    def of(cls, workspace: Workspace) -> Store:
        """Return the store that the environment names, or the workspace's own `mlflow.db`.

        A database has no place for files, and MLflow would put them into the current folder: artefacts lie in the
        workspace's `mlflow-artifacts/` then. Servers and folders have a place of their own.
        """
        root = workspace.root.resolve()
        uri = os.environ.get(URI) or f"sqlite:///{root / 'mlflow.db'}"
        is_database = uri.partition(":")[0].partition("+")[0] in _DATABASES
        return cls(uri, (root / "mlflow-artifacts").as_uri() if is_database else None)


class MlflowRuns:
    """Logs finished runs, and warns once where the store does not answer: a finished training is never lost to it.

    Args:
        workspace: Whose runs.
        warn: Told in a sentence what went wrong.

    Raises:
        UsageError: the extra is not installed.
    """

    def __init__(self, workspace: Workspace, warn: Callable[[str], None]):
        if any(importlib.util.find_spec(name) is None for name in ("mlflow", "sqlalchemy", "alembic")):
            raise UsageError("Expected MLflow for --mlflow", "found none", "pip install 'magsig[mlflow]'")
        self.store, self._warn = Store.of(workspace), warn
        self._client: MlflowClient | None = None
        self.logged, self.known, self.failed = 0, 0, 0

    def log(self, run: Run) -> None:
        """Log one finished run, unless it was logged before; after a failure no other is tried."""
        if self.failed:
            self.failed += 1
            return
        try:
            new = self._log(run)
            self.logged, self.known = self.logged + new, self.known + (not new)
        except Exception as error:  # stores are plugins of MLflow and raise what they like; the run itself is safe
            self.failed += 1
            self._warn(
                f"Expected an MLflow store at {self.store.uri}, found: {_short(error)}. The runs "
                "are safe; repeat the command to log them"
            )

    def _log(self, run: Run) -> bool:
        client, record = self._connected(), run.record
        name, key = os.environ.get(EXPERIMENT) or f"magsig-{record.dataset}", key_of(record)
        known = client.get_experiment_by_name(name)
        experiment = known.experiment_id if known else client.create_experiment(name, self.store.artifacts)
        for found in client.search_runs([experiment], f"tags.`{KEY}` = '{key}'"):
            if found.info.status == "FINISHED":
                return False
            client.delete_run(found.info.run_id)  # cut off half-way
        started = _milliseconds(record.started)
        new = client.create_run(experiment, start_time=started, tags=_tags(run, record, key), run_name=run.title)
        self._fill(client, new.info.run_id, run, record)
        client.set_terminated(new.info.run_id, end_time=_milliseconds(record.finished))
        return True

    def _fill(self, client: MlflowClient, identifier: str, run: Run, record: RunRecord) -> None:
        from mlflow.entities import Metric, Param

        parameters = [Param(name, str(value)[:_LONGEST_VALUE]) for name, value in run.config.flat().items()]
        at = _milliseconds(record.finished)
        # a method of a plugin may log under any name, and MLflow does not take every one
        numbers = [
            Metric(re.sub(r"[^\w\-. :/]", "_", tag, flags=re.ASCII), value, at, step)
            for tag, value, step in numbers_of(run, record)
        ]
        for first in range(0, len(parameters), _PARAMETERS_AT_ONCE):
            client.log_batch(identifier, params=parameters[first : first + _PARAMETERS_AT_ONCE])
        for first in range(0, len(numbers), _BATCH):
            client.log_batch(identifier, metrics=numbers[first : first + _BATCH])
        for name in ARTIFACTS:
            client.log_artifact(identifier, str(run.folder / name))

    def _connected(self) -> MlflowClient:
        if self._client is None:
            os.environ.update(_CALM | os.environ)
            from mlflow import MlflowClient

            for name in _QUIET:
                logging.getLogger(name).setLevel(logging.WARNING)
            self._client = MlflowClient(self.store.uri, registry_uri=self.store.uri)
        return self._client


def _short(error: Exception) -> str:
    """Return the last cause of an error in one line: the first ones only repeat who asked whom."""
    text = " ".join(str(error).split())
    cause = text.rpartition("Caused by ")[2] or text
    return cause if len(cause) <= _LONGEST_SAID else f"{cause[:_LONGEST_SAID]}..."


def key_of(record: RunRecord) -> str:
    """Return what identifies a training: its axes, hashes and the time it was finished, as hex digits."""
    names = ("dataset_hash", "split_hash", "config_hash", "method", "holdout", "patient_fold", "seed", "finished")
    text = json.dumps([getattr(record, name) for name in names])
    return hashlib.sha256(text.encode()).hexdigest()


def numbers_of(run: Run, record: RunRecord) -> Iterator[tuple[str, float, int]]:
    """Yield the numbers of a finished run: each epoch's, those of the chosen one, and the scores at image level.

    Args:
        run: The run.
        record: Its `run.json`.

    Yields:
        Name, value and step. What is not defined is left out.
    """
    chance = 1 / len(record.source_magnifications)
    for logged in read_log(verified(run.folder / "log.jsonl")):
        if logged.get("kind") == "epoch":
            yield from ((name, value, logged["step"]) for name, value in scalars(logged, chance).items())
    chosen, last = record.chosen, record.steps
    assert chosen is not None, "a finished run says what was chosen"
    assert last is not None, "a finished run counts its steps"
    if chosen.window:
        yield from ((f"chosen/window_{name}", step, last) for name, step in chosen.window.items())
    elif chosen.epoch is not None:
        yield "chosen/epoch", chosen.epoch + 1, last
    yield "chosen/validation_loss", chosen.validation_loss, last
    yield "seconds", record.seconds, last
    predictions = read_parquet(run.folder / "predictions.parquet")
    for part in SCORED:
        rows = predictions[predictions["part"] == part]
        yield from ((f"{part}/{name}", value, last) for name, value in _scores(rows).items())


def _scores(rows: pd.DataFrame) -> dict[str, float]:
    if not len(rows):
        return {}
    label, probability = rows["label"].to_numpy(), rows["probability"].to_numpy()
    called = probability >= 0.5
    found = {"brier": metrics.brier_score(label, probability), "log_loss": metrics.log_loss(label, probability)}
    found["accuracy"] = metrics.accuracy(label, called)
    if 0 < label.sum() < len(label):
        found |= {"auc": metrics.auc(label, probability), "f1": metrics.f1(label, called)}
        found["balanced_accuracy"] = metrics.balanced_accuracy(label, called)
    return {name: float(value) for name, value in found.items()}


def _tags(run: Run, record: RunRecord, key: str) -> dict[str, str]:
    names = ("dataset", "method", "holdout", "patient_fold", "seed", "config_hash", "split_hash", "dataset_hash")
    tags = {f"magsig.{name}": str(getattr(record, name)) for name in names}
    versions = {f"magsig.version.{name}": text for name, text in (record.versions or {}).items()}
    return {KEY: key, "magsig.folder": str(run.folder), "magsig.selection": record.selection} | tags | versions


def _milliseconds(text: str | None) -> int:
    assert text is not None, "a finished run says when it began and when it ended"
    return round(datetime.fromisoformat(text).timestamp() * 1000)
