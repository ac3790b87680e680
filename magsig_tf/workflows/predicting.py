"""An exported model asked about images: predictions as tables, and where it sees malignant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magsig_tf.data.sources.images import UnreadableImage
from magsig_tf.errors import DataError, UsageError
from magsig_tf.execution.tensorflow_import import load_tensorflow
from magsig_tf.locks import holding_file
from magsig_tf.serving.exported_model import find_version
from magsig_tf.serving.model_description import EmbeddingModel, ImageModel, ModelDescription
from magsig_tf.serving.predicting.input_images import images_below
from magsig_tf.serving.predicting.predict import Predicted
from magsig_tf.serving.predicting.predict import predict as predict_files
from magsig_tf.serving.predicting.predict_embeddings import predict_embeddings
from magsig_tf.workflows.finished_runs import Progress, silent

if TYPE_CHECKING:
    from magsig_tf.report.figures.pictures import HeatTile
    from magsig_tf.serving.predicting.prediction import Explanation

FORMATS = (".png", ".jpg", ".jpeg", ".pdf", ".svg", ".tif", ".tiff", ".webp")


def predict(
    model: Path,
    images: Sequence[Path],
    out: Path,
    *,
    cases: Path | None = None,
    batch: int = 16,
    threads: int | None = None,
    strict: bool = False,
    resume: bool = False,
    columns: str | None = None,
    sheet: str | None = None,
    manifest: Path | None = None,
    arrays: str | None = None,
    progress: Progress = silent,
) -> Predicted:
    """Predict images, or embeddings, with an exported model.

    Args:
        model: Folder of the model (its latest version is taken), or of one version.
        images: Images, folders and tables (CSV, Excel); for a model of embeddings one file or folder of these.
        out: The CSV of images, or embeddings.
        cases: The CSV of cases; beside `out`, under its name with `-cases`, if not given.
        batch: Images that the model is asked about at once.
        threads: Threads that decode and infer; as many as cores if not given.
        strict: Whether to stop at the first image that cannot be read.
        resume: Whether to go on behind the rows that an interrupted call left.
        columns: For columns of the tables the name that these have, such as "case=Patient".
        sheet: Name of the sheet of a workbook.
        manifest: For a model of embeddings: a table that says what each is of.
        arrays: For a model of embeddings: names that the file has for `features`, `path` and `coords`.
        progress: Told after every image: done, of all, done by an earlier call, unreadable.

    Raises:
        UsageError: an argument does not exist, or is for models of the other kind.
        DataError: the model is refused, there is no image, `strict` met one that cannot be read, or `resume` does not
            fit what was left.
        MagsigError: a file cannot be written.
    """
    described = ModelDescription.open(model)
    of_images = {"--strict": strict, "--resume": resume}
    of_embeddings: dict[str, Any] = {"--manifest": manifest, "--arrays": arrays}
    other = of_embeddings if isinstance(described, ImageModel) else of_images
    if given := [option for option, value in other.items() if value]:
        found = f"found {', '.join(given)}"
        raise UsageError(f"Expected options for a model of {described.argument}", found, "Leave them out")
    load_tensorflow()
    settings: dict[str, Any] = {"cases": cases, "columns": columns, "sheet": sheet}
    if isinstance(described, EmbeddingModel):
        with progress(described.title) as show:
            said = {name.removeprefix("--"): value for name, value in of_embeddings.items()}
            return predict_embeddings(described, images, out, **said, **settings, progress=show)
    settings |= {"batch": batch, "threads": threads, "strict": strict, "resume": resume}
    with progress(described.title) as show:
        return predict_files(described, images, out, **settings, progress=show)


@dataclass(frozen=True)
class Explained:
    """What a model sees in images.

    Args:
        title: The model.
        out: The picture that was written.
        images: The explanations: of each image its file, its heat, and what the model says.
        tiles: What was drawn of each of them.
        unreadable: Images that cannot be read.
        files: How many images there are, beyond the limit too.
    """

    title: str
    out: Path
    images: list[Explanation]
    tiles: list[HeatTile] = field(repr=False)
    unreadable: list[UnreadableImage]
    files: int


def explain(
    model: Path, image: Path, out: Path, *, columns: int = 3, limit: int = 24, progress: Progress = silent
) -> Explained:
    """Draw where an image, or each image of a folder, speaks for malignant (Grad-CAM).

    Args:
        model: Folder of the model (its latest version is taken), or of one version.
        image: An image, or a folder of images.
        out: The picture to write; its ending decides the format.
        columns: Images in a row of a folder's contact sheet.
        limit: Most images on the sheet.
        progress: Told the images done, and of how many.

    Raises:
        UsageError: there is no such image or model, or `out` names no picture.
        DataError: no image can be read.
        HeldError: another process is writing `out`.
    """
    # here, so that predictions need nothing that draws
    from magsig_tf.report.figures.pictures import HeatTile, write_picture, write_sheet

    if out.suffix.lower() not in FORMATS:
        raise UsageError("Expected a picture in --out", f"found {out.name!r}", f"End it in {', '.join(FORMATS)}")
    if not image.exists():
        raise UsageError("Expected an image or a folder of images", f"found nothing at {image}", "Check the path")
    files = images_below(image) if image.is_dir() else [image]
    find_version(model)  # a wrong path is told before TensorFlow is loaded
    load_tensorflow()
    from magsig_tf.serving.exported_model import ExportedModel
    from magsig_tf.serving.predicting.prediction import explain_files

    with holding_file(out):
        opened, asked, found = ExportedModel.open(model), files[:limit], []
        with progress("images") as show:
            for each in explain_files(opened, asked):
                found.append(each)
                show(len(found), len(asked))
        unreadable = [each for each in found if isinstance(each, UnreadableImage)]
        images = [each for each in found if not isinstance(each, UnreadableImage)]
        if not images:
            raise DataError("Expected an image", f"found {reasons(unreadable)}", "Pass another file")
        above = image if image.is_dir() else image.parent
        tiles = [HeatTile(str(e.path.relative_to(above)), e.image, e.heat, e.probability, e.label) for e in images]
        if image.is_dir():
            left_out = f", the first {limit} of {len(files)} images" if len(files) > limit else ""
            write_sheet(out, tiles, f"{opened.title}{left_out}", columns)
        else:
            write_picture(out, tiles[0], opened.title)
        return Explained(opened.title, out, images, tiles, unreadable, len(files))


def reasons(unreadable: Sequence[UnreadableImage]) -> str:
    """Return why images cannot be read, in words."""
    return "; ".join(f"{each.path} ({each.reason})" for each in unreadable)
