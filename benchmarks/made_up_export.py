"""An exported model as `magsig export` writes it, around a network with random weights."""

from __future__ import annotations

from pathlib import Path

from magsig_tf.atomic_files import write_json
from magsig_tf.data.columns import LABELS


def write_export(folder: Path, encoder: str, size: int) -> Path:
    """Write version 1 of a model that answers as an export does.

    Args:
        folder: Of the model; made here.
        encoder: Name of the encoder.
        size: Height and width of its images in pixels.

    Returns:
        The model's folder.
    """
    from magsig_tf.models.classifier import build_classifier
    from magsig_tf.models.encoders.build_encoder import build_encoder
    from magsig_tf.serving.exporting.preprocessing import Preprocessing
    from magsig_tf.serving.exporting.served_model import ServedModel

    classifier = build_classifier(build_encoder(encoder, (size, size, 3), "none", seed=0), dropout=0.0, seed=0)
    ServedModel(classifier, Preprocessing(size)).save(folder / "1")
    facts = {"name": folder.name, "version": 1, "image_size": size, "resize": "squash", "labels": list(LABELS)}
    extra = folder / "1" / "assets.extra"
    extra.mkdir()
    write_json(extra / "export.json", facts | {"threshold": 0.5, "source_magnifications": ["40X", "100X", "200X"]})
    return folder
