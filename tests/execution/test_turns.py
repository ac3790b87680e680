"""Two drivers on one matrix: what one of them holds, the other puts off and waits for."""

from __future__ import annotations

import contextlib
import threading

import pytest

from magsig_tf.execution.turns import take_turns
from magsig_tf.locks import holding


def test_what_is_held_comes_last_and_is_waited_for(tmp_path):
    done, said = [], []
    with contextlib.ExitStack() as elsewhere:
        for name in "bd":
            elsewhere.enter_context(holding(tmp_path / name, f"run {name}"))

        def work(name):
            with holding(tmp_path / name, f"run {name}"):
                done.append(name)

        def note(text):
            said.append(text)
            if text.startswith("Waiting"):
                # later, while the lock is being waited for
                threading.Timer(0.05, elsewhere.close).start()

        take_turns("abcde", work, note)
    assert (done[:3], sorted(done[3:])) == (["a", "c", "e"], ["b", "d"])
    assert [text.split(",")[0] for text in said[:2]] == ["Put off: run b", "Put off: run d"]
    assert (
        sum(
            text.startswith(("Waiting for run b: held by process ", "Waiting for run d: held by process "))
            for text in said
        )
        == 1
    )


def test_other_errors_end_it(tmp_path):
    def work(name):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        take_turns("ab", work, print)


def test_nothing_to_do_is_nothing():
    take_turns([], pytest.fail, pytest.fail)
