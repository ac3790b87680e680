"""A paper's claims as a file: what it states, and by which rules finished runs judge it; docs/claims.md explains it.

The claims of arXiv 2604.25817 are `facts/paper.yaml`.
"""

from __future__ import annotations

import importlib.resources
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from magsig_tf.config import Strict
from magsig_tf.config_files import parse_yaml
from magsig_tf.errors import UsageError, nearest
from magsig_tf.evaluation.cells.catalogue import METRICS


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"found {twice[0]!r} twice", "Name each once")
    return names


Text = Annotated[str, Field(min_length=1)]
Holdouts = Annotated[tuple[Text, ...], AfterValidator(_each_once)]
CLAIM_METRICS = [name for name, metric in METRICS.items() if "image" in metric.levels and not metric.binned]
"""Claims count images; bins have errors of their own, which these intervals do not allow for."""


class _Keyed(Strict):
    """A mapping of the file; an unknown key is refused with the nearest."""

    one_of: ClassVar[tuple[str, ...]] = ()
    """Keys of which exactly one must be there."""

    @model_validator(mode="before")
    @classmethod
    def _knows_its_keys(cls, values: Any) -> Any:
        for key in values if isinstance(values, dict) else ():
            if key not in cls.model_fields:
                raise ValueError(f"found the key {key!r}", nearest(str(key), cls.model_fields))
        return values

    @model_validator(mode="after")
    def _has_one_of_them(self) -> _Keyed:
        given = [key for key in self.one_of if key in self.model_fields_set]
        if self.one_of and len(given) != 1:
            raise ValueError(f"found {' and '.join(given) or 'neither'}", f"Write one of {' and '.join(self.one_of)}")
        return self


class Rule(_Keyed):
    """What must be so of two methods: those of its runs are compared that agree in all other settings.

    Args:
        method: Whose numbers come first.
        reference: Whose numbers they are compared with.
    """

    method: Text
    reference: Text

    @model_validator(mode="after")
    def _compares_two(self) -> Rule:
        if self.method == self.reference:
            raise ValueError(f"found {self.method!r} as method and reference", "Name two methods")
        return self


class DifferenceRule(Rule):
    """A rule on the paired difference of a metric, at image level.

    Args:
        metric: One of `CLAIM_METRICS`.
        of: Whose predictions: the models' own, or those of the sparse classifiers on their embeddings.
        holdouts: Those that count; empty counts all that have runs of both methods.
    """

    metric: str
    of: Literal["models", "sparse_classifiers"] = "models"
    holdouts: Holdouts = ()

    @field_validator("metric")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in CLAIM_METRICS:
            raise ValueError(f"found {value!r}", nearest(value, CLAIM_METRICS))
        return value


class Direction(DifferenceRule):
    """The difference is above 0, or below it.

    Args:
        rule: On which side of 0.
        over: Its mean over holdouts, that of their joined predictions, or each holdout's.
    """

    rule: Literal["higher", "lower"]
    over: Literal["mean", "pooled", "each"] = "mean"


class Equivalence(DifferenceRule):
    """The difference lies inside a margin.

    Args:
        rule: Its name.
        over: As for a direction.
        margin: Differences up to this size do not matter; 0 takes the margin of the whole table.
    """

    rule: Literal["equivalent"]
    over: Literal["mean", "pooled", "each"] = "mean"
    margin: float = Field(0, gt=0)


class LargestGain(DifferenceRule):
    """The method is better at a holdout, by more than at each of the others.

    Args:
        rule: Its name.
        holdout: Where the gain is largest.
    """

    rule: Literal["largest_gain"]
    holdout: Text


class HigherAndLower(DifferenceRule):
    """The difference is above 0 at some holdouts and below 0 at others."""

    rule: Literal["higher_and_lower"]


class SmallerSignatures(Rule):
    """Signatures of the reference are so many times as large as those of the method, in every pair of runs.

    Args:
        rule: Its name.
        more_than: They are more than so many times as large; 0 where `at_least` is given.
        at_least: They are at least so many times as large; 0 where `more_than` is given.
    """

    one_of = ("more_than", "at_least")
    rule: Literal["smaller_signatures"]
    more_than: float = Field(0, gt=0)
    at_least: float = Field(0, gt=0)


