"""A full matrix of finished runs with made-up answers, on as many cases and images as BreaKHis has."""

from __future__ import annotations

import importlib.resources
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from magsig_tf.atomic_files import write_json
from magsig_tf.seeding import generator_for
from magsig_tf.workspace import Workspace

DATASET = "made-up"
HOLDOUTS = ("40X", "100X", "200X", "400X")
FOLDS = 5
SEPARATION = {"baseline": 1.4, "gan": 1.5, "grl": 1.7}
"""Methods, and the distance of the classes in standard deviations of their scores."""
CASE_SHARE = 0.5
"""Share of the variance of a score within a class that all images of a case have in common."""


def write_matrix(root: Path, seeds: int = 3, methods: int = 3, smaller: int = 1) -> Workspace:
    """Write the run folders of every method, holdout, patient fold and seed.

    Args:
        root: Folder of the workspace.
        seeds: Seeds of each method.
        methods: How many of `SEPARATION`.
        smaller: Keep one in so many images of each case.
    """
    workspace, images = Workspace(root), breakhis_images(smaller)
    write_json(workspace.data(DATASET) / "dataset.json", {"name": DATASET, "content_hash": DATASET})
    for method, holdout, fold, seed in product(list(SEPARATION)[:methods], HOLDOUTS, range(FOLDS), range(seeds)):
        folder = workspace.runs(DATASET) / method / holdout / f"fold{fold}-seed{seed}-{method}"
        folder.mkdir(parents=True)
        answers(images, method, holdout, fold, seed).to_parquet(folder / "predictions.parquet")
        facts = {
            "status": "done",
            "dataset": DATASET,
            "dataset_hash": DATASET,
            "method": method,
            "holdout": holdout,
            "source_magnifications": [name for name in HOLDOUTS if name != holdout],
            "patient_fold": fold,
            "seed": seed,
            "split_hash": f"{holdout}-{fold}",
            "config_hash": method,
            "batch_statistics": "reestimated",
        }
        write_json(folder / "run.json", facts)
    return workspace


def breakhis_images(smaller: int = 1) -> pd.DataFrame:
    """Return one row per image: as many of each case and magnification as BreaKHis has, and the case's patient fold."""
    counts = images_of_cases()
    counts = counts.assign(fold=counts.groupby("label").cumcount() % FOLDS)
    long = counts.melt(["case", "label", "fold"], list(HOLDOUTS), "magnification", "images")
    rows = long.loc[long.index.repeat(-(-long["images"] // smaller))].drop(columns="images")
    return rows.reset_index(drop=True).rename_axis("row").reset_index()


@cache
def images_of_cases() -> pd.DataFrame:
    """Return the images of each BreaKHis case at each magnification; label is 0 or 1."""
    path = importlib.resources.files("magsig_tf.data.facts") / "breakhis_slides.csv"
    with path.open(encoding="utf-8") as file:
        slides = pd.read_csv(file, comment="#")
    counts = slides.groupby(["case", "label"])[list(HOLDOUTS)].sum().reset_index()
    return counts.assign(label=(counts["label"] == "malignant").astype("int8"))


def answers(images: pd.DataFrame, method: str, holdout: str, fold: int, seed: int) -> pd.DataFrame:
    """Return the predictions of one run, clustered by case."""
    of_case = generator_for("made-up cases", seed).normal(size=images["case"].nunique())
    own = generator_for("made-up answers", method, holdout, fold, seed).normal(size=len(images))
    effect = np.sqrt(CASE_SHARE) * of_case[pd.factorize(images["case"])[0]] + np.sqrt(1 - CASE_SHARE) * own
    logit = SEPARATION[method] * (SEPARATION[method] * (images["label"] - 0.5) + effect)
    held_out, tested = images["magnification"] == holdout, images["fold"] == fold
    validation = (images["fold"] == (fold + 1) % FOLDS) & ~held_out
    part = np.select([tested & held_out, tested, validation], ["test", "in_domain_test", "validation"], "")
    frame = images.assign(part=part, probability=1 / (1 + np.exp(-logit)))
    return frame.loc[part != "", ["row", "part", "case", "magnification", "label", "probability"]]
