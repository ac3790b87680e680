"""Signatures in the terminal: the runs, holdouts compared, and bootstraps over training cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd
from rich.console import Console
from rich.text import Text

from magsig_tf.report.tables import signatures as described
from magsig_tf.report.tables.table import Table
from magsig_tf.report.terminal.render import print_table
from magsig_tf.signatures.sources import UNTRAINED
from magsig_tf.signatures.study import SignatureStudy

NEVER_TRAINED = (
    "random: an encoder that was never trained. Its features are the same at every holdout, so CKA is 1 and matching "
    "changes nothing; its J shows how far a signature moves with the training rows alone."
)
_FOLD = ("patient fold", "seed")


def print_signatures(study: SignatureStudy, console: Console, missing: Sequence[str] = ()) -> None:
    """Print every table of a study, each with what its columns mean above and notes below.

    Args:
        study: What to print.
        console: Where to.
        missing: Sentences about runs that are not there.
    """
    for table in signature_tables(study):
        print_table(table, console)
    for words in missing:
        console.print(Text(words))


def signature_tables(study: SignatureStudy) -> Iterator[Table]:
    """Yield the tables that are printed, in their order.

    Args:
        study: The study; what it has not measured has no table.
    """
    runs = described.signature_table(study.runs, replicates=study.replicates).without("remark").without_constant(*_FOLD)
    title, notes = (
        f"{study.name}: sparse signatures, scored on test cases",
        described.reasons_of_rows(study.runs, ("label", "holdout")),
    )
    yield replace(runs, title=title, notes=notes)
    if study.pairs is not None and study.methods is not None:
        yield from _compared(study.pairs, study.methods)
    if study.within is not None:
        table = described.stability_table(study.within.stability).without_constant(*_FOLD)
        notes = described.reasons_of_rows(study.within.stability, ("label", "holdout"), ("", "bound_"))
        tests = described.tests_table(study.within.tests).without_constant(*_FOLD)
        yield replace(table, title=f"\n{table.title}", notes=[] if tests.rows else notes)
        if tests.rows:
            yield replace(tests, notes=notes)


def _compared(pairs: pd.DataFrame, methods: pd.DataFrame) -> Iterator[Table]:
    title = "\nHoldouts compared"
    for label in dict.fromkeys(pairs["label"]) if len(pairs) else ():
        yield replace(described.heat_table(label, pairs[pairs["label"] == label]), title=title)
        title = ""
    notes = [NEVER_TRAINED] if (methods["method"] == UNTRAINED).any() else []
    notes += described.reasons_of_rows(methods[~methods["control"]], ("label",))
    if len(pairs):
        yield replace(described.overlap_table(described.mean_pairs(pairs)).without(*_FOLD, "remark"), title=title)
        notes += described.reasons_of_rows(pairs, ("label", "first", "second"), ("", "matched_"))
        forced = methods[~methods["control"] & (methods["fewest_shared"] > 0)]
        notes += [
            f"{row.label}: sets of these sizes share at least {row.fewest_shared:.0f} dimensions in a mean pair."
            for row in forced.itertuples()
        ]
    yield replace(described.methods_table(methods), title=title, notes=notes)
