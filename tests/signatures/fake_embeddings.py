"""Runs with embeddings whose informative dimensions are known, and a stand-in for the sparse path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magsig_tf.signatures.signature import CHOICES, Signature
from tests.evaluation.fake_runs import DATASET_HASH, HOLDOUTS, FakeStudy

DIMENSIONS = 24
INFORMATIVE = 6


class EmbeddingStudy(FakeStudy):
    """A study whose runs have embeddings: the first dimensions follow the label, the others are noise.

    Args:
        root: Folder of the workspace.
        shuffled: Methods whose networks have their dimensions in another order at each holdout.
    """

    def __init__(self, root: Path, shuffled: Sequence[str] = (), **settings):
        super().__init__(root, cases=(18, 21), folds=3, images=2, **settings)
        self.shuffled = shuffled
        rng = np.random.default_rng(5)
        self.truth = rng.normal(size=(len(self.manifest), DIMENSIONS))
        self.truth[:, :INFORMATIVE] += 2.0 * self.manifest["label"].to_numpy()[:, None]

    def write_run(self, method: str, holdout: str, fold: int, seed: int, **info: object) -> Path:
        """Write one run folder with embeddings and return it."""
        folder = super().write_run(method, holdout, fold, seed, **{"encoder": "small_cnn"} | info)
        if info.get("status", "done") == "done":
            np.savez(folder / "embeddings.npz", **self.embeddings(method, holdout, fold, seed))
        return folder

    def write_random_encoder(self, features: np.ndarray | None = None, rows: slice = slice(None), **arrays) -> Path:
        """Write what training writes of an encoder without training: the planted truth, or other features of all rows.

        Args:
            features: Of every image, shape (images, p).
            rows: Those that are written.
            arrays: Arrays to change.
        """
        path = self.workspace.random_encoder(self.dataset, "small_cnn", 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        features = self.truth if features is None else features
        written = {"embedding": features[rows].astype(np.float32), "row": self.manifest["row"].to_numpy()[rows]}
        np.savez(path, **written | {"dataset_hash": DATASET_HASH} | arrays)
        return path

    def embeddings(self, method: str, holdout: str, fold: int, seed: int) -> dict[str, np.ndarray]:
        """Return the arrays of one run, as training writes them."""
        rows = self.manifest
        held_out = (rows["magnification"] == holdout).to_numpy()
        tested = (rows["fold"] == fold).to_numpy()
        validation = (rows["fold"] == (fold + 1) % self.folds).to_numpy()
        part = np.select(
            [tested & held_out, tested, validation & ~held_out, ~validation & ~held_out],
            ["test", "in_domain_test", "validation", "train"],
            "",
        )
        rng = np.random.default_rng([HOLDOUTS.index(holdout), seed])
        embedding = self.truth + 0.1 * rng.normal(size=self.truth.shape)
        if method in self.shuffled:
            embedding = embedding[:, rng.permutation(DIMENSIONS)]
        kept = part != ""
        return {
            "embedding": embedding[kept].astype(np.float32),
            "row": rows["row"].to_numpy()[kept],
            "part": part[kept].astype(str),
            "case": rows["case"].to_numpy(str)[kept],
            "magnification": rows["magnification"].to_numpy(str)[kept],
            "label": rows["label"].to_numpy(np.int8)[kept],
        }


@dataclass(frozen=True)
class FarApart:
    """Stands in for the sparse path: selects dimensions whose class means lie further apart than `penalty`."""

    penalty: float = 1.0

    def __call__(self, embedding, label, case):
        return self._differences(embedding, label) > self.penalty

    def fit(self, embedding, label, case, names):
        """Return a classifier on the mean of the selected dimensions."""
        selected = self(embedding, label, case)
        size = int(selected.sum())
        return Signature(
            indices=np.flatnonzero(selected),
            coefficients=np.full(size, 2 / max(size, 1)),
            intercept=-2 * embedding[:, selected].mean() if size else 0.0,
            mean=np.zeros(size),
            scale=np.ones(size),
            penalty=self.penalty,
            gap=1e-7,
            rows=len(label),
            dimensions=len(selected),
            constant_dimensions=0,
            choice=CHOICES[0],
            at_sparse_edge=False,
            at_dense_edge=False,
        )

    @staticmethod
    def _differences(embedding, label):
        return embedding[label == 1].mean(0) - embedding[label == 0].mean(0)


def stand_in(monkeypatch, penalty: float = 1.0) -> None:
    """Replace the sparse path by `FarApart` wherever a command or table would call it."""
    from magsig_tf.signatures import sources, within_fold

    monkeypatch.setattr(sources, "fit_signature", FarApart(penalty).fit)
    monkeypatch.setattr(within_fold, "select_at", lambda penalty, *rows: FarApart(penalty)(*rows))
