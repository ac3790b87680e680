"""One claim: what the paper says, what our runs say, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass

from magsig_tf.evaluation.claims.verdicts import HOLDS, NOT_RUN, Finding


@dataclass(frozen=True)
class Claim:
    """A statement of the paper or a criterion of falsification, judged.

    Args:
        id: Its name.
        kind: "statement", or "falsification": a criterion that holds counts against the paper.
        statement: What is claimed, as judged.
        source: The paper's sentence that it is taken from.
        paper: The paper's number, as printed; empty where it gives none.
        finding: What our runs say.
    """

    id: str
    kind: str
    statement: str
    source: str
    paper: str
    finding: Finding

    def row(self) -> dict[str, object]:
        """Return the claim as a row of the tidy frame."""
        found = self.finding
        return {
            "claim": self.id,
            "kind": self.kind,
            "statement": self.statement,
            "source": self.source,
            "paper": self.paper,
            "ours": found.ours,
            "value": found.value,
            "low": found.low,
            "high": found.high,
            "interval_level": found.level,
            "verdict": found.verdict,
            "why": self.why,
            "cases": found.cases,
            "cases_needed": found.cases_needed,
        }

    @property
    def why(self) -> str:
        """Why the verdict is what it is; of a criterion also what it means for the paper."""
        found = self.finding
        if self.kind == "statement" or found.verdict == NOT_RUN:
            return found.why
        met = {HOLDS: "The criterion is met, against the paper. ", "does not hold": "The criterion is not met. "}
        return met.get(found.verdict, "") + found.why
