"""A cell of the signature tables holds a number or the reason why there is none, in a word or two."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from magsig_tf.evaluation import arrange, load_runs
from magsig_tf.report.tables import signatures as tables
from magsig_tf.report.terminal.render import print_tables
from magsig_tf.report.terminal.results import print_signatures
from magsig_tf.signatures.sources import sources_of_files, sources_of_runs
from magsig_tf.signatures.study import study_signatures
from magsig_tf.statistics_rule import MARK
from tests.signatures.fake_embeddings import EmbeddingStudy, stand_in


@pytest.fixture
def study(tmp_path, monkeypatch):
    stand_in(monkeypatch)
    study = EmbeddingStudy(tmp_path)
    study.write(["baseline"], ["40X", "100X"], folds=[0])
    return study


def studied(sources, **asked):
    """Return the study and what it prints, in one line, after looking for gaps without a reason."""
    found = study_signatures("made-up", sources, replicates=100, **asked)
    console = Console(file=io.StringIO(), width=100, highlight=False)
    print_signatures(found, console)
    text = " ".join(console.file.getvalue().split())
    for frame in found.frames().values():
        for row in frame.to_dict("records"):
            absent = [name for name, value in row.items() if isinstance(value, float) and np.isnan(value)]
            reasons = [row[name] for name in ("reason", "matched_reason", "bound_reason") if name in row]
            assert not absent or any(reasons), (absent, row)
    assert not re.search(r"\bnan\b|…", text, re.IGNORECASE)
    return found, text


def cells(table, row):
    """Return the cells of a row, by the title of their column."""
    found = zip(table.columns, table.rows[row].cells, strict=True)
    return {column.name: " ".join(cell.text.split()) for column, cell in found}


def of_runs(study):
    return sources_of_runs(arrange(load_runs(study.workspace, study.dataset).runs))


def keep(study, holdout, which):
    """Leave out rows of one run's embeddings."""
    (path,) = study.workspace.runs(study.dataset).glob(f"baseline/{holdout}/*/embeddings.npz")
    arrays = dict(np.load(path))
    np.savez(path, **{name: array[which(arrays)] for name, array in arrays.items()})


@pytest.mark.parametrize(("penalty", "cell"), [(-9.0, "saturated"), (99.0, "empty")])
def test_sizes_that_decide_the_overlap(study, monkeypatch, penalty, cell):
    stand_in(monkeypatch, penalty)
    found, _ = studied(of_runs(study), compare_folds=True)
    pair = cells(tables.overlap_table(tables.mean_pairs(found.pairs)), 0)
    assert {pair[name] for name in ("adjusted", "p", "matched adj.")} == {cell}
    for row in (0, 1):
        method = cells(tables.methods_table(found.methods), row)
        assert {method[name] for name in ("adjusted", "p", "Nogueira")} == {cell}
    assert method["CKA"] == "-"


def test_a_narrow_terminal_gets_parts_and_cuts_nothing(study):
    found = study_signatures("made-up", of_runs(study), replicates=100, compare_folds=True, bootstraps=5)
    console = Console(file=io.StringIO(), width=70, highlight=False)
    print_signatures(found, console)
    text = console.file.getvalue()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 70
    for heading in ("Nogueira", "ceiling", "CKA", "stable"):
        assert heading in text


def test_one_holdout(study):
    found, text = studied(of_runs(study)[:1], compare_folds=True)
    method = cells(tables.methods_table(found.methods), 0)
    assert {method[name] for name in ("J", "adjusted", "p", "Nogueira", "CKA")} == {"one holdout"}
    assert "baseline: not computable: fewer than two holdouts with a signature." in text


def test_no_training_rows_and_no_test_rows(study):
    keep(study, "40X", lambda arrays: arrays["part"] != "train")
    keep(study, "100X", lambda arrays: arrays["part"] != "test")
    found, text = studied(of_runs(study), bootstraps=5)
    table = tables.signature_table(found.runs)
    assert cells(table, 0) | {"k": "no signature", "AUC": "-"} == cells(table, 0)
    assert cells(table, 1) | {"k": "6 of 24", "AUC": "no test rows", "Brier": "no test rows"} == cells(table, 1)
    drawn = cells(tables.stability_table(found.within.stability), 0)
    assert {drawn[name] for name in ("Nogueira", "stable", "false")} == {"no signature"}
    assert "no signature: expected training rows, found none" in text


def test_a_test_part_of_one_class(study):
    keep(study, "40X", lambda arrays: (arrays["part"] != "test") | (arrays["label"] == 0))
    found, text = studied(of_runs(study))
    assert cells(tables.signature_table(found.runs), 0)["AUC"] == "one class"
    assert "AUC not defined: one class" in text


def test_lengths_that_differ_and_images_that_are_not_numbered(study, tmp_path):
    paths = []
    for holdout, dimensions in (("40X", 24), ("100X", 20), ("200X", 24)):
        arrays = study.embeddings("baseline", holdout, 0, 0)
        arrays["embedding"] = arrays["embedding"][:, :dimensions]
        arrays["split"] = arrays.pop("part")
        del arrays["row"]
        paths.append(tmp_path / f"{holdout}.npz")
        np.savez(paths[-1], **arrays)
    found, text = studied(sources_of_files(paths), compare_folds=True)
    overlap = tables.overlap_table(tables.mean_pairs(found.pairs))
    assert (cells(overlap, 0)["J"], cells(overlap, 0)["CKA"]) == ("other length", "not matched")
    assert (cells(overlap, 1)["J"], cells(overlap, 1)["CKA"]) == ("1.000", "not matched")
    assert "embeddings of different length, 24 and 20" in text
    assert "the files have no image numbers (array row)" in text


def test_long_labels_of_a_pair_are_broken_not_cut():
    old = f"baseline-resampled 77777777 {MARK}"
    row = {"holdout": "40X", "patient_fold": 0, "first": old, "second": f"baseline 01d0ba5e oracle {MARK}"}
    frame = pd.DataFrame([row | {"difference": 0.5, "p_value": 0.01, "reason": "", "seed": seed} for seed in (0, 1)])
    console = Console(file=io.StringIO(), width=100, highlight=False)
    print_tables([tables.tests_table(frame)], console)
    text = console.file.getvalue()
    assert "…" not in text
    assert all(word in text for word in (*old.split(), "01d0ba5e"))
