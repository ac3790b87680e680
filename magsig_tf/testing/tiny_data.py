"""A data set that is prepared in a moment and learned in a few steps: tiles of noise, malignant ones darker."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from magsig_tf.atomic_files import write_json
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.seeding import generator_for
from magsig_tf.workspace import Workspace

MAGNIFICATIONS = ("40X", "100X", "200X", "400X")
SIZE = 32


def tiny_manifest(cases: int = 20, images: int = 2, magnifications: Sequence[str] = MAGNIFICATIONS) -> pd.DataFrame:
    """Return a manifest: every second case is malignant; each has `images` images at every magnification."""
    rows = [
        {"case": f"case-{case:02d}", "magnification": magnification, "sequence": str(number)}
        for case in range(cases)
        for magnification in magnifications
        for number in range(images)
    ]
    frame = pd.DataFrame(rows)
    frame["label"] = np.where(frame["case"].str[-2:].astype(int) % 2, "malignant", "benign")
    frame["slide"] = frame["case"] + "A"
    frame["subtype"] = ""
    frame["path"] = frame["case"] + "/" + frame["magnification"] + "/" + frame["sequence"] + ".png"
    frame["pixel_sha256"] = [hashlib.sha256(path.encode()).hexdigest() for path in frame["path"]]
    bits = generator_for("tiny hashes").integers(0, 2**63, len(frame))
    frame["perceptual_hash"] = [f"{int(value):016x}" for value in bits]
    return frame.sort_values("path", ignore_index=True)


def tiny_dataset(
    workspace: Workspace,
    name: str = "tiny",
    size: int = SIZE,
    tinted: bool = False,
    darker: float = 0.6,
    **keywords: Any,
) -> PreparedDataset:
    """Write and open a prepared data set whose malignant tiles are darker: learnable in a few steps.

    Args:
        workspace: Where it lies.
        name: Of the data set.
        size: Height and width of the tiles, in pixels.
        tinted: Give each magnification a colour of its own, so that an embedding shows it.
        darker: Brightness of malignant tiles; benign ones have .9.
        **keywords: Those of `tiny_manifest`.
    """
    manifest = tiny_manifest(**keywords)
    random = generator_for("tiny tiles")
    malignant = (manifest["label"] == "malignant").to_numpy()
    images = random.integers(0, 256, (len(manifest), size, size, 3)).astype(np.float32)
    images *= np.where(malignant, darker, 0.9)[:, None, None, None]
    if tinted:
        tints = generator_for("tiny tints").uniform(0.5, 1.0, (len(MAGNIFICATIONS), 3))
        places = [MAGNIFICATIONS.index(magnification) for magnification in manifest["magnification"]]
        images *= tints[places][:, None, None, :]
    folder = workspace.data(name)
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", images.astype(np.uint8))
    manifest.to_parquet(folder / "manifest.parquet")
    magnifications = list(keywords.get("magnifications", MAGNIFICATIONS))
    content = hashlib.sha256(images.tobytes()).hexdigest()
    write_json(
        folder / "dataset.json", {"name": name, "size": size, "content_hash": content, "magnifications": magnifications}
    )
    return PreparedDataset.open(folder)
