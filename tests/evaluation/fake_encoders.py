"""Several data sets of the same images in one workspace, as several encoders make them, with runs of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from tests.evaluation.fake_runs import FakeStudy

Answer = Callable[[str, pd.DataFrame], np.ndarray]
"""Gives the probabilities of a method for the rows of a run's predictions."""


class FakeEncoder(FakeStudy):
    """A data set of the images of a `FakeStudy`, its rows in an order of their own.

    Args:
        root: Folder of the workspace.
        dataset: Name of the data set.
        seed: Of the order of its rows; None keeps that of the study.
        without: Cases that it lacks.
        answer: Takes the place of the probabilities; None keeps them, which are the same for every data set.
        **settings: Of the study.
    """

    def __init__(
        self,
        root: Path,
        dataset: str,
        *,
        seed: int | None = None,
        without: Iterable[str] = (),
        answer: Answer | None = None,
        **settings: object,
    ):
        super().__init__(root, dataset=dataset, **settings)  # type: ignore[arg-type]
        self._answer = answer
        order = np.arange(len(self.manifest))
        if seed is not None:
            order = np.random.default_rng(seed).permutation(order)
        images = self.manifest.iloc[order]
        images = images[~images["case"].isin(list(without))]
        self.order = images["row"].to_numpy()
        self.images = pd.DataFrame(
            {
                "path": [f"{row:04d}.png" for row in images["row"]],
                "case": images["case"].to_numpy(),
                "label": np.where(images["label"] == 1, "malignant", "benign"),
                "magnification": images["magnification"].to_numpy(),
            }
        )
        self.write_manifest()
        info = {"name": dataset, "content_hash": f"hash of {dataset}"}
        (self.workspace.data(dataset) / "dataset.json").write_text(json.dumps(info))

    def write_manifest(self) -> None:
        """Write the manifest anew."""
        self.images.to_parquet(self.workspace.data(self.dataset) / "manifest.parquet")

    def write_run(self, method: str, holdout: str, fold: int, seed: int, **info: object) -> Path:
        """Write one run folder, on this data set and a split of it."""
        mine = {"dataset_hash": f"hash of {self.dataset}", "split_hash": f"{self.dataset}-{holdout}-{fold}"}
        return super().write_run(method, holdout, fold, seed, **mine | info)

    def predictions(self, method: str, holdout: str, fold: int, seed: int) -> pd.DataFrame:
        """Return the predictions of one run by this data set's rows, in the order of these."""
        frame = super().predictions(method, holdout, fold, seed)
        if self._answer is not None:
            frame = frame.assign(probability=self._answer(method, frame))
        place = pd.Series(np.arange(len(self.order)), index=self.order)
        frame = frame[frame["row"].isin(self.order)]
        return frame.assign(row=frame["row"].map(place).astype("int64")).sort_values("row", ignore_index=True)
