"""Predict images, folders and lists with an exported model and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from magsig_tf.atomic_files import growing, partial_path, read_json, replacing, write_json
from magsig_tf.errors import DataError
from magsig_tf.parallel_work import available_cores
from magsig_tf.serving.predicting.input_images import InputImage, InputImages
from magsig_tf.serving.predicting.model_description import ModelDescription
from magsig_tf.serving.predicting.prediction import BATCH, predict_images
from magsig_tf.serving.predicting.prediction_table import CASE_COLUMNS, Tally, row_of, row_writer, rows_kept

Progress = Callable[[int, int, int, int], None]
"""Called with the images done, of how many, how many of them an earlier call had done, and how many are unreadable."""


@dataclass(frozen=True)
class Predicted:
    """What a call has done.

    Args:
        model: The model.
        images: What it was given, with what was skipped.
        tally: What was counted.
        resumed: How many rows an earlier call had written.
        cases_file: Where the cases are; None where no case is known.
    """

    model: ModelDescription
    images: InputImages
    tally: Tally
    resumed: int
    cases_file: Path | None


def predict(
    model: ModelDescription,
    arguments: Sequence[Path],
    out: Path,
    *,
    cases: Path | None = None,
    batch: int = BATCH,
    threads: int | None = None,
    strict: bool = False,
    resume: bool = False,
    progress: Progress = lambda done, total, resumed, unreadable: None,
) -> Predicted:
    """Write one row per image, and one per case where cases are known.

    Rows grow in `partial_path(out)`, which becomes `out` when all are there and stays where the call is interrupted.

    Args:
        model: The model.
        arguments: Images, folders and CSV files.
        out: The CSV of images.
        cases: The CSV of cases; beside `out`, under its name with `-cases`, if not given.
        batch: Images that the model is asked about at once.
        threads: Threads that decode and infer; as many as cores if not given.
        strict: Whether to stop at the first image that cannot be read.
        resume: Whether to go on behind the rows that an interrupted call left.
        progress: Called after every image.

    Raises:
        UsageError: an argument does not exist.
        DataError: the model is refused, there is no image, `strict` met one that cannot be read, or `resume` does not
            fit what was left.
        MagsigError: a file cannot be written.
    """
    threads = available_cores() if threads is None else threads
    images = InputImages(arguments)
    total = images.count()
    kept, end = _kept(model, out) if resume else ([], 0)
    tally = Tally(model)
    listed = iter(images)
    for row in kept:
        _check_same(row, next(listed, None), out)
        tally.add(row)
    use_threads(threads)
    answer = model.load()
    write_json(_mark(out), {"model": model.identity()})
    with growing(out, end) as stream:
        writer = row_writer(stream, header=not kept)
        progress(tally.images, total, len(kept), tally.unreadable)
        with contextlib.closing(predict_images(model, answer, listed, batch=batch, threads=threads)) as predictions:
            for prediction in predictions:
                if strict and prediction.error:
                    raise _unreadable(prediction.image, prediction.error)
                row = row_of(prediction)
                writer.writerow(row)
                tally.add(row)
                progress(tally.images, total, len(kept), tally.unreadable)
    _mark(out).unlink(missing_ok=True)
    return Predicted(model, images, tally, len(kept), _write_cases(tally, out, cases))


def default_cases_file(out: Path) -> Path:
    """Return where the cases go if nobody says where."""
    return out.with_name(f"{out.stem}-cases{out.suffix or '.csv'}")


def _write_cases(tally: Tally, out: Path, cases: Path | None) -> Path | None:
    if not tally.cases:
        return None
    path = cases or default_cases_file(out)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        row_writer(stream, CASE_COLUMNS).writerows(tally.case_rows())
    return path


def _mark(out: Path) -> Path:
    """Return the file that says which model the unfinished rows come from."""
    return partial_path(out).with_name(f"{partial_path(out).name}.json")


def _kept(model: ModelDescription, out: Path) -> tuple[list[dict[str, str]], int]:
    if not partial_path(out).exists():
        return [], 0
    if not _mark(out).exists() or read_json(_mark(out)).get("model") != model.identity():
        raise DataError(
            f"Expected unfinished predictions of {model.title} in {partial_path(out)}",
            "found those of another model",
            "Leave out --resume to start again",
        )
    return rows_kept(partial_path(out))


def _check_same(row: dict[str, str], image: InputImage | None, out: Path) -> None:
    if image is None or image.file != row["file"]:
        raise DataError(
            f"Expected the images of {partial_path(out)} in the same order",
            f"found {image.file if image else 'the end'} in place of {row['file']}",
            "Leave out --resume to start again",
        )


def _unreadable(image: InputImage, error: str) -> DataError:
    name = image.file or "a row of the list"
    return DataError(f"Expected a readable image in {name}", f"found: {error}", "Remove it, or leave out --strict")


def use_threads(threads: int) -> None:
    """Give each operation one core: every thread of ours has a batch of its own, and more threads would only wait."""
    import tensorflow as tf

    # TensorFlow refuses it in a process that has calculated already, and then keeps what it has
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
