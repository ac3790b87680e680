"""The verdict box: the paper's claims, judged by these runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from magsig_tf.evaluation.claims.judge import OTHER_DATA, Claim, Claims
from magsig_tf.evaluation.claims.verdicts import Verdict
from magsig_tf.report.tables.table import Cell, Column, Row, Table

# a sign beside the colour and the words: none of the three is needed to read the others
_KINDS = {
    Verdict.HOLDS: ("holds", "✓"),
    Verdict.DOES_NOT_HOLD: ("fails", "✗"),
    Verdict.INCONCLUSIVE: ("untold", "?"),
    Verdict.NOT_RUN: ("missing", "–"),
}
_SHORT = {verdict: verdict.value for verdict in _KINDS}


@dataclass(frozen=True)
class Card:
    """One claim of the box.

    Args:
        number: Its place, from 1.
        statement: What is judged.
        verdict: As printed.
        kind: Class of its appearance.
        sign: Sign of the verdict.
        paper: The paper's number; empty where it gives none.
        ours: Ours; empty where there is none.
        why: Why the verdict is what it is.
        falsifies: Whether it is a criterion of falsification.
    """

    number: int
    statement: str
    verdict: str
    kind: str
    sign: str
    paper: str
    ours: str
    why: str
    falsifies: bool


def cards_of(claims: Claims) -> list[Card]:
    """Return the claims in the order of the paper."""
    return [
        Card(
            place,
            claim.statement,
            claim.finding.verdict.value,
            *_kind(claim),
            claim.stated.paper,
            claim.finding.ours,
            claim.why,
            claim.falsifies,
        )
        for place, claim in enumerate(claims.claims, 1)
    ]


def _kind(claim: Claim) -> tuple[str, str]:
    """Return class and sign of a verdict; a criterion of falsification that holds counts against the paper."""
    kind, sign = _KINDS[claim.finding.verdict]
    turned = {"holds": "fails", "fails": "holds"} if claim.falsifies else {}
    return turned.get(kind, kind), sign


def count_verdicts(claims: Claims) -> str:
    """Say how many of the paper's statements have which verdict, criteria of falsification apart."""
    counted = Counter(claim.finding.verdict for claim in claims.claims if not claim.falsifies)
    words = [f"{short} {counted[verdict]}" for verdict, short in _SHORT.items() if counted[verdict]]
    met = sum(claim.finding.verdict == Verdict.HOLDS for claim in claims.claims if claim.falsifies)
    criteria = sum(claim.falsifies for claim in claims.claims)
    return (
        f"The paper's statements, {counted.total()} in all: {', '.join(words)}. Of {criteria} criteria that would "
        f"falsify it, {met} {'is' if met == 1 else 'are'} met."
    )


def claims_page_table(claims: Claims) -> Table:
    """Return the claims as a table, for its files."""
    other = f" ({OTHER_DATA})" if claims.of_other_data else ""
    rows = [
        Row([Cell(str(c.number)), Cell(c.statement), Cell(c.paper), Cell(c.ours), Cell(f"{c.verdict}{other}")])
        for c in cards_of(claims)
    ]
    columns = [Column("no."), *(Column(title, "", False) for title in ("claim", "paper", "ours", "verdict"))]
    return Table("claims", "The paper's claims, judged by these runs", columns, rows, claims.table)
