"""Embeddings on disk: those that training wrote and those of another model, checked before anything is calculated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from magsig_tf.data.identity import magnification_name, plain_name, site_case, spelled_once
from magsig_tf.data.same_names import Pair, pairs_of_magnifications, pairs_of_names
from magsig_tf.data.splits import PARTS, SIDES
from magsig_tf.errors import DataError, in_one_line, reading_remedy
from magsig_tf.npz_files import NpzError, ObjectsError, names_in_npz, read_npz

ARRAYS = ("embedding", "label", "case", "magnification")
_REMEDY = "Write the arrays embedding, label, case, magnification and split with numpy.savez (docs/signatures.md)"


@dataclass(frozen=True)
class Embeddings:
    """Embedded images; every array has one entry a row.

    Args:
        embedding: Finite float32, shape (n, p).
        label: 0 benign, 1 malignant, shape (n,).
        case: Name of the patient, shape (n,).
        magnification: Name of the magnification, shape (n,).
        part: "train", "validation", "test", "in_domain_test" or "validation_holdout", shape (n,).
        row: Number of the image, the same in every file of a data set, shape (n,); None where the file has none.
    """

    embedding: np.ndarray
    label: np.ndarray
    case: np.ndarray
    magnification: np.ndarray
    part: np.ndarray
    row: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.label)

    @property
    def dimensions(self) -> int:
        """Length p of the embedding."""
        return self.embedding.shape[1]

    def of(self, *parts: str) -> Embeddings:
        """Return the rows of some parts."""
        return self._chosen(np.isin(self.part, parts))

    def images(self, rows: np.ndarray) -> Embeddings:
        """Return the given images, in the order given.

        Args:
            rows: Numbers of images, each once among `row`.
        """
        known = np.asarray(self.row)
        order = np.argsort(known)
        return self._chosen(order[np.searchsorted(known, rows, sorter=order)])

    def _chosen(self, which: np.ndarray) -> Embeddings:
        arrays: dict[str, Any] = {name: array if array is None else array[which] for name, array in vars(self).items()}
        return Embeddings(**arrays)


def read_embeddings(path: Path, remedy: str = _REMEDY) -> Embeddings:
    """Read an NPZ file of embeddings and check it; nothing in it is executed.

    Args:
        path: Holds `embedding` (n, p) of numbers; `label` (n,) of 0 and 1; `case`, `magnification` (n,) of texts or
            whole numbers; `split` (n,) of `PARTS` (training writes it as `part`); and, if wanted, `site` (n,) of texts,
            and `row` (n,) of whole numbers, one for each image.

    Raises:
        ChangedError: it lies in the folder of a run and is not what the run wrote.
        DataError: the file is missing or unreadable, lacks an array, or an array is of another kind or length or holds
            NaN or infinity.
    """
    try:
        return _checked(_read(path), path)
    except DataError as error:
        raise DataError(error.expected, error.found, error.remedy or remedy) from error


def read_embeddings_of_others(path: Path, *, names_are_exact: bool = False) -> Embeddings:
    """Read an NPZ file of another model, whose split has to be as strict as that of images.

    Names are read as `magsig prepare` reads them, and a case carries its site where the file has an array `site`.

    Args:
        path: As `read_embeddings` takes it.
        names_are_exact: Whether names that may be one are kept apart.

    Raises:
        DataError: as `read_embeddings`; or a case is on two sides or has two labels, or names that may be one are two
            magnifications or cases of two sides.
    """
    found = read_embeddings(path)
    magnification = _renamed(found.magnification, magnification_name)
    once = spelled_once(magnification.tolist())
    found = replace(
        found, case=_renamed(found.case, plain_name), magnification=_renamed(magnification, once.__getitem__)
    )
    doubtful = [] if names_are_exact else pairs_of_magnifications(found.magnification.tolist())
    _refuse_doubtful(doubtful, "magnification", path)
    check_split_of_others(found, path)
    if not names_are_exact:
        sides = _sides(found)
        pairs = pairs_of_names(sides, "case", patients=True)
        _refuse_doubtful([pair for pair in pairs if sides[pair.first] != sides[pair.second]], "case", path)
    return found


def check_split_of_others(found: Embeddings, path: Path) -> None:
    """Refuse a case that is on two sides of a split, or that has two labels.

    Raises:
        DataError: with the number of such cases.
    """
    side = np.select([np.isin(found.part, parts) for parts in SIDES.values()], range(len(SIDES)))
    both, case, words = _several(found.case, side, [f"in {name}" for name in SIDES])
    if both:
        expected = "each case on one side of the split (train, validation or test)"
        remedy = "Split by case, and calculate anew what has learned from the training rows"
        raise _wrong(expected, path, f"found {both} on two sides, such as {case!r} {words}", remedy)
    both, case, words = _several(found.case, found.label, ["benign", "malignant"])
    if both:
        remedy = "Correct the label or the name of the case"
        raise _wrong("one label per case", path, f"found {both} with two, such as {case!r} {words}", remedy)


def _several(case: np.ndarray, value: np.ndarray, words: Sequence[str]) -> tuple[str, str, str]:
    """Return how many of the cases have several values, one of them and its values; three empty texts where none has.

    Args:
        case: Case of each row, shape (n,).
        value: Index into `words`, shape (n,).
        words: What the values mean.
    """
    cases, code = np.unique(case, return_inverse=True)
    has = np.zeros((len(cases), len(words)), bool)
    has[code, value] = True
    several = np.flatnonzero(has.sum(1) > 1)
    if not len(several):
        return "", "", ""
    first = several[0]
    values = " and ".join(word for word, there in zip(words, has[first], strict=True) if there)
    return f"{len(several)} of {len(cases)} cases", str(cases[first]), values


def _sides(found: Embeddings) -> dict[str, str]:
    """Return the side of each case; each has one."""
    return {
        str(case): side for side, parts in SIDES.items() for case in np.unique(found.case[np.isin(found.part, parts)])
    }


def _renamed(names: np.ndarray, read: Callable[[str], str]) -> np.ndarray:
    """Return names with a function of each distinct one."""
    distinct, code = np.unique(names, return_inverse=True)
    return np.array([read(str(name)) for name in distinct])[code]


def _refuse_doubtful(pairs: Sequence[Pair], what: str, path: Path) -> None:
    if pairs:
        shown = ", ".join(f"{pair.first!r} and {pair.second!r} ({pair.rule})" for pair in pairs[:10])
        more = f" and {len(pairs) - 10} more" if len(pairs) > 10 else ""
        expected = f"one name for each {what}" + (" on both sides of the split" if what == "case" else "")
        count = f"{len(pairs)} pairs of names that may be one" if len(pairs) > 1 else "a pair of names that may be one"
        remedy = "Write each in one way, or pass --names-are-exact if all are different"
        raise _wrong(expected, path, f"found {count}: {shown}{more}", remedy)


def _checked(arrays: dict[str, np.ndarray], path: Path) -> Embeddings:
    embedding = arrays["embedding"]
    if embedding.ndim != 2 or not embedding.size or embedding.dtype.kind not in "fiu":
        raise _wrong("numbers of shape (images, dimensions) as embedding", path, _shape(embedding))
    for name, array in arrays.items():
        if name != "embedding" and array.shape != embedding.shape[:1]:
            raise _wrong(f"{len(embedding)} entries in {name}, one for each embedding,", path, _shape(array))
    embedding = embedding.astype(np.float32, copy=False)
    broken = ~np.isfinite(embedding).all(1)
    if broken.any():
        found = f"found NaN or infinity in {broken.sum()} of {len(broken)} rows, first row {broken.argmax()}"
        raise _wrong("finite embeddings", path, found, "Mend or leave out these rows")
    label = arrays["label"]
    if label.dtype.kind not in "biuf" or not np.isin(label, (0, 1)).all():
        raise _wrong("labels 0 (benign) and 1 (malignant)", path, f"found {_few(label)}")
    part = _texts(arrays["split"], "split", path)
    if not np.isin(part, PARTS).all():
        raise _wrong(f"{', '.join(PARTS)} as split", path, f"found {_few(part[~np.isin(part, PARTS)])}")
    case, magnification = (_texts(arrays[name], name, path) for name in ("case", "magnification"))
    if "site" in arrays:  # one number in two hospitals is two cases
        case = np.array([site_case(*pair) for pair in zip(_texts(arrays["site"], "site", path), case, strict=True)])
    return Embeddings(embedding, label.astype(np.int8), case, magnification, part, _rows(arrays, part, path))


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        there = names_in_npz(path)
        names = {name: name for name in (*ARRAYS, "split", "row", "site") if name in there}
        if "split" not in names and "part" in there:
            names["split"] = "part"
        missing = [name for name in (*ARRAYS, "split") if name not in names]
        if missing:
            raise _wrong(f"the array {', '.join(missing)}", path, f"found {', '.join(there)[:100] or 'none'}")
        arrays = read_npz(path, names.values())
        return {name: arrays[stored] for name, stored in names.items()}
    except ObjectsError as error:
        name = next(name for name, stored in names.items() if stored == error.array)
        kind = {"embedding": "float", "label": "int", "row": "int"}.get(name, "str")
        found = f"found {name} as an array of objects, which only pickle could read"
        remedy = f"Write {name}.astype({kind}) before numpy.savez; a column of a table is an array of objects"
        raise _wrong("arrays of numbers and texts", path, found, remedy) from error
    except (OSError, NpzError) as error:
        found = "found none" if not Path(path).exists() else f"found: {in_one_line(error)[:200]}"
        raise _wrong("a readable NPZ file of embeddings", path, found, reading_remedy(error, "")) from error


def _rows(arrays: dict[str, np.ndarray], part: np.ndarray, path: Path) -> np.ndarray | None:
    row = arrays.get("row")
    if row is None:
        return None
    if row.dtype.kind not in "iu":
        raise _wrong("whole numbers as row", path, _shape(row))
    tested = row[np.isin(part, ("test", "in_domain_test"))]
    if len(np.unique(tested)) < len(tested):
        raise _wrong("each image once among the test rows", path, "found repeated row numbers")
    return row.astype(np.int64)


def _texts(array: np.ndarray, name: str, path: Path) -> np.ndarray:
    if array.dtype.kind not in "Uiu":
        raise _wrong(f"texts or whole numbers as {name}", path, _shape(array))
    return array.astype(str)


def _few(values: np.ndarray) -> str:
    shown = [str(value) for value in np.unique(values)[:3]]
    return ", ".join(shown)[:100] + (", ..." if len(np.unique(values)) > 3 else "")


def _shape(array: np.ndarray) -> str:
    return f"found {array.dtype} of shape {array.shape}"


def _wrong(expected: str, path: Path, found: str, remedy: str = "") -> DataError:
    return DataError(f"Expected {expected} in {path}", found, remedy)
