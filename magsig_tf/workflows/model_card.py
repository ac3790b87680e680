"""Gathers what a model card says from the files of an export, its run and its study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from magsig_tf.atomic_files import read_json
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from magsig_tf.runs.run import Run


def write_card(extra: Path, run_folder: Path, *, name: str, version: int) -> Path:
    """Write `MODEL_CARD.md` of an export.

    Args:
        extra: The export's `assets.extra`, finished or not yet in its place; `labels.json` and `export.json` lie there.
        run_folder: The finished run, `<workspace>/runs/<dataset>/<method>/<holdout>/<run>`. Where the workspace around
            it holds the prepared data and the results of the study, their numbers are in the card too.
        name: Name of the export.
        version: Its version.

    Returns:
        The file.

    Raises:
        RunError: the run's files are damaged.
        MagsigError: a file of the export is missing or is no JSON.
    """
    from magsig_tf.evaluation.summary.frame import one_run_table
    from magsig_tf.serving.card.model_card import FILE, CardFacts, write_model_card

    export = read_json(extra / "export.json")
    run, workspace = _run(run_folder)
    facts = CardFacts(
        name=name,
        version=version,
        labels=_labels(extra / "labels.json"),
        run=run.record.as_json(),
        config=run.settings,
        export=export,
        dataset=_dataset(workspace, run),
        own=one_run_table(run, export["temperature"] if export.get("temperature_fit") else None),
        study=_study(workspace, run),
    )
    write_model_card(extra / FILE, facts)
    return extra / FILE


def _run(folder: Path) -> tuple[Run, Workspace]:
    from magsig_tf.runs.finished import load_runs

    folder = folder.resolve()
    workspace = Workspace(folder.parents[4])
    (run,) = load_runs(workspace, folder.parents[2].name, folders=[folder]).runs
    return run, workspace


def _labels(path: Path) -> list[str]:
    found = json.loads(path.read_text(encoding="utf-8"))
    return list(found["labels"] if isinstance(found, dict) else found)


def _dataset(workspace: Workspace, run: Run) -> dict[str, object] | None:
    """Return the `dataset.json` that the run was trained on; another data set of that name is none of its."""
    path = workspace.data(run.record.dataset) / "dataset.json"
    found = read_json(path) if path.exists() else None
    return found if found and found.get("content_hash") == run.dataset_hash else None


def _study(workspace: Workspace, run: Run) -> pd.DataFrame | None:
    """Return the rows of the run's method and config in the newest summary that has them."""
    import pandas as pd

    from magsig_tf.errors import DataError
    from magsig_tf.runs.result_files import read_result

    folder = workspace.results() / run.record.dataset
    same = {"method": run.method, "config": run.config_hash, "holdout": run.holdout}
    for path in sorted(folder.glob("summary*.parquet"), key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            table = read_result(path, tuple(same), "magsig evaluate")
        except DataError:
            continue  # a damaged summary is told, and written anew, by the command that makes it
        if table is None:
            continue
        found = table[(table[list(same)] == pd.Series(same)).all(axis=1)]
        if len(found):
            return found
    return None
