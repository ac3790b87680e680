"""How much of the study is complete: shown before anything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from magsig_tf.evaluation import Summary
from magsig_tf.evaluation.summary.notes import run_notes
from magsig_tf.report.page.result_tables import ResultTables


@dataclass(frozen=True)
class Status:
    """Whether the study is complete, and what is missing.

    Args:
        complete: Whether no run and no table is missing, as far as the runs tell.
        title: The state in a few words.
        remarks: Sentences on what is missing, damaged or of other runs, and on the runs that are there.
    """

    complete: bool
    title: str
    remarks: list[str]


def status_of(summary: Summary, tables: ResultTables, remarks: Sequence[str] = ()) -> Status:
    """Return the state of a study.

    Args:
        summary: The numbers of all finished runs.
        tables: What signatures and probes left.
        remarks: More sentences on what is missing or was rebuilt.
    """
    matrix = summary.matrix
    done = sum(len(group.runs) for group in matrix.groups)
    # a run that is under way is missing too
    lacking = len({*summary.missing, *(name for name, _ in summary.unfinished)})
    absent = [
        f"{title}: {tables.absent[name]}."
        for name, title in (("signatures", "Signatures"), ("signature_pairs", "Overlap"), ("probes", "Probes"))
        if name in tables.absent
    ]
    words = f"{done} of at least {done + lacking} runs finished" if lacking else f"all {done} runs finished"
    whole = not (lacking or absent or tables.remarks)
    state = "Complete" if whole else "Half-finished" if lacking else "Not all steps done"
    said = [*run_notes(matrix, summary.unfinished), *absent, *tables.remarks, *remarks]
    return Status(whole, f"{state}: {words}", said)
