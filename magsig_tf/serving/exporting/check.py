"""Whether an export predicts as its run did, checked in a fresh process that has TensorFlow and no magsig."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from magsig_tf.data.columns import LABELS
from magsig_tf.data.embeddings_file import read_embeddings
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.errors import RunError
from magsig_tf.runs.run import Run
from magsig_tf.serving.exporting import fresh_process
from magsig_tf.serving.exporting.native_files import find_native_files
from magsig_tf.serving.exporting.served_model import THRESHOLD, ServedModel

TOLERANCES = {"float32": 1e-5, "mixed_float16": 2e-3, "mixed_bfloat16": 2e-2}
"""Largest difference between a served and a stored probability, for each precision (docs/serving.md)."""
NATIVE_TOLERANCE = 0.02
"""Largest difference of probability between an original file and its prepared pixels."""


@dataclass(frozen=True)
class CheckedExport:
    """What the check measured; every difference is the largest one.

    Args:
        images: Number of test images.
        tolerance: For probabilities, labels' threshold apart.
        differences: By what was compared: `array`, `float`, `png` (probabilities from pixels and from PNG files),
            `gradcam` (its probability), `embedding` (relative to the largest value) and, with a signature, `signature`.
        native_files: Number of original files.
        native_levels: Between TensorFlow's and Pillow's resize, in levels of 255; None without files.
        native_probability: What that does to the probability; None without files.
        native_absent: Why there are no files; empty where there are.
    """

    images: int
    tolerance: float
    differences: dict[str, float]
    native_files: int
    native_levels: float | None
    native_probability: float | None
    native_absent: str

    def facts(self) -> dict[str, object]:
        """Return the measurements as plain values."""
        return {
            "images": self.images,
            "tolerance": self.tolerance,
            "differences": self.differences,
            "native": {
                "files": self.native_files,
                "levels": self.native_levels,
                "probability": self.native_probability,
                "tolerance": NATIVE_TOLERANCE,
                "absent": self.native_absent,
            },
        }


def check_export(folder: Path, served: ServedModel, run: Run, prepared: PreparedDataset) -> CheckedExport:
    """Ask an export about the run's test images and hold its answers against what the run stored.

    Args:
        folder: The SavedModel.
        served: What was written there.
        run: Its run.
        prepared: The run's data set.

    Raises:
        RunError: it cannot be loaded without magsig, or an answer differs by more than the tolerance.
    """
    test = run.part("test")
    native = find_native_files(prepared, test["row"].to_numpy())
    answers = ask(
        folder,
        prepared.folder / "images.npy",
        test["row"].to_numpy(),
        batch=int(run.settings.get("inference_batch", 64)),
        native=native.files,
    )
    tolerance = TOLERANCES.get(run.precision, TOLERANCES["float32"])
    differences = _differences(answers, run, served)
    worst = max(differences, key=differences.__getitem__)
    if not differences[worst] <= tolerance:
        raise RunError(
            f"Expected the export to predict as its run did, within {tolerance:g} ({run.precision})",
            f"found {worst} to differ by {differences[worst]:.2g}",
            "The export was removed. Were the run's files changed, or was it trained on another kind of device? "
            "Export where it was trained, or train it again",
        )
    _check_answers(answers, tolerance)
    levels, pairs = answers["native levels"], answers["native probability"]
    off = np.abs(pairs[:, 0] - pairs[:, 1])
    if len(off) and not off.max() <= NATIVE_TOLERANCE:
        raise RunError(
            f"Expected predictions of original files within {NATIVE_TOLERANCE} of those of prepared pixels",
            f"found {off.max():.3g} for {native.files[int(off.argmax())][0]}",
            "The export was removed: this model depends too much on how an image is resized. Train on larger images",
        )
    return CheckedExport(
        images=len(test),
        tolerance=tolerance,
        differences=differences,
        native_files=len(native.files),
        native_levels=float(levels.max()) if len(levels) else None,
        native_probability=float(off.max()) if len(off) else None,
        native_absent=native.absent,
    )


def ask(
    folder: Path, images: Path, rows: np.ndarray, *, batch: int, native: tuple[tuple[Path, int], ...] = ()
) -> dict[str, np.ndarray]:
    """Return what an export answers in a fresh process; `fresh_process` says what is asked.

    Raises:
        RunError: the process failed.
    """
    with tempfile.TemporaryDirectory() as place:
        questions, answers = Path(place) / "questions.json", Path(place) / "answers.npz"
        asked = {
            "model": str(Path(folder).resolve()),
            "images": str(Path(images).resolve()),
            "rows": [int(row) for row in rows],
            "batch": batch,
            "native": [{"file": str(path.resolve()), "row": row} for path, row in native],
            "answers": str(answers),
        }
        questions.write_text(json.dumps(asked), encoding="utf-8")
        # isolated: neither the current folder nor PYTHONPATH nor the script's own folder is searched
        command = [sys.executable, "-I", "-B", fresh_process.__file__, str(questions)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
            raise RunError(
                "Expected the export to work in a process that has only TensorFlow",
                f"found: {said[-1]}",
                "The export was removed. Its encoder may need code that a SavedModel cannot hold",
            )
        with np.load(answers, allow_pickle=False) as file:
            return dict(file)


def _differences(answers: dict[str, np.ndarray], run: Run, served: ServedModel) -> dict[str, float]:
    test = run.part("test")
    stored = test["probability"].to_numpy(float)
    if served.temperature != 1.0:
        stored = expit(test["logit"].to_numpy(float) / served.temperature)
    found = {
        way: _largest(answers[f"{way} probability"][:, 0], stored[: len(answers[f"{way} probability"])])
        for way in ("array", "float", "png", "gradcam")
    }
    embeddings = read_embeddings(run.folder / "embeddings.npz").of("test").images(test["row"].to_numpy())
    scale = max(float(np.abs(embeddings.embedding).max()), float(np.finfo(np.float32).tiny))
    found["embedding"] = _largest(answers["embed embedding"], embeddings.embedding) / scale
    if served.signature is not None:
        expected = served.signature.probability_of(embeddings.embedding)
        found["signature"] = _largest(answers["embed signature_probability"][:, 0], expected)
    return found


def _check_answers(answers: dict[str, np.ndarray], tolerance: float) -> None:
    probability = answers["array probability"][:, 0]
    named = np.where(probability >= THRESHOLD, LABELS[1], LABELS[0])
    sure = np.abs(probability - THRESHOLD) > tolerance
    heat = answers["gradcam heat"]
    right = {
        "labels that follow from the probabilities": all(
            (answers[f"{way} label"] == named)[sure].all() for way in ("array", "float", "png")
        ),
        "heat from 0 to 1": bool(((heat >= 0) & (heat <= 1)).all()),
    }
    for what, holds in right.items():
        if not holds:
            raise RunError(
                f"Expected {what}", "found others", "The export was removed. Report it with the run's config"
            )


def _largest(found: np.ndarray, stored: np.ndarray) -> float:
    return float(np.abs(found.astype(float) - stored).max())
