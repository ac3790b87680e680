"""A split as somebody has it, a table, folders or a file of predictions, brought into one form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from magsig_tf.data.columns import LABELS
from magsig_tf.data.identity import plain_name, read_magnification
from magsig_tf.data.plain_text import printable
from magsig_tf.data.sources.breakhis import parse_name
from magsig_tf.data.sources.folder_files import kind_of_file, list_folder
from magsig_tf.data.sources.folders import case_in, case_pattern, is_image_name
from magsig_tf.data.sources.label_words import LabelWords, parse_pairs
from magsig_tf.data.sources.source import IgnoredFiles
from magsig_tf.data.tables import is_table, read_table
from magsig_tf.errors import DataError, UsageError, in_one_line
from magsig_tf.parquet_files import read_parquet

TRAIN, VALIDATION, TEST = "train", "validation", "test"
PART_WORDS = {
    TRAIN: ("train", "training", "trn", "tr", "fit"),
    VALIDATION: ("validation", "val", "valid", "validate", "dev", "development", "tune", "validation_holdout"),
    TEST: ("test", "testing", "tst", "te", "holdout", "held-out", "held_out", "evaluation", "eval", "in_domain_test"),
}
UNUSED_WORDS = ("", "unused", "excluded", "exclude", "none", "na", "nan")
_SIDES = {word: side for side, words in PART_WORDS.items() for word in words}
COLUMNS = {
    "part": ("split", "set", "subset", "partition", "grp", "group"),
    "path": ("file", "image", "filename", "file_name", "image_path", "filepath"),
    "case": ("patient", "patient_id", "case_id", "patientid", "accession"),
    "fold": ("patient_fold",),
    "label": ("class", "diagnosis", "target"),
    "magnification": ("mag",),
    "slide": ("slide_id", "wsi"),
}
"""The columns that are read, each with other names that mean it."""


@dataclass(frozen=True)
class SplitListing:
    """A split in one form.

    Args:
        rows: One row an image: `path` (as listed, "" where it is not), `fold` ("" where there is one split only),
            `side` ("train", "validation", "test", or "fold N"), `case`, `given_case` (as the table has it, "" where it
            has none), `slide`, `label`, `magnification` (each "" where it is not known).
        folder: Where the images may lie.
        notes: What was assumed and left out, as sentences.
    """

    rows: pd.DataFrame
    folder: Path
    notes: tuple[str, ...]


def read_split(
    split: Path,
    *,
    images: Path | None = None,
    columns: str | Mapping[str, object] | None = None,
    case_from: str | None = None,
    sheet: str | None = None,
) -> SplitListing:
    """Read a split.

    Args:
        split: A table (CSV, TSV, xlsx) with the part of each path or case, a list such as BreaKHis' `dsfold1.txt`, a
            folder with one folder a part, or a Parquet file of predictions with the columns `part` and `case`.
        images: Folder that the paths are relative to; that of the table if not given.
        columns: The table's own name for a column of `COLUMNS`, as a mapping or as `OURS=THEIRS,OURS=THEIRS`.
        case_from: Regular expression whose group (the one called `case`, else the first) is the case in a path.
        sheet: Sheet of a workbook.

    Raises:
        UsageError: there is no such file or folder, or the regular expression is none.
        DataError: it cannot be read, a part is not known, or an image's case cannot be told.
    """
    split = Path(split)
    pattern = case_pattern(case_from)
    if split.is_dir():
        rows, notes = _from_folder(split)
        folder = split
    elif not split.is_file():
        raise UsageError("Expected a table, a folder or a file of predictions", f"found none at {split}", "Check it")
    else:
        folder = split.parent if images is None else Path(images)
        if split.suffix.lower() == ".parquet":
            rows, notes = _from_predictions(split)
        else:
            chosen = parse_pairs(columns, tuple(COLUMNS), "--columns") if columns else {}
            rows, notes = _from_table(split, chosen, sheet)
    frame, more = _told(rows, split.name, pattern)
    return SplitListing(frame, folder, (*notes, *more))


Rows = list[dict[str, str]]


def _from_folder(folder: Path) -> tuple[Rows, list[str]]:
    skipped = IgnoredFiles()
    found = list_folder(folder, is_image_name, lambda name: skipped.add(kind_of_file(name, "image"), name))
    rows = []
    for path in found.files:
        folders = [part.casefold() for part in PurePosixPath(path).parts[:-1]]
        part = next((each for each in folders if each in _SIDES), None)
        if part is None:
            skipped.add("image outside of train, validation and test", path)
            continue
        label = next((each for each in folders if each in LABELS), "")
        rows.append({"path": path, "part": part, "label": label})
    passed = [f"{each['count']:,} x {each['what']}" for each in skipped.as_list()]
    if not rows:
        expected = f"Expected folders named train, validation (val) or test below {folder}"
        raise DataError(expected, f"found {', '.join(passed) or 'nothing'}", "Pass the folder above them, or a table")
    return rows, [*found.notes, *(f"passed over {each}" for each in passed)]


def _from_predictions(path: Path) -> tuple[Rows, list[str]]:
    try:
        frame = read_parquet(path)
    except (OSError, ValueError) as error:
        found = f"found: {in_one_line(error)[:200]}"
        raise DataError(f"Expected a readable Parquet file: {path}", found, "Pass predictions.parquet") from error
    missing = [name for name in ("part", "case") if name not in frame]
    if missing:
        found = f"found no {missing[0]} among {printable(', '.join(map(str, frame)))[:200]}"
        raise DataError(f"Expected the columns part and case in {path}", found, "Pass a run's predictions.parquet")
    known = [name for name in COLUMNS if name in frame]
    return frame[known].fillna("").astype(str).to_dict("records"), []  # type: ignore[return-value]


def _from_table(path: Path, columns: Mapping[str, str], sheet: str | None) -> tuple[Rows, list[str]]:
    if (listed := _official_list(path)) is not None:
        return listed, [f"{path.name} was read as a list file|magnification|fold|part, as BreaKHis has them"]
    if not is_table(path):
        expected = "Expected a CSV, TSV or Excel table, a folder or a Parquet file of predictions"
        raise DataError(expected, f"found {path.name}", "Save the split as CSV")
    table = read_table(path, COLUMNS, chosen=columns, sheet=sheet)
    frame = table.frame
    if "part" not in frame and "fold" not in frame:
        found = f"found {printable(', '.join(map(str, frame)))[:200]}"
        remedy = "Name yours with --columns part=THEIRS"
        raise DataError(f"Expected a column part (train, validation, test) or fold in {path.name}", found, remedy)
    if "path" not in frame and "case" not in frame:
        found = f"found {printable(', '.join(map(str, frame)))[:200]}"
        remedy = "Name yours with --columns case=THEIRS"
        raise DataError(f"Expected a column path or case in {path.name}", found, remedy)
    known = [name for name in COLUMNS if name in frame]
    return frame[known].to_dict("records"), list(table.notes)  # type: ignore[return-value]


_LISTED = re.compile(r"(?P<path>[^|]+)\|(?P<magnification>\d+)\|(?P<fold>\d+)\|(?P<part>\w+)")


def _official_list(path: Path) -> Rows | None:
    """Return the rows of a list without a header such as `dsfold1.txt`; None for any other file."""
    try:
        with open(path, encoding="ascii") as lines:
            first = _LISTED.fullmatch(lines.readline().strip())
            if first is None or parse_name(PurePosixPath(first["path"]).name) is None:
                return None
            lines.seek(0)
            rows = [_LISTED.fullmatch(line.strip()) for line in lines if line.strip()]
    except (OSError, ValueError):
        return None  # what is wrong with it is told by the reader of tables
    if None in rows:
        at = rows.index(None) + 1
        raise DataError(f"Expected file|magnification|fold|part in {path.name}", f"found none in row {at}", "Mend it")
    return [found.groupdict() for found in rows if found is not None]


def _told(rows: Rows, name: str, pattern: re.Pattern[str] | None) -> tuple[pd.DataFrame, list[str]]:
    """Return rows with everything that they and their names say, and sentences on what was left out."""
    kept: list[dict[str, Any]] = []
    unused, untold = 0, []
    for place, row in enumerate(rows, start=1):
        side = _side(row, name, place)
        if side is None:
            unused += 1
            continue
        path = row.get("path", "")
        image = parse_name(PurePosixPath(path.replace("\\", "/")).name) if path else None
        given = plain_name(row.get("case", ""))
        case = image.case if image is not None else given or plain_name(case_in(pattern, path))
        if not case:
            untold.append(path)
        magnification = row.get("magnification", "") or (image.magnification if image else "")
        kept.append(
            {
                "path": path,
                "fold": row.get("fold", "") if "part" in row else "",
                "side": side,
                "case": case,
                "given_case": given,
                "slide": image.slide if image else plain_name(row.get("slide", "")),
                "label": image.label if image else plain_name(row.get("label", "")),
                "magnification": str(read_magnification(magnification)) if magnification else "",
            }
        )
    if untold:
        found = f"found none for {len(untold):,} of {len(kept):,} images, such as {printable(untold[0])[:80]!r}"
        remedy = "Add a column case, or say with --case-from which part of a path is the case"
        raise DataError(f"Expected to know the case of every image in {name}", found, remedy)
    if not kept:
        raise DataError(f"Expected images in parts in {name}", f"found {unused:,} rows without a part", "Fill it in")
    frame = pd.DataFrame(kept)
    frame["label"] = _labels(frame["label"].tolist())
    # a single fold is the whole split; its number is no name for anything
    frame["fold"] = frame["fold"] if frame["fold"].nunique() > 1 else ""
    if frame.groupby("fold")["side"].nunique().max() < 2:
        found = f"found only {frame['side'].iloc[0]}"
        raise DataError(f"Expected at least two parts in {name}", found, "List the images of every part")
    return frame, [f"Left out {unused:,} rows without a part"] * bool(unused)


def _side(row: Mapping[str, str], name: str, place: int) -> str | None:
    if "part" not in row:
        fold = plain_name(row["fold"])
        return f"fold {fold}" if fold else None
    word = plain_name(row["part"]).casefold()
    if word in UNUSED_WORDS:
        return None
    if word not in _SIDES:
        known = ", ".join(dict.fromkeys([*PART_WORDS, "val", "dev", "fold"]))
        found = f"found {printable(row['part'])[:60]!r} in row {place}"
        raise DataError(f"Expected a part in {name}, one of {known}", found, "Correct it, or name another column")
    return _SIDES[word]


def _labels(given: list[str]) -> list[str]:
    """Return benign and malignant where a split has these two classes, else its own labels."""
    try:
        return LabelWords().read(given, str, "the split")
    except DataError:
        return given


def sides_in_order(sides: Iterable[str]) -> list[str]:
    """Return the distinct sides: train, validation, test, then folds by their number."""
    found = set(sides)
    known = [side for side in PART_WORDS if side in found]
    folds = sorted(found - set(known), key=lambda side: [int(n) if n.isdigit() else n for n in side.split()])
    return [*known, *folds]