class OverlapRule(Rule):
    """A rule on the Jaccard index between the signatures of two holdouts.

    Args:
        holdouts: The two.
    """

    holdouts: Annotated[Holdouts, Field(min_length=2, max_length=2)]


class MoreOverlap(OverlapRule):
    """The index of the method is higher than that of the reference, for every patient fold and seed."""

    rule: Literal["more_overlap"]


class Overlap(OverlapRule):
    """The index of one of the methods is at least a value minus the margin, or below a value.

    Args:
        rule: Its name.
        whose: Of which method.
        at_least: The value in (0, 1] that is reached, minus the margin; 0 where `below` is given.
        below: The value in (0, 1] that is not reached; 0 where `at_least` is given.
    """

    one_of = ("at_least", "below")
    rule: Literal["overlap"]
    whose: Literal["method", "reference"] = "method"
    at_least: float = Field(0, gt=0, le=1)
    below: float = Field(0, gt=0, le=1)


AnyRule = Direction | Equivalence | LargestGain | HigherAndLower | SmallerSignatures | MoreOverlap | Overlap
Rules = Annotated[tuple[Annotated[AnyRule, Field(discriminator="rule")], ...], Field(min_length=1)]


class Statement(_Keyed):
    """One claim of a paper, or one criterion that would falsify it.

    Args:
        claim: Its name.
        kind: "statement", or "falsification": a criterion that holds counts against the paper.
        statement: What is judged; `{margin}` stands for the margin.
        source: The paper's sentence that it is taken from; empty where the statement is that sentence.
        paper: The paper's number, as printed; empty where it gives none.
        holds_if: Rules that must all hold.
        holds_unless: Rules of which one must fail.
    """

    one_of = ("holds_if", "holds_unless")
    claim: Text
    kind: Literal["statement", "falsification"] = "statement"
    statement: Text
    source: str = ""
    paper: str = ""
    holds_if: Rules = ()
    holds_unless: Rules = ()


def _named_once(claims: tuple[Statement, ...]) -> tuple[Statement, ...]:
    _each_once(tuple(each.claim for each in claims))
    return claims


class DataBehind(_Keyed):
    """The paper's data set; runs on any other say nothing about its numbers.

    Args:
        name: Its name.
        images: How many images it has in all.
        slides: How many slides they come from.
    """

    name: Text
    images: int = Field(gt=0)
    slides: int = Field(gt=0)


class Paper(_Keyed):
    """A file of claims.

    Args:
        paper: How the paper is cited.
        data: The data set behind its numbers.
        claims: Its claims, in the order in which they are printed.
    """

    paper: Text
    data: DataBehind
    claims: Annotated[tuple[Statement, ...], Field(min_length=1), AfterValidator(_named_once)]


@lru_cache(maxsize=1)
def the_paper() -> Paper:
    """Return the claims of arXiv 2604.25817, which come with magsig."""
    file = importlib.resources.files("magsig_tf.evaluation") / "facts" / "paper.yaml"
    return _parse(file.read_text(encoding="utf-8"), "paper.yaml")


def read_paper(path: Path) -> Paper:
    """Read a file of claims.

    Args:
        path: A YAML file, as docs/claims.md describes it.

    Raises:
        UsageError: it cannot be read, is no YAML, or a value is missing, unknown or out of range; the place is named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        found = f"found {' '.join(str(error).split())[:200]}"
        raise UsageError(f"Expected a YAML file of claims at {path}", found, "Check the path") from error
    return _parse(text, str(path))


def _parse(text: str, name: str) -> Paper:
    values = parse_yaml(text, f"Expected YAML in {name}", "Mend the file")
    try:
        return Paper.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        parts = [f" {part + 1}" if isinstance(part, int) else f", {part}" for part in first["loc"]]
        place = "".join(parts).removeprefix(", ")
        expected = f"Expected a valid value of {place or 'the whole file'} in {name}"
        cause = first.get("ctx", {}).get("error")
        found, remedy = f"found {repr(first['input'])[:100]}: {first['msg']}", "docs/claims.md lists the keys"
        if isinstance(cause, ValueError):
            found, remedy = cause.args
        elif first["type"] == "missing":
            found = "found none"
        raise UsageError(expected, found, remedy) from error
