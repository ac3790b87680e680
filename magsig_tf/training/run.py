"""One run: a folder that is complete or resumable, never half-believed."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from magsig_tf import __version__
from magsig_tf.atomic_files import write_json, write_text
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.splits import Split, split_of
from magsig_tf.errors import RunError, UsageError
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.released_graphs import released_graphs
from magsig_tf.execution.workers import ALONE, WorkerLost, Workers
from magsig_tf.locking import holding
from magsig_tf.registry import naming_plugins
from magsig_tf.runs.run_folder import Run
from magsig_tf.training.inference import write_outputs
from magsig_tf.training.method_data import batch_change
from magsig_tf.training.prerequisites import Provided, provide
from magsig_tf.training.random_encoder import write_random_encoder
from magsig_tf.training.selection import selection_rule

if TYPE_CHECKING:
    from magsig_tf.training.loop import Loop


@released_graphs()
def execute(run: Run, prepared: PreparedDataset, observer: Observer, workers: Workers = ALONE) -> dict[str, Any]:
    """Train a run, and first what its method needs, or resume it, or return at once where it is done.

    Args:
        run: The run.
        prepared: Its data.
        observer: Who watches.
        workers: The processes that train it; the chief alone writes.

    Returns:
        `run.json` of the finished run.

    Raises:
        RunError: another process holds the run, its folder belongs to another data set or split, or it diverged.
        MagsigError: what its method needs could not be provided.
        WorkerLost: another process of the run has ended.
        KeyboardInterrupt: after SIGINT, with the state stored.
    """
    split = split_of(run.config, prepared)
    with contextlib.ExitStack() as held:
        found = workers.from_chief(lambda: _begin(run, prepared, split, held))
        _check_same_everywhere(found, prepared, split, run.folder, workers)
        if found.get("status") == "done":
            return found
        record = found | _opening(run, found, prepared, split)
        began = time.perf_counter()

        def spent() -> float:
            return round(record["seconds"] + time.perf_counter() - began, 2)

        try:
            provided = provide(run, prepared, observer, workers, execute)
            began = time.perf_counter()  # what it needs has counted its own time
            with _naming_plugins(run), workers.watched():
                loop, outcome = _train(run, prepared, split, provided, observer, workers)
            return workers.from_chief(lambda: _finish(run, prepared, split, loop, record | outcome, spent, observer))
        except UsageError:
            # nothing was computed: leave no trace of what cannot be run
            if workers.is_chief and not found.get("status"):
                _leave_no_trace(run)
            raise
        except BaseException as error:
            if workers.is_chief:
                failed = isinstance(error, Exception) and not isinstance(error, WorkerLost)
                status = {"status": "failed" if failed else "running", "error": str(error), "seconds": spent()}
                write_json(run.folder / "run.json", record | status)
            raise


def _naming_plugins(run: Run) -> contextlib.AbstractContextManager[None]:
    settings = run.config.settings
    return naming_plugins(("methods", settings.method[0]), ("encoders", settings.encoder))


def _begin(run: Run, prepared: PreparedDataset, split: Split, held: contextlib.ExitStack) -> dict[str, Any]:
    """Take hold of the run's folder and open it; return what `run.json` said before."""
    held.enter_context(holding(run.folder / "lock", f"the run {run.title}"))
    found = run.record()
    _check_same(found, prepared, split, run.folder)
    if found.get("status") == "done":
        shutil.rmtree(run.folder / "checkpoint", ignore_errors=True)  # where a kill came between the two
        return found
    try:
        opening = _opening(run, found, prepared, split)
    except UsageError:
        if not found:
            _leave_no_trace(run)
        raise
    write_text(run.folder / "config.yaml", yaml.safe_dump(run.config.flat(), sort_keys=False))
    write_json(run.folder / "run.json", found | opening)
    return found or {"dataset_hash": prepared.content_hash, "split_hash": split.hash}


