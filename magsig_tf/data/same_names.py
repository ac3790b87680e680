"""Which names may be one thing: pairs by rule, and what a user says of them.

Each rule gives every name a form; names of one form are a pair. So many names are grouped, never compared one by one.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from magsig_tf.data.identity import LOOK_ALIKES, read_magnification

Form = Callable[[str], object]

_ALL_PAIRS = 6
"""Of a larger group of alike names each is paired with the first alone: all pairs of a thousand names are no help."""

_MOST_WAYS = 50
"""So many ways to place separators in one row of letters are compared; ordinary names have two or three."""

NEARLY = 0.01
"""Numbers of magnifications that differ by less than this share may be one, such as 39.98 and 40."""

_SEPARATORS = r"-_./\\:,;\s\u2010-\u2015\u2212"
_SEPARATOR = re.compile(f"[{_SEPARATORS}]+")


@dataclass(frozen=True)
class Pair:
    """Two names that may be one.

    Args:
        column: "case", "slide", "site" or "magnification".
        first: A name.
        second: Another one, later in the alphabet.
        rule: In what they differ, in words.
        within: The site of two cases, the case of two slides; empty where there is none.
    """

    column: str
    first: str
    second: str
    rule: str
    within: str = ""


_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_DECIMAL_ZERO = re.compile(r"(?<=\d)[.,]0+$")


def letter_case(name: str) -> str:
    """Return the name in one letter case."""
    return name.casefold()


def look_alike(name: str) -> str:
    """Return the name without accents, ligatures and letters of other alphabets that look like Latin ones."""
    if name.isascii():
        return name
    spread = unicodedata.normalize("NFKD", name.translate(LOOK_ALIKES))
    return "".join(each for each in spread if not unicodedata.combining(each)).translate(LOOK_ALIKES)


def leading_zeros(name: str) -> str:
    """Return the name without zeros in front of its numbers."""
    return _ZEROS.sub("", name) if "0" in name else name


def decimal_zero(name: str) -> str:
    """Return the name without `.0` at its end, which tables put behind whole numbers."""
    return _DECIMAL_ZERO.sub("", name) if name[-1:] == "0" else name


_YEARS = (
    # a year in front of another number, perhaps behind a few letters; a year behind another number
    re.compile(rf"^([^\W\d_]{{0,4}}[{_SEPARATORS}]?)(\d{{3,}})(?=[{_SEPARATORS}]+\d)"),
    re.compile(rf"(?<=\d)([{_SEPARATORS}]+)(\d{{3,}})$"),
)


def short_years(names: Sequence[str]) -> Form:
    """Return the form with two digits of a year that stands at either end of a name, beside another number.

    Args:
        names: All names. Where most numbers of three and more digits at that end are no years, all are running numbers.
    """
    used = []
    for place in _YEARS:
        numbers = [found[2] for name in names if (found := place.search(name))]
        if 2 * sum(map(_is_year, numbers)) > len(numbers):
            used.append(place)

    def form(name: str) -> str:
        for place in used:
            name = place.sub(lambda found: found[1] + (found[2][2:] if _is_year(found[2]) else found[2]), name)
        return name

    return form


def _is_year(number: str) -> bool:
    return len(number) == 4 and number[:2] in ("19", "20")


def _several(years: Form) -> Form:
    """Return the form that uses all rules at once: a name's words, numbers and signs, in order."""
    pieces = re.compile(rf"\d+|[^\W\d_]+|[^{_SEPARATORS}]")

    def form(name: str) -> tuple[str, ...]:
        name = str(years(decimal_zero(look_alike(name))))
        return tuple(pieces.findall(leading_zeros(name).casefold())) or (name,)

    return form


_BARCODE = re.compile(r"(TCGA-[A-Z0-9]{2}-[A-Z0-9]{4})(?:-[A-Z0-9-]+)?", re.IGNORECASE)


def patient_of_barcode(name: str) -> str:
    """Return the patient of a TCGA barcode of a sample or slide; other names stay.

    Source: https://docs.gdc.cancer.gov/Encyclopedia/pages/TCGA_Barcode (project, tissue source site, participant).
    """
    found = _BARCODE.fullmatch(name)
    return found[1].upper() if found else name


NAME_RULES: tuple[tuple[str, Form], ...] = (
    ("letter case", letter_case),
    ("characters that look alike", look_alike),
    ("leading zeros", leading_zeros),
    (".0 at the end", decimal_zero),
)


def pairs_of_names(names: Iterable[str], column: str, *, patients: bool = False) -> list[Pair]:
    """Return the pairs of names that may be one; see `pairs_within`."""
    return pairs_within((("", name) for name in names), column, patients=patients)


def pairs_within(
    named: Iterable[tuple[str, str]],
    column: str,
    *,
    patients: bool = False,
    accessions: Mapping[str, str] | None = None,
) -> list[Pair]:
    """Return the pairs of names that may be one, each once, under the first rule that finds it.

    Args:
        named: What a name stands within (its site, its case, nothing) and the name, in any order, repeated as often as
            wanted. Names are compared with those within the same thing.
        column: What they name.
        patients: Whether they name patients, whose names hold years and samples.
        accessions: The accession that BreaKHis file names give a name, where they give one.
    """
    distinct = sorted(set(named))
    years: Form = short_years(sorted({name for _, name in distinct})) if patients else str
    known = accessions or {}
    rules = [*NAME_RULES]
    if patients:
        rules += [("year of two and of four digits", years), ("samples of one TCGA patient", patient_of_barcode)]
    if known:
        rules.append(("one BreaKHis accession", lambda name: known.get(name, name)))
    return [
        Pair(column, *pair, rule, within)
        for within, names in _candidates(distinct, years, known)
        for pair, rule in _pairs(names, rules, years).items()
    ]


