"""The worst-classified images as small pictures inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from magsig_tf.evaluation import LoadedRuns, Matrix, Summary
from magsig_tf.evaluation.augmentation.explanation import Explanation
from magsig_tf.evaluation.claims.judge import Claims
from magsig_tf.evaluation.comparison import Comparison
from magsig_tf.evaluation.printed import number
from magsig_tf.report.page.result_tables import ResultTables

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Tile:
    """One prepared image.

    Args:
        path: Its name in the manifest.
        source: Its pixels as a data address.
    """

    path: str
    source: str = field(repr=False)


@dataclass(frozen=True)
class Material:
    """The numbers of a study.

    Args:
        loaded: Its finished runs.
        summary: Their numbers.
        comparisons: Each method with the reference.
        reference: The method that others are compared with.
        claims: The paper's statements, judged.
        explanation: Effect of synthetic images; None where no run used GANs.
        tables: What signatures and probes left in the results folder.
        worst: From `worst_images`.
        tiles: Prepared images by their row in the manifest, those of `worst`; empty where the data are gone.
        gan_folder: Where the GANs of the data set lie.
        remarks: Sentences on what could not be gathered.
    """

    loaded: LoadedRuns
    summary: Summary
    comparisons: Sequence[Comparison]
    reference: str
    claims: Claims
    explanation: Explanation | None
    tables: ResultTables
    worst: pd.DataFrame = field(repr=False)
    tiles: dict[int, Tile] = field(repr=False)
    gan_folder: Path
    remarks: list[str]

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.loaded.dataset

    @property
    def matrix(self) -> Matrix:
        """The runs, arranged."""
        return self.summary.matrix

    @property
    def labels(self) -> list[str]:
        """Labels of the methods, in the order of tables."""
        return [group.label for group in self.matrix.groups]


@dataclass(frozen=True)
class Picture:
    """An image with what is known of it.

    Args:
        source: As a data address; empty where the pixels are not there.
        alternative: What it shows, for those who do not see it.
        title: The first line below it.
        lines: Lines below the title.
        method: Label that it is about.
        holdout: Holdout that it is about.
    """

    source: str = field(repr=False)
    alternative: str
    title: str
    lines: list[str]
    method: str
    holdout: str


LARGEST = 160
"""Longer side of a small picture in pixels."""
_LOSSLESS = 64
"""Up to this size a picture is stored without loss."""


def as_data_address(pixels: np.ndarray) -> str:
    """Return an image as a data address, made smaller where it is larger than `LARGEST`.

    Args:
        pixels: uint8 [H, W, 3].
    """
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((LARGEST, LARGEST))
    kind = "PNG" if max(image.size) <= _LOSSLESS else "JPEG"
    kept = io.BytesIO()
    image.save(kept, kind, **({"quality": 88} if kind == "JPEG" else {"optimize": True}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(kept.getvalue()).decode('ascii')}"


def worst_pictures(material: Material) -> list[Picture]:
    """Return the pictures of the worst predictions; without pixels where the prepared data are gone."""
    return [_picture(row, material) for row in material.worst.to_dict("records")]


def _picture(row: dict[Hashable, Any], material: Material) -> Picture:
    tile = material.tiles.get(row["row"])
    truth = "malignant" if row["malignant"] else "benign"
    said = f"probability of malignant {number(row['probability'])}"
    if row["answers"] > 1:
        said += f", mean of {row['answers']} runs ({number(row['lowest'])} to {number(row['highest'])})"
    lines = [f"{row['holdout']} held out; truth: {truth}", said, *([tile.path] if tile else [])]
    return Picture(
        tile.source if tile else "",
        f"Image of case {row['case']} at {row['holdout']}, truth: {truth}",
        str(row["case"]),
        lines,
        row["label"],
        row["holdout"],
    )
