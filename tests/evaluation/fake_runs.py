"""Run folders as training writes them, with made-up predictions whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from magsig_tf.workspace import Workspace

HOLDOUTS = ("40X", "100X", "200X", "400X")
DATASET_HASH = "d" * 16


class FakeStudy:
    """A workspace with finished runs: clustered cases, a worse model at the held-out magnification.

    Args:
        root: Folder of the workspace.
        cases: Numbers of benign and malignant cases.
        folds: K; fold k tests every K-th case.
        images: Images of a case at one magnification.
        magnifications: Those of the data set; each can be held out.
        drop: Loss of separation (in standard deviations) at the held-out magnification, by method.
    """

    def __init__(
        self,
        root: Path,
        *,
        dataset: str = "fake",
        cases: tuple[int, int] = (24, 36),
        folds: int = 2,
        images: int = 4,
        drop: dict[str, float] | None = None,
        magnifications: tuple[str, ...] = HOLDOUTS,
    ):
        self.workspace, self.dataset, self.folds = Workspace(root), dataset, folds
        self.magnifications, self.drop = magnifications, drop or {"baseline": 1.0, "grl": 0.4}
        rng = np.random.default_rng(0)
        labels = np.repeat([0, 1], cases)
        self.manifest = pd.DataFrame(
            [
                {"case": f"case-{c:03d}", "label": labels[c], "magnification": m, "fold": c % folds}
                for c in range(len(labels))
                for m in magnifications
                for _ in range(images)
            ]
        )
        self.manifest["row"] = np.arange(len(self.manifest))
        case_effect = dict(zip(self.manifest["case"].unique(), rng.normal(size=len(labels)), strict=True))
        self.effect = self.manifest["case"].map(case_effect).to_numpy() + rng.normal(size=len(self.manifest))
        folder = self.workspace.data(dataset)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "dataset.json").write_text(json.dumps({"name": dataset, "content_hash": DATASET_HASH}))

    def write(
        self,
        methods: Iterable[str] = ("baseline", "grl"),
        holdouts: Iterable[str] | None = None,
        seeds: Iterable[int] = (0,),
        folds: Iterable[int] | None = None,
        **info: object,
    ) -> list[Path]:
        """Write one finished run for each combination; `info` overrides keys of run.json.

        With `batch_statistics=None` a run is as versions before that key left it.
        """
        return [
            self.write_run(method, holdout, fold, seed, **info)
            for method in methods
            for holdout in (self.magnifications if holdouts is None else holdouts)
            for fold in (range(self.folds) if folds is None else folds)
            for seed in seeds
        ]

    def write_run(self, method: str, holdout: str, fold: int, seed: int, **info: object) -> Path:
        """Write one run folder and return it."""
        info = {
            "status": "done",
            "dataset": self.dataset,
            "dataset_hash": DATASET_HASH,
            "method": method,
            "holdout": holdout,
            "source_magnifications": [name for name in self.magnifications if name != holdout],
            "patient_fold": fold,
            "seed": seed,
            "split_hash": f"split-{holdout}-{fold}",
            "config_hash": {"baseline": "ba5e11ne", "grl": "9a81beef"}.get(method, "0ff1ce00"),
            "selection": "source",
            "batch_statistics": "reestimated",
        } | info
        if info["batch_statistics"] is None:
            del info["batch_statistics"]
        name = f"fold{fold}-seed{seed}-{info['config_hash']}"
        folder = self.workspace.runs(self.dataset) / method / holdout / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "run.json").write_text(json.dumps(info))
        if info["status"] == "done":
            self.predictions(method, holdout, fold, seed).to_parquet(folder / "predictions.parquet")
        return folder

    def predictions(self, method: str, holdout: str, fold: int, seed: int) -> pd.DataFrame:
        """Return the predictions of one run."""
        rows = self.manifest
        held_out = (rows["magnification"] == holdout).to_numpy()
        separation = 2.2 - self.drop.get(method, 0.0) * held_out
        noise = np.random.default_rng([fold, seed, self.magnifications.index(holdout), len(method)]).normal(
            size=len(rows)
        )
        logit = separation * (rows["label"].to_numpy() - 0.5) + self.effect + 0.5 * noise
        tested = (rows["fold"] == fold).to_numpy()
        validation = (rows["fold"] == (fold + 1) % self.folds).to_numpy() & ~held_out
        part = np.select([tested & held_out, tested, validation], ["test", "in_domain_test", "validation"], "")
        frame = rows.assign(
            slide=rows["case"],
            part=part,
            logit=logit,
            probability=1 / (1 + np.exp(-logit)),
            label=rows["label"].astype("int8"),
        )
        columns = ["row", "part", "case", "slide", "magnification", "label", "probability", "logit"]
        return frame.loc[part != "", columns].reset_index(drop=True)
