"""One GAN: trained, or resumed, in a folder of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from magsig_tf.atomic_files import replacing
from magsig_tf.config import Settings
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.resumption import ResumableFolder, begun
from magsig_tf.execution.runtime import dtype_policy, released_graphs, resolve_precision
from magsig_tf.execution.workers import ALONE, Workers
from magsig_tf.gan.sample import GENERATOR, RECORD
from magsig_tf.gan_options import GanOptions

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
    import keras

    wanted = {**identity, "options_hash": _options_hash(options), "images_hash": _images_hash(images)}
    folder = ResumableFolder(part_folder / RECORD, "GAN", f"the GAN in {part_folder}", wanted, workers)

    def opening(found: Mapping[str, Any]) -> dict[str, Any]:
        return {"options": _own(options), "images": len(images), "size": int(images.shape[1])} | begun(found)

    with folder.opened(opening) as record:
        if record["status"] == "done":
            return record
        resolved = resolve_precision(precision)
        keras.backend.clear_session()
        with dtype_policy(resolved), workers.watched():
            loop, outcome = _train(
                part_folder, images, options, resolved, settings, seed_names, wanted, observer, workers, distance,
                title or part_folder.name,
            )  # fmt: skip

            def finish() -> dict[str, Any]:
                with replacing(part_folder / GENERATOR) as temporary:
                    loop.parts.evaluated.save(temporary)
                return folder.finish(outcome)

            return workers.from_chief(finish)


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


def _own(options: GanOptions) -> dict[str, Any]:
    return {name: value for name, value in options.model_dump(mode="json").items() if name.startswith("gan_")}


def _options_hash(options: GanOptions) -> str:
    return hashlib.sha256(json.dumps(_own(options), sort_keys=True).encode()).hexdigest()[:8]


def _images_hash(images: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
