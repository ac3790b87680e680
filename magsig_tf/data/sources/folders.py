"""Images in folders that are named for their class, such as `benign/40X/P07_003.png`; a pattern finds the case."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from magsig_tf.data.columns import LABELS
from magsig_tf.data.identity import magnification_name, read_magnification, same_magnification
from magsig_tf.data.plain_text import printable
from magsig_tf.data.sources.folder_files import is_hidden, kind_of_file, list_folder, listing_hash, walk_files
from magsig_tf.data.sources.images import IMAGE_SUFFIXES, SourceImage
from magsig_tf.data.sources.label_words import LabelWords
from magsig_tf.data.sources.source import DataSource, dataset_name
from magsig_tf.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd

LONGEST_PATTERN = 500
LONGEST_PATH = 1000
"""Characters; a pattern with nested repeats takes time that grows with the length of what it searches."""
_PARTS = ("train", "training", "val", "valid", "validation", "test", "testing")


class ImageFolders(DataSource):
    """Images in folders named for their class; the magnification is a folder or one for all, the case a pattern's find.

    Args:
        source: The folder above those of the classes.
        options: `labels` (CLASS=WORD|WORD pairs), `magnification` (of all images) and `case_from` (a regular expression
            that is searched in each relative path; its group `case`, else its first, is the case), each as text.

    Raises:
        UsageError: an option that is none.
    """

    kind = "folders"
    source: Path
    fallback = True
    option_names = ("labels", "magnification", "case_from")

    def __init__(self, source: Path | None = None, options: Mapping[str, object] | None = None):
        super().__init__(source, options)
        if self.source is None or not self.source.is_dir():
            raise DataError("Expected a folder of images", f"found no folder {self.source}", "Check --source")
        self.labels = LabelWords(self.options.get("labels"))  # type: ignore[arg-type]
        self.pattern = case_pattern(self.options.get("case_from"))
        given = self.options.get("magnification")
        self.magnification = None if given is None else magnification_name(given)

    @classmethod
    def recognises(cls, source: Path) -> bool:
        """Return whether `source` is a folder with an image among the first files below it."""
        try:
            return source.is_dir() and any(is_image_name(path.name) for path, _ in islice(walk_files(source), 20_000))
        except (OSError, DataError):
            return False

    @property
    def name(self) -> str:
        """The folder's name, with what does not belong in a name replaced by `-`."""
        return dataset_name(self.source.resolve().name) or self.kind

    @cached_property
    def files(self) -> list[str]:
        """The images, as relative posix paths, sorted.

        Raises:
            DataError: there is none, or a path is too long.
        """
        listed = list_folder(
            self.source, is_image_name, lambda name: self.ignored.add(kind_of_file(name, "image"), printable(name))
        )
        self.notes.extend(listed.notes)
        if not listed.files:
            found = f"found none among {self.ignored.counts.total():,} files"
            raise DataError(f"Expected images below {self.source}", found, "Check --source")
        longest = max(listed.files, key=len)
        if len(longest) > LONGEST_PATH:
            found = f"found {printable(longest)[:60]!r}..., {len(longest):,} characters"
            raise DataError(f"Expected paths of at most {LONGEST_PATH} characters", found, "Pass a folder further down")
        return listed.files

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        """What the path of each image says: `label`, `magnification`, `case`.

        Raises:
            UsageError: `--case-from` or `--magnification` is needed.
            DataError: a path does not say it, or says two things.
        """
        labels = self._labels()
        magnifications = self._magnifications()
        cases = self._cases()
        said = zip(self.files, labels, magnifications, cases, strict=True)
        return [
            {"path": printable(path), "label": label, "magnification": magnification, "case": case, "origin": "file"}
            for path, label, magnification, case in said
        ]

    def fingerprint(self) -> dict[str, object]:
        """Return a hash of the names, sizes and times of the images, and what was chosen."""
        # what cannot be understood is told before anything is decoded
        rows = self.rows
        chosen: dict[str, object] = {
            name: self.options[name] for name in ("magnification", "case_from") if name in self.options
        }
        listing = {"images": len(rows), "listing_sha256": listing_hash(self.source, self.files)}
        labels: dict[str, object] = {"labels": self.labels.request()} if self.labels.words else {}
        return {"folders": listing} | chosen | labels

    def names(self) -> pd.DataFrame:
        """Return what is known of the images: everything, before one is read."""
        import pandas as pd

        return pd.DataFrame.from_records(self.rows)

    def images(self) -> Iterator[SourceImage]:
        """Yield the images sorted by path."""
        pairs = zip(self.files, self.rows, strict=True)
        for name, row in self._counted(pairs, len(self.files)):
            yield SourceImage(row["path"], row, self.source / name)

    def _labels(self) -> list[str]:
        found = [[word for part in _folders(path) if (word := self.labels.word(part))] for path in self.files]
        if any(word in LABELS for words in found for word in words):
            # a folder 0 or 1 is then a number of something else
            found = [[word for word in words if not word.isdecimal() or self.labels.words] for words in found]
        labels = []
        for path, words in zip(self.files, found, strict=True):
            classes = {self.labels.classes[word] for word in words}
            if len(classes) > 1:
                remedy = "Pass a folder further down, or say with --labels which names count"
                raise DataError("Expected one class in each path", f"found two in {printable(path)!r}", remedy)
            labels.append(classes.pop() if classes else "")
        if missing := [path for path, label in zip(self.files, labels, strict=True) if not label]:
            raise self._without_label(missing)
        parts = sorted({part for path in self.files for part in _folders(path) if part.casefold() in _PARTS})
        if parts:
            self.notes.append(f"the folders {', '.join(parts)} play no part: training, validation and test go by case")
        return labels

    def _without_label(self, missing: Sequence[str]) -> DataError:
        """Return the refusal of images that lie in no folder of a class; it lists the folders with their counts."""
        if not all(map(_folders, missing)):
            path = next(path for path in missing if not _folders(path))
            expected = f"Expected every image below {self.source} in a folder named for its class"
            found = f"found {printable(path)!r} beside those folders"
            return DataError(expected, found, "Describe the images in a CSV with path,label,magnification,case")
        # the first level at which the images part; magnifications part them too, but are no labels
        levels = list(zip(*map(_folders, missing), strict=False))
        names = [level for level in levels if not all(map(_says_magnification, set(level)))] or levels
        parting = [level for level in names if len(set(level)) > 1] or names
        counts = Counter(parting[0])
        return self.labels.refusal(counts, f"the folders of {self.source}")

    def _magnifications(self) -> list[str]:
        found = [[part for part in _folders(path) if _says_magnification(part)] for path in self.files]
        with_none = [path for path, parts in zip(self.files, found, strict=True) if not parts]
        if with_none and self.magnification is None:
            where = f"found no folder such as 40X in {printable(with_none[0])!r}"
            some = " for these images" if len(with_none) < len(found) else ""
            raise UsageError(
                f"Expected a magnification{some}", where, "Pass --magnification, such as --magnification 20X"
            )
        if self.magnification is not None and len(with_none) == len(found):
            return [self.magnification] * len(found)
        magnifications = []
        for path, parts in zip(self.files, found, strict=True):
            given = [self.magnification] if self.magnification is not None else []
            named = [*parts, *given]
            if not all(same_magnification(named[0], other) for other in named[1:]):
                where = f"found {' and '.join(map(printable, named))} for {printable(path)!r}"
                remedy = "Leave out --magnification" if given else "Pass a folder further down"
                raise DataError("Expected one magnification for each image", where, remedy)
            magnifications.append(magnification_name(named[0]))
        return magnifications

    def _cases(self) -> list[str]:
        if self.pattern is None:
            raise self._without_pattern()
        cases, missing = [], []
        for path in self.files:
            case = case_in(self.pattern, path)
            if not case.strip():
                missing.append(path)
            cases.append(case)
        if missing:
            shown = ", ".join(printable(path) for path in missing[:3])
            found_none = f"found no case in {len(missing):,} of {len(cases):,}, among them {shown}"
            expected = f"Expected --case-from '{printable(self.pattern.pattern)}' to fit every path"
            raise DataError(expected, found_none, "Change the pattern so that it fits them too")
        if len(set(cases)) == len(cases) > 1:
            self.notes.append(f"every image is a case of its own, such as {printable(cases[0])!r}: check --case-from")
        return cases

    def _without_pattern(self) -> UsageError:
        path = self.files[len(self.files) // 2]
        parents = {PurePosixPath(each).parent.name for each in self.files}
        folder = PurePosixPath(path).parent.name
        # a folder for each patient, else what a file name begins with
        is_patient = len(parents) > 2 and self.labels.word(folder) is None and not _says_magnification(folder)
        pattern = r"([^/]+)/[^/]+$" if is_patient else r"([^/_. -]+)[^/]*$"
        case = re.search(pattern, path)
        example = f"--case-from '{pattern}' reads {printable(path)!r} as case {printable(case[1])!r}" if case else ""
        return UsageError(
            "Expected --case-from, a regular expression that finds the patient in each path, since images of one "
            "patient in training and test would make every number too good",
            "found none",
            f"For example {example}; put the brackets around what names the patient",
        )


def case_pattern(text: object) -> re.Pattern[str] | None:
    """Return the regular expression of `--case-from`, None where there is none.

    Raises:
        UsageError: it is too long, is none, or has no group.
    """
    if text is None:
        return None
    expected, remedy = "Expected a regular expression with a group in --case-from", "Write for example 'P([0-9]+)_'"
    if len(str(text)) > LONGEST_PATTERN:
        raise UsageError(expected, f"found one of {len(str(text)):,} characters", remedy)
    try:
        pattern = re.compile(str(text))
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(expected, f"found {printable(str(text))!r} ({error})", remedy) from error
    if not pattern.groups:
        raise UsageError(expected, f"found {printable(str(text))!r}, which has none", remedy)
    return pattern


def case_in(pattern: re.Pattern[str] | None, path: str) -> str:
    """Return the case that a path names: the group `case` of the pattern, else its first; "" where it does not fit."""
    found = None if pattern is None else pattern.search(path)
    return "" if pattern is None or found is None else found["case" if "case" in pattern.groupindex else 1] or ""


def _folders(path: str) -> tuple[str, ...]:
    return PurePosixPath(path).parts[:-1]


def is_image_name(name: str) -> bool:
    """Return whether a file is taken for an image; its name alone decides."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES and not is_hidden(name)


def _says_magnification(part: str) -> bool:
    """Return whether a folder's name is a number with its unit: 40X, x40, 0.25 um; a number alone may be anything."""
    if part.strip().isdecimal():
        return False
    try:
        return read_magnification(part).number is not None
    except DataError:
        return False
