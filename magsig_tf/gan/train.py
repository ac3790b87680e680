"""One GAN, trained or resumed in a folder of its own: checks, checkpoints, when it has failed, and how it is loaded."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from magsig_tf.checksums import read_signed_json, signing, verified
from magsig_tf.config import Settings
from magsig_tf.errors import RunError
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.resumption import (
    Interruption,
    ResumableFolder,
    begun,
    check_identity,
    read_checkpoint,
    restore,
    resume,
    snapshot,
    write_checkpoint,
)
from magsig_tf.execution.run_log import NoLog, RunLog, event_files
from magsig_tf.execution.runtime import dtype_policy, released_graphs, resolve_precision
from magsig_tf.execution.workers import ALONE, Workers
from magsig_tf.gan.fold import FoldGans, Part
from magsig_tf.gan.step import GanParts, GanStep, RealBatches, build_gan
from magsig_tf.models.dcgan import Sampler, latent_vectors
from magsig_tf.models.saved_model import load_saved_model

RECORD, GENERATOR = "gan.json", "generator.keras"
SMALLEST_SPREAD = 0.05
"""A generator whose images differ by less than this share of what training images do has collapsed (docs/gan.md)."""
WARM_UP = 500
"""Steps before which no generator is called collapsed: at first its images are all grey, and differ by little."""
MOST_SAMPLES = 1000
"""Samples that a check looks at: as many as there are training images, at most this many."""
_NOT_WATCHED_UNDER_SCALING = ("generator_gradient_norm", "discriminator_gradient_norm")


class Diverged(RunError):
    """A loss, a gradient, a weight or the distance of the samples is no longer a number."""


class Collapsed(RunError):
    """The generator makes one image, whatever the latent vector."""


@released_graphs()
def train_gan(
    part: Part,
    images: np.ndarray,
    fold: FoldGans,
    settings: Settings,
    distance: Callable[[np.ndarray], float],
    observer: Observer,
    workers: Workers = ALONE,
) -> dict[str, Any]:
    """Train a GAN, or resume it, or return at once where it is done.

    Its folder lies in that of its fold: `gan.json`, `log.jsonl`, `checkpoint/` until it is done, then
    `generator.keras`.

    Args:
        part: The GAN.
        images: Its training images, uint8 [n, size, size, 3], n >= 2, at the size it is to make.
        fold: Whose GAN it is: folder, options, hashes that its files carry, names that every draw derives from.
        settings: Precision, strategy, synchronized batch norms, `log_every` and `checkpoint_every` are taken from it.
        distance: Scores uint8 samples [m, size, size, 3] against the training images; smaller is better. Called in the
            chief alone.
        observer: Who watches.
        workers: The processes that train it; the chief alone writes.

    Returns:
        `gan.json` of the finished GAN.

    Raises:
        Diverged, Collapsed: training failed; the last good checkpoint stays.
        RunError: another process holds the folder, or it belongs to other images, options or another split.
        UsageError: no architecture makes this size, or the replicas cannot share the batch.
        WorkerLost: another process has ended.
        KeyboardInterrupt: after SIGINT, with the state stored.
    """
    place, options = fold.folder / part.name, fold.options
    own = {name: value for name, value in options.model_dump(mode="json").items() if name.startswith("gan_")}
    wanted = {
        **fold.identity,
        "options_hash": hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:8],
        "images_hash": hashlib.sha256(np.ascontiguousarray(images).data).hexdigest(),
    }
    folder = ResumableFolder(place / RECORD, "GAN", f"the GAN in {place}", wanted, workers)

    def opening(found: Mapping[str, Any]) -> dict[str, Any]:
        return {"options": own, "images": len(images), "size": int(images.shape[1])} | begun(found)

    with folder.opened(opening) as record:
        if record["status"] == "done":
            return record
        precision = resolve_precision(settings.precision)
        keras.backend.clear_session()
        with dtype_policy(precision), workers.watched():
            parts = build_gan(images.shape[1], options, settings, precision, fold.seed_names(part), workers)
            strategy = f"{parts.strategy_name} x {parts.strategy.num_replicas_in_sync}"
            facts = {"precision": precision, "strategy": strategy}
            observer.part_started(f"{part.title}, {fold.title}", options.gan_steps)
            identity = wanted | facts | {"synchronized_batch_norm": str(settings.synchronized_batch_norm)}
            chosen = GanLoop(parts, images, settings, place, identity, distance, observer, workers).train()

            def finish() -> dict[str, Any]:
                with signing(place / GENERATOR) as temporary:
                    parts.evaluated.save(temporary)
                return folder.finish({"chosen": chosen, **facts, "steps": options.gan_steps})

            return workers.from_chief(finish)


def load_generator(part_folder: Path, identity: Mapping[str, str]) -> keras.Model:
    """Return the generator of a finished GAN.

    Args:
        part_folder: Its folder.
        identity: Hashes that its `gan.json` must carry, those of data set and split.

    Raises:
        RunError: it is missing or not finished, or belongs to another data set or split.
        DataError: its file is damaged.
    """
    record = read_signed_json(part_folder / RECORD) if verified(part_folder / RECORD).exists() else {}
    if record.get("status") != "done":
        found = f"found one that is {record['status']}" if record.get("status") else "found none"
        raise RunError(f"Expected a trained GAN in {part_folder}", found, "Run `magsig gan` for this fold")
    check_identity(record, identity, part_folder, "GAN")
    return load_saved_model(part_folder / GENERATOR)


@dataclass
class GanLoop:
    """Trains, checks, selects and checkpoints one GAN.

    Args:
        parts: What to train.
        images: Its training images, uint8 [n, size, size, 3].
        settings: How often to log and to checkpoint.
        folder: The GAN's folder.
        identity: Hashes that a checkpoint must carry to be resumed.
        distance: Scores uint8 samples against the training images; smaller is better.
        observer: Who watches.
        workers: The processes that train it. All take the steps; the chief alone checks and writes.
        step: Steps taken; stored in every checkpoint, as `best` is.
        best: The chosen check so far: step, distance, spread.
    """

    parts: GanParts
    images: np.ndarray
    settings: Settings
    folder: Path
    identity: Mapping[str, str]
    distance: Callable[[np.ndarray], float]
    observer: Observer
    workers: Workers
    step: int = 0
    best: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.options, self._flushed_at = self.parts.options, time.perf_counter()
        self._pending: list[dict[str, Any]] = []
        self.checkpoint_path, self.best_path = (self.folder / "checkpoint" / name for name in ("last.npz", "best.npz"))
        self.sampler = Sampler(self.parts.evaluated, self.options.gan_batch)

    def train(self) -> dict[str, Any]:
        """Train from the last checkpoint to the end, then put the chosen weights into `parts.evaluated`.

        Returns:
            The chosen check: step, distance, spread.

        Raises:
            Diverged, Collapsed: it failed; the last good checkpoint and the best generator so far stay.
            KeyboardInterrupt: after SIGINT, once the state is stored.
            WorkerLost: another process has ended.
        """
        logged = None
        meta = resume(self.checkpoint_path, self.parts.variables(), self.identity, self.workers)
        if meta is not None:
            self.step, self.best, logged = meta["step"], meta["best"], meta.get("log")
            self.observer.note(f"Resumed at step {self.step} of {self.options.gan_steps}")
        log: RunLog | NoLog = NoLog()
        if self.workers.is_chief:
            events = event_files(self.folder, self.settings.tensorboard, warn=self.observer.note)
            log = RunLog(self.folder / "log.jsonl", self.step, events, logged)
        batches = RealBatches(self.images, self.options.gan_batch, self.parts.seed_names)
        reading = batches.read(self.step, self.options.gan_steps, (self.workers.index, self.workers.count))
        with contextlib.closing(log), contextlib.closing(reading), Interruption() as interruption:
            take_step, self._flushed_at = GanStep(self.parts), time.perf_counter()
            with self.workers.watched():
                for images in reading:
                    self._pending.append(take_step(images, self.step))
                    self._finish_step(log, interruption)
        assert self.best is not None, "the last step is a check"
        if self.workers.is_chief:
            arrays, _ = read_checkpoint(self.best_path)
            restore(self.parts.evaluated_variables(), arrays)
        return self.best

    def _finish_step(self, log: RunLog | NoLog, interruption: Interruption) -> None:
        self.step += 1
        self.observer.step_done(self.step)
        checks = self.step % self.options.gan_check_every == 0 or self.step == self.options.gan_steps
        interrupted = interruption.agreed(self.workers, self.step, self.settings.log_every)
        stores = checks or interrupted or self.step % self.settings.checkpoint_every == 0
        if stores or len(self._pending) >= self.settings.log_every:
            self._flush(log)
        if checks:
            self._check(log)
        if stores:
            meta = {"identity": self.identity, "step": self.step, "best": self.best, "log": log.written()}
            variables = self.parts.variables()
            self.workers.from_chief(lambda: write_checkpoint(self.checkpoint_path, snapshot(variables), meta))
        if interrupted:
            raise KeyboardInterrupt

    def _flush(self, log: RunLog | NoLog) -> None:
        """Read the pending scalars, the only wait for the device between checks, and check that they are finite."""
        values = {name: [float(record[name]) for record in self._pending] for name in self._pending[0]}
        means = {name: math.fsum(numbers) / len(numbers) for name, numbers in values.items()}
        log.write("train", self.step, **means)
        # under loss scaling an overflowing gradient is a skipped step, not a diverged training
        skipped = _NOT_WATCHED_UNDER_SCALING if self.parts.precision == "mixed_float16" else ()
        for name, numbers in values.items():
            if name not in skipped and not all(map(math.isfinite, numbers)):
                raise self._diverged(f"{name} {means[name]}")
        now = time.perf_counter()
        rate, self._flushed_at = len(self._pending) / max(now - self._flushed_at, 1e-9), now
        self._pending.clear()
        self.observer.interval(self.step, means | {"steps_per_second": rate})

    def _check(self, log: RunLog | NoLog) -> None:
        before = self.best
        logs, self.best = self.workers.from_chief(self._judge)
        chosen = self.best != before
        log.write("check", self.step, chosen=chosen, **logs)
        self.observer.part_checked(self.step, logs, chosen)
        self._flushed_at = time.perf_counter()

    def _judge(self) -> tuple[dict[str, float], dict[str, Any]]:
        """Score the generator that would be used, store it if it is the best; return its scores and the best."""
        self.parts.put_weights_to_use()
        if not all(np.isfinite(variable.numpy()).all() for variable in self.parts.evaluated.weights):
            raise self._diverged("a weight of the generator that is NaN or infinite")
        count = min(max(len(self.images), 2), MOST_SAMPLES)
        # the same latent vectors at every check, so that checks differ by the generator alone
        samples = self.sampler(latent_vectors(count, self.options.gan_latent, ("check", *self.parts.seed_names)))
        share = spread(samples) / max(spread(self.images), 1e-9)
        check_spread(self.step, share)
        logs = {"distance": float(self.distance(samples)), "spread": share}
        if not math.isfinite(logs["distance"]):
            raise self._diverged(f"the distance {logs['distance']}")
        if self.best is not None and logs["distance"] >= self.best["distance"]:
            return logs, self.best
        write_checkpoint(self.best_path, snapshot(self.parts.evaluated_variables()), {})
        return logs, {"step": self.step, **logs}

    def _diverged(self, found: str) -> Diverged:
        return Diverged(
            f"Expected finite losses, gradients and weights up to step {self.step}",
            f"found {found}",
            "The last good checkpoint is kept; lower gan_learning_rate or set gan_spectral_norm to true, and repeat",
        )


def spread(images: np.ndarray) -> float:
    """Return the root mean square difference of two different images, over pixels and colours.

    It is sqrt(2 v) with v the unbiased variance over images, averaged over pixels and colours.

    Args:
        images: uint8 [n, height, width, 3], n >= 2.

    Returns:
        In levels of 0..255.
    """
    return float(np.sqrt(2.0 * images.reshape(len(images), -1).astype(np.float32).var(axis=0, ddof=1).mean()))


def check_spread(step: int, share: float) -> None:
    """Refuse a generator whose images hardly differ.

    Args:
        step: Steps taken.
        share: Spread of its images over that of the training images.

    Raises:
        Collapsed: after `WARM_UP` steps the share is below `SMALLEST_SPREAD`.
    """
    if step >= WARM_UP and share < SMALLEST_SPREAD:
        raise Collapsed(
            f"Expected synthetic images that differ by at least {SMALLEST_SPREAD:.0%} of what training images do",
            f"found {share:.1%} at step {step}",
            "The last good checkpoint is kept; lower gan_learning_rate, set gan_spectral_norm or gan_diffaugment to "
            "true, and repeat",
        )
