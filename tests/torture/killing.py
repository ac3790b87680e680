"""A command is killed at a random moment and repeated: what it leaves must be what an undisturbed one leaves.

Compared are the names of all files, hidden and temporary ones too, and their contents. Left out of the comparison are
times, and the bytes of `saved_model.pb`, in which TensorFlow numbers its functions anew each time; the weights beside
it are compared.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import select
import shutil
import signal
import subprocess
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from magsig_tf.seeding import generator_for
from tests.torture.commands import COMMANDS, begin, finish

_TIMES = re.compile(
    rb'"(created|started|finished|seconds|since|written)": ("[^"]*"|[0-9.e+-]+)'
    rb"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?([.]\d+)?(Z|[+-]\d\d:\d\d)?"
    rb'|(?<=in )[0-9.]+ s|(?<=_per_second": )[0-9.e+-]+'
)
_NOT_COMPARED = ("saved_model.pb", "fingerprint.pb", "steps-again.json")
ATTEMPTS = 4
_EVENTS = re.compile(r"events\.out\.tfevents\..*")
"""Event files of TensorBoard say in name and content when they were written."""
PATIENCE = 30.0
"""Seconds within which children of a killed process must have ended."""


@dataclass
class Tortured:
    """What became of one command.

    Args:
        name: Its name in `COMMANDS`.
        seconds: What it takes undisturbed.
        kills: How often it was killed before its end.
        identical: How often its repetition left what an undisturbed one leaves.
        problems: What was found, in words; empty where all is well.
    """

    name: str
    seconds: float
    kills: int
    identical: int
    problems: list[str]


def torture(name: str, beginnings: dict[str, Path], place: Path, kills: int, first: int = 0) -> Tortured:
    """Kill a command so often, each time in a fresh copy of the folder that it begins in, and repeat it to its end.

    Every second time the whole process group is killed, else the process alone, whose children must then end.

    Args:
        name: Its name in `COMMANDS`.
        beginnings: From `commands.beginnings`.
        place: Where to work.
        kills: How often.
        first: Number of the first kill; moments derive from the numbers.
    """
    beginning, words = beginnings[COMMANDS[name][0]], list(COMMANDS[name][1])
    folder = shutil.copytree(beginning, place / "work")  # always the same: files name their folder
    began = time.monotonic()
    finish(words, folder)
    outcome = Tortured(name, time.monotonic() - began, 0, 0, [])
    wanted = contents(folder)
    shutil.rmtree(folder)
    for number in range(first, first + kills):
        # not in the first fifth, in which modules are loaded
        moment = outcome.seconds * float(generator_for("kill", name, number).uniform(0.2, 1.0))
        for _ in range(ATTEMPTS):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(beginning, folder)
            if _killed(words, folder, moment, group=number % 2 == 0) and not _all_written(wanted, folder):
                outcome.kills += 1
                break
            moment *= 0.7  # the machine was less busy than when the undisturbed one was timed
        problem = _repeated(words, folder, wanted, outcome)
        if problem:
            outcome.problems.append(f"kill {number} after {moment:.2f} s: {problem}")
        shutil.rmtree(folder)
    return outcome


def _killed(words: list[str], folder: Path, moment: float, *, group: bool) -> bool:
    """Kill a command after so many seconds, alone or with its group; return whether it was still at work."""
    with begin(words, folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        if process.poll() is not None:
            return False
        if group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    return True


def _all_written(wanted: dict[str, str], folder: Path) -> bool:
    """Return whether a killed command had nothing left to do: an export that is repeated then is another version."""
    outputs, found = (
        {name: each for name, each in files.items() if not name.startswith("tmp/")}
        for files in (wanted, contents(folder))
    )
    return outputs == found


def _repeated(words: list[str], folder: Path, wanted: dict[str, str], outcome: Tortured) -> str:
    """Repeat a killed command to its end; return what is not as it should be, empty where all is well."""
    if left := survivors(folder):
        return f"processes that outlive it: {left}"
    try:
        finish(words, folder)
    except AssertionError as error:
        return f"the repetition fails: {error}"
    if differences := compared(wanted, contents(folder)):
        return "; ".join(differences)
    outcome.identical += 1
    return ""


def survivors(folder: Path) -> list[str]:
    """Return the command lines of the processes of a folder that have not ended in `PATIENCE`."""
    found, deadline = [], time.monotonic() + PATIENCE
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            pid = int(entry.name)
            if f"TORTURED={folder}\0".encode() not in (entry / "environ").read_bytes():
                continue
            handle = os.pidfd_open(pid)
            ended, _, _ = select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
            if not ended:
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                os.kill(pid, signal.SIGKILL)
            os.close(handle)
    return found


def contents(folder: Path) -> dict[str, str]:
    """Return every file below a folder with a hash of what it holds, times left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = _EVENTS.sub("events", str(path.relative_to(folder)))
        if path.name.startswith("__autograph_generated_file"):
            continue  # TensorFlow's, in the folder for temporary files; it removes them itself unless killed
        if path.is_dir():
            found[f"{name}/"] = ""
        else:
            found[name] = hashlib.sha256(_without_times(path)).hexdigest()
    return found


def _without_times(path: Path) -> bytes:
    if path.name in _NOT_COMPARED or "tfevents" in path.name:
        return b""
    if path.suffix == ".keras":
        return _weights(path)
    if path.name == "checksums.json":  # of files with times, too; which files, and that each has one and no more
        found = json.loads(path.read_text(encoding="utf-8"))["files"]
        return repr([(name, len(digests)) for name, digests in found.items() if "tfevents" not in name]).encode()
    content = path.read_bytes()
    text = path.suffix in (".json", ".jsonl", ".html", ".md", ".txt", ".csv", ".tex", ".yaml")
    return _TIMES.sub(b"", content) if text else content


def _weights(path: Path) -> bytes:
    """Return the weights of a Keras file; the names of layers count those that a process has made before."""
    import h5py

    found: list[bytes] = []
    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as stored:
        stored.visititems(lambda name, each: found.append(each[()].tobytes()) if hasattr(each, "dtype") else None)
    return b"".join(found)


def compared(wanted: dict[str, str], found: dict[str, str]) -> list[str]:
    """Return how two folders differ, in words."""
    missing, left = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    other = [name for name in wanted if name in found and wanted[name] != found[name]]
    named = {"missing": missing, "left over": left, "different": other}
    return [f"{what}: {', '.join(names[:5])}" for what, names in named.items() if names]
