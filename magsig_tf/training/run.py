"""Runs carried out: one, trained or resumed in a folder of its own after what it needs, and a matrix of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from magsig_tf.atomic_files import write_text
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.splits import Split
from magsig_tf.errors import MagsigError, RunError, UsageError
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.resumption import ResumableFolder, begun
from magsig_tf.execution.runtime import released_graphs
from magsig_tf.execution.workers import ALONE, WorkerLost, Workers
from magsig_tf.gan.fold import fold_status, share_synthetic_images
from magsig_tf.methods.needs import FoldGansNeeded, RunNeeded
from magsig_tf.runs.record import FILE, VERSION, RunRecord, parse_record
from magsig_tf.runs.run import Run
from magsig_tf.training.planning import Job, needed_gans, needed_run, needs_of


@released_graphs()
def execute(run: Run, prepared: PreparedDataset, observer: Observer, workers: Workers = ALONE) -> RunRecord:
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
    job = Job(run, prepared, observer, workers)
    identity = {"dataset_hash": prepared.content_hash, "split_hash": job.split.hash}
    folder = ResumableFolder(run.folder / FILE, "run", f"the run {run.title}", identity, workers)

    def opening(found: Mapping[str, Any]) -> dict[str, Any]:
        if found:
            parse_record(found, folder.path)  # a damaged record is not to be written over
        record = opening_record(run, prepared, job.split, found)
        write_text(run.folder / "config.yaml", yaml.safe_dump(run.config.flat(), sort_keys=False))
        return record.as_json()

    try:
        with folder.opened(opening) as record:
            if record["status"] == "done":
                return parse_record(record, folder.path)
            provide(job)
            folder.start_clock()  # what it needs has counted its own time
            from magsig_tf.training.loop import Loop

            with job.naming_plugins(), workers.watched():
                loop = Loop(job, identity)
                outcome = loop.train()
            finished = workers.from_chief(lambda: folder.finish(outcome | loop.write_outputs()))
            return parse_record(finished, folder.path)
    except UsageError:
        if workers.is_chief and not run.folder.exists():
            with contextlib.suppress(OSError):  # the first folder that is not empty ends it
                os.removedirs(run.folder.parent)
        raise


def opening_record(run: Run, prepared: PreparedDataset, split: Split, found: Mapping[str, Any]) -> RunRecord:
    """Return what `run.json` says of a run while it trains.

    Args:
        run: The run.
        prepared: Its data.
        split: Its split.
        found: What it said before; empty where the run is new.
    """
    from magsig_tf.training.parts import batch_statistics_rule

    s, axes = run.config.settings, ("method", "holdout", "patient_fold", "seed", "config_hash")
    return RunRecord(
        **{name: getattr(run, name) for name in axes},
        **begun(found),
        version=VERSION,
        status="running",
        dataset=prepared.name,
        dataset_hash=prepared.content_hash,
        encoder=s.encoder,
        split_hash=split.hash,
        selection=s.selection,
        batch_statistics=batch_statistics_rule(s),
        source_magnifications=list(split.source_magnifications),
        cases_per_class=split.cases_per_class(prepared.manifest),
        images={part: len(rows) for part, rows in split.rows.items()},
        warnings=list(split.warnings),
    )


def provide(job: Job) -> None:
    """Train what a run needs and is not there, in the order that its method declares, and tell the job of it.

    Raises:
        MagsigError: a prerequisite failed, or belongs to another split or data set.
    """
    for need in needs_of(job.run):
        if isinstance(need, RunNeeded):
            _provide_run(job, need)
        else:
            _provide_gans(job, need)


def _provide_run(job: Job, need: RunNeeded) -> None:
    job.runs[need.method] = other = needed_run(job.run, need)
    if job.workers.from_chief(lambda: other.status) != "done":
        job.observer.note(f"{job.run.title}: its {need.method} run is trained first")
    with _needed_by(job.run, f"its {need.method} run"):
        execute(other, job.prepared, job.observer, job.workers)


def _provide_gans(job: Job, need: FoldGansNeeded) -> None:
    job.fold = fold = needed_gans(job.run, need, job.prepared)
    if job.workers.from_chief(lambda: fold_status(fold)) != "done":
        from magsig_tf.gan.study import ensure_fold

        job.observer.note(f"{job.run.title}: the GANs of its fold are trained first")
        with _needed_by(job.run, "the GANs of its fold"):
            ensure_fold(fold, job.prepared, job.run.config.settings, job.observer, job.workers)
    job.synthetic = share_synthetic_images(fold, job.workers)


@contextlib.contextmanager
def _needed_by(run: Run, what: str) -> Iterator[None]:
    """Say of an error whose prerequisite failed."""
    try:
        yield
    except (UsageError, WorkerLost):
        raise
    except MagsigError as error:
        found = ", ".join(filter(None, (error.expected, error.found)))
        raise RunError(f"Expected {what} for {run.title}", f"found it failed: {found}", error.remedy) from error


@dataclass
class MatrixOutcome:
    """What became of a matrix.

    Args:
        done: Runs trained now.
        skipped: Runs that were done before.
        failed: Runs and their errors.
    """

    done: list[Run]
    skipped: list[Run]
    failed: list[tuple[Run, str]]


def execute_matrix(
    runs: Sequence[Run],
    prepared: PreparedDataset,
    observer: Observer,
    finished: Callable[[Run, RunRecord], None] = lambda run, record: None,
    workers: Workers = ALONE,
) -> MatrixOutcome:
    """Carry out runs one after another; one that fails is reported and the others go on.

    Args:
        runs: From `plan_matrix`.
        prepared: The data.
        observer: Who watches each run.
        finished: Called after each run with its record.
        workers: The processes that train each run together.

    Raises:
        WorkerLost: another process has ended; this one can train nothing more.
    """
    outcome = MatrixOutcome([], [], [])
    done = workers.from_chief(lambda: [run.status == "done" for run in runs])
    for run, done_before in zip(runs, done, strict=True):
        if done_before:
            execute(run, prepared, observer, workers)  # checks that data and split are still the same
            outcome.skipped.append(run)
            continue
        try:
            record = execute(run, prepared, observer, workers)
        except (UsageError, WorkerLost):
            raise
        except MagsigError as error:
            outcome.failed.append((run, str(error)))
            observer.note(f"Failed: {run.title}. {error}")
            continue
        outcome.done.append(run)
        finished(run, record)
    return outcome
