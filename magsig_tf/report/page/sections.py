"""The questions of the report, each with its answer, figures and tables; and how much of the study is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from magsig_tf.evaluation import summary_notes
from magsig_tf.evaluation.augmentation.explanation import explanation_notes
from magsig_tf.evaluation.probes.summary import probe_notes
from magsig_tf.evaluation.summary.notes import run_notes
from magsig_tf.report import figures
from magsig_tf.report.page import answers
from magsig_tf.report.page.material import Material, Picture, worst_pictures
from magsig_tf.report.tables.models import SHOWN, calibration_table, drop_table, held_out_table, joined_differences
from magsig_tf.report.tables.probes import probe_table
from magsig_tf.report.tables.signatures import overlap_table, signature_table
from magsig_tf.report.tables.study import case_table, run_table
from magsig_tf.report.tables.synthetic import explanation_table
from magsig_tf.report.tables.table import Table


@dataclass(frozen=True)
class Section:
    """One question.

    Args:
        id: Its anchor.
        question: Its heading.
        answer: What the numbers say, as a plain sentence or a few.
        figures: Its figures.
        tables: Its tables.
        pictures: Images.
        notes: Sentences below everything.
    """

    id: str
    question: str
    answer: list[str]
    figures: Sequence[figures.Figure] = ()
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def sections_of(material: Material, palette: figures.Palette) -> list[Section]:
    """Return the sections of the report in the order of reading.

    Args:
        material: Everything gathered.
        palette: Appearances of the methods.
    """
    makers = (_unseen, _drop, _better, _calibrated, _invariance, _signatures, _synthetic, _wrong, _how)
    return [make(material, palette) for make in makers]


def _competing(material: Material) -> pd.DataFrame:
    """Return the summary of the rows that sentences may name as lowest or highest; of all, where none competes."""
    table, labels = material.summary.table, [group.label for group in material.matrix.competing]
    return table[table["label"].isin(labels)] if labels else table


def _unseen(material: Material, palette: figures.Palette) -> Section:
    summary = material.summary
    drawn: list[figures.Figure] = [figures.RocPerHoldout(material.matrix, palette=palette)]
    drawn += [figures.MetricsPerHoldout(summary.table, palette=palette)]
    tables = [held_out_table(summary, summary_notes(summary, "image", SHOWN))]
    answer = answers.answer_unseen(_competing(material))
    return Section("held-out", "Does it hold at the held-out magnification?", answer, drawn, tables)


def _drop(material: Material, palette: figures.Palette) -> Section:
    drawn = [figures.HeldOutAgainstSource(material.summary.table, palette=palette)]
    answer = answers.answer_drop(_competing(material))
    return Section("drop", "What does the drop cost?", answer, drawn, [drop_table(material.summary)])


def _better(material: Material, palette: figures.Palette) -> Section:
    table = joined_differences(material.comparisons, material.matrix.holdouts)
    joined = table.frame if table else pd.DataFrame()
    question = "Which method is better, by how much, and with what uncertainty?"
    answer = answers.answer_better(joined, material.reference)
    drawn = [figures.PairedDifferences(joined, palette=palette)]
    return Section("better", question, answer, drawn, [table] if table else [])


def _calibrated(material: Material, palette: figures.Palette) -> Section:
    answer = answers.answer_calibrated(_competing(material))
    drawn = [kind(material.matrix, palette=palette) for kind in (figures.PooledCalibration, figures.RiskCoverage)]
    tables = [calibration_table(material.summary)]
    return Section("calibrated", "Are the probabilities calibrated?", answer, drawn, tables)


def _invariance(material: Material, palette: figures.Palette) -> Section:
    frame, answer = material.tables.get("probes"), answers.answer_invariance(material.tables)
    tables = [probe_table(frame, probe_notes(frame))] if len(frame) else []
    drawn = [figures.ProbeBars(frame, palette)]
    return Section("invariance", "Is the embedding free of magnification?", answer, drawn, tables)


def _signatures(material: Material, palette: figures.Palette) -> Section:
    holdouts, answer = material.matrix.holdouts, answers.answer_signatures(material.tables, material.labels)
    sizes, pairs = material.tables.get("signatures"), material.tables.get("signature_pairs")
    tables = [signature_table(sizes, holdouts)] if len(sizes) else []
    tables += [overlap_table(pairs, holdouts)] if len(pairs) else []
    drawn = [figures.SignatureSize(sizes, palette), figures.SignatureOverlap(pairs, palette)]
    return Section("signatures", "Are signatures small and stable?", answer, drawn, tables)


def _synthetic(material: Material, palette: figures.Palette) -> Section:
    explanation, question = material.explanation, "Did synthetic images help, and why?"
    answer = answers.answer_synthetic(explanation)
    if not explanation:
        return Section("synthetic", question, answer)
    picture = figures.RealAndSynthetic(material.gan_folder, palette=palette)
    table = explanation_table(explanation, explanation_notes(explanation, "image"))
    notes = [line for line in picture.words().split("\n") if line.strip()]
    return Section("synthetic", question, answer, [picture], [table], notes=notes)


def _wrong(material: Material, palette: figures.Palette) -> Section:
    strips = figures.CaseStrips(material.matrix, palette)
    frame, question = strips.frame(), "Which cases are always misclassified?"
    tables = [case_table(frame)] if len(frame) else []
    return Section("wrong", question, answers.answer_wrong(frame), [strips], tables, worst_pictures(material))


def _how(material: Material, palette: figures.Palette) -> Section:
    cases = len({case for run in material.loaded.runs for case in run.part("test")["case"]})
    answer = answers.answer_how(material.matrix, cases)
    drawn = [kind(material.matrix, palette) for kind in (figures.SplitDiagram, figures.TrainingCurves)]
    return Section("how", "How was it done?", answer, drawn, [run_table(material.matrix)])


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


def status_of(material: Material) -> Status:
    """Return the state of a study: its finished runs, what signatures and probes left, and what was not gathered.

    Args:
        material: Everything gathered.
    """
    summary, tables = material.summary, material.tables
    done = sum(len(group.runs) for group in summary.matrix.groups)
    # a run that is under way is missing too
    lacking = len({*summary.missing, *(name for name, _ in summary.unfinished)})
    titles = {"signatures": "Signatures", "signature_pairs": "Overlap", "probes": "Probes"}
    absent = [f"{title}: {tables.absent[name]}." for name, title in titles.items() if name in tables.absent]
    words = f"{done} of at least {done + lacking} runs finished" if lacking else f"all {done} runs finished"
    whole = not (lacking or absent or tables.remarks)
    state = "Complete" if whole else "Half-finished" if lacking else "Not all steps done"
    said = [*run_notes(summary.matrix, summary.unfinished), *absent, *tables.remarks, *material.remarks]
    return Status(whole, f"{state}: {words}", said)
