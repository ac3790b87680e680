"""What the loop tells those who watch it; the command line draws it, tests count it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class EpochSummary:
    """What is known at the end of an epoch.

    Args:
        epoch: Index, from 0.
        epochs: How many are planned.
        step: Global steps taken.
        logs: Means over the epoch's steps (loss, domain_accuracy where the method has it, ...).
        validation_loss: Cross-entropy in nats, averaged over magnifications.
        validation_auc: Area under the ROC curve on the validation rows, in [0, 1]; None where one class is missing.
        state: The method's state, such as lambda.
        chosen: Whether this epoch is the best so far.
        images_per_second: Training throughput of the epoch.
    """

    epoch: int
    epochs: int
    step: int
    logs: dict[str, float]
    validation_loss: float
    validation_auc: float | None
    state: dict[str, float] = field(default_factory=dict)
    chosen: bool = False
    images_per_second: float = 0.0


class Observer:
    """Watches a run and does nothing; override what is of interest."""

    def matrix_started(self, runs: int) -> None:
        """Call before anything is trained, with the number of runs that will be."""

    def run_started(self, title: str, total_steps: int, chance: float) -> None:
        """Call before the first step; `chance` is the accuracy of a domain head that guesses."""

    def part_started(self, title: str, total_steps: int) -> None:
        """Call before the first step of something that a run needs first, such as a GAN; it counts as no run."""

    def step_done(self, step: int) -> None:
        """Call after every step; must not read tensors."""

    def interval(self, step: int, logs: dict[str, float]) -> None:
        """Call every `log_every` steps with means since the last call."""

    def epoch_done(self, summary: EpochSummary) -> None:
        """Call after validation."""

    def part_checked(self, step: int, logs: dict[str, float], chosen: bool) -> None:
        """Call after a GAN's samples were looked at; `chosen` says whether they are the best so far."""

    def run_done(self, record: dict[str, Any], folder: str) -> None:
        """Call with `run.json` and the folder of a run of a matrix when it has been trained."""

    def matrix_done(self) -> None:
        """Call when nothing more is trained."""

    def note(self, text: str) -> None:
        """Call with a sentence for the user."""
