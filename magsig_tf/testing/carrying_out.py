"""The checks of a method carried out one after another, whatever kind of method it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from magsig_tf.methods.contract import Method


class Trial(Protocol):
    """A method on trial.

    Args:
        name: What messages call it.
    """

    name: str


TrialT = TypeVar("TrialT", bound=Trial)


def name_of(method: type[Method] | str) -> str:
    """Return the registered name or import path of a method."""
    return method if isinstance(method, str) else f"{method.__module__}:{method.__qualname__}"


def carry_out(checks: Iterable[Callable[[TrialT], None]], trial: TrialT) -> None:
    """Call every check with the trial.

    Raises:
        AssertionError: one failed; the message says which, of what.
    """
    for check in checks:
        try:
            check(trial)
        except AssertionError as error:
            raise AssertionError(f"{trial.name}, {check.__name__}: {error}") from error
