"""Runs carried out: one, trained or resumed in a folder of its own after what it needs, and a matrix of them."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import yaml

from magsig_tf.atomic_files import write_text
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.splits import Split
from magsig_tf.errors import MagsigError, RunError, UsageError
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.resumption import ResumableFolder, begun
from magsig_tf.execution.runtime import describe_devices, describe_precision, released_graphs
from magsig_tf.execution.workers import ALONE, WorkerLost, Workers
from magsig_tf.gan.synthetic_images import fold_status, share_synthetic_images
from magsig_tf.methods.needs import FoldGansNeeded, RunNeeded
from magsig_tf.registry import naming_plugins
from magsig_tf.runs.record import FILE, VERSION, RunRecord, parse_record
from magsig_tf.runs.run import Run
from magsig_tf.training.changed_batches import batch_change
from magsig_tf.training.planning import Job, needed_gans, needed_run, needs_of

if TYPE_CHECKING:
    from magsig_tf.training.loop import Loop


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
            with _naming_plugins(run), workers.watched():
                loop, outcome = _train(job, identity)
            finished = workers.from_chief(lambda: folder.finish(outcome | _write_outputs(job, loop)))
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

    s = run.config.settings
    return RunRecord(
        version=VERSION,
        status="running",
        dataset=prepared.name,
        dataset_hash=prepared.content_hash,
        method=run.method,
        holdout=run.holdout,
        patient_fold=run.patient_fold,
        seed=run.seed,
        encoder=s.encoder,
        config_hash=run.config_hash,
        split_hash=split.hash,
        selection=s.selection,
        batch_statistics=batch_statistics_rule(s),
        source_magnifications=list(split.source_magnifications),
        cases_per_class=split.cases_per_class(prepared.manifest),
        images={part: len(rows) for part, rows in split.rows.items()},
        warnings=list(split.warnings),
        **begun(found),
    )


def provide(job: Job) -> None:
    """Train what a run needs and is not there, in the order that its method declares, and tell the job of it.

    Raises:
        MagsigError: a prerequisite failed, or belongs to another split or data set.
    """
    for need in needs_of(job.run):
        if isinstance(need, RunNeeded):
            job.runs[need.method] = _provided_run(job, need)
        else:
            _provide_gans(job, need)


def _provided_run(job: Job, need: RunNeeded) -> Run:
    other = needed_run(job.run, need)
    if job.workers.from_chief(lambda: other.status) != "done":
        job.observer.note(f"{job.run.title}: its {need.method} run is trained first")
    with _needed_by(job.run, f"its {need.method} run"):
        execute(other, job.prepared, job.observer, job.workers)
    return other


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


def _train(job: Job, hashes: Mapping[str, str]) -> tuple[Loop, dict[str, Any]]:
    import keras

    from magsig_tf.models.freezing import trained_weights
    from magsig_tf.training.loop import Loop
    from magsig_tf.training.parts import RunParts
    from magsig_tf.training.selection import selection_rule

    run, split, settings = job.run, job.split, job.run.config.settings
    rule = selection_rule(settings.selection, settings.select_from)
    if not len(split.rows[rule.part]):
        raise RunError(
            f"Expected images in the part {rule.part}", "found none", "Choose --selection source or more patient data"
        )
    change, said = batch_change(job)
    keras.backend.clear_session()
    parts = RunParts(run.config, job.prepared, split, job.workers)
    strategy = f"{parts.strategy_name} x {parts.strategy.num_replicas_in_sync}"
    job.observer.run_started(run.title, parts.total_steps, 1 / len(split.source_magnifications))
    for warning in split.warnings:
        job.observer.note(warning)
    precision = describe_precision(settings.precision, parts.precision)
    trained, weights = trained_weights(parts.classifier)
    job.observer.note(
        f"{describe_devices()}, {precision}, strategy {strategy}, {trained:,} of {weights:,} weights trained"
    )
    computed = {"precision": parts.precision, "strategy": strategy}
    loop = Loop(parts, job, rule, {"config_hash": run.config.identity_hash(), **hashes, **computed}, change)
    chosen = loop.train()
    counts = {"steps": loop.memory.step, "trained_weights": trained, "all_weights": weights}
    return loop, {**said, "chosen": chosen, **computed, **counts}


def _write_outputs(job: Job, loop: Loop) -> dict[str, Any]:
    """Write what the run leaves, and return what its record says of it."""
    from magsig_tf.training.inference import write_outputs, write_random_encoder

    run, used = job.run, loop.used
    with _naming_plugins(run):
        adapted = used.adapt(job.split.rows)
    used.check_saved()
    write_outputs(run.folder, loop.parts.saved, used.inference, job.prepared, job.split, loop.rule.part)
    check = used.check_training_rows()
    for sentence in check.sentences:
        job.observer.note(sentence)
    write_random_encoder(run.folder.parents[2], run.config.settings, job.prepared, job.observer)
    return adapted | {"training_rows": dataclasses.asdict(check)}


def _naming_plugins(run: Run) -> contextlib.AbstractContextManager[None]:
    return naming_plugins(("methods", run.method), ("encoders", run.config.settings.encoder))


@dataclasses.dataclass
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
