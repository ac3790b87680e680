"""Predict embeddings with an exported head: one row an embedding, in the columns of predicted images."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from magsig_tf.atomic_files import replacing
from magsig_tf.serving.model_description import EmbeddingModel
from magsig_tf.serving.predicting.input_embeddings import InputEmbeddings
from magsig_tf.serving.predicting.marked_rows import row_writer
from magsig_tf.serving.predicting.predict import Predicted, Tally, holding_outputs, row_of, write_cases
from magsig_tf.serving.predicting.prediction import Prediction, note_of

AT_ONCE = 1024
"""Embeddings that the model is asked about at once."""


def predict_embeddings(
    model: EmbeddingModel,
    arguments: Sequence[Path],
    out: Path,
    *,
    manifest: Path | None = None,
    arrays: str | None = None,
    cases: Path | None = None,
    columns: str | None = None,
    sheet: str | None = None,
    progress: Callable[[int, int, int, int], None] = lambda done, total, resumed, unreadable: None,
) -> Predicted:
    """Write one row per embedding, and one per case where cases are known.

    Args:
        model: The model.
        arguments: One file or folder of embeddings.
        out: The CSV of embeddings; it appears whole.
        manifest: As of `InputEmbeddings`.
        arrays: As of `InputEmbeddings`.
        cases: As of `magsig_tf.serving.predicting.predict.predict`.
        columns: As of `InputEmbeddings`.
        sheet: As of `InputEmbeddings`.
        progress: Called after every block with the embeddings done, of how many, 0 and 0.

    Raises:
        UsageError: as `InputEmbeddings`, or both files are one.
        DataError: as `InputEmbeddings`, or the model is refused.
        HeldError: another process is writing one of the files.
        MagsigError: a file cannot be written.
    """
    with holding_outputs(out, cases) as cases, tempfile.TemporaryDirectory() as spool:
        embeddings = InputEmbeddings(model, arguments, manifest, arrays, columns, sheet, Path(spool))
        answer, tally = model.load(), Tally(model)
        with replacing(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
            writer = row_writer(stream)
            for rows, values in embeddings.blocks(AT_ONCE):
                for row, probability, label in zip(rows, *answer(values), strict=True):
                    written = row_of(Prediction(row, float(probability), label, note_of(model, row)))
                    writer.writerow(written)
                    tally.add(written)
                progress(tally.images, embeddings.count(), 0, 0)
        return Predicted(model, embeddings, tally, 0, write_cases(tally, cases))