def _leave_no_trace(run: Run) -> None:
    shutil.rmtree(run.folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # the first one that is not empty ends it
        os.removedirs(run.folder.parent)


def _train(
    run: Run, prepared: PreparedDataset, split: Split, provided: Provided, observer: Observer, workers: Workers
) -> tuple[Loop, dict[str, Any]]:
    import keras

    from magsig_tf.execution.runtime import describe_devices, describe_precision
    from magsig_tf.models.freezing import trained_weights
    from magsig_tf.training.loop import Loop
    from magsig_tf.training.parts import build_parts

    settings = run.config.settings
    rule = selection_rule(settings.selection, settings.select_from)
    if not len(split.rows[rule.part]):
        raise RunError(
            f"Expected images in the part {rule.part}", "found none", "Choose --selection source or more patient data"
        )
    change, said = batch_change(run, prepared, split, provided, observer, workers)
    keras.backend.clear_session()
    parts = build_parts(run.config, prepared, split, workers)
    identity = {
        "config_hash": run.config.identity_hash(),
        "split_hash": split.hash,
        "dataset_hash": prepared.content_hash,
        "precision": parts.precision,
        "strategy": f"{parts.strategy_name} x {parts.strategy.num_replicas_in_sync}",
    }
    observer.run_started(run.title, parts.total_steps, 1 / len(split.source_magnifications))
    for warning in split.warnings:
        observer.note(warning)
    precision = describe_precision(settings.precision, parts.precision)
    trained, weights = trained_weights(parts.classifier)
    observer.note(
        f"{describe_devices()}, {precision}, strategy {identity['strategy']}, "
        f"{trained:,} of {weights:,} weights trained"
    )
    loop = Loop(parts, prepared, split.rows, settings, rule, run.folder, identity, observer, workers, change)
    chosen = loop.train()
    return loop, said | {
        "chosen": chosen,
        "precision": parts.precision,
        "strategy": identity["strategy"],
        "steps": loop.memory.step,
        "trained_weights": trained,
        "all_weights": weights,
    }


def _finish(
    run: Run,
    prepared: PreparedDataset,
    split: Split,
    loop: Loop,
    record: dict[str, Any],
    spent: Callable[[], float],
    observer: Observer,
) -> dict[str, Any]:
    """Write what the run leaves, then mark it done."""
    with _naming_plugins(run):
        record |= loop.used.adapt(split.rows)
    loop.used.check_saved()
    write_outputs(run.folder, loop.parts.saved, loop.used.inference, prepared, split, loop.rule.part)
    check = loop.used.check_training_rows()
    for sentence in check.sentences:
        observer.note(sentence)
    record |= {"training_rows": dataclasses.asdict(check)}
    write_random_encoder(run.folder.parents[2], run.config.settings, prepared, observer)
    record |= {"status": "done", "finished": _now(), "seconds": spent()}
    record.pop("error", None)
    write_json(run.folder / "run.json", record)
    shutil.rmtree(run.folder / "checkpoint", ignore_errors=True)
    return record


def _check_same(found: dict[str, Any], prepared: PreparedDataset, split: Split, folder: Path) -> None:
    for name, wanted in (("dataset_hash", prepared.content_hash), ("split_hash", split.hash)):
        if found and found.get(name) != wanted:
            raise RunError(
                f"Expected a run with {name} {wanted}",
                f"found {found.get(name)} in {folder}",
                "The data or the protocol changed since: remove that folder, or use another --workspace",
            )


def _check_same_everywhere(
    found: dict[str, Any], prepared: PreparedDataset, split: Split, folder: Path, workers: Workers
) -> None:
    """Refuse other data in any of the processes, each of which has read its own copy."""
    problem = None
    try:
        _check_same(found, prepared, split, folder)
    except RunError as error:
        problem = error
    if workers.any(problem is not None):
        raise problem or RunError(
            "Expected the same data set in every process of the run",
            "found another one somewhere",
            "See the messages of the other processes",
        )


def _opening(run: Run, found: dict[str, Any], prepared: PreparedDataset, split: Split) -> dict[str, Any]:
    from magsig_tf.training.parts import batch_statistics_rule

    s = run.config.settings
    return {
        "status": "running",
        "dataset": prepared.name,
        "dataset_hash": prepared.content_hash,
        "method": s.method[0],
        "holdout": s.holdout[0],
        "patient_fold": s.patient_fold[0],
        "seed": s.seed[0],
        "encoder": s.encoder,
        "config_hash": run.config.identity_hash(),
        "split_hash": split.hash,
        "selection": s.selection,
        "batch_statistics": batch_statistics_rule(s),
        "source_magnifications": list(split.source_magnifications),
        "cases_per_class": split.cases_per_class(prepared.manifest),
        "images": {part: len(rows) for part, rows in split.rows.items()},
        "warnings": list(split.warnings),
        "started": found.get("started", _now()),
        "seconds": found.get("seconds", 0.0),
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    import keras
    import numpy
    import tensorflow

    return {
        "magsig": __version__,
        "python": platform.python_version(),
        "tensorflow": tensorflow.__version__,
        "keras": keras.__version__,
        "numpy": numpy.__version__,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
