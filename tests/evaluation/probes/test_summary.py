"""The table of a study: planted answers, controls, joined folds, and words where a number does not exist."""

import numpy as np
import pandas as pd
import pytest

from magsig_tf.errors import DataError, RunError
from magsig_tf.evaluation import arrange, load_runs
from magsig_tf.evaluation.probes.rows import Known, control_rows, plan_controls, run_rows
from magsig_tf.evaluation.probes.summary import probe_notes, summarise_probes
from tests.evaluation.fake_runs import DATASET_HASH, HOLDOUTS
from tests.evaluation.probes.fake_embeddings import FakeEmbeddings


def study_of(folder, **keywords):
    study = FakeEmbeddings(folder, **({"cases": (20, 20), "images": 2} | keywords))
    study.write(holdouts=["40X", "100X"])
    return study


def parts_of(study):
    return arrange(load_runs(study.workspace, "fake").runs), Known.of(study.workspace.data("fake"))


def table_of(study, workers=1):
    matrix, known = parts_of(study)
    controls, _ = plan_controls(matrix, known, study.workspace, "fake")
    rows = [*run_rows(matrix, known), *control_rows(controls, known)]
    return summarise_probes(rows, HOLDOUTS, total=len(rows), replicates=100, workers=workers)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = study_of(tmp_path_factory.mktemp("study"))
    study.prepare()
    return study


@pytest.fixture(scope="module")
def table(study):
    return table_of(study)


def cell(table, subject, probe, metric, rows="source", control="none", target=None):
    kept = table[
        (table["subject"] == subject)
        & (table["probe"] == probe)
        & (table["metric"] == metric)
        & (table["rows"] == rows)
        & (table["control"] == control)
    ]
    kept = kept if target is None else kept[kept["target"] == target]
    (row,) = kept.itertuples()
    return row


def test_the_method_that_knows_is_told_from_the_one_that_does_not(table):
    for probe in ("linear", "neighbours"):
        knows = cell(table, "baseline", probe, "balanced_accuracy")
        assert knows.value > 0.85
        assert knows.low > 0.7
        assert knows.chance == pytest.approx(1 / 3)
        assert knows.embeddings == 4
        assert knows.cases == 40
        free = cell(table, "grl", probe, "balanced_accuracy")
        assert free.value == pytest.approx(1 / 3, abs=0.08)
        assert cell(table, "grl", probe, "mutual_information").value < 0.02
        shuffled = cell(table, "baseline", probe, "balanced_accuracy", control="shuffled")
        assert shuffled.value == pytest.approx(1 / 3, abs=0.08)
    assert cell(table, "baseline", "linear", "balanced_accuracy", rows="all").chance == pytest.approx(0.25)


def test_pixel_size_is_found_where_it_is_planted_and_nowhere_else(table):
    assert cell(table, "baseline", "ridge", "r2", target="log_pixel_size").value > 0.7
    assert cell(table, "grl", "ridge", "r2", target="log_pixel_size").value < 0.05
    assert cell(table, "baseline", "ridge", "r2", target="disorder").value < 0.05


def test_colours_are_a_control_row_probed_once_a_split(table):
    row = cell(table, "colour mean and SD", "linear", "balanced_accuracy")
    assert row.kind == "control"
    assert row.embeddings == 4
    assert row.value == pytest.approx(1 / 3, abs=0.08)


def test_the_random_encoder_is_a_control_row_once_training_has_written_it(tmp_path):
    study = study_of(tmp_path)
    study.prepare()
    matrix, known = parts_of(study)
    _, (absent,) = plan_controls(matrix, known, study.workspace, "fake")
    assert "random small_cnn seed 0: not written yet" in absent
    path = study.workspace.random_encoder("fake", "small_cnn", 0)
    path.parent.mkdir()
    features = np.zeros((len(study.manifest), 3), np.float32)
    features[:, 0] = study.manifest["magnification"].str[:-1].astype(float)
    np.savez(path, embedding=features, row=np.arange(len(features)), dataset_hash=DATASET_HASH)
    controls, absent = plan_controls(matrix, known, study.workspace, "fake")
    assert absent == []
    chosen = list(control_rows(controls[-4:], known))
    assert {(each.subject, each.kind) for each in chosen} == {("random small_cnn", "control")}
    table = summarise_probes(chosen, HOLDOUTS, total=4, replicates=100, workers=1)
    assert cell(table, "random small_cnn", "neighbours", "balanced_accuracy").value == pytest.approx(1.0)
    np.savez(path, embedding=features, row=np.arange(len(features)), dataset_hash="other data")
    with pytest.raises(RunError, match="other data"):
        list(control_rows(controls, known))


def test_two_processes_say_what_one_says(study, table):
    pd.testing.assert_frame_equal(table_of(study, workers=2), table, rtol=1e-6)


def test_zooms_are_marked_as_confounded_and_the_search_keeps_them_from_their_source(tmp_path):
    study = study_of(tmp_path)
    study.prepare(zooms=True)
    table = table_of(study)
    assert cell(table, "grl", "linear", "balanced_accuracy", rows="all").note == "origin confounded"
    assert "own source" in cell(table, "grl", "identity", "top1", rows="all").note
    assert probe_notes(table)[0].startswith("Origin confounded (source rows and all rows)")


def test_what_cannot_be_told_is_said_in_words_and_a_few_cases_get_no_interval(tmp_path):
    study = FakeEmbeddings(tmp_path, cases=(3, 3), images=3, folds=1)
    study.write(holdouts=["40X"], methods=["grl"])
    table = table_of(study)
    few = cell(table, "grl", "linear", "balanced_accuracy")
    assert np.isfinite(few.value)
    assert np.isnan(few.low)
    assert "fewer than 5 cases in a class" in few.reason
    study = FakeEmbeddings(tmp_path / "tiny", cases=(2, 2), images=3, folds=1)
    study.write(holdouts=["40X"], methods=["grl"])
    table = table_of(study)
    none = cell(table, "grl", "linear", "balanced_accuracy")
    assert np.isnan(none.value)
    assert none.reason == "fewer cases than folds (4 of 5)"
    assert any("fewer cases than folds (4 of 5)" in note for note in probe_notes(table))
    assert (table.loc[table["value"].isna(), "reason"] != "").all()


@pytest.mark.parametrize(("damage", "error"), [("missing", DataError), ("cut", DataError), ("rows", RunError)])
def test_damaged_embeddings_are_named(tmp_path, damage, error):
    study = study_of(tmp_path)
    study.prepare()
    path = next(study.workspace.runs("fake").glob("*/*/*/embeddings.npz"))
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:200])
    else:
        arrays = dict(np.load(path))
        np.savez(path, **arrays | {"row": arrays["row"] + 10**6})
    with pytest.raises(error) as found:
        table_of(study)
    assert str(path) in str(found.value)


def test_a_fault_in_one_probe_costs_its_own_rows(tmp_path, monkeypatch):
    from magsig_tf.evaluation.probes import summary

    def faulty(*rows):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(summary.probes, "identity_probe", faulty)
    matrix, known = parts_of(study_of(tmp_path))
    rows = list(run_rows(matrix, known))[:1]
    table = summarise_probes(rows, HOLDOUTS, total=1, replicates=100, workers=1)
    lost = table[table["probe"] == "identity"]
    assert lost["value"].isna().all()
    assert set(lost["reason_code"]) == {"unexpected"}
    assert lost["reason"].str.startswith("unexpected ZeroDivisionError: division by zero").all()
    assert table.loc[table["probe"] == "linear", "value"].notna().any()
