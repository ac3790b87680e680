"""What one name is: magnification, case, slide, site and cohort as every door reads them.

Two spellings are one name where that is certain: they differ in what cannot be seen, or in how a number is written.
Which other names may be one, `magsig_tf.data.same_names` says.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from magsig_tf.errors import DataError, MagsigError, UsageError, nearest

NAME_COLUMNS = ("site", "magnification", "case", "slide", "cohort")
"""Columns of a manifest that hold names, or words for them."""

ALL = "all"
"""The word of the command line for every magnification; no magnification can have it for a name."""

LONGEST_NAME = 100
_LONGEST_FOLDER = 200

# what takes no room on paper although Unicode does not count it among the format characters
_INVISIBLE = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
_BLANK = {0x2800: " "}


def plain_name(text: object) -> str:
    """Return a name without what no reader sees.

    Characters are composed (Unicode NFC), full-width and half-width forms become ordinary ones, invisible characters
    (zero-width, direction marks, byte-order marks, variation selectors) go, and any run of blanks of any kind becomes
    one space. Letter case, zeros and separators stay: two names that differ in them may be two.

    Args:
        text: A name as it was written; numbers are taken as they print.
    """
    name = str(text)
    if not name.isascii():
        name = "".join(map(_visible, unicodedata.normalize("NFC", name)))
        name = unicodedata.normalize("NFC", name)
    return " ".join(name.split())


def _visible(character: str) -> str:
    code = ord(character)
    if code in _INVISIBLE or unicodedata.category(character) == "Cf":
        return ""
    if code in _BLANK:
        return _BLANK[code]
    kind, _, form = unicodedata.decomposition(character).partition("> ")
    return chr(int(form, 16)) if kind in ("<wide", "<narrow") else character


LOOK_ALIKES = str.maketrans(
    # Cyrillic and Greek letters that look like Latin ones, and signs that look like the letter x
    "АВЕЅІЈКМНОРСТУХаеѕіјорсухԁһ" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧοιν" + "×✕✖⨯╳",
    "ABESIJKMHOPCTYXaesijopcyxdh" + "ABEZHIKMNOPTYXoiv" + "xxxxx",
)
_UNITS = {"um": 1.0, "micron": 1.0, "micrometer": 1.0, "micrometre": 1.0, "mpp": 1.0, "nm": 1e-3}
_MAGNIFICATION = re.compile(
    r"(?:(?:mag|magnification|x)[ .:=]*)?"
    r"(?P<number>(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:e[+-]?\d{1,2})?)"
    r"(?:[ _-]?(?:x|fold|times)|[ _]?(?P<unit>um|microns?|micromet(?:er|re)s?|mpp|nm)(?: ?(?:/|per|p) ?(?:px|pixel))?)?"
    r"(?: (?:mag|magnification))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Magnification:
    """What a name of a magnification says; equal for all spellings of one magnification.

    Args:
        unit: "X" for how many times, "um" for micrometres per pixel, empty for a name that is no number.
        number: In that unit; None for a name that is no number.
        words: The name where it is no number, else empty.
    """

    unit: str
    number: float | None
    words: str = ""

    def __str__(self) -> str:
        """Its one spelling: 40X, 0.25 um, or the name."""
        return self.words if self.number is None else f"{self.number:.12g}{'X' if self.unit == 'X' else ' um'}"


@lru_cache(maxsize=4096)
def read_magnification(text: object) -> Magnification:
    """Read the name of a magnification.

    `40X`, `40x`, `x40`, `40 X`, `40×`, `40`, `40.0` and `4.0e1` are 40 times; `0.25 um`, `0,25 µm/px` and `0.25 mpp` a
    quarter of a micrometre per pixel; anything else is a name of its own.

    Raises:
        DataError: it is a number that can be read in two ways, such as `1,000X`.
    """
    name = plain_name(text)
    digits = "".join(str(unicodedata.decimal(character, character)) for character in name)
    # both micro signs, one of them the Greek letter
    spelled = digits.translate(LOOK_ALIKES).casefold().replace("\u00b5", "u").replace("\u03bc", "u")
    found = _MAGNIFICATION.fullmatch(spelled)
    if found is None:
        return Magnification("", None, name)
    number = found["number"]
    if re.fullmatch(r"[1-9]\d{0,2},\d{3}", number):
        remedy = f"Write {number.replace(',', '')} or {number.replace(',', '.')}"
        raise DataError("Expected a magnification that reads in one way", f"found {name!r}", remedy)
    unit = (found["unit"] or "").rstrip("s")
    value = float(number.replace(",", ".")) * _UNITS.get(unit, 1.0)
    return Magnification("um" if unit else "X", float(f"{value:.12g}"))


def same_magnification(first: object, second: object) -> bool:
    """Return whether two names are spellings of one magnification; names that read in two ways are only themselves."""
    return first == second or _key(first) == _key(second)


def _key(name: object) -> object:
    try:
        return read_magnification(name)
    except DataError:
        return name


def magnification_name(text: object) -> str:
    """Return the name of a magnification as `plain_name` does, refused where it can be none.

    Raises:
        DataError: it is `all`, `.` or `..`, too long, or a number that can be read in two ways.
    """
    name = plain_name(text)
    remedy = "Give it another name in the column magnification"
    if name.casefold() == ALL or name in (".", ".."):
        why = "a word of the command line" if name.casefold() == ALL else "a word for folders"
        raise DataError("Expected the name of a magnification", f"found {name!r}, {why}", remedy)
    check_length(name, "magnification")
    if name:
        read_magnification(name)
    return name


def check_length(name: str, column: str) -> None:
    """Refuse a name that is too long for a table or for the folder that carries it.

    Raises:
        DataError: it has more than 100 characters, or as many as no folder name can hold.
    """
    if len(name) > LONGEST_NAME or len(quote(name, safe=" ")) > _LONGEST_FOLDER:
        expected = f"Expected a {column} of at most {LONGEST_NAME} characters"
        found = f"found {len(name)}, {name[:40]!r}..."
        raise DataError(expected, found, f"Shorten it in the column {column}")


def spelled_once(names: Iterable[str]) -> dict[str, str]:
    """Return for each name of a magnification the one that is used for it.

    Where every magnification is spelled in one way, the names stay as they are; else numbers are written 40X.

    Args:
        names: As `magnification_name` returns them, in any order, repeated as often as wanted.
    """
    read = {name: read_magnification(name) for name in set(names)}
    if len(set(read.values())) == len(read):
        return {name: name for name in read}
    return {name: str(magnification) for name, magnification in read.items()}


def find_magnification(
    name: object,
    present: Sequence[str],
    expected: str = "Expected a magnification of the data set",
    error: type[MagsigError] = UsageError,
) -> str:
    """Return the magnification that a user means, as the data name it.

    Args:
        name: What was asked for, in any spelling.
        present: The magnifications that there are.
        expected: What the message says.
        error: What is raised.

    Raises:
        UsageError: there is none, or the name fits several.
    """
    if name in present:
        return str(name)
    fitting = [other for other in present if same_magnification(name, other)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise error(expected, f"found {str(name)!r}, which is {' and '.join(fitting)}", "Write it as the data do")
    raise error(expected, f"found {str(name)[:LONGEST_NAME]!r}", nearest(str(name), present))


def check_told_apart(names: Sequence[str]) -> None:
    """Refuse magnifications that are one: a held-out one would be trained on under its other spelling.

    Args:
        names: The magnifications of a prepared data set; earlier versions took each spelling for one of its own.

    Raises:
        DataError: two names are spellings of one magnification.
    """
    known: dict[object, str] = {}
    for name in names:
        other = known.setdefault(_key(name), name)
        if other != name:
            remedy = "Prepare the data set again with --overwrite"
            raise DataError("Expected each magnification under one name", f"found {other!r} and {name!r}", remedy)


def find_magnifications(names: Iterable[object], present: Sequence[str]) -> list[str]:
    """Return the magnifications that a user means, each once; see `find_magnification`."""
    return list(dict.fromkeys(find_magnification(name, present) for name in names))


def magnification_order(values: Iterable[str]) -> list[str]:
    """Return the distinct magnifications in their natural order.

    Args:
        values: Magnification names such as "40X"; repeats are allowed.

    Returns:
        The names ordered by their number where every one has it, else in alphabetical order.
    """
    names = sorted({str(value) for value in values})
    numbers = {name: _place(name) for name in names}
    if any(number is None for number in numbers.values()):
        return names
    return sorted(names, key=lambda name: (numbers[name], name))


def _place(name: str) -> float | None:
    """Return the number that a name is sorted by: what it says, else what it begins with."""
    key = _key(name)
    if isinstance(key, Magnification) and key.number is not None:
        return key.number
    found = re.match(r"\d+(\.\d+)?", name, re.ASCII)
    return float(found[0]) if found else None


TEST_COHORT = "test"
_TEST_WORDS = ("test", "tests", "testing", "test set", "testset", "test cohort")
_DEVELOPMENT_WORDS = (
    *("development", "develop", "dev", "training", "train", "training set", "train set", "trainset"),
    *("validation", "valid", "validate", "val", "validation set", "tuning", "tune"),
)


def is_test_word(text: object) -> bool:
    """Return whether a value of the column `cohort` is a word for the test cohort, in any spelling."""
    return _cohort_word(text) in _TEST_WORDS


def _cohort_word(text: object) -> str:
    return plain_name(text).casefold().replace("_", " ").replace("-", " ")


def cohort_of(text: object) -> str:
    """Return a value of the column `cohort` as its one word: `test`, or the word for development that was written.

    Raises:
        DataError: it is no word that says whether the case is tested.
    """
    word = _cohort_word(text)
    if word in _TEST_WORDS:
        return TEST_COHORT
    if not word or word in _DEVELOPMENT_WORDS:
        return word
    expected = "Expected test, train, validation or development (or nothing) in the column cohort"
    remedy = "Correct it, or rename the column where it means something else"
    raise DataError(expected, f"found {plain_name(text)[:LONGEST_NAME]!r}", remedy)


def site_case(site: str, case: str) -> str:
    """Return the name of a case that its site tells from cases of the same name elsewhere, such as `A/12`."""
    return f"{site}/{case}"
