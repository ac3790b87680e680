"""One GAN: a folder that is complete, or can be resumed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from magsig_tf import __version__
from magsig_tf.atomic_files import read_json, replacing, write_json
from magsig_tf.config import Settings
from magsig_tf.errors import RunError, UsageError
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.released_graphs import released_graphs
from magsig_tf.execution.workers import ALONE, WorkerLost, Workers
from magsig_tf.gan.sample import GENERATOR, RECORD, check_identity
from magsig_tf.gan_options import GanOptions
from magsig_tf.locking import holding

if TYPE_CHECKING:
    from magsig_tf.gan.loop import GanLoop


@released_graphs()
def train_gan(
    part_folder: Path,
    images: np.ndarray,
    options: GanOptions,
    *,
    precision: str,
    settings: Settings,
    seed_names: tuple[object, ...],
    identity: Mapping[str, str],
    observer: Observer,
    workers: Workers = ALONE,
    distance: Callable[[np.ndarray], float],
    title: str | None = None,
) -> dict[str, Any]:
    """Train a GAN, or resume it, or return at once where it is done.

    Args:
        part_folder: Where it lies: `gan.json`, `log.jsonl`, `checkpoint/` until it is done, then `generator.keras`.
        images: Its training images, uint8 [n, size, size, 3], n >= 2, at the size it is to make.
        options: Those of the GAN.
        precision: As in `Settings`; `auto` is resolved here.
        settings: Strategy, synchronized batch norms, `log_every` and `checkpoint_every` are taken from it.
        seed_names: Names that every draw of this GAN derives from.
        identity: Hashes of data set and split, which its files carry.
        observer: Who watches.
        workers: The processes that train it; the chief alone writes.
        distance: Scores uint8 samples [m, size, size, 3] against the training images; smaller is better. Called in the
            chief alone.
        title: The GAN in words; by default the folder's name.

    Returns:
        `gan.json` of the finished GAN.

    Raises:
        Diverged, Collapsed: training failed; the last good checkpoint stays.
        RunError: another process holds the folder, or it belongs to other images, options or another split.
        UsageError: no architecture makes this size, or the replicas cannot share the batch.
        WorkerLost: another process has ended.
        KeyboardInterrupt: after SIGINT, with the state stored.
    """
    wanted = {**identity, "options_hash": _options_hash(options), "images_hash": _images_hash(images)}
    with contextlib.ExitStack() as held:
        record = workers.from_chief(lambda: _begin(part_folder, images, options, wanted, held))
        _check_same_everywhere(record, wanted, part_folder, workers)
        if record["status"] == "done":
            return record
        began = time.perf_counter()

        def spent() -> float:
            return round(record["seconds"] + time.perf_counter() - began, 2)

        try:
            with _dtype_policy(precision) as resolved, workers.watched():
                loop, outcome = _train(
                    part_folder, images, options, resolved, settings, seed_names, wanted, observer, workers, distance,
                    title or part_folder.name,
                )  # fmt: skip
                return workers.from_chief(lambda: _finish(part_folder, loop, record | outcome, spent))
        except UsageError:
            # nothing was computed: leave no trace of what cannot be trained
            if workers.is_chief and not (part_folder / "checkpoint").exists():
                shutil.rmtree(part_folder, ignore_errors=True)
            raise
        except BaseException as error:
            if workers.is_chief:
                failed = isinstance(error, Exception) and not isinstance(error, WorkerLost)
                status = {"status": "failed" if failed else "running", "error": str(error), "seconds": spent()}
                write_json(part_folder / RECORD, record | status)
            raise


def _begin(
    folder: Path, images: np.ndarray, options: GanOptions, wanted: Mapping[str, str], held: contextlib.ExitStack
) -> dict[str, Any]:
    """Take hold of the GAN's folder and open its record."""
    held.enter_context(holding(folder / "lock", f"the GAN in {folder}"))
    found = read_json(folder / RECORD) if (folder / RECORD).exists() else {}
    if found:
        check_identity(found, wanted, folder)
    if found.get("status") == "done":
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)  # where a kill came between the two
        return found
    record = {
        "status": "running",
        **wanted,
        "options": _own(options),
        "images": len(images),
        "size": int(images.shape[1]),
        "started": found.get("started", _now()),
        "seconds": found.get("seconds", 0.0),
        "versions": _versions(),
    }
    write_json(folder / RECORD, record)
    return record


def _check_same_everywhere(
    record: Mapping[str, Any], wanted: Mapping[str, str], folder: Path, workers: Workers
) -> None:
    """Refuse other images in any of the processes, each of which has read its own copy."""
    problem = None
    try:
        check_identity(record, wanted, folder)
    except RunError as error:
        problem = error
    if workers.any(problem is not None):
        raise problem or RunError(
            "Expected the same training images in every process",
            "found others somewhere",
            "See the messages of the other processes",
        )


def _train(
    folder: Path,
    images: np.ndarray,
    options: GanOptions,
    precision: str,
    settings: Settings,
    seed_names: tuple[object, ...],
    wanted: Mapping[str, str],
    observer: Observer,
    workers: Workers,
    distance: Callable[[np.ndarray], float],
    title: str,
) -> tuple[GanLoop, dict[str, Any]]:
    from magsig_tf.gan.loop import GanLoop
    from magsig_tf.gan.parts import build_gan

    parts = build_gan(images.shape[1], options, settings, precision, seed_names, workers)
    facts = {"precision": precision, "strategy": f"{parts.strategy_name} x {parts.strategy.num_replicas_in_sync}"}
    observer.part_started(title, options.gan_steps)
    synchronized = {"synchronized_batch_norm": str(settings.synchronized_batch_norm)}
    loop = GanLoop(parts, images, settings, folder, {**wanted, **facts, **synchronized}, distance, observer, workers)
    chosen = loop.train()
    return loop, {"chosen": chosen, **facts, "steps": loop.memory.step}


def _finish(folder: Path, loop: GanLoop, record: dict[str, Any], spent: Callable[[], float]) -> dict[str, Any]:
    """Write the generator, then mark the GAN done."""
    with replacing(folder / GENERATOR) as temporary:
        loop.parts.evaluated.save(temporary)
    record |= {"status": "done", "finished": _now(), "seconds": spent()}
    write_json(folder / RECORD, record)
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    return record


@contextlib.contextmanager
def _dtype_policy(wanted: str):
    """Yield the precision to use, with Keras's policy set to it; afterwards the policy is what it was."""
    import keras

    from magsig_tf.execution.runtime import resolve_precision

    before, precision = keras.config.dtype_policy(), resolve_precision(wanted)
    keras.backend.clear_session()
    keras.config.set_dtype_policy(precision)
    try:
        yield precision
    finally:
        keras.config.set_dtype_policy(before)


def _own(options: GanOptions) -> dict[str, Any]:
    return {name: value for name, value in options.model_dump(mode="json").items() if name.startswith("gan_")}


def _options_hash(options: GanOptions) -> str:
    return hashlib.sha256(json.dumps(_own(options), sort_keys=True).encode()).hexdigest()[:8]


def _images_hash(images: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(images)).hexdigest()


def _versions() -> dict[str, str]:
    import keras
    import tensorflow

    return {
        "magsig": __version__,
        "python": platform.python_version(),
        "tensorflow": tensorflow.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
