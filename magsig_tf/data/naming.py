"""The names of a data set's rows: certain spellings made one, doubtful ones refused or settled as the user says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from magsig_tf.data.identity import (
    NAME_COLUMNS,
    check_length,
    cohort_of,
    magnification_name,
    plain_name,
    site_case,
    spelled_once,
)
from magsig_tf.data.names_file import SaidOfNames, refuse_pairs
from magsig_tf.data.same_names import Pair, pairs_of_magnifications, pairs_within, section_groups
from magsig_tf.data.sources.breakhis import parse_name
from magsig_tf.errors import DataError


@dataclass(frozen=True)
class Named:
    """Rows under the names that are used for them.

    Args:
        table: The columns of `NAME_COLUMNS` that were given, one row an image, in the order given.
        remarks: For the report: what was merged, kept apart, or is to be looked at, with all examples.
    """

    table: pd.DataFrame
    remarks: list[tuple[str, list[str]]]


def plain_names(table: pd.DataFrame) -> pd.DataFrame:
    """Return the names of rows as they read, before any doubtful ones are looked at.

    Args:
        table: One row an image, with any of `NAME_COLUMNS`, as they were written.

    Returns:
        Those columns. A site that no row has is left out.

    Raises:
        DataError: a magnification, cohort or site is none.
    """
    names = pd.DataFrame(index=table.index)
    for column in (name for name in NAME_COLUMNS if name in table):
        read = {"magnification": magnification_name, "cohort": cohort_of, "site": _site}.get(column, plain_name)
        names[column] = _mapped(table[column], read)
    if "site" in names and not (names["site"] != "").any():
        names = names.drop(columns="site")
    if {"site", "case"} <= set(names):
        _check_sites(names)
    if "magnification" in names:
        spelled = spelled_once(names["magnification"])
        names["magnification"] = _mapped(names["magnification"], lambda name: spelled[str(name)])
    return names


def _check_sites(names: pd.DataFrame) -> None:
    """Refuse a case that is given with a site and without one: it can be one case or two."""
    placed = names["site"] != ""
    both = sorted(set(names["case"][placed]) & set(names["case"][~placed]))
    if both:
        found = f"found {both[0]!r} with a site and without one ({len(both):,} such cases)"
        raise DataError("Expected each case with its site", found, "Fill in the column site")


def with_site(names: pd.DataFrame) -> pd.DataFrame:
    """Return names whose cases and slides carry their site: `12` of site `A` is `A/12`; without sites they stay.

    Raises:
        DataError: two cases of different sites would get one name.
    """
    if "site" not in names:
        return names
    placed = names.copy()
    for column in (name for name in ("case", "slide") if name in names):
        has = (names[column] != "") & (names["site"] != "")
        placed.loc[has, column] = [
            site_case(*pair) for pair in zip(names["site"][has], names[column][has], strict=True)
        ]
        whole = names.loc[names[column] != "", ["site", column]].drop_duplicates()
        if len(whole) > placed.loc[whole.index, column].nunique():
            doubled = placed.loc[whole.index, column]
            found = f"found {doubled[doubled.duplicated()].iloc[0]!r} for two"
            raise DataError(f"Expected site and {column} to name one {column}", found, "Write sites without a slash")
    return placed


def settle_names(table: pd.DataFrame, said: SaidOfNames, pairs_file: Path | None = None) -> Named:
    """Return the names of rows, or refuse those that may be one and of which nothing is said.

    Args:
        table: One row an image, with `path` and any of `NAME_COLUMNS` as they were written, and perhaps `label`.
        said: What the user says.
        pairs_file: Receives all pairs where they are refused.

    Raises:
        DataError: a name is none, or pairs of names may be one and nothing is said of them.
    """
    names = plain_names(table)
    remarks = [_respelled(table[column], names[column]) for column in names if column != "cohort"]
    settled, undecided, apart = names.copy(), [], []
    possible: dict[str, pd.Series] = {}
    used: set[tuple[str, str, str]] = set()
    for column in (each for each in ("site", "magnification", "case", "slide") if each in names):
        within = possible.get({"case": "site", "slide": "case"}.get(column, ""))
        pairs = _pairs(column, names, table, within)
        answers = {pair: said.of_pair(pair) for pair in pairs}
        used |= {(pair.column, pair.first, pair.second) for pair in pairs}
        undecided += [] if said.exact else [pair for pair, same in answers.items() if same is None]
        apart += [pair for pair, same in answers.items() if same is False or (same is None and said.exact)]
        joined = [pair for pair in pairs if answers[pair]]
        if joined:
            settled[column] = _joined(names[column], joined)
            remarks.append(_merged(column, names[column], settled[column]))
            _check_apart(pairs, answers, names[column], settled[column])
        maybe = [pair for pair in pairs if answers[pair] or (answers[pair] is None and not said.exact)]
        place = _joined(names[column], maybe) if maybe else names[column]
        # alike names of two sites are two cases
        possible[column] = place if within is None else within + "\x1f" + place
    if undecided:
        refuse_pairs(undecided, names, table, pairs_file)
    settled = with_site(settled)
    remarks += _remarks(settled, apart, said, used)
    return Named(settled, [remark for remark in remarks if remark[1]])


def _mapped(column: pd.Series, read: Callable[[object], str]) -> pd.Series:
    """Return a column with a function of each distinct value: there are many rows of few names."""
    read_as = {value: read(value) for value in column.unique()}
    # as plain texts: each look at a text of Arrow's takes ten times as long
    return pd.Series([read_as[value] for value in column.tolist()], index=column.index, dtype=object)


def _site(text: object) -> str:
    name = plain_name(text)
    check_length(name, "site")
    return name


def _pairs(column: str, names: pd.DataFrame, table: pd.DataFrame, within: pd.Series | None) -> list[Pair]:
    if column == "magnification":
        return pairs_of_magnifications(names[column])
    accessions = _accessions(names[column], table) if column == "case" else None
    places = [""] * len(names) if within is None else within.str.replace("\x1f", "/")
    given = {pair for pair in zip(places, names[column], strict=True) if pair[1]}
    return pairs_within(given, column, patients=column == "case", accessions=accessions)


def _accessions(cases: pd.Series, table: pd.DataFrame) -> dict[str, str]:
    """Return the accession of every case whose files have BreaKHis names of a single one."""
    if "path" not in table:
        return {}
    found: dict[str, set[str]] = {}
    for case, path in zip(cases, table["path"].tolist(), strict=True):
        if (name := parse_name(str(path).rpartition("/")[2])) is not None:
            found.setdefault(case, set()).add(name.case)
    return {case: accession for case, (accession, *more) in found.items() if not more}


def _joined(names: pd.Series, pairs: Sequence[Pair]) -> pd.Series:
    """Return a column in which names of a pair are one: of all that belong together the one with most images."""
    head: dict[str, str] = {}

    def find(name: str) -> str:
        while head.get(name, name) != name:
            name = head[name]
        return name

    for pair in pairs:
        first, second = sorted((find(pair.first), find(pair.second)))
        head[second] = head[first] = first
    counts = Counter(names)
    groups: dict[str, list[str]] = {}
    for name in head:
        groups.setdefault(find(name), []).append(name)
    chosen = {name: min(group, key=lambda each: (-counts[each], each)) for group in groups.values() for name in group}
    return _mapped(names, lambda name: chosen.get(str(name), str(name)))


def _check_apart(
    pairs: Sequence[Pair], answers: Mapping[Pair, bool | None], names: pd.Series, settled: pd.Series
) -> None:
    one = dict(zip(names, settled, strict=True))
    for pair in pairs:
        if answers[pair] is False and one.get(pair.first) == one.get(pair.second):
            found = f"found {pair.first!r} and {pair.second!r} apart, and both one with {one[pair.first]!r}"
            raise DataError("Expected answers about names that fit together", found, "Correct the file of --same-case")


def _respelled(written: pd.Series, names: pd.Series) -> tuple[str, list[str]]:
    """Return which names were written in several ways that are certainly one."""
    counts = pd.DataFrame({"name": names, "written": written.astype(str)}).value_counts(sort=False).reset_index()
    several = counts[counts["name"].duplicated(keep=False)].sort_values(["name", "written"])
    ways = [
        f"{name}: "
        + ", ".join(f"{each!a} {count:,}" for each, count in zip(rows["written"], rows["count"], strict=True))
        for name, rows in several.groupby("name")
    ]
    return f"{written.name}s written in several ways, read as one", ways


def _merged(column: str, names: pd.Series, settled: pd.Series) -> tuple[str, list[str]]:
    """Return which names are one because the user says so."""
    counts = Counter(zip(settled, names, strict=True))
    groups: dict[str, list[str]] = {}
    for (name, before), count in sorted(counts.items()):
        groups.setdefault(name, []).append(f"{before!r} {count:,}")
    ways = [f"{name}: {', '.join(before)}" for name, before in groups.items() if len(before) > 1]
    return f"{column}s that are one by --same-case", ways


def _remarks(
    settled: pd.DataFrame, apart: Sequence[Pair], said: SaidOfNames, used: Iterable[tuple[str, str, str]]
) -> list[tuple[str, list[str]]]:
    kept = [f"{pair.first!r} and {pair.second!r} ({pair.rule})" for pair in apart]
    unknown = [f"{first!r} and {second!r}" for column, first, second in set(said.answers) - set(used)]
    remarks = [
        ("pairs of names that may be one, kept apart as asked", kept),
        ("pairs of --same-case that are no pairs in these data", sorted(unknown)),
    ]
    if "case" in settled:
        sections = [" ".join(group) for group in section_groups(settled["case"])]
        remarks.append(("cases that a letter at the end tells apart; sections of one patient would leak", sections))
    return remarks
