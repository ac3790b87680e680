"""What `predict` is given for a model of embeddings: a file of them, and perhaps a table that says what they are of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from magsig_tf.data.embedded.columns import ARRAY_NAMES
from magsig_tf.data.embedded.placing import own_rows, placed_rows
from magsig_tf.data.embedded.read import find_embeddings, is_embedding_source, read_listed
from magsig_tf.data.embedded.stored import gathered, in_order, rows_in_block
from magsig_tf.data.embedded.values import as_floats, check_named_values
from magsig_tf.data.plain_text import printable
from magsig_tf.data.sources.csv_manifest import KNOWN
from magsig_tf.data.sources.label_words import parse_pairs
from magsig_tf.data.sources.source import IgnoredFiles
from magsig_tf.errors import UsageError
from magsig_tf.serving.model_description import EmbeddingModel
from magsig_tf.serving.predicting.input_images import SAID, InputImage, names_in


class InputEmbeddings:
    """Embeddings in the order of their table, or of their file; all numbers were looked at once.

    Args:
        model: What they are for.
        arguments: One file, or one folder with a file a slide.
        manifest: A table that says what each is of; None where the file does, or nothing is known.
        arrays: Names that the file has for `features`, `path` and `coords`, as `--arrays` writes them.
        columns: For columns of the table the name that these have, as `--columns` writes them.
        sheet: Name of the sheet of a workbook.
        spool: Folder for a copy of embeddings that can be read from their beginning only.

    Attributes:
        notes: What was assumed, as sentences.
        skipped, repeated, followed: As of `InputImages`; nothing is skipped here.

    Raises:
        UsageError: there is more than one argument, it is no file of embeddings, or they have another length.
        DataError: something cannot be read, the two do not belong together, or numbers are not finite.
    """

    def __init__(
        self,
        model: EmbeddingModel,
        arguments: Sequence[Path],
        manifest: Path | None,
        arrays: str | None,
        columns: str | None,
        sheet: str | None,
        spool: Path,
    ):
        wanted = f"{model.title}, which takes embeddings"
        if len(arguments) != 1:
            remedy = "Pass one, with --manifest where needed"
            raise UsageError(f"Expected one file or folder for {wanted}", f"found {len(arguments)} arguments", remedy)
        source = Path(arguments[0])
        if source.exists() and not is_embedding_source(source):
            expected = f"Expected a file of embeddings for {wanted}"
            raise UsageError(expected, f"found {source.name}", "Pass .npz, .npy, .h5, .safetensors, .parquet or .csv")
        named = parse_pairs(arrays, ARRAY_NAMES, "--arrays") if arrays else {}
        renamed = parse_pairs(columns, tuple(KNOWN), "--columns") if columns else {}
        found = find_embeddings(source, named, None if manifest else sheet, spool)
        if (length := found.array.shape[2]) != model.length:
            expected = f"Expected embeddings of {model.length:,} numbers for {model.title}"
            remedy = "Pass embeddings of the encoder that it was trained on"
            raise UsageError(expected, f"found {length:,} in {source.name}", remedy)
        placed = (
            own_rows(found, renamed)
            if manifest is None
            else placed_rows(found, read_listed(manifest, renamed, sheet), manifest)
        )
        conversions, findings = check_named_values(found, placed.paths, placed.order)
        self.notes = [*found.notes, *placed.notes, *conversions]
        self.notes += [f"{count:,} {what.replace('_', ' ')}" for what, count in findings.items() if count]
        self.skipped, self.repeated, self.followed = IgnoredFiles(), 0, 0
        self._array, self._order = in_order(found.array, placed.order, spool), placed.order
        names = names_in(placed.manifest.frame)
        known: Mapping[str, list[str]] = {key: names.get(key, [""] * len(placed.paths)) for key in SAID}
        self._rows = [
            InputImage(printable(path), None, *said)
            for path, *said in zip(placed.paths, *(map(printable, known[key]) for key in SAID), strict=True)
        ]

    def count(self) -> int:
        """Return how many there are."""
        return len(self._rows)

    def blocks(self, most: int) -> Iterator[tuple[list[InputImage], np.ndarray]]:
        """Yield what embeddings are of and the embeddings of the plain images, float32 [n, length].

        Args:
            most: Rows in a block.
        """
        step = min(most, rows_in_block(self._array.shape))
        for start in range(0, len(self._rows), step):
            rows = slice(start, start + step)
            values = as_floats(gathered(self._array, self._order[rows]), np.dtype(np.float32))
            yield self._rows[rows], values[:, 0]
