"""One run: trained, or resumed, in a folder of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import yaml

from magsig_tf.atomic_files import write_text
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.splits import Split, split_of
from magsig_tf.errors import RunError, UsageError
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.resumable_folder import ResumableFolder, begun
from magsig_tf.execution.runtime import released_graphs
from magsig_tf.execution.workers import ALONE, Workers
from magsig_tf.registry import naming_plugins
from magsig_tf.runs.record import FILE, VERSION, RunRecord, parse_record
from magsig_tf.runs.run import Run
from magsig_tf.training.inference import write_outputs
from magsig_tf.training.method_data import batch_change
from magsig_tf.training.prerequisites import Provided, provide
from magsig_tf.training.random_encoder import write_random_encoder
from magsig_tf.training.selection import selection_rule

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
    split = split_of(run.config, prepared)
    identity = {"dataset_hash": prepared.content_hash, "split_hash": split.hash}
    folder = ResumableFolder(run.folder / FILE, "run", f"the run {run.title}", identity, workers)

    def opening(found: Mapping[str, Any]) -> dict[str, Any]:
        if found:
            parse_record(found, folder.path)  # a damaged record is not to be written over
        record = opening_record(run, prepared, split, found)
        write_text(run.folder / "config.yaml", yaml.safe_dump(run.config.flat(), sort_keys=False))
        return record.as_json()

    try:
        with folder.opened(opening) as record:
            if record["status"] == "done":
                return parse_record(record, folder.path)
            provided = provide(run, prepared, observer, workers, execute)
            folder.start_clock()  # what it needs has counted its own time
            with _naming_plugins(run), workers.watched():
                loop, outcome = _train(run, prepared, split, provided, observer, workers)
            finished = workers.from_chief(
                lambda: folder.finish(outcome | _write_outputs(run, prepared, split, loop, observer))
            )
            return parse_record(finished, folder.path)
    except UsageError:
        if workers.is_chief and not run.folder.exists():
            with contextlib.suppress(OSError):  # the first folder that is not empty ends it
                os.removedirs(run.folder.parent)
        raise


def _train(
    run: Run, prepared: PreparedDataset, split: Split, provided: Provided, observer: Observer, workers: Workers
) -> tuple[Loop, dict[str, Any]]:
    import keras

    from magsig_tf.execution.runtime import describe_devices, describe_precision
    from magsig_tf.models.classifier import trained_weights
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


def _naming_plugins(run: Run) -> contextlib.AbstractContextManager[None]:
    return naming_plugins(("methods", run.method), ("encoders", run.config.settings.encoder))


def _write_outputs(run: Run, prepared: PreparedDataset, split: Split, loop: Loop, observer: Observer) -> dict[str, Any]:
    """Write what the run leaves, and return what its record says of it."""
    with _naming_plugins(run):
        adapted = loop.used.adapt(split.rows)
    loop.used.check_saved()
    write_outputs(run.folder, loop.parts.saved, loop.used.inference, prepared, split, loop.rule.part)
    check = loop.used.check_training_rows()
    for sentence in check.sentences:
        observer.note(sentence)
    write_random_encoder(run.folder.parents[2], run.config.settings, prepared, observer)
    return adapted | {"training_rows": dataclasses.asdict(check)}


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
