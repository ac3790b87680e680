"""What the user says of names that may be one: the file of `--same-case`, which `prepare` writes and reads."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from magsig_tf.atomic_files import write_text
from magsig_tf.data.identity import NAME_COLUMNS, plain_name
from magsig_tf.data.same_names import Pair
from magsig_tf.errors import DataError, MagsigError, UsageError, in_one_line

FILE_COLUMNS = ("column", "within", "first", "second", "rule", "first_images", "second_images", "same")
PAIRS_SHOWN = 10
_YES, _NO = ("yes", "y", "true", "1", "same"), ("no", "n", "false", "0", "different")
_Key = tuple[str, str, str]


@dataclass(frozen=True)
class SaidOfNames:
    """What the user says of names that may be one.

    Args:
        exact: Whether names of which nothing is said are kept apart.
        answers: Whether two names are one, by column and the two names in alphabetical order.
        sha256: Of the file that says it; empty where there is none.
    """

    exact: bool = False
    answers: Mapping[_Key, bool] = field(default_factory=dict)
    sha256: str = ""

    @classmethod
    def of(cls, file: Path | None, exact: bool = False) -> SaidOfNames:
        """Read the file of `--same-case`: a CSV with `first`, `second` and perhaps `column` (case) and `same` (yes).

        Raises:
            UsageError: it cannot be read, has other columns, or says something else than yes and no.
        """
        if file is None:
            return cls(exact)
        try:
            content = Path(file).read_bytes()
            text = content.decode("utf-8-sig")
            rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        except (OSError, ValueError, csv.Error) as error:
            reason = in_one_line(error)[:200]
            raise UsageError(f"Expected a CSV file of names at {file}", f"found: {reason}", "Check the path") from error
        answers: dict[_Key, bool] = {}
        for number, row in enumerate(rows, start=1):
            if not {"first", "second"} <= set(row):
                found = f"found {', '.join(map(str, row))[:200]}"
                raise UsageError(f"Expected the columns first and second in {file}", found, "Separate with commas")
            key, same = _answer(row, number, file)
            if answers.setdefault(key, same) != same:
                found = f"found yes and no for {key[1]!r} and {key[2]!r}"
                raise UsageError(f"Expected one answer for each pair in {file}", found, "Correct one")
        return cls(exact, answers, hashlib.sha256(content).hexdigest())

    def request(self) -> dict[str, object]:
        """Return what tells one preparation from another, as plain JSON values."""
        return {"exact": self.exact, "same_case_sha256": self.sha256}

    def of_pair(self, pair: Pair) -> bool | None:
        """Return whether a pair is one name; None where nothing is said of it."""
        return self.answers.get((pair.column, pair.first, pair.second))


def _answer(row: Mapping[str, str | None], number: int, file: Path) -> tuple[_Key, bool]:
    column = plain_name(row.get("column") or "case").casefold()
    said = plain_name(row.get("same") or ("yes" if "same" not in row else "")).casefold()
    if column not in NAME_COLUMNS or said not in (*_YES, *_NO):
        wanted = "yes or no as same" if column in NAME_COLUMNS else f"{', '.join(NAME_COLUMNS[:4])} as column"
        found = f"found {said if column in NAME_COLUMNS else column!r} in row {number}"
        raise UsageError(f"Expected {wanted} in {file}", found, "Fill it in")
    first, second = sorted(plain_name(row[name]) for name in ("first", "second"))
    return (column, first, second), said in _YES


def refuse_pairs(pairs: Sequence[Pair], names: pd.DataFrame, table: pd.DataFrame, pairs_file: Path | None) -> None:
    """Write all pairs and raise an error that shows the first."""
    by_rule: dict[str, list[str]] = {}
    for pair in pairs[:PAIRS_SHOWN]:
        words = f"{pair.first[:60]!r} and {pair.second[:60]!r}"
        by_rule.setdefault(f"{pair.column}s, {pair.rule}", []).append(words)
    shown = "; ".join(f"{rule}: {', '.join(words)}" for rule, words in by_rule.items())
    more = f"; and {len(pairs) - PAIRS_SHOWN:,} more" if len(pairs) > PAIRS_SHOWN else ""
    remedy = "Pass --names-are-exact if all of them are different things"
    if pairs_file is not None:
        with contextlib.suppress(MagsigError):
            write_text(pairs_file, _pairs_csv(pairs, names, table))
            remedy = (
                f"Check the column same in {pairs_file} and pass --same-case {pairs_file}, or --names-are-exact if all "
                "are different things"
            )
    count = f"{len(pairs):,} pairs of names that may be one" if len(pairs) > 1 else "a pair of names that may be one"
    raise DataError("Expected one name for each thing", f"found {count}: {shown}{more}", remedy)


def _pairs_csv(pairs: Sequence[Pair], names: pd.DataFrame, table: pd.DataFrame) -> str:
    """Return the file that `--same-case` takes: `same` is yes, or no for cases of which no label is the same."""
    images = {column: Counter(names[column]) for column in names}
    labels: dict[str, set[str]] = {}
    if "label" in table and "case" in names:
        for case, label in pd.DataFrame({"case": names["case"], "label": table["label"]}).drop_duplicates().values:
            labels.setdefault(case, set()).add(label)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FILE_COLUMNS)
    for pair in pairs:
        counts = images[pair.column]
        differ = pair.column == "case" and not labels.get(pair.first, set()) & labels.get(pair.second, set())
        same = "no" if differ and labels else "yes"
        row = (pair.column, pair.within, pair.first, pair.second, pair.rule, counts[pair.first], counts[pair.second])
        writer.writerow((*row, same))
    return text.getvalue()
