"""Whether an export predicts as its run did, checked in a fresh process that has TensorFlow and no magsig."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from scipy.special import expit

from magsig_tf.data.columns import LABELS
from magsig_tf.data.embeddings_file import read_embeddings
from magsig_tf.data.prepared import Dataset, PreparedDataset
from magsig_tf.data.sources.source import choose_source
from magsig_tf.errors import MagsigError, RunError
from magsig_tf.npz_files import read_npz
from magsig_tf.runs.run import Run
from magsig_tf.serving.exporting import fresh_process
from magsig_tf.serving.exporting.served_model import THRESHOLD, Served

TOLERANCES = {"float32": 1e-5, "mixed_float16": 2e-3, "mixed_bfloat16": 2e-2}
"""Largest difference between a served and a stored probability, for each precision (docs/serving.md)."""
NATIVE_TOLERANCE = 0.02
"""Largest difference of probability between an original file and its prepared pixels."""
NATIVE_FILES = 16
"""Number of original files that an export is compared on."""
_SUFFIXES = (".png", ".jpg", ".jpeg")
_REMOVED = "The export was removed"


@dataclass(frozen=True)
class CheckedExport:
    """What the check measured; every difference is the largest one.

    Args:
        images: Number of test images.
        tolerance: For probabilities, labels' threshold apart.
        differences: By what was compared: `array`, `float`, `png` (probabilities from pixels and from PNG files),
            `gradcam` (its probability), `embedding` (relative to the largest value) and, with a signature, `signature`.
        native_files: Number of original files that the model takes.
        native_refused: Number of those that it refuses: turned, not in sRGB, of 16 bits of which not all are used.
        native_levels: Between TensorFlow's and Pillow's resize, in levels of 255; None without files.
        native_probability: What that does to the probability; None without files.
        native_tolerance: For that.
        native_absent: Why there are no files; empty where there are.
    """

    images: int
    tolerance: float
    differences: dict[str, float]
    native_files: int
    native_refused: int
    native_levels: float | None
    native_probability: float | None
    native_tolerance: float
    native_absent: str

    def facts(self) -> dict[str, object]:
        """Return the measurements as plain values, those of original files below `native`."""
        facts = asdict(self)
        names = [name for name in facts if name.startswith("native_")]
        native = {name.removeprefix("native_"): facts.pop(name) for name in names}
        return facts | {"native": native}


def check_export(folder: Path, served: Served, run: Run, asked: Dataset, batch: int) -> CheckedExport:
    """Ask an export about the run's test images and hold its answers against what the run stored.

    Args:
        folder: The SavedModel.
        served: What was written there.
        run: Its run.
        asked: What the export takes of the run's images: their data set, or that of their embeddings.
        batch: How many it is asked about at once.

    Raises:
        RunError: it cannot be loaded without magsig, or an answer differs by more than the tolerance.
    """
    rows = run.part("test")["row"].to_numpy()
    files: list[tuple[Path, int]] = []
    absent = "the model takes embeddings"
    if isinstance(asked, PreparedDataset):
        files, absent = find_native_files(asked, rows)
    answers = ask(folder, asked.folder / f"{asked.data}.npy", rows, batch=batch, native=files)
    tolerance = TOLERANCES.get(run.precision, TOLERANCES["float32"])
    differences = _differences(answers, run, served)
    worst = max(differences, key=differences.__getitem__)
    if not differences[worst] <= tolerance:
        raise RunError(
            f"Expected the export to predict as its run did, within {tolerance:g} ({run.precision})",
            f"found {worst} to differ by {differences[worst]:.2g}",
            f"{_REMOVED}. Were the run's files changed, or was it trained on another kind of device? "
            "Export where it was trained, or train it again",
        )
    _check_answers(answers, tolerance)
    taken = np.isfinite(answers["native levels"])
    levels, off = answers["native levels"][taken], np.abs(np.diff(answers["native probability"]))[taken, 0]
    refused, files = int((~taken).sum()), [file for file, is_taken in zip(files, taken, strict=True) if is_taken]
    if refused and not files:
        absent = "the model refuses those that were looked at"
    if len(off) and not off.max() <= NATIVE_TOLERANCE:
        expected = f"Expected predictions of original files within {NATIVE_TOLERANCE} of those of prepared pixels"
        remedy = f"{_REMOVED}: this model depends too much on how an image is resized. Train on larger images"
        raise RunError(expected, f"found {off.max():.3g} for {files[int(off.argmax())][0]}", remedy)
    level, probability = (float(levels.max()), float(off.max())) if files else (None, None)
    native = (len(files), refused, level, probability, NATIVE_TOLERANCE, absent)
    return CheckedExport(len(rows), tolerance, differences, *native)


def find_native_files(prepared: PreparedDataset, rows: np.ndarray) -> tuple[list[tuple[Path, int]], str]:
    """Return the unchanged original PNG and JPEG files of some rows, where they are still at hand.

    Args:
        prepared: The data set.
        rows: Candidates; up to `NATIVE_FILES` of them, evenly spread, are looked for.

    Returns:
        Path and row of each; and why there is none, in words, empty where there are some.
    """
    origin, kind = prepared.info.get("source", {}).get("path"), prepared.info.get("kind")
    if origin is None:
        return [], "the data set was not made from files"
    source = Path(origin)
    if not source.exists():
        return [], f"the source files are gone ({source})"
    if source.is_file() and kind == "breakhis":
        return [], f"the source is an archive ({source}), which is not unpacked for it"
    listed: dict[str, list[tuple[PurePosixPath, Path]]] = defaultdict(list)
    try:
        for image in choose_source(source, kind).images():
            if isinstance(image.content, Path) and image.content.suffix.lower() in _SUFFIXES:
                listed[PurePosixPath(image.path).name].append((PurePosixPath(image.path), image.content))
    except (MagsigError, OSError) as error:
        return [], f"the source cannot be read any more ({error})"
    files = []
    for row in rows[np.unique(np.linspace(0, len(rows) - 1, NATIVE_FILES).astype(int))].tolist():
        # the manifest's paths may be shortened
        wanted, sha256 = PurePosixPath(prepared.manifest["path"].iloc[row]), prepared.manifest["sha256"].iloc[row]
        for path, file in listed[wanted.name]:
            same = path.parts[-len(wanted.parts) :] == wanted.parts and file.is_file()
            if same and hashlib.sha256(file.read_bytes()).hexdigest() == sha256:
                files.append((file, row))
                break
    return files, "" if files else "no unchanged PNG or JPEG file of the test images is left"


def ask(
    folder: Path, inputs: Path, rows: np.ndarray, *, batch: int, native: Sequence[tuple[Path, int]] = ()
) -> dict[str, np.ndarray]:
    """Return what an export answers in a fresh process; `fresh_process` says what is asked.

    Raises:
        RunError: the process failed.
    """
    # beside the export, under its name: what a kill leaves is removed with it by the next export
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}-", dir=folder.parent) as place:
        questions, answers = Path(place) / "questions.json", Path(place) / "answers.npz"
        asked = {
            "model": str(folder.resolve()),
            "inputs": str(inputs.resolve()),
            "rows": rows.tolist(),
            "batch": batch,
            "native": [{"file": str(path.resolve()), "row": row} for path, row in native],
            "answers": str(answers),
        }
        questions.write_text(json.dumps(asked), encoding="utf-8")
        # isolated: neither the current folder nor PYTHONPATH nor the script's own folder is searched
        code, errors = _run([sys.executable, "-X", "utf8", "-I", "-B", fresh_process.__file__, str(questions)])
        if code:
            said = [line for line in errors.splitlines() if line.strip()] or [f"exit code {code}"]
            expected = "Expected the export to work in a process that has only TensorFlow"
            remedy = f"{_REMOVED}. Its encoder may need code that a SavedModel cannot hold"
            raise RunError(expected, f"found: {said[-1]}", remedy)
        return read_npz(answers)


def _run(command: list[str]) -> tuple[int, str]:
    """Run a command that ends with this process, however that ends; return its exit status and standard error."""
    read, write = os.pipe()  # the kernel closes our end of it when we are killed, which the child notices
    try:
        said: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, stdin=read, text=True, errors="replace", **said) as process:
            os.close(read)
            try:
                _, errors = process.communicate()
            except BaseException:
                process.kill()
                raise
        return process.returncode, errors
    finally:
        os.close(write)


def _differences(answers: dict[str, np.ndarray], run: Run, served: Served) -> dict[str, float]:
    test = run.part("test")
    stored = test["probability"].to_numpy(float)
    if served.temperature != 1.0:
        stored = expit(test["logit"].to_numpy(float) / served.temperature)
    found = {}
    for way in _ways(answers, "probability"):
        probability = answers[f"{way} probability"][:, 0]
        found[way] = _largest(probability, stored[: len(probability)])
    embedding = read_embeddings(run.folder / "embeddings.npz").of("test").images(test["row"].to_numpy()).embedding
    scale = max(float(np.abs(embedding).max()), float(np.finfo(np.float32).tiny))
    found["embedding"] = _largest(answers["embed embedding"], embedding) / scale
    if served.signature is not None:
        expected = served.signature.probability_of(embedding)
        found["signature"] = _largest(answers["embed signature_probability"][:, 0], expected)
    return found


def _check_answers(answers: dict[str, np.ndarray], tolerance: float) -> None:
    probability, heat = answers["array probability"][:, 0], answers.get("gradcam heat", np.zeros(1))
    named = np.where(probability >= THRESHOLD, LABELS[1], LABELS[0])
    sure = np.abs(probability - THRESHOLD) > tolerance
    labels = [answers[f"{way} label"] for way in _ways(answers, "label")]
    right = {
        "labels that follow from the probabilities": all((label == named)[sure].all() for label in labels),
        "heat from 0 to 1": ((heat >= 0) & (heat <= 1)).all(),
    }
    for what, holds in right.items():
        if not holds:
            raise RunError(f"Expected {what}", "found others", f"{_REMOVED}. Report it with the run's config")


def _ways(answers: dict[str, np.ndarray], output: str) -> list[str]:
    """Return the ways in which the model was asked that give an output."""
    return [name.split()[0] for name in answers if name.split()[1:] == [output] and name.split()[0] != "native"]


def _largest(found: np.ndarray, stored: np.ndarray) -> float:
    return float(np.abs(found.astype(float) - stored).max())
