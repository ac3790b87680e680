"""Images in, a data set of their embeddings out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from magsig_tf.config import DEFAULT_AUGMENTATION, Augmentation, Settings
from magsig_tf.data.embedded.write import DTYPES
from magsig_tf.data.preparation.prepare import checked_name
from magsig_tf.data.prepared import IMAGES, EmbeddedDataset, PreparedDataset, data_of, read_info
from magsig_tf.data.sources.source import dataset_name
from magsig_tf.errors import UsageError, nearest
from magsig_tf.execution.runtime import configure_tensorflow
from magsig_tf.execution.tensorflow_import import load_tensorflow
from magsig_tf.runs.run import Run
from magsig_tf.workflows.finished_runs import Progress, silent
from magsig_tf.workspace import Workspace


@dataclass(frozen=True)
class Embedded:
    """A data set of embeddings that is there.

    Args:
        dataset: The data set.
        already: Whether it was there before.
        seconds: What it took.
    """

    dataset: EmbeddedDataset
    already: bool
    seconds: float


def embed(
    workspace: Workspace,
    dataset: str | None = None,
    *,
    encoder: str | None = None,
    weights: str = "auto",
    run_folder: Path | None = None,
    views: int = 1,
    augment: Augmentation | None = None,
    dtype: str = "float32",
    name: str | None = None,
    threads: int = 0,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda text: None,
    progress: Progress = silent,
) -> Embedded:
    """Embed the images of a data set by a frozen encoder; embeddings that are there already are opened.

    Args:
        workspace: Where data and runs lie.
        dataset: Data set of images; the only one prepared if not given.
        encoder: Name or import path; efficientnet_lite0 if neither this nor a run is given.
        weights: `auto`, `imagenet`, `none`, or a weight file.
        run_folder: Take the trained encoder of this finished run instead.
        views: Of each image: the plain one, and augmented ones for training.
        augment: Augmentation layers of the other views; those of training if not given.
        dtype: float32 or float16.
        name: Name of the new data set; made of data set and encoder if not given.
        threads: Inside one operation; 0 means all cores.
        overwrite: Replace a data set of that name.
        say: Told sentences for the user.
        progress: Told how far it is.

    Raises:
        UsageError: what was asked for does not exist, or another data set has the name.
        DataError: a file is damaged, or an embedding is not finite.
        RunError: another process writes this data set.
    """
    if dtype not in DTYPES:
        raise UsageError("Expected a type of embeddings", f"found {dtype!r}", nearest(dtype, DTYPES))
    if not 1 <= views <= 100:
        raise UsageError("Expected 1 to 100 views", f"found {views}", "Choose another --views")
    if run_folder is not None and (encoder or weights != "auto"):
        raise UsageError("Expected either --run or an encoder", "found both", "Leave one of them out")
    images = PreparedDataset.open(workspace.data(_dataset_of_images(workspace, dataset)))
    run = None if run_folder is None else Run.found(run_folder)
    if run is not None and run.status != "done":
        raise UsageError(f"Expected a finished run in {run_folder}", f"found it {run.status}", "Finish it first")
    chosen = "" if run else encoder or "efficientnet_lite0"
    label = f"{run.method}-{run.holdout}-{run.folder.name}" if run else chosen
    views_in_name = f"-views{views}" if views > 1 else ""
    name = checked_name(name or dataset_name(f"{images.name}-{label}{views_in_name}"))
    load_tensorflow()
    configure_tensorflow(Settings(threads=threads))
    from magsig_tf.training.embedding import Embedding
    from magsig_tf.training.embedding import embed as embed_images

    layers: Augmentation = [*DEFAULT_AUGMENTATION] if augment is None else augment
    asked = Embedding(images, chosen, weights, run, views, layers, dtype, name)
    began = time.monotonic()
    with progress(f"embedding {images.name}") as show:
        made = embed_images(asked, workspace, overwrite=overwrite, say=say, show=show)
    return Embedded(EmbeddedDataset.open(workspace.data(name)), not made, time.monotonic() - began)


def _dataset_of_images(workspace: Workspace, dataset: str | None) -> str:
    """Return the data set that is named, or the only one of images."""
    if dataset is not None:
        return workspace.choose_dataset(dataset)
    found = [each for each in workspace.prepared_datasets() if data_of(read_info(workspace.data(each))) == IMAGES]
    return found[0] if len(found) == 1 else workspace.choose_dataset(None)
