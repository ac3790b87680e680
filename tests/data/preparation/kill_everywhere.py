"""Run as a script: kill -9 `prepare` at one moment after another, repeat it, and print what came of it.

A moment is a file operation in the workspace or a report of progress. A process is forked for every kill, since
starting Python afresh for each would take a minute.

    python -m tests.data.preparation.kill_everywhere SOURCE FOLDER EVERY [OLD]

EVERY 1 kills at each moment, 5 at every fifth. With OLD, a workspace, each preparation replaces the data set in a copy
of it. Prints one JSON object a kill.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from magsig_tf.data.preparation.decode import PrepareProgress
from magsig_tf.data.preparation.prepare import Preparation
from magsig_tf.data.prepared import PreparedDataset
from tests.data.whole_dataset import check_whole

NOTHING_TO_DO = 2**32
TOUCHING = {"open", "os.rename", "os.remove", "os.mkdir", "os.truncate", "os.rmdir", "shutil.rmtree"}


def forked(work: Callable[[], None]) -> int:
    """Do some work in a forked process and return how that ended: 0, or -9 when it was killed."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


class Watch:
    """Counts moments and sends SIGKILL to its own process at one of them.

    Args:
        workspace: Where file operations count.
        board: Shared memory: the moments so far, and the images known to be decoded.
        kill_at: The last moment, from 1.
    """

    def __init__(self, workspace: Path, board: mmap.mmap, kill_at: int):
        self.workspace, self.board, self.kill_at = str(workspace), board, kill_at
        sys.addaudithook(self.operation)

    def operation(self, event: str, arguments: tuple) -> None:
        if event in TOUCHING and any(self.workspace in str(argument) for argument in arguments):
            self.moment()

    def progress(self, state: PrepareProgress) -> None:
        self.board[8:16] = state.images.to_bytes(8, "little")
        self.moment()

    def moment(self) -> None:
        counted = int.from_bytes(self.board[:8], "little") + 1
        self.board[:8] = counted.to_bytes(8, "little")
        if counted == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def fingerprint(workspace: Path) -> str | None:
    """Return a hash of the prepared files as they lie there, None where there is no data set."""
    folder = workspace / "data" / "breakhis"
    if not folder.exists():
        return None
    check_whole(PreparedDataset.open(folder))
    return hashlib.sha256(b"".join((folder / f).read_bytes() for f in ("images.npy", "manifest.parquet"))).hexdigest()


def prepare(source: Path, workspace: Path, overwrite: bool, progress: Callable[[PrepareProgress], None]) -> None:
    preparation = Preparation(source, workspace, size=16, overwrite=overwrite)
    if preparation.existing() is None:
        preparation.run(workers=1, progress=progress)


def main(source: Path, folder: Path, every: int, old: Path | None) -> None:
    board = mmap.mmap(-1, 24)
    kill_at, ended = 1, -signal.SIGKILL
    while ended == -signal.SIGKILL:
        workspace = folder / str(kill_at)
        if old:
            shutil.copytree(old, workspace)
        board[:] = bytes(24)

        def until_killed(w: Path = workspace, k: int = kill_at) -> None:
            prepare(source, w, old is not None, Watch(w, board, k).progress)

        def again(w: Path = workspace) -> None:
            resumed = []
            prepare(source, w, old is not None, lambda state: resumed.append(state.resumed))
            board[16:24] = (resumed[0] if resumed else NOTHING_TO_DO).to_bytes(8, "little")

        ended = forked(until_killed)
        found = {"moment": kill_at, "killed": ended == -signal.SIGKILL}
        found |= {"decoded": int.from_bytes(board[8:16], "little"), "at_death": fingerprint(workspace)}
        found |= {"repeated": forked(again), "resumed": int.from_bytes(board[16:24], "little")}
        found |= {"content": fingerprint(workspace)}
        found["left"] = sorted(path.name for path in (workspace / "data" / ".preparing").iterdir())
        print(json.dumps(found), flush=True)
        shutil.rmtree(workspace)
        kill_at += every


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]) if len(sys.argv) > 4 else None)
