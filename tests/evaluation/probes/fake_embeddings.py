"""Run folders with embeddings in which the magnification is planted for one method and absent for another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from magsig_tf.data.columns import COLOUR_COLUMNS
from magsig_tf.seeding import generator_for
from tests.evaluation.fake_runs import HOLDOUTS, FakeStudy

SHIFT = {"baseline": 4.0, "grl": 0.0}


class FakeEmbeddings(FakeStudy):
    """A `FakeStudy` whose runs hold embeddings: baseline knows the magnification, grl does not."""

    def write_run(self, method: str, holdout: str, fold: int, seed: int, **info: object) -> Path:
        """Write one run folder with its embeddings and return it."""
        folder = super().write_run(method, holdout, fold, seed, **({"encoder": "small_cnn"} | info))
        if (folder / "predictions.parquet").exists():
            rows = pd.read_parquet(folder / "predictions.parquet")
            features = generator_for(method, holdout, fold, seed).normal(size=(len(rows), 6)).astype(np.float32)
            place = rows["magnification"].map(HOLDOUTS.index).to_numpy()
            features[:, :2] += SHIFT[method] * place[:, None]
            np.savez(
                folder / "embeddings.npz",
                embedding=features,
                row=rows["row"].to_numpy(),
                part=rows["part"].to_numpy(str),
                case=rows["case"].to_numpy(str),
                magnification=rows["magnification"].to_numpy(str),
                label=rows["label"].to_numpy(np.int8),
            )
        return folder

    def prepare(self, zooms: bool = False) -> None:
        """Write the manifest that `magsig prepare` would have written, and a truth beside it."""
        manifest = self.manifest.copy()
        manifest["path"] = [f"image-{row:05d}.png" for row in manifest["row"]]
        manifest["origin"] = "file"
        if zooms:
            at = {name: manifest.index[manifest["magnification"] == name] for name in ("100X", "400X")}
            manifest.loc[at["400X"], "origin"] = "digital-zoom of " + manifest.loc[at["100X"], "path"].to_numpy()
        for column in COLOUR_COLUMNS:
            manifest[column] = generator_for(column).normal(size=len(manifest)).astype(np.float32)
        folder = self.workspace.data(self.dataset)
        manifest.to_parquet(folder / "manifest.parquet")
        size = manifest["magnification"].map(dict(zip(HOLDOUTS, (0.49, 0.2, 0.1, 0.05), strict=True)))
        factor = generator_for("factor").normal(size=manifest["case"].nunique())
        pd.DataFrame({"pixel_size_um": size, "disorder": factor[manifest["case"].str[-3:].astype(int)]}).to_parquet(
            folder / "truth.parquet"
        )
