"""Where everything lies that magsig writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from magsig_tf.checksums import FILE as CHECKSUMS
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
        """Return the names of the data sets that `magsig prepare` finished, sorted; a damaged one is among them."""
        found = (path.parent.name for name in ("dataset.json", CHECKSUMS) for path in self.root.glob(f"data/*/{name}"))
        return sorted(set(found))

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


LONGEST = 200
"""Letters of a folder's name; file systems take 255, and files in it repeat parts of it."""


def folder_name(name: str, what: str, safe: str = " ") -> str:
    """Return a name as the name of one folder or file: what cannot stand in a path is percent-encoded.

    Args:
        name: Of a magnification, a method, a config or the like.
        what: What it names, for messages.
        safe: Signs that stay as they are.

    Raises:
        UsageError: it is empty, a word for folders (`.`, `..`), or too long.
    """
    quoted = quote(name, safe=safe)
    if quoted.strip(".") and len(quoted) <= LONGEST:
        return quoted
    shown = repr(name if len(name) <= 40 else f"{name[:40]}...")
    found = f"found {len(quoted)} letters in a path, {shown}" if len(quoted) > LONGEST else f"found {shown}"
    raise UsageError(f"Expected the name of a {what} that can name a folder", found, "Give it another, shorter name")


def random_encoder_file(runs: Path, encoder: str, seed: int) -> Path:
    """Return the file of an untrained encoder's embeddings below the folder of a data set's runs.

    Args:
        runs: `Workspace.runs` of the data set.
        encoder: Name or import path of the encoder.
        seed: Seed of its weights.
    """
    return runs / "random-encoder" / f"{folder_name(encoder, 'encoder', safe='')}-seed{seed}.npz"


def frozen_encoder_file(runs: Path, encoder: str, weights: str) -> Path:
    """Return the file of an encoder's embeddings before training, below the folder of a data set's runs.

    Args:
        runs: `Workspace.runs` of the data set.
        encoder: Name or import path of the encoder.
        weights: First digits of the hash of its weights.
    """
    return runs / "frozen-encoder" / f"{folder_name(encoder, 'encoder', safe='')}-{weights}.npz"
