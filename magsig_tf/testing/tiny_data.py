"""What trains in a moment: tiles of noise, malignant ones darker, GANs made up from them, and a plain encoder."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from magsig_tf.atomic_files import write_json
from magsig_tf.data.embedded.write import write_array, write_dataset
from magsig_tf.data.prepared import EmbeddedDataset, PreparedDataset
from magsig_tf.data.resampling import downsampled
from magsig_tf.gan.fold import FoldGans
from magsig_tf.seeding import generator_for
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    import keras

MAGNIFICATIONS = ("40X", "100X", "200X", "400X")
SIZE = 32


def tiny_manifest(cases: int = 20, images: int = 2, magnifications: Sequence[str] = MAGNIFICATIONS) -> pd.DataFrame:
    """Return a manifest: every second case is malignant; each has `images` images at every magnification."""
    names = [f"case-{case:02d}" for case in range(cases)]
    rows = itertools.product(names, magnifications, map(str, range(images)))
    frame = pd.DataFrame(rows, columns=["case", "magnification", "sequence"])
    frame["label"] = np.where(frame["case"].str[-2:].astype(int) % 2, "malignant", "benign")
    frame["slide"] = frame["case"] + "A"
    frame["subtype"] = ""
    frame["path"] = frame["case"] + "/" + frame["magnification"] + "/" + frame["sequence"] + ".png"
    frame["pixel_sha256"] = [hashlib.sha256(path.encode()).hexdigest() for path in frame["path"]]
    bits = generator_for("tiny hashes").integers(0, 2**63, len(frame))
    frame["perceptual_hash"] = [f"{int(value):016x}" for value in bits]
    return frame.sort_values("path", ignore_index=True)


def tiny_dataset(
    workspace: Workspace, name: str = "tiny", size: int = SIZE, tinted: bool = False, darker: float = 0.6, **others: Any
) -> PreparedDataset:
    """Write and open a prepared data set whose malignant tiles are darker: learnable in a few steps.

    Args:
        workspace: Where it lies.
        name: Of the data set.
        size: Height and width of the tiles, in pixels.
        tinted: Give each magnification a colour of its own, so that an embedding shows it.
        darker: Brightness of malignant tiles; benign ones have .9.
        **others: Those of `tiny_manifest`.
    """
    manifest = tiny_manifest(**others)
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
    magnifications = list(others.get("magnifications", MAGNIFICATIONS))
    content = hashlib.sha256(images.tobytes()).hexdigest()
    record = {"name": name, "size": size, "content_hash": content, "magnifications": magnifications}
    write_json(folder / "dataset.json", record)
    return PreparedDataset.open(folder)


def tiny_embeddings(
    workspace: Workspace,
    name: str = "tiny-embeddings",
    length: int = 12,
    views: int = 1,
    dtype: str = "float32",
    **others: Any,
) -> EmbeddedDataset:
    """Write and open a data set of embeddings: dimension 0 shows the label, 1 and 2 the magnification, 3 nothing ever.

    Args:
        workspace: Where it lies.
        name: Of the data set.
        length: p, at least 4.
        views: Of each image.
        dtype: float32 or float16.
        **others: Those of `tiny_manifest`.
    """
    manifest = tiny_manifest(**others)
    random = generator_for("tiny embeddings", length)
    cases = manifest["case"].unique()
    case = dict(zip(cases, random.normal(0, 0.5, len(cases)), strict=True))
    values = random.normal(size=(len(manifest), views, length))
    values[:, :, 0] += np.where(manifest["label"] == "malignant", 1.5, -1.5)[:, None]
    values[:, :, 0] += manifest["case"].map(case).to_numpy()[:, None]
    place = manifest["magnification"].map(MAGNIFICATIONS.index).to_numpy()[:, None]
    values[:, :, 1] += 2.0 * place
    values[:, :, 2] -= 2.0 * (place % 2)
    values[:, :, 3] = 7.0
    folder = workspace.data(name)
    folder.mkdir(parents=True)
    write_array(folder / "embeddings.npy", [values], len(manifest), views, length, dtype)
    write_dataset(folder, manifest.drop(columns=["pixel_sha256", "perceptual_hash"]), {"name": name, "report": {}})
    return EmbeddedDataset.open(folder)


def write_fold(fold: FoldGans, prepared: PreparedDataset, **record: object) -> FoldGans:
    """Write `fold.json`, `synthetic.npy` and `synthetic.parquet` of a finished fold, as many images as it has rows.

    Args:
        fold: Whose GANs they would be.
        prepared: The data.
        record: What `fold.json` says otherwise, such as another split_hash.
    """
    fold.folder.mkdir(parents=True, exist_ok=True)
    write_json(fold.folder / "fold.json", {"status": "done", **fold.identity, **record})
    frames, images = [], []
    for part in fold.parts:
        small = downsampled(prepared.images[part.rows], fold.options.gan_size).astype(float)
        noise = generator_for("made-up gan", part.name).normal(0, 4, small.shape)
        images.append(np.clip(small + noise, 0, 255).astype(np.uint8))
        columns = {"part": part.name, "label": part.label, "magnification": part.magnification}
        frames.append(pd.DataFrame({**columns, "index": range(len(small))}))
    np.save(fold.folder / "synthetic.npy", np.concatenate(images))
    pd.concat(frames, ignore_index=True).to_parquet(fold.folder / "synthetic.parquet", index=False)
    return fold


def plain_encoder(input_shape: tuple[int, int, int], weights: str) -> keras.Model:
    """Return an encoder without batch statistics, for comparisons between numbers of replicas."""
    import keras

    inputs = keras.Input(input_shape)
    x = keras.layers.Rescaling(1 / 255, dtype="float32")(inputs)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu", name="conv0")(x)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D(dtype="float32")(x))
