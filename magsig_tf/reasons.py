"""Why a number is absent, or rests on less than it should: a code that programs read, and its sentence for people.

Frames carry both, as the columns `reason_code` and `reason`. Several reasons of one number are joined by "; " in both
columns, in the same order. No program looks into the sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# no run, or no partner of a run
NOT_RUN = "not_run"
NOT_IN_STUDY = "not_in_study"
NO_PAIR = "no_pair"
NO_METHOD = "no_method"
OTHER_SETTINGS = "other_settings"
NEEDS_BOTH_BASELINES = "needs_both_baselines"
NO_TEST_IMAGES = "no_test_images"
# a number from a part of what it should rest on
SOME_HOLDOUTS = "some_holdouts"
SOME_PAIRS_OF_RUNS = "some_pairs_of_runs"
SOME_DROPS = "some_drops"
SOME_FOLDS = "some_folds"
FEW_CASES = "few_cases"
NO_SPREAD = "no_spread"
ONE_SIDED = "one_sided"
BIASED = "biased"
FEW_CASES_FOR_BINS = "few_cases_for_bins"
# what the data do not define
NOT_DEFINED = "not_defined"
UNEXPECTED = "unexpected"
ONE_CLASS = "one_class"
NOTHING_MALIGNANT = "nothing_malignant"
NO_MALIGNANT = "no_malignant"
NO_BENIGN = "no_benign"
NO_PREDICTIONS = "no_predictions"
# probes
NO_SOURCE_MAGNIFICATION = "no_source_magnification"
ONE_MAGNIFICATION = "one_magnification"
FEWER_CASES_THAN_FOLDS = "fewer_cases_than_folds"
MAGNIFICATION_IN_ONE_FOLD = "magnification_in_one_fold"
ONE_CASE = "one_case"
NO_CASE_TWICE = "no_case_twice"
DOES_NOT_VARY = "does_not_vary"
ORIGIN_CONFOUNDED = "origin_confounded"
ZOOMS_APART = "zooms_apart"
# signatures
NO_SIGNATURE = "no_signature"
NO_TEST_ROWS = "no_test_rows"
EMPTY = "empty"
SATURATED = "saturated"
EDGE_OF_PATH = "edge_of_path"
CONSTANT_DIMENSIONS = "constant_dimensions"
OTHER_LENGTH = "other_length"
NOT_MATCHED = "not_matched"
PERMUTED = "permuted"
FEWER_THAN_TWO = "fewer_than_two"
NO_BOUND = "no_bound"
NOTHING_SELECTED = "nothing_selected"
NOTHING_STABLE = "nothing_stable"
VACUOUS_BOUND = "vacuous_bound"
TOO_MANY_DIMENSIONS = "too_many_dimensions"
# generators
NOT_FILTERED = "not_filtered"
GAN_QUALITY = "gan_quality"

RUN_IS_MISSING = frozenset({NOT_RUN, NOT_IN_STUDY, NO_PAIR, NO_METHOD, NO_TEST_IMAGES})
"""Codes of numbers that a run, or a partner of it, would give; all others are matters of the data."""
OF_ONE_METRIC = frozenset(
    {NOT_DEFINED, ONE_CLASS, NOTHING_MALIGNANT, NO_MALIGNANT, NO_BENIGN, NO_PREDICTIONS, SOME_FOLDS}
    | {NO_SPREAD, ONE_SIDED, BIASED, FEW_CASES_FOR_BINS}
)
"""Codes that hold for one metric only; the others hold for all metrics of a row."""

_BETWEEN = "; "


class Reason(str):
    """A sentence without its full stop that knows its code; the empty one means that nothing is to be said.

    Args:
        code: One of this module's codes; several are joined by "; ".
        words: The sentence; as many parts, joined by "; ", as there are codes.
    """

    code: str

    def __new__(cls, code: str = "", words: str = "") -> Reason:
        parts = code.count(_BETWEEN)
        # a separator inside a sentence, as in an error message, would make two reasons of one
        made = super().__new__(cls, words if parts else words.replace(_BETWEEN, ", "))
        made.code = code
        return made

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]  # the stub has that of str, one text
        return self.code, str(self)

    def columns(self, prefix: str = "") -> dict[str, object]:
        """Return the two columns of a frame's row; `prefix` tells several reasons of a row apart."""
        return {f"{prefix}reason": str(self), f"{prefix}reason_code": self.code}

    def parts(self) -> list[Reason]:
        """Return the single reasons, in their order."""
        return of_texts(self.code, self)


NOTHING = Reason()
"""Nothing is to be said."""


def joined(reasons: Iterable[Reason]) -> Reason:
    """Return several reasons as one, each once, the empty ones left out."""
    kept = list(dict.fromkeys(part for reason in reasons for part in reason.parts()))
    return Reason(_BETWEEN.join(part.code for part in kept), _BETWEEN.join(kept))


def of_texts(code: str, words: str) -> list[Reason]:
    """Return the single reasons of two joined texts, as they stand in a frame."""
    if not words:
        return []
    codes, said = code.split(_BETWEEN), words.split(_BETWEEN)
    if len(codes) != len(said):  # a frame of an older version has sentences alone
        codes = [NOT_DEFINED] * len(said)
    return [Reason(*each) for each in zip(codes, said, strict=True)]


def of_row(row: Mapping[Any, object], prefix: str = "") -> list[Reason]:
    """Return the single reasons of one row; a table without codes has the words of its sentences alone.

    Args:
        row: A row with the columns `<prefix>reason` and `<prefix>reason_code`.
        prefix: What begins their names.
    """
    return of_texts(str(row.get(f"{prefix}reason_code") or ""), str(row.get(f"{prefix}reason") or ""))


def of_rows(frame: pd.DataFrame, prefix: str = "") -> list[Reason]:
    """Return every single reason of some rows, each once.

    Args:
        frame: Columns `<prefix>reason` and `<prefix>reason_code`.
        prefix: What begins their names.
    """
    names = [name for name in (f"{prefix}reason", f"{prefix}reason_code") if name in frame]
    rows = frame[names].drop_duplicates().to_dict("records")
    return list(dict.fromkeys(reason for row in rows for reason in of_row(row, prefix)))
