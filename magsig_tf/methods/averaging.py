"""What a method can declare about averaging its weights; training carries it out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NoAverage:
    """The weights of the chosen epoch, as they are."""


@dataclass(frozen=True)
class MovingAverage:
    """An exponential moving average over the steps, as the setting `ema` asks for.

    Args:
        decay: In (0, 1).
    """

    decay: float


@dataclass(frozen=True)
class TailAverage:
    """The mean of the weights over all steps from a share of training on, as the setting `average_from` asks for.

    Until then the weights are used as they are.

    Args:
        begin: Share of training, in [0, 1).
    """

    begin: float


@dataclass(frozen=True)
class AverageWindow:
    """The mean of the weights over every step of a window, which validation chooses.

    The weights of the moment are validated several times an epoch. The window begins where the loss is the lowest of
    `patience_start` validations in a row that begin with it. It ends before `patience_end` validations in a row above
    the threshold: `tolerance` times the mean loss of those first ones. Training ends there too. Where the loss falls to
    the end no window has begun: it is then the steps between two validations whose last had the lowest loss of late.
    Source: Cha et al. 2021, SWAD: Domain generalization by seeking flat minima, algorithm 1.

    Args:
        validations_per_epoch: How often, at equal distances; the last is at the end of the epoch.
        patience_start: N_s, validations from the lowest on, that one among them.
        patience_end: N_e, validations in a row above the threshold.
        tolerance: r, at least 1.
    """

    validations_per_epoch: int = 4
    patience_start: int = 3
    patience_end: int = 6
    tolerance: float = 1.3

    def validation_steps(self, steps_per_epoch: int) -> set[int]:
        """Return after which steps of an epoch, counted from 1, the weights are validated."""
        times = min(self.validations_per_epoch, steps_per_epoch)
        return {round(number * steps_per_epoch / times) for number in range(1, times + 1)}


Averaging = NoAverage | MovingAverage | TailAverage | AverageWindow
