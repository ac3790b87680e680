"""Where everything lies that magsig writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from magsig_tf.errors import UsageError, nearest


@dataclass(frozen=True)
class Workspace:
    """The folder tree of one study (`--workspace` or `MAGSIG_WORKSPACE`, default `./workspace`).

    Args:
        root: The workspace folder; it need not exist yet.
    """

    root: Path

    def data(self, dataset: str) -> Path:
        """Return the folder of one prepared data set."""
        return self.root / "data" / dataset

    def runs(self, dataset: str) -> Path:
        """Return the folder above all runs of one data set."""
        return self.root / "runs" / dataset

    def random_encoder(self, dataset: str, encoder: str, seed: int) -> Path:
        """Return the file of the embeddings that an untrained encoder gives, one of the controls of the probes."""
        return random_encoder_file(self.runs(dataset), encoder, seed)

    def gan(self, dataset: str) -> Path:
        """Return the folder above the GANs of all folds of one data set."""
        return self.root / "gan" / dataset

    def results(self) -> Path:
        """Return the folder of result tables."""
        return self.root / "results"

    def prepared_datasets(self) -> list[str]:
        """Return the names of the data sets that `magsig prepare` finished, sorted."""
        return sorted(path.parent.name for path in (self.root / "data").glob("*/dataset.json"))

    def choose_dataset(self, wanted: str | None) -> str:
        """Return the data set to work on: the wanted one, or the only one prepared.

        Raises:
            UsageError: none is prepared, the wanted one is not, or several are and none was named.
        """
        prepared = self.prepared_datasets()
        if not prepared:
            remedy = "Run `magsig prepare --source BreaKHis_v1.tar.gz` or `magsig prepare --phantom` first"
            raise UsageError(f"Expected a prepared data set in {self.root}", "found none", remedy)
        if wanted is None and len(prepared) > 1:
            expected = "Expected one data set"
            raise UsageError(expected, f"found {len(prepared)} prepared", f"Choose with --dataset {'|'.join(prepared)}")
        if wanted is not None and wanted not in prepared:
            expected = f"Expected the prepared data set {wanted!r} in {self.root}"
            raise UsageError(expected, "found none of that name", nearest(wanted, prepared))
        return wanted or prepared[0]


def random_encoder_file(runs: Path, encoder: str, seed: int) -> Path:
    """Return the file of an untrained encoder's embeddings below the folder of a data set's runs.

    Args:
        runs: `Workspace.runs` of the data set.
        encoder: Name or import path of the encoder.
        seed: Seed of its weights.
    """
    return runs / "random-encoder" / f"{quote(encoder, safe='')}-seed{seed}.npz"
