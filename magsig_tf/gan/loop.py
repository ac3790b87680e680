"""The training loop of one GAN: steps, checks, checkpoints, and when it has failed."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from magsig_tf.config import Settings
from magsig_tf.errors import RunError
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.resumption import Interruption, read_checkpoint, restore, resume, snapshot, write_checkpoint
from magsig_tf.execution.run_log import NoLog, RunLog, event_files
from magsig_tf.execution.workers import ALONE, Workers
from magsig_tf.gan.parts import GanParts
from magsig_tf.gan.real_batches import RealBatches
from magsig_tf.gan.sample import Sampler, latent_vectors
from magsig_tf.gan.step import GanStep

SMALLEST_SPREAD = 0.05
"""A generator whose images differ by less than this share of what training images do has collapsed (docs/gan.md)."""
WARM_UP = 500
"""Steps before which no generator is called collapsed: at first its images are all grey, and differ by little."""


class Diverged(RunError):
    """A loss, a gradient, a weight or the distance of the samples is no longer a number."""


class Collapsed(RunError):
    """The generator makes one image, whatever the latent vector."""


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


MOST_SAMPLES = 1000
"""Samples that a check looks at: as many as there are training images, at most this many."""

_NOT_WATCHED_UNDER_SCALING = ("generator_gradient_norm", "discriminator_gradient_norm")


@dataclass
class Memory:
    """What the loop knows beside the variables; stored in every checkpoint.

    Args:
        step: Steps taken.
        best: The chosen check so far: step, distance, spread.
    """

    step: int = 0
    best: dict[str, Any] | None = None


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
    """

    def __init__(
        self,
        parts: GanParts,
        images: np.ndarray,
        settings: Settings,
        folder: Path,
        identity: Mapping[str, str],
        distance: Callable[[np.ndarray], float],
        observer: Observer,
        workers: Workers = ALONE,
    ):
        self.parts, self.images, self.settings, self.identity = parts, images, settings, dict(identity)
        self.distance, self.observer, self.workers = distance, observer, workers
        self.checkpoint_path = folder / "checkpoint" / "last.npz"
        self.best_path = folder / "checkpoint" / "best.npz"
        self.log_path = folder / "log.jsonl"
        self.sampler = Sampler(parts.evaluated, parts.options.gan_batch)
        self._pending: list[dict[str, Any]] = []
        self._flushed_at = time.perf_counter()
        self.memory = Memory()

    def train(self) -> dict[str, Any]:
        """Train from the last checkpoint to the end, then put the chosen weights into `parts.evaluated`.

        Returns:
            The chosen check: step, distance, spread.

        Raises:
            Diverged, Collapsed: it failed; the last good checkpoint and the best generator so far stay.
            KeyboardInterrupt: after SIGINT, once the state is stored.
            WorkerLost: another process has ended.
        """
        self._resume()
        log = self._open_log() if self.workers.is_chief else NoLog()
        batches = RealBatches(self.images, self.parts.options.gan_batch, self.parts.seed_names)
        share = (self.workers.index, self.workers.count)
        last = self.parts.options.gan_steps
        reading = batches.read(self.memory.step, last, share)
        with contextlib.closing(log), contextlib.closing(reading), Interruption() as interruption:
            step, self._flushed_at = GanStep(self.parts), time.perf_counter()
            with self.workers.watched():
                for images in reading:
                    self._take(step, images, log, interruption)
        assert self.memory.best is not None, "the last step is a check"
        if self.workers.is_chief:
            arrays, _ = read_checkpoint(self.best_path)
            restore(self.parts.evaluated_variables(), arrays)
        return self.memory.best

    def _open_log(self) -> RunLog:
        events = event_files(self.log_path.parent, self.settings.tensorboard, warn=self.observer.note)
        return RunLog(self.log_path, self.memory.step, events)

    def _take(self, step: GanStep, images: np.ndarray, log: RunLog | NoLog, interruption: Interruption) -> None:
        self._pending.append(step(images, self.memory.step))
        self.memory.step += 1
        self.observer.step_done(self.memory.step)
        checks = self._every(self.parts.options.gan_check_every) or self.memory.step == self.parts.options.gan_steps
        interrupted = interruption.agreed(self.workers, self.memory.step, self.settings.log_every)
        stores = checks or interrupted or self._every(self.settings.checkpoint_every)
        if stores or len(self._pending) >= self.settings.log_every:
            self._flush(log)
        if checks:
            self._check(log)
        if stores:
            self._store()
        if interrupted:
            raise KeyboardInterrupt

    def _every(self, steps: int) -> bool:
        return self.memory.step % steps == 0

    def _flush(self, log: RunLog | NoLog) -> None:
        """Read the pending scalars, the only wait for the device between checks, and check that they are finite."""
        names = self._pending[0]
        values = {name: [float(record[name]) for record in self._pending] for name in names}
        means = {name: math.fsum(numbers) / len(numbers) for name, numbers in values.items()}
        log.write("train", self.memory.step, **means)
        # under loss scaling an overflowing gradient is a skipped step, not a diverged training
        skipped = _NOT_WATCHED_UNDER_SCALING if self.parts.precision == "mixed_float16" else ()
        for name, numbers in values.items():
            if name not in skipped and not all(map(math.isfinite, numbers)):
                raise self._diverged(f"{name} {means[name]}")
        now = time.perf_counter()
        rate, self._flushed_at = len(self._pending) / max(now - self._flushed_at, 1e-9), now
        self._pending.clear()
        self.observer.interval(self.memory.step, means | {"steps_per_second": rate})

    def _check(self, log: RunLog | NoLog) -> None:
        before = self.memory.best
        logs, self.memory.best = self.workers.from_chief(self._judge)
        chosen = self.memory.best != before
        log.write("check", self.memory.step, chosen=chosen, **logs)
        self.observer.part_checked(self.memory.step, logs, chosen)
        self._flushed_at = time.perf_counter()

    def _judge(self) -> tuple[dict[str, float], dict[str, Any]]:
        """Score the generator that would be used, store it if it is the best; return its scores and the best."""
        self.parts.put_weights_to_use()
        if not all(np.isfinite(variable.numpy()).all() for variable in self.parts.evaluated.weights):
            raise self._diverged("a weight of the generator that is NaN or infinite")
        count = min(max(len(self.images), 2), MOST_SAMPLES)
        # the same latent vectors at every check, so that checks differ by the generator alone
        samples = self.sampler(latent_vectors(count, self.parts.options.gan_latent, ("check", *self.parts.seed_names)))
        share = spread(samples) / max(spread(self.images), 1e-9)
        check_spread(self.memory.step, share)
        logs = {"distance": float(self.distance(samples)), "spread": share}
        if not math.isfinite(logs["distance"]):
            raise self._diverged(f"the distance {logs['distance']}")
        best = self.memory.best
        if best is None or logs["distance"] < best["distance"]:
            best = {"step": self.memory.step, **logs}
            write_checkpoint(self.best_path, snapshot(self.parts.evaluated_variables()), {})
        return logs, best

    def _diverged(self, found: str) -> Diverged:
        return Diverged(
            f"Expected finite losses, gradients and weights up to step {self.memory.step}",
            f"found {found}",
            "The last good checkpoint is kept; lower gan_learning_rate or set gan_spectral_norm to true, and repeat",
        )

    def _store(self) -> None:
        meta = {"identity": self.identity, "step": self.memory.step, "best": self.memory.best}
        self.workers.from_chief(lambda: write_checkpoint(self.checkpoint_path, snapshot(self.parts.variables()), meta))

    def _resume(self) -> None:
        meta = resume(self.checkpoint_path, self.parts.variables(), self.identity, self.workers)
        if meta is not None:
            self.memory = Memory(**meta)
            self.observer.note(f"Resumed at step {self.memory.step} of {self.parts.options.gan_steps}")
