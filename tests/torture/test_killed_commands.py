"""Each command that writes is killed twice at random moments: the whole group of processes, and the process alone."""

from __future__ import annotations

import fcntl
import os

import pytest

from tests.torture.commands import COMMANDS, EMPTY, TRAINED, beginnings
from tests.torture.killing import torture

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def begun(tmp_path_factory):
    """The folders that commands begin in, made once for all processes of a test session."""
    own = tmp_path_factory.getbasetemp()
    root = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "torture"
    root.mkdir(exist_ok=True)
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "whole").exists():
            beginnings(root)
            (root / "whole").touch()
    return {name: root / name for name in (EMPTY, TRAINED)}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_that_is_repeated_ends_as_one_that_was_not(begun, tmp_path, name):
    assert torture(name, begun, tmp_path, kills=2).problems == []
