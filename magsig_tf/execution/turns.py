"""Several drivers on one matrix: what another process holds is put off, and waited for when nothing else is left."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

from magsig_tf.locks import HeldError, holding

Item = TypeVar("Item")


def take_turns(items: Iterable[Item], work: Callable[[Item], None], note: Callable[[str], None]) -> None:
    """Do the work of each item; one whose folder another process holds comes again after the others.

    Args:
        items: What there is to do.
        work: Does one, or finds it done by the other process.
        note: Told in a sentence what is put off, and whom this process waits for.

    Raises:
        Exception: whatever `work` raises, but for `HeldError`.
    """
    left: deque[Item] = deque(items)
    held_in_turn = 0
    while left:
        item = left.popleft()
        try:
            work(item)
            held_in_turn = 0
        except HeldError as error:
            left.append(item)
            held_in_turn += 1
            if held_in_turn == 1 and len(left) > 1:
                note(f"Put off: {error.what}, held by {error.holder}.")
            if held_in_turn >= len(left):
                # nothing else is left to do: wait for this one, then look at all of them again
                with contextlib.suppress(HeldError), holding(error.path, error.what, wait=note):
                    held_in_turn = 0
