"""The training loop: the same for every method."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import keras
import numpy as np

from magsig_tf.data.batches import read_batches
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.errors import RunError
from magsig_tf.execution.evaluated_weights import StretchMean
from magsig_tf.execution.observer import EpochSummary
from magsig_tf.execution.resumption import Interruption, resume, snapshot, write_checkpoint
from magsig_tf.execution.run_log import NoLog, RunLog, event_files
from magsig_tf.execution.runtime import describe_devices, describe_precision
from magsig_tf.methods.averaging import AverageWindow
from magsig_tf.models.classifier import trained_weights
from magsig_tf.statistics.metrics import auc
from magsig_tf.training.changed_batches import batch_change
from magsig_tf.training.evaluated_network import EvaluatedNetwork
from magsig_tf.training.head_start import start_from_linear
from magsig_tf.training.outputs import write_outputs, write_random_encoder
from magsig_tf.training.parts import RunParts, starts_linear
from magsig_tf.training.planning import Job
from magsig_tf.training.selection import AveragedChoice, EpochChoice, selection_rule
from magsig_tf.training.step import TrainingStep


class Diverged(RunError):
    """The loss or its gradient is no longer a number."""


@dataclass
class Memory:
    """What the loop knows beside the variables; stored in every checkpoint.

    Args:
        step: Global steps taken.
        sums: Sums of the logged scalars over the steps of the current epoch.
        best: What is chosen so far: epoch or window, step, validation_loss, state.
        epochs_since_best: For early stopping.
        head_start: Where the label head started as a linear one: its C, and its validation loss.
    """

    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    best: dict[str, Any] | None = None
    epochs_since_best: int = 0
    head_start: dict[str, float] | None = None


class Loop:
    """Trains, validates, selects and checkpoints one run, and writes what it leaves.

    Args:
        job: The run. All processes take the steps; the chief alone validates, selects and writes.
        hashes: Those that a checkpoint must carry to be resumed, beside that of the config.

    Raises:
        RunError: there are no images to select by, or too few synthetic ones.
        UsageError: from `RunParts`.
    """

    def __init__(self, job: Job, hashes: Mapping[str, str]):
        self.job, self.observer, self.workers = job, job.observer, job.workers
        self.settings, config = job.run.config.settings, job.run.config
        self.rule = selection_rule(self.settings.selection, self.settings.select_from)
        self.rows = job.split.rows[self.rule.part]
        if not len(self.rows):
            choose = "Choose --selection source or more patient data"
            raise RunError(f"Expected images in the part {self.rule.part}", "found none", choose)
        self.change, self.said = batch_change(job)
        keras.backend.clear_session()
        self.parts = parts = RunParts(config, job.prepared, job.split, job.workers)
        strategy = f"{parts.strategy_name} x {parts.strategy.num_replicas_in_sync}"
        self.computed = {"precision": parts.precision, "strategy": strategy}
        self.identity = {"config_hash": config.identity_hash(), **hashes, **self.computed}
        self.checkpoint_path = job.run.folder / "checkpoint" / "last.npz"
        self.used = EvaluatedNetwork(parts, job.prepared, self.settings)
        self.choice: AveragedChoice | EpochChoice
        if isinstance(parts.averaging, AverageWindow) and isinstance(parts.average, StretchMean):
            self.choice = AveragedChoice(self.used, self.rule, parts.averaging, parts.average, self.rows)
        else:
            self.choice = EpochChoice(self.used, self.rule, self.checkpoint_path.with_name("best.npz"))
        self._pending: list[dict[str, Any]] = []
        self._logged: dict[str, Any] | None = None
        self.memory = Memory()

    def train(self) -> dict[str, Any]:
        """Train from the last checkpoint to the end, then put the chosen weights into `parts.evaluated`.

        Returns:
            What `run.json` says of it: what was chosen (epoch or the window of averaged steps, step, validation_loss,
            state), and how it was computed.

        Raises:
            Diverged: the loss or the gradient is not finite; the last good checkpoint stays.
            KeyboardInterrupt: after SIGINT, once the state is stored.
            WorkerLost: another process has ended.
        """
        folder, chance = self.job.run.folder, 1 / len(self.job.split.source_magnifications)
        self.observer.run_started(self.job.run.title, self.parts.total_steps, chance)
        for warning in self.job.split.warnings:
            self.observer.note(warning)
        precision = describe_precision(self.settings.precision, self.parts.precision)
        trained, weights = trained_weights(self.parts.classifier)
        self.observer.note(
            f"{describe_devices()}, {precision}, strategy {self.computed['strategy']}, "
            f"{trained:,} of {weights:,} weights trained"
        )
        if not self._resume() and starts_linear(self.settings):
            self._start_head()
        log: RunLog | NoLog = NoLog()
        if self.workers.is_chief:
            events = event_files(folder, self.settings.tensorboard, chance=chance, warn=self.observer.note)
            log = RunLog(folder / "log.jsonl", self.memory.step, events, self._logged)
        step = TrainingStep(self.parts)
        with contextlib.closing(log), Interruption() as interruption:
            for epoch in range(self.memory.step // self.parts.plan.steps_per_epoch, self.parts.epochs):
                if why := self._stops_early():
                    self.observer.note(f"Stopped early before epoch {epoch + 1}: {why}")
                    break
                self._train_epoch(step, epoch, log, interruption)
        best = self.memory.best
        if best is None:
            raise RunError(
                "Expected an epoch with a finite validation loss", "found none", "Lower --learning-rate and repeat"
            )
        chosen = self.workers.from_chief(lambda: self.choice.finish(best))
        counts = {"steps": self.memory.step, "trained_weights": trained, "all_weights": weights}
        start = {"head_start": self.memory.head_start} if self.memory.head_start else {}
        return {**self.said, "chosen": chosen, **start, **self.computed, **counts}

    def write_outputs(self) -> dict[str, Any]:
        """Write what the run leaves, and return what its record says of it."""
        job, used = self.job, self.used
        with job.naming_plugins():
            adapted = used.adapt(job.split.rows)
        used.check_saved()
        write_outputs(job.run.folder, self.parts.saved, used.inference, job.prepared, job.split, self.rule.part)
        check = used.check_training_rows()
        for sentence in check.sentences:
            self.observer.note(sentence)
        if isinstance(job.prepared, PreparedDataset):  # what random weights make of embeddings is no control of them
            write_random_encoder(job.run.folder.parents[2], self.settings, job.prepared, self.observer)
        return adapted | {"training_rows": asdict(check)}

    def _resume(self) -> bool:
        """Go on from the last checkpoint; return whether there is one."""
        meta = resume(self.checkpoint_path, self.parts.variables(), self.identity, self.workers, self._take_windows)
        if meta is not None:
            self._logged = meta.pop("log", None)
            self.memory = Memory(**meta)
            self.observer.note(f"Resumed at step {self.memory.step} of {self.parts.total_steps}")
        return meta is not None

    def _start_head(self) -> None:
        """Let the label head of every process start as the chief's linear one."""
        kernel, bias = (np.array(variable.numpy()) for variable in self.parts.classifier.get_layer("logit").weights)

        def fitted() -> dict[str, float]:
            runs = self.job.run.folder.parents[2]
            head = start_from_linear(self.used, self.settings.encoder, self.job.split, runs)
            kernel[:, 0], bias[0] = head.weights, head.offset
            return {"C": head.strengths[head.chosen], "validation_loss": head.losses[head.chosen]}

        self.memory.head_start = facts = self.workers.from_chief(fitted)
        self.parts.start_head(*self.workers.share([kernel, bias]))
        self.observer.note(
            f"The label head starts as a logistic regression on the encoder's embeddings: C {facts['C']:g}, "
            f"validation cross-entropy {facts['validation_loss']:.3f}"
        )

    def _take_windows(self, stored: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        """Give the choice what it had stored, and take it out of what belongs to the variables."""
        windows = {name: stored.pop(name) for name in list(stored) if name.startswith("window.")}
        self.choice.restore(windows, meta.pop("choice", {}))

    def _stops_early(self) -> str:
        """Return why training ends before its last epoch; nothing where it goes on."""
        if self.workers.any(self.choice.closed):
            return "the window of averaged weights has ended"
        waits = self.settings.early_stop and self.memory.epochs_since_best >= self.settings.early_stop
        return "no better validation loss" if waits else ""

    def _train_epoch(self, step: TrainingStep, epoch: int, log: RunLog | NoLog, interruption: Interruption) -> None:
        prepared, plan, share = self.job.prepared, self.parts.plan, (self.workers.index, self.workers.count)
        first = taken = self.memory.step - epoch * plan.steps_per_epoch
        began = time.perf_counter()
        batches = read_batches(prepared.array, prepared.labels, plan, epoch, first, share=share, change=self.change)
        interrupted = False
        with contextlib.closing(batches), self.workers.watched():
            for batch in batches:
                self._pending.append(step(batch, self.memory.step))
                self.memory.step += 1
                taken += 1
                self.observer.step_done(self.memory.step)
                if len(self._pending) >= self.settings.log_every:
                    self._flush(log)
                if taken < plan.steps_per_epoch and self.choice.validates_after(taken):
                    self._flush(log)
                    found = self._judge(epoch, self.memory.step / self.parts.total_steps)
                    log.write("validation", self.memory.step, **found)
                interrupted = interruption.agreed(self.workers, self.memory.step, self.settings.log_every)
                if taken == plan.steps_per_epoch:
                    break  # stored once it is validated: a state in between would be resumed in the next epoch
                if interrupted or self.memory.step % self.settings.checkpoint_every == 0:
                    self._flush(log)
                    self._store(step, log)
                if interrupted:
                    raise KeyboardInterrupt
            self._flush(log)
            rate = (taken - first) * self.parts.global_batch / (time.perf_counter() - began)
            step.gather_statistics()
        self._finish_epoch(epoch, log, rate)
        self._store(step, log)
        if interrupted:
            raise KeyboardInterrupt

    def _flush(self, log: RunLog | NoLog) -> None:
        """Read the pending scalars (the only wait for the device between epochs) and check that they are finite."""
        if not self._pending:
            return
        values = {name: [float(record[name]) for record in self._pending] for name in self._pending[0]}
        # under loss scaling an overflowing gradient is a skipped step, not a diverged run
        watched = ["loss"] if self.parts.precision == "mixed_float16" else ["loss", "gradient_norm"]
        means = {name: math.fsum(numbers) / len(numbers) for name, numbers in values.items()}
        log.write("train", self.memory.step, **means, **self._state(), learning_rate=self.parts.learning_rate())
        if not all(math.isfinite(number) for name in watched for number in values[name]):
            raise Diverged(
                f"Expected a finite loss up to step {self.memory.step}",
                f"found loss {means['loss']} and gradient norm {means['gradient_norm']}",
                "The last good checkpoint is kept; lower --learning-rate or set --clip-norm, and repeat",
            )
        for name, numbers in values.items():
            self.memory.sums[name] = self.memory.sums.get(name, 0.0) + math.fsum(numbers)
        self._pending.clear()
        self.observer.interval(self.memory.step, means)

    def _finish_epoch(self, epoch: int, log: RunLog | NoLog, rate: float) -> None:
        logs = {name: total / self.parts.plan.steps_per_epoch for name, total in self.memory.sums.items()}
        self.memory.sums, progress = {}, (epoch + 1) / self.parts.epochs
        found, state = self._judge(epoch, progress), self._state()
        waits = not found["chosen"] and self.memory.best is not None
        self.memory.epochs_since_best = self.memory.epochs_since_best + 1 if waits else 0
        log.write("epoch", self.memory.step, epoch=epoch, **found, images_per_second=round(rate, 1), **logs, **state)
        self.observer.epoch_done(
            EpochSummary(epoch, self.parts.epochs, self.memory.step, logs, **found, state=state, images_per_second=rate)
        )
        for warning in self.parts.method.epoch_warnings(logs, progress):
            log.write("warning", self.memory.step, text=warning)
            self.observer.note(f"Warning: {warning}")

    def _judge(self, epoch: int, progress: float) -> dict[str, Any]:
        """Validate the weights that would be used; return loss and AUC, and whether they are chosen so far."""

        def judged() -> tuple[float, float | None, dict[str, Any] | None]:
            self.used.take_weights()
            loss, validation_auc = self._validate()
            now = {"epoch": epoch, "step": self.memory.step, "state": self._state()}
            return loss, validation_auc, self.choice.judge(loss, progress, now, self.memory.best)

        loss, validation_auc, self.memory.best = self.workers.from_chief(judged)
        if isinstance(self.parts.average, StretchMean):
            self.parts.average.empty()
        chosen = self.memory.best is not None and self.memory.best["step"] == self.memory.step
        return {"validation_loss": loss, "validation_auc": validation_auc, "chosen": chosen}

    def _validate(self) -> tuple[float, float | None]:
        loss, logits = self.used.cross_entropy(self.rows)
        labels = self.job.prepared.labels[self.rows]
        return loss, auc(labels, logits) if 0 < labels.sum() < len(labels) else None

    def _store(self, step: TrainingStep, log: RunLog | NoLog) -> None:
        step.gather_statistics()

        def write() -> None:
            arrays = snapshot(self.parts.variables()) | self.choice.arrays()
            meta = {"identity": self.identity, **asdict(self.memory), "choice": self.choice.facts()}
            meta["log"] = log.written()
            write_checkpoint(self.checkpoint_path, arrays, meta)

        self.workers.from_chief(write)

    def _state(self) -> dict[str, float]:
        """Return the method's numbers, to be logged; its arrays are in the checkpoint alone."""
        state = self.parts.method.state
        return {name: float(variable.numpy()) for name, variable in state.items() if len(variable.shape) == 0}