def _candidates(
    distinct: Iterable[tuple[str, str]], years: Form, known: Mapping[str, str]
) -> Iterator[tuple[str, list[str]]]:
    """Yield the names that could be of a pair: most names are ordinary, and not worth eight rules each."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for within, name in distinct:
        ways = [name] if name.isascii() else [name, *map(look_alike, (name, name.casefold(), name.upper()))]
        keys = {f"={_coarse(str(years(decimal_zero(way))))}" for way in ways}
        if known:
            keys.add(f"@{known.get(name, name)}")
        if _BARCODE.fullmatch(name):
            keys.add(patient_of_barcode(name))
        for key in keys:
            groups[within, key].append(name)
    found: dict[str, set[str]] = defaultdict(set)
    for (within, _), group in groups.items():
        if len(group) > 1:
            found[within].update(group)
    yield from ((within, sorted(found[within])) for within in sorted(found))


def _coarse(name: str) -> str:
    """Return what all rules leave of a name, and no more than that."""
    return _SEPARATOR.sub("", name).replace("0", "").casefold()


def _pairs(names: Sequence[str], rules: Iterable[tuple[str, Form]], years: Form) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for rule, form in rules:
        for pair in _alike(names, form):
            found.setdefault(pair, rule)
    for pair in _separated(names):
        found.setdefault(pair, "separators")
    for pair in _alike(names, _several(years)):
        found.setdefault(pair, "several of these at once")
    return found


def _alike(names: Sequence[str], form: Form) -> Iterator[tuple[str, str]]:
    """Yield the pairs of names that have one form."""
    groups: dict[object, list[str]] = defaultdict(list)
    for name in names:
        groups[form(name)].append(name)
    for group in groups.values():
        yield from _within(group)


def _within(group: Sequence[str]) -> Iterator[tuple[str, str]]:
    if len(group) <= _ALL_PAIRS:
        yield from itertools.combinations(group, 2)
    else:
        yield from ((group[0], other) for other in group[1:])


def _separated(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the pairs that differ in which separators there are, or in whether there are any.

    `1-12` and `11-2` are two: the separators of one have to stand where the other has some.
    """
    groups: dict[str, list[tuple[str, frozenset[int]]]] = defaultdict(list)
    for name in names:
        parts = _SEPARATOR.split(name)
        places = frozenset(itertools.accumulate(map(len, parts[:-1])))
        groups["".join(parts)].append((name, places))
    for group in groups.values():
        by_places: dict[frozenset[int], list[str]] = defaultdict(list)
        for name, places in group:
            by_places[places].append(name)
        for alike in by_places.values():
            yield from _within(alike)
        for one, other in itertools.combinations(list(by_places)[:_MOST_WAYS], 2):
            if one < other or other < one:
                yield _ordered(by_places[one][0], by_places[other][0])


def pairs_of_magnifications(names: Iterable[str]) -> list[Pair]:
    """Return the pairs of magnifications that may be one.

    Args:
        names: Each magnification under its one spelling, in any order.
    """
    read = {name: read_magnification(name) for name in sorted(set(names))}
    words = [name for name, each in read.items() if each.number is None]
    found = pairs_of_names(words, "magnification")
    by_unit: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for name, each in read.items():
        if each.number is not None:
            by_unit[each.unit].append((each.number, name))
    for numbers in by_unit.values():
        for (small, first), (large, second) in itertools.pairwise(sorted(numbers)):
            if large - small < NEARLY * large:
                found.append(_pair(first, second, "numbers less than 1 % apart"))
    for number, name in by_unit["X"]:
        bare = name[-1:].isdigit()
        alike = [other for size, other in by_unit["um"] if bare and size == number]
        found += [_pair(name, other, "one number with and without a unit") for other in alike]
        alike = [other for other in words if _only_number(other) == number]
        found += [_pair(name, other, "one number with and without other words") for other in alike]
    return found


def _pair(first: str, second: str, rule: str) -> Pair:
    return Pair("magnification", *_ordered(first, second), rule)


def _ordered(first: str, second: str) -> tuple[str, str]:
    return (first, second) if first < second else (second, first)


def _only_number(name: str) -> float | None:
    """Return the number in a name that holds one number and words, else None."""
    numbers = re.findall(r"\d+(?:\.\d+)?", name, re.ASCII)
    return float(numbers[0]) if len(numbers) == 1 else None


_SECTION = re.compile(r"(.*\d)[ _-]?[A-Za-z]")


def section_groups(names: Iterable[str]) -> list[list[str]]:
    """Return groups of names that differ in the letter behind their last number alone, such as `mouse_1A`, `mouse_1B`.

    The letter of a TCGA barcode belongs to the patient's number and counts for nothing.

    Args:
        names: In any order, repeated as often as wanted.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(set(names)):
        found = None if _BARCODE.fullmatch(name) else _SECTION.fullmatch(name)
        groups[found[1] if found else name].append(name)
    return [group for group in groups.values() if len(group) > 1]
