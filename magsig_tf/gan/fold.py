"""The GANs of one fold: which there are, which images each may see, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from magsig_tf.config import Config
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.splits import Split, split_of
from magsig_tf.errors import DataError
from magsig_tf.gan_options import GanOptions, gan_hash
from magsig_tf.workspace import Workspace

LABELS = ("benign", "malignant")
"""Names of the labels 0 and 1."""
ALL = ""
"""The magnification of a GAN that learns all source magnifications together."""
FEWEST_IMAGES = 16
"""Below this many training images a discriminator only memorises them."""


@dataclass(frozen=True)
class Part:
    """One GAN of a fold.

    Args:
        label: 0 benign, 1 malignant.
        magnification: The source magnification it learns; `ALL` for all of them.
        rows: int64, the fold's training rows it may see, ascending.
    """

    label: int
    magnification: str
    rows: np.ndarray

    @property
    def name(self) -> str:
        """Its folder's name, such as `malignant` or `benign-40X`."""
        words = [LABELS[self.label], *([self.magnification] if self.magnification else [])]
        return quote("-".join(words), safe=" ")

    @property
    def title(self) -> str:
        """The GAN in words."""
        return " ".join(filter(None, (LABELS[self.label], self.magnification)))


@dataclass(frozen=True)
class FoldGans:
    """All GANs of one (holdout, patient fold) pair with one set of options.

    Args:
        folder: `<workspace>/gan/<dataset>/<holdout>/fold<k>-<hash>`.
        dataset: Name of the data set.
        split: The split whose training rows they see, and no others.
        dataset_hash: Content hash of the data set.
        options: Theirs.
        parts: Benign first, magnifications in natural order.
    """

    folder: Path
    dataset: str
    split: Split
    dataset_hash: str
    options: GanOptions
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, workspace: Workspace, config: Config, options: GanOptions, prepared: PreparedDataset) -> FoldGans:
        """Return the GANs that a run with this config draws from.

        Args:
            workspace: Where they lie.
            config: The config of one run.
            options: The options of the GANs.
            prepared: The data.

        Raises:
            DataError: a GAN would have too few training images.
            UsageError, DataError: as `make_split`.
        """
        settings, split = config.settings, split_of(config, prepared)
        name = f"fold{split.patient_fold}-{gan_hash(options, settings)}"
        folder = workspace.gan(prepared.name) / quote(split.holdout, safe=" ") / name
        return cls(folder, prepared.name, split, prepared.content_hash, options, _parts(split, options, prepared))

    @property
    def title(self) -> str:
        """The fold in words."""
        return f"holdout {self.split.holdout}, patient fold {self.split.patient_fold}"

    @property
    def identity(self) -> dict[str, str]:
        """Hashes that every file of these GANs must carry."""
        return {"dataset_hash": self.dataset_hash, "split_hash": self.split.hash}

    def seed_names(self, part: Part) -> tuple[object, ...]:
        """Names that every draw of one GAN derives from."""
        return ("gan", self.split.hash, self.options.gan_seed, part.name)


def _parts(split: Split, options: GanOptions, prepared: PreparedDataset) -> tuple[Part, ...]:
    train = split.rows["train"]
    labels, magnifications = prepared.labels[train], prepared.manifest["magnification"].to_numpy()[train]
    parts = []
    for label in range(len(LABELS)):
        for magnification in split.source_magnifications if options.gan_per_magnification else (ALL,):
            chosen = labels == label
            if magnification:
                chosen &= magnifications == magnification
            part = Part(label, magnification, train[chosen])
            if len(part.rows) < FEWEST_IMAGES:
                raise DataError(
                    f"Expected at least {FEWEST_IMAGES} training images for the GAN {part.title}",
                    f"found {len(part.rows)} (holdout {split.holdout}, patient fold {split.patient_fold})",
                    "Leave out --per-magnification" if magnification else "Use fewer folds or data with more images",
                )
            parts.append(part)
    return tuple(parts)
