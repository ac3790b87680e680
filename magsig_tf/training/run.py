"""Runs carried out: one, trained or resumed in a folder of its own after what it needs, and a matrix of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from magsig_tf.checksums import write_signed_text
from magsig_tf.config_files import dump_yaml
from magsig_tf.data.prepared import Dataset, with_images
from magsig_tf.data.splits import Split
from magsig_tf.errors import MagsigError, RunError, UsageError, in_words
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.resumption import ResumableFolder, begun
from magsig_tf.execution.runtime import released_graphs
from magsig_tf.execution.turns import take_turns
from magsig_tf.execution.workers import ALONE, WorkerLost, Workers
from magsig_tf.gan.fold import fold_status, share_synthetic_images
from magsig_tf.locks import HeldError
from magsig_tf.methods.needs import FoldGansNeeded, RunNeeded
from magsig_tf.runs.record import FILE, VERSION, RunRecord, parse_record
from magsig_tf.runs.run import Run
from magsig_tf.training.planning import Job, is_exact, needed_gans, needed_run, needs_of


@released_graphs()
def execute(run: Run, prepared: Dataset, observer: Observer, workers: Workers = ALONE) -> RunRecord:
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
        write_signed_text(run.folder / "config.yaml", dump_yaml(run.config.flat()))
        return record.as_json()

    try:
        with folder.opened(opening) as record:
            if record["status"] == "done":
                return parse_record(record, folder.path)
            provide(job)
            folder.start_clock()  # what it needs has counted its own time
            return parse_record(_carry_out(job, folder, identity), folder.path)
    except UsageError:
        if workers.is_chief and not run.folder.exists():
            with contextlib.suppress(OSError):  # the first folder that is not empty ends it
                os.removedirs(run.folder.parent)
        raise


def _carry_out(job: Job, folder: ResumableFolder, identity: Mapping[str, str]) -> dict[str, Any]:
    """Fit or train the run, write what it leaves, and return its finished record."""
    workers = job.workers
    if is_exact(job.run.method):
        from magsig_tf.training.exact import fit_run

        with job.naming_plugins(), workers.watched():
            return workers.from_chief(lambda: folder.finish(fit_run(job)))
    from magsig_tf.training.loop import Loop

    with job.naming_plugins(), workers.watched():
        loop = Loop(job, identity)
        outcome = loop.train()
    return workers.from_chief(lambda: folder.finish(outcome | loop.write_outputs()))


def opening_record(run: Run, prepared: Dataset, split: Split, found: Mapping[str, Any]) -> RunRecord:
    """Return what `run.json` says of a run while it trains.

    Args:
        run: The run.
        prepared: Its data.
        split: Its split.
        found: What it said before; empty where the run is new.
    """
    from magsig_tf.training.parts import batch_statistics_rule

    s, axes = run.config.settings, ("method", "holdout", "patient_fold", "seed", "config_hash")
    exact = is_exact(run.method)
    return RunRecord(
        **{name: getattr(run, name) for name in axes},
        **begun(found),
        version=VERSION,
        status="running",
        dataset=prepared.name,
        dataset_hash=prepared.content_hash,
        seedless=exact,
        unused_settings=list(run.config.unused),
        encoder=(prepared.info.get("provenance") or {}).get("encoder") if exact else s.encoder,
        split_hash=split.hash,
        selection=s.selection,
        batch_statistics=None if exact else batch_statistics_rule(s),
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
    job.runs[need.method] = other = needed_run(job.run, need, job.prepared)
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
            ensure_fold(fold, with_images(job.prepared), job.run.config.settings, job.observer, job.workers)
    job.synthetic = share_synthetic_images(fold, job.workers)


@contextlib.contextmanager
def _needed_by(run: Run, what: str) -> Iterator[None]:
    """Say of an error whose prerequisite failed."""
    try:
        yield
    except (UsageError, WorkerLost, HeldError):
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
    prepared: Dataset,
    observer: Observer,
    finished: Callable[[Run, RunRecord], None] = lambda run, record: None,
    workers: Workers = ALONE,
) -> MatrixOutcome:
    """Carry out runs one after another; one that fails, for whatever reason, is reported and the others go on.

    A run that another process trains, or whose prerequisite it trains, is put off, and waited for in the end.

    Args:
        runs: From `plan_matrix`.
        prepared: The data.
        observer: Who watches each run.
        finished: Called after each run with its record.
        workers: The processes that train each run together.

    Raises:
        UsageError: nothing could be trained, because something was asked for that does not exist.
        WorkerLost: another process has ended; this one can train nothing more.
    """
    outcome, put_off = MatrixOutcome([], [], []), set[int]()
    done = workers.from_chief(lambda: [run.status == "done" for run in runs])

    def work(place: int) -> None:
        run = runs[place]
        done_before = done[place] or (place in put_off and run.status == "done")
        try:
            record = execute(run, prepared, observer, workers)  # of one that is done, checks data and split alone
        except WorkerLost:
            raise
        except Exception as error:
            if isinstance(error, HeldError) and workers.count == 1:
                put_off.add(place)
                raise
            if not _is_of_one_run(error, runs, outcome, workers):
                raise
            said = in_words(error)
            outcome.failed.append((run, said))
            observer.note(f"Failed: {run.title}. {said}")
            return
        if done_before:
            outcome.skipped.append(run)
            return
        outcome.done.append(run)
        finished(run, record)

    take_turns(range(len(runs)), work, observer.note)
    return outcome


def _is_of_one_run(error: Exception, runs: Sequence[Run], outcome: MatrixOutcome, workers: Workers) -> bool:
    """Return whether an error concerns one run, so that the others go on."""
    if isinstance(error, UsageError):
        return bool(outcome.done or outcome.skipped)  # before the first run it is the call that cannot be carried out
    if isinstance(error, MagsigError):
        return True
    # after a fault in one of several processes the others wait for it, and cannot be told
    return len(runs) > 1 and workers.count == 1
