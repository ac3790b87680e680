"""Explanations of a served model: for each image a map of the evidence for malignant, from the SavedModel alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from magsig_tf.data.sources.images import UnreadableImage, read_native
from magsig_tf.serving.exported_model import ExportedModel

_LABELS = ("benign", "malignant")


@dataclass(frozen=True)
class Explanation:
    """One image and where it looks malignant to the model.

    Args:
        path: The file.
        image: uint8 [height, width, 3].
        heat: float32 [height, width] in 0..1, relative to the strongest place of this image; 0 throughout where
            nothing speaks for malignant.
        probability: Of malignant.
        label: What the model calls it.
    """

    path: Path
    image: np.ndarray = field(repr=False)
    heat: np.ndarray = field(repr=False)
    probability: float
    label: str

    @property
    def silent(self) -> bool:
        """Whether nothing in the image speaks for malignant."""
        return not self.heat.any()

    @property
    def centre(self) -> tuple[float, float] | None:
        """Row and column of the heat's centre of mass, as shares of height and width; None where there is no heat."""
        if self.silent:
            return None
        heat = self.heat.astype(float)
        rows, columns = (
            np.average((np.arange(n) + 0.5) / n, weights=heat.sum(1 - axis)) for axis, n in enumerate(heat.shape)
        )
        return float(rows), float(columns)

    def facts(self) -> dict[str, object]:
        """Return what `--json` prints of it."""
        return {
            "file": str(self.path),
            "height": self.image.shape[0],
            "width": self.image.shape[1],
            "probability": self.probability,
            "label": self.label,
            "nothing_speaks_for_malignant": self.silent,
            "heat_centre": self.centre,
            "hot_share": float((self.heat >= 0.5).mean()),
        }


def explain_files(model: ExportedModel, files: Sequence[Path]) -> Iterator[Explanation | UnreadableImage]:
    """Yield one explanation a file, in order; what cannot be read is yielded as `UnreadableImage`.

    Args:
        model: The served model.
        files: Image files of any size.
    """
    for path in files:
        image = read_native(path)
        yield image if isinstance(image, UnreadableImage) else _explained(model, path, image)


def _explained(model: ExportedModel, path: Path, image: np.ndarray) -> Explanation:
    answer = model.ask("gradcam", images=image[np.newaxis])
    probability = float(answer["probability"][0, 0])
    labels, threshold = model.facts.get("labels", _LABELS), model.facts.get("threshold", 0.5)
    return Explanation(path, image, answer["heat"][0], probability, labels[probability >= threshold])
