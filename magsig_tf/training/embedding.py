"""Images become a data set of embeddings: every image, and augmented views of it, through one frozen encoder.

The array grows on disk in blocks, and a file beside it says how many are whole, with their SHA-256: an interrupted call
goes on there and ends with the same bytes, since augmentation is drawn from (image, view) alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from magsig_tf.atomic_files import content_hash, put_back, read_json, replace_folder, write_json
from magsig_tf.checksums import verified
from magsig_tf.config import Augmentation, weight_file_path
from magsig_tf.data.columns import ENCODER_PART
from magsig_tf.data.embedded.write import existing_embeddings, new_array, write_dataset
from magsig_tf.data.prepared import EmbeddedDataset, PreparedDataset
from magsig_tf.errors import DataError, MagsigError, UsageError
from magsig_tf.locks import holding
from magsig_tf.models.augmentation import assign_seeds, build_augmentation, seed_generators
from magsig_tf.models.encoders.build_encoder import build_encoder, is_pretrained
from magsig_tf.models.saved_model import load_saved_model
from magsig_tf.parallel_work import read_ahead
from magsig_tf.parquet_files import write_parquet
from magsig_tf.registry import ENCODER_FILES, folder_of
from magsig_tf.runs.run import Run
from magsig_tf.seeding import seed_for
from magsig_tf.training.seen_images import encoder_parts
from magsig_tf.workspace import Workspace

Shown = Callable[[int, int], None]
BATCH = 64
MOST_VIEWS = 1000
_PROGRESS = "embedding.json"
KIND = "embedded"
"""What dataset.json says of a data set that `embed` made."""


@dataclass(frozen=True)
class Embedding:
    """What is to be embedded, and how.

    Args:
        prepared: The images.
        encoder: Name or import path; empty where `run` is given.
        weights: As the setting of that name.
        run: A finished run whose trained encoder is taken; None for none.
        views: Of each image; the first is the plain image, the others are augmented.
        augment: The config's list of augmentation layers.
        dtype: float32 or float16.
        name: Of the new data set.
    """

    prepared: PreparedDataset
    encoder: str
    weights: str
    run: Run | None
    views: int
    augment: Augmentation
    dtype: str
    name: str

    def provenance(self) -> dict[str, Any]:
        """Return what the embeddings come from; two that are equal give the same numbers."""
        said: dict[str, Any] = {"encoder": self.encoder, "weights": self.weights}
        if self.run is not None:
            model = self.run.folder / "model.keras"
            said = {
                "encoder": self.run.record.encoder,
                "run": self.run.place,
                "weights_sha256": content_hash(verified(model)),
            }
        elif file := weight_file_path(self.weights):
            said["weights_sha256"] = content_hash(file)
        elif folder := folder_of("encoders", self.encoder):
            files = [folder / name for name in ENCODER_FILES if (folder / name).is_file()]
            said["encoder_sha256"] = {file.name: content_hash(file) for file in files}
        views = {"augment": self.augment} if self.views > 1 else {}
        source = {"dataset": self.prepared.name, "content_hash": self.prepared.content_hash}
        return {**said, "size": self.prepared.size, "views": self.views, "dtype": self.dtype, **views, "source": source}

    def network(self) -> keras.Model:
        """Return the encoder, float32, from pixels 0..255 to embeddings.

        Raises:
            UsageError: there is no such encoder, or it takes embeddings.
            DataError: the run's model has none.
        """
        keras.config.set_dtype_policy("float32")
        if self.run is None:
            return build_encoder(self.encoder, self.prepared.inputs.shape[1:], self.weights, seed=0)
        classifier = load_saved_model(self.run.folder / "model.keras")
        encoder = classifier.get_layer("encoder")
        if tuple(classifier.input_shape[1:]) != tuple(self.prepared.inputs.shape[1:]):
            shape = " x ".join(map(str, classifier.input_shape[1:]))
            remedy = "Prepare the images at the size that the run was trained with"
            raise UsageError(f"Expected images of {shape}", f"found a size of {self.prepared.size}", remedy)
        return encoder


def recorded_embedding(dataset: EmbeddedDataset, workspace: Workspace) -> Embedding:
    """Return how `magsig embed` made a data set, with its images; the same encoder would be built again.

    Args:
        dataset: The data set.
        workspace: Where its images, and perhaps the run of its encoder, lie.

    Raises:
        DataError: it was not made by `magsig embed`, or images or encoder are no longer those that it was made of.
    """
    said = dataset.info.get("provenance") or {}
    source = said.get("source") or {}
    expected = f"Expected to know the encoder of {dataset.name}, for a model that takes images"
    if dataset.info.get("kind") != KIND:
        raise DataError(expected, "found embeddings that were calculated elsewhere", "Export with --takes embeddings")
    folder = workspace.data(source["dataset"])
    remedy = "Prepare the images again, or export with --takes embeddings"
    if not (folder / "dataset.json").is_file():
        raise DataError(expected, f"found no data set of images in {folder}", remedy)
    run = Run.found(workspace.root / "runs" / said["run"]) if "run" in said else None
    encoder = "" if run else said["encoder"]
    views, augment = said["views"], said.get("augment", [])
    images, weights = PreparedDataset.open(folder), said.get("weights", "auto")
    made = Embedding(images, encoder, weights, run, views, augment, said["dtype"], dataset.name)
    if (now := made.provenance()) != said:
        changed = ", ".join(sorted(key for key in {*now, *said} if now.get(key) != said.get(key)))
        raise DataError(expected, f"found another {changed} than it was made with", remedy)
    return made


def embed(asked: Embedding, workspace: Workspace, *, overwrite: bool, say: Callable[[str], None], show: Shown) -> bool:
    """Write the data set of embeddings; return False where it was there already.

    Args:
        asked: What is to be embedded.
        workspace: Where it shall lie.
        overwrite: Whether to replace a data set of that name.
        say: Told sentences for the user.
        show: Told how many images are done, and of how many.

    Raises:
        UsageError: another data set has the name, or what was asked for does not exist.
        DataError: an embedding is not finite.
        RunError: another process writes this data set.
    """
    folder, unfinished = workspace.data(asked.name), workspace.data(".preparing") / asked.name
    aside, provenance = unfinished / "replaced", asked.provenance()
    with holding(unfinished.with_name(f"{asked.name}.lock"), f"data set {asked.name!r}"):
        put_back(folder, aside)
        if folder.exists() and not overwrite:
            existing_embeddings(folder, "provenance", provenance)
            shutil.rmtree(unfinished, ignore_errors=True)
            return False
        output = unfinished / "output"
        output.mkdir(parents=True, exist_ok=True)
        _fill(asked, output, unfinished / _PROGRESS, provenance, say, show)
        prepared = asked.prepared
        if prepared.truth is not None:
            write_parquet(output / "truth.parquet", prepared.truth)
        info = {"name": asked.name, "kind": KIND, "provenance": provenance, "report": prepared.info.get("report", {})}
        manifest = prepared.manifest
        if asked.run is not None:
            manifest = manifest.assign(**{ENCODER_PART: encoder_parts(asked.run, prepared)})
        write_dataset(output, manifest, info)
        replace_folder(folder, output, aside)
        shutil.rmtree(unfinished, ignore_errors=True)
    return True


def _fill(
    asked: Embedding, output: Path, progress: Path, provenance: dict[str, Any], say: Callable[[str], None], show: Shown
) -> None:
    """Fill the array from where an earlier call stopped."""
    encoder, images = asked.network(), asked.prepared.images
    if asked.run is None and not is_pretrained(asked.encoder, asked.weights):
        say(f"Warning: {asked.encoder} has random weights; pass --weights, or --run for one that was trained")
    path, length = output / "embeddings.npy", int(encoder.output_shape[-1])
    array, done, digest = _embedded_before(progress, path, provenance, say)
    if array is None:
        array = new_array(path, len(images), asked.views, length, asked.dtype)
    else:
        say(f"{done} of {len(images)} images were embedded before")
    forward = _views(encoder, asked, images.shape[1:])
    began, first = time.monotonic(), done

    def read(start: int) -> tuple[int, np.ndarray, np.ndarray]:
        rows = np.arange(start, min(start + BATCH, len(images)))
        filled = np.resize(rows, BATCH)  # of one size, so that nothing is traced twice
        return len(rows), filled, images[filled]

    with contextlib.closing(read_ahead(read, range(done, len(images), BATCH))) as blocks:
        for count, rows, pixels in blocks:
            values = forward(tf.constant(rows), tf.constant(pixels)).numpy()[:count]
            with np.errstate(over="ignore"):
                array[done : done + count] = values
            if not np.isfinite(array[done : done + count]).all():
                name = asked.prepared.manifest["path"].iloc[done]
                remedy = "Keep them as float32" if np.isfinite(values).all() else "Check the encoder"
                expected = f"Expected embeddings that are finite as {asked.dtype}"
                raise DataError(expected, f"found others at {name!r} or within {count} images of it", remedy)
            digest.update(array[done : done + count])
            done += count
            if done == len(images) or (done // BATCH) % 8 == 0:
                array.flush()
                write_json(progress, {"provenance": provenance, "done": done, "sha256": digest.hexdigest()})
            show(done, len(images))
    if done > first:
        rate = (done - first) / (time.monotonic() - began)
        say(f"{done - first} images embedded, {asked.views} views each, {rate:.1f} images/s")


def _embedded_before(
    progress: Path, path: Path, provenance: dict[str, Any], say: Callable[[str], None]
) -> tuple[np.memmap | None, int, Any]:
    """Return what an earlier call of the same kind left: array, number of images in it and SHA-256 of their bytes.

    Where it left nothing, or what is there is not what it wrote, there is no array and all is embedded anew.
    """
    nothing = None, 0, hashlib.sha256()
    if not (progress.is_file() and path.is_file()):
        return nothing
    try:
        found = read_json(progress)
        array = np.load(path, mmap_mode="r+", allow_pickle=False)
    except (MagsigError, ValueError, OSError, EOFError):
        return nothing  # cut off while it was written
    done, digest = found.get("done"), hashlib.sha256()
    if found.get("provenance") != provenance or not isinstance(done, int) or not 0 < done <= len(array):
        return nothing
    for start in range(0, done, BATCH):
        digest.update(array[start : min(start + BATCH, done)])
    if digest.hexdigest() != found.get("sha256"):
        if "sha256" not in found:
            return nothing  # of a version that wrote none
        say(f"The {done} images that were embedded before have changed on disk; all are embedded anew")
        return nothing
    return array, done, digest


def _views(encoder: keras.Model, asked: Embedding, shape: Sequence[int]) -> Callable[..., tf.Tensor]:
    """Return the compiled function from rows [n] and pixels uint8 [n, ...] to embeddings float32 [n, views, p]."""
    augmentation = build_augmentation(asked.augment, seed_for("embedding", "augmentation"))
    generators = list(seed_generators(augmentation))
    seed = seed_for("embedding", "views")

    def augmented(row: tf.Tensor, pixels: tf.Tensor, view: int) -> tf.Tensor:
        # by image and view alone: neither the batch nor an interruption changes what is drawn
        assign_seeds(generators, seed, row * MOST_VIEWS + view)
        return augmentation(pixels[tf.newaxis], training=True)[0]

    signature = [tf.TensorSpec((BATCH,), tf.int64), tf.TensorSpec((BATCH, *shape), tf.uint8)]

    @tf.function(input_signature=signature)
    def forward(rows: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
        plain = tf.cast(pixels, tf.float32)
        found = [encoder(plain, training=False)]
        for view in range(1, asked.views):
            batch = tf.map_fn(
                lambda each: augmented(each[0], each[1], view),  # noqa: B023
                (rows, plain),
                fn_output_signature=tf.TensorSpec(tuple(shape), tf.float32),
                parallel_iterations=1,
            )
            found.append(encoder(batch, training=False))
        return tf.cast(tf.stack(found, 1), tf.float32)

    return forward
