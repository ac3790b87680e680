"""Tables of earlier commands are compared with the runs: damaged, absent, older, or of other runs."""

from __future__ import annotations

import os

import pandas as pd
import pytest

from magsig_tf.evaluation import arrange, load_runs
from magsig_tf.report.page.material import read_result_tables
from tests.report.page.small_report import add_signatures, small_study


@pytest.fixture
def study(tmp_path):
    study = small_study(tmp_path, ("baseline", "grl"))
    add_signatures(study)
    return study


def tables_of(study, chosen=""):
    matrix = arrange(load_runs(study.workspace, study.dataset).runs)
    return read_result_tables(study.workspace.results() / study.dataset, matrix, chosen)


def path_of(study, name):
    return study.workspace.results() / study.dataset / f"{name}.parquet"


def test_whole_tables_are_read_without_a_remark(study):
    tables = tables_of(study)
    assert tables.remarks == []
    assert len(tables.get("signatures")) == 8
    assert tables.absent == {
        "signature_methods": "not run: `magsig signatures --compare-folds`",
        "probes": "not run: `magsig probe`",
    }


def test_a_truncated_table_is_named_with_what_rebuilds_it(study):
    path = path_of(study, "signatures")
    path.write_bytes(path.read_bytes()[:100])
    absent = tables_of(study).absent["signatures"]
    assert "damaged: signatures.parquet" in absent
    assert "magsig signatures --compare-folds" in absent


def test_rows_of_other_runs_are_left_out_and_told(study):
    frame = pd.read_parquet(path_of(study, "signatures"))
    first = (frame["holdout"] == "40X") & (frame["method"] == "baseline") & (frame["patient_fold"] == 0)
    frame.loc[first, "config"] = "ffffffff"
    frame.to_parquet(path_of(study, "signatures"))
    tables = tables_of(study)
    assert len(tables.get("signatures")) == 7
    (missing, others) = tables.remarks
    assert "lacks 1 of these runs (baseline 40X fold 0 seed 0)" in missing
    assert "it has rows of other runs, which are left out (1)" in others


def test_a_table_older_than_a_run_is_told(study):
    study.write_run("grl", "40X", 0, 0, finished="2026-01-01T00:00:00+00:00")
    before = pd.Timestamp("2025-12-31", tz="UTC").timestamp()
    os.utime(path_of(study, "signatures"), (before, before))
    (said,) = tables_of(study).remarks
    assert said.startswith("signatures.parquet: 1 of these runs finished after it was written")


def test_tables_of_a_part_go_before_those_of_all(study):
    pd.read_parquet(path_of(study, "signatures")).assign(k=3).to_parquet(path_of(study, "signatures-demo"))
    assert set(tables_of(study, "demo").get("signatures")["k"]) == {3}
    assert set(tables_of(study).get("signatures")["k"]) == {20, 90}


def test_a_part_may_read_the_tables_of_all_without_a_remark(study):
    part = [run for run in load_runs(study.workspace, study.dataset).runs if run.method == "grl"]
    folder = study.workspace.results() / study.dataset
    tables = read_result_tables(folder, arrange(part), "demo")
    assert set(tables.get("signatures")["method"]) == {"grl"}
    assert tables.remarks == []


def test_probes_of_fewer_runs_are_told(study):
    common = {"kind": "method", "probe": "linear", "target": "magnification", "rows": "source", "control": "none"}
    numbers = {"value": 0.8, "low": 0.7, "high": 0.9, "chance": 0.3, "cases": 26, "images": 9}
    numbers |= dict.fromkeys(("note", "note_code", "reason"), "")
    rows = [
        {"subject": name, "embeddings": runs, "metric": "balanced_accuracy", **common, **numbers}
        for name, runs in (("baseline", 4), ("grl", 2), ("gone", 4))
    ]
    pd.DataFrame(rows).to_parquet(path_of(study, "probes"))
    tables = tables_of(study)
    assert set(tables.get("probes")["subject"]) == {"baseline", "grl"}
    fewer, other = tables.remarks
    assert "it rests on 2 runs of grl, there are 4" in fewer
    assert "it has gone, not among these runs" in other
