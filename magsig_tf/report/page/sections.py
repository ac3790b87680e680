"""The questions of the report, each with its answer, figures and tables."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from magsig_tf.evaluation import summary_notes
from magsig_tf.evaluation.augmentation.notes import explanation_notes
from magsig_tf.evaluation.comparison.frame import with_holm
from magsig_tf.evaluation.probes.notes import probe_notes
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
    figures: list[figures.Figure] = field(default_factory=list)
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
    return Section(
        "held-out",
        "Does it hold at the held-out magnification?",
        answers.answer_unseen(_competing(material)),
        [
            figures.RocPerHoldout(material.matrix, palette=palette),
            figures.MetricsPerHoldout(summary.table, palette=palette),
        ],
        [held_out_table(summary, summary_notes(summary, "image", SHOWN))],
    )


def _drop(material: Material, palette: figures.Palette) -> Section:
    table = material.summary.table
    return Section(
        "drop",
        "What does the drop cost?",
        answers.answer_drop(_competing(material)),
        [figures.HeldOutAgainstSource(table, palette=palette)],
        [drop_table(material.summary)],
    )


def _better(material: Material, palette: figures.Palette) -> Section:
    frames = [each.table for each in material.comparisons]
    joined = with_holm(pd.concat(frames, ignore_index=True)) if frames else pd.DataFrame()
    table = joined_differences(material.comparisons, material.matrix.holdouts)
    return Section(
        "better",
        "Which method is better, by how much, and with what uncertainty?",
        answers.answer_better(joined, material.reference),
        [figures.PairedDifferences(joined, palette=palette)],
        [table] if table else [],
    )


def _calibrated(material: Material, palette: figures.Palette) -> Section:
    return Section(
        "calibrated",
        "Are the probabilities calibrated?",
        answers.answer_calibrated(_competing(material)),
        [
            figures.PooledCalibration(material.matrix, palette=palette),
            figures.RiskCoverage(material.matrix, palette=palette),
        ],
        [calibration_table(material.summary)],
    )


def _invariance(material: Material, palette: figures.Palette) -> Section:
    frame = material.tables.get("probes")
    return Section(
        "invariance",
        "Is the embedding free of magnification?",
        answers.answer_invariance(material.tables),
        [figures.ProbeBars(frame, palette)],
        [probe_table(frame, probe_notes(frame))] if len(frame) else [],
    )


def _signatures(material: Material, palette: figures.Palette) -> Section:
    tables, holdouts = material.tables, material.matrix.holdouts
    sizes, pairs = tables.get("signatures"), tables.get("signature_pairs")
    return Section(
        "signatures",
        "Are signatures small and stable?",
        answers.answer_signatures(tables, material.labels),
        [figures.SignatureSize(sizes, palette), figures.SignatureOverlap(pairs, palette)],
        [
            *([signature_table(sizes, holdouts)] if len(sizes) else []),
            *([overlap_table(pairs, holdouts)] if len(pairs) else []),
        ],
    )


def _synthetic(material: Material, palette: figures.Palette) -> Section:
    explanation, picture = material.explanation, figures.RealAndSynthetic(material.gan_folder, palette=palette)
    return Section(
        "synthetic",
        "Did synthetic images help, and why?",
        answers.answer_synthetic(explanation),
        [picture] if explanation else [],
        [explanation_table(explanation, explanation_notes(explanation, "image"))] if explanation else [],
        notes=[line for line in picture.words().split("\n") if line.strip()] if explanation else [],
    )


def _wrong(material: Material, palette: figures.Palette) -> Section:
    strips = figures.CaseStrips(material.matrix, palette)
    frame = strips.frame()
    return Section(
        "wrong",
        "Which cases are always misclassified?",
        answers.answer_wrong(frame),
        [strips],
        [case_table(frame)] if len(frame) else [],
        worst_pictures(material),
    )


def _how(material: Material, palette: figures.Palette) -> Section:
    cases = len({case for run in material.loaded.runs for case in run.part("test")["case"]})
    return Section(
        "how",
        "How was it done?",
        answers.answer_how(material.matrix, cases),
        [figures.SplitDiagram(material.matrix, palette), figures.TrainingCurves(material.matrix, palette)],
        [run_table(material.matrix)],
    )
