"""A small study whose names are hostile, with prepared images, and its report."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from magsig_tf import workflows
from magsig_tf.atomic_files import write_json
from magsig_tf.report.page.report import Report
from tests.evaluation.fake_runs import DATASET_HASH, FakeStudy
from tests.evaluation.fake_signatures import write_signatures

HOSTILE = "<img src=x onerror=alert(1)>"
SIZE = 24
COUNTS = {part: {"benign": 6, "malignant": 8} for part in ("train", "validation", "test")}


def small_study(
    root: Path, methods: tuple[str, ...] = ("baseline", "grl", HOSTILE), holdouts: tuple[str, ...] = ("40X", "200X")
) -> FakeStudy:
    """Return a study whose first case, first image, third method and one config are named to attack."""
    study = FakeStudy(root, cases=(12, 14), folds=2, images=2)
    study.manifest["case"] = study.manifest["case"].replace("case-000", HOSTILE)
    study.write(methods, holdouts, cases_per_class=COUNTS, versions={"magsig": HOSTILE})
    for path in study.workspace.runs(study.dataset).glob("*/*/*"):
        (path / "config.yaml").write_text(f"encoder: {HOSTILE!r}\n")
    _write_images(study)
    return study


def small_report(study: FakeStudy, **settings) -> Report:
    """Write the report of a study with few replicates."""
    return workflows.report(study.workspace, study.dataset, replicates=100, **settings)


def add_signatures(study: FakeStudy) -> None:
    """Write the tables of signatures, with the columns that the report shows besides those that claims read."""
    import pandas as pd

    write_signatures(study, {"baseline": 90, "grl": 20}, {"baseline": 0.1, "grl": 0.4}, lambda _, rows: rows["label"])
    folder = study.workspace.results() / study.dataset
    for name, columns in (
        ("signatures", {"share": 0.1, "auc": 0.8, "f1": 0.7, "brier": 0.2, "reason": ""}),
        ("signature_pairs", {"adjusted": 0.2, "p_value": 0.01, "cka": 0.5, "reason": HOSTILE}),
    ):
        frame = pd.read_parquet(folder / f"{name}.parquet")
        frame.assign(label=frame["method"], **columns).to_parquet(folder / f"{name}.parquet")


def _write_images(study: FakeStudy) -> None:
    rows = study.manifest
    manifest = rows[["case", "magnification"]].assign(
        path=[f"{HOSTILE}/{row}.png" if row == 0 else f"{row}.png" for row in rows["row"]],
        label=np.where(rows["label"] == 1, "malignant", "benign"),
        slide=rows["case"],
        pixel_sha256="",
        perceptual_hash="",
    )
    folder = study.workspace.data(study.dataset)
    images = np.random.default_rng(0).integers(0, 256, (len(rows), SIZE, SIZE, 3)).astype(np.uint8)
    np.save(folder / "images.npy", images)
    manifest.to_parquet(folder / "manifest.parquet")
    names = sorted(rows["magnification"].unique())
    write_json(
        folder / "dataset.json",
        {"name": study.dataset, "size": SIZE, "content_hash": DATASET_HASH, "magnifications": names},
    )
