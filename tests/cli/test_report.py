"""`magsig report`: files, JSON, damaged results, and part of the runs."""

from __future__ import annotations

import json
import webbrowser

import pandas as pd
import pytest

from magsig_tf.cli.report import open_in_browser
from tests.cli.command_line import magsig, refused
from tests.report.page.small_report import small_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return small_study(tmp_path_factory.mktemp("study"), ("baseline", "grl"), ("40X",))


def report(study, *words):
    return magsig("report", "--workspace", study.workspace.root, "--replicates", "100", *words)


@pytest.fixture(scope="module")
def answer(study):
    return report(study, "--json")


@pytest.fixture
def results(study, answer):
    assert answer.code == 0, answer.errors
    return study.workspace.results() / study.dataset


def test_lists_what_it_wrote_as_json(answer, results):
    document = json.loads(answer.out)
    assert document["report"] == str(results / "report.html")
    assert document["complete"] is False
    for name, place in (("figures", results / "figures"), ("tables", results / "tables"), ("results", results)):
        assert document[name]
        assert {path.rpartition("/")[0] for path in document[name]} == {str(place)}
    assert (results / "comparison-grl-baseline.parquet").is_file()


def test_damaged_numbers_are_named_and_written_anew_and_all_else_is_the_same(study, results):
    figure, summary = results / "figures" / "roc_per_holdout.svg", results / "summary.parquet"
    drawing, numbers, page = figure.read_bytes(), summary.read_bytes(), (results / "report.html").read_text()
    summary.write_bytes(numbers[:200])
    again = report(study)
    assert again.code == 0
    said = "summary.parquet was damaged and has been written anew."
    assert said in again.out
    assert summary.read_bytes() == numbers
    assert figure.read_bytes() == drawing
    assert (results / "report.html").read_text().replace(f"<li>{said}</li>", "") == page


def test_a_part_of_the_runs_has_files_of_its_own(study, results, tmp_path):
    page, summary = (results / "report.html").read_bytes(), (results / "summary.parquet").read_bytes()
    part = report(study, "--config-hash", "9a81beef", "--output", tmp_path / "out")
    assert part.code == 0, part.errors
    assert (tmp_path / "out" / "report-9a81beef.html").is_file()
    assert (tmp_path / "out" / "figures-9a81beef").is_dir()
    assert (results / "report.html").read_bytes() == page
    assert (results / "summary.parquet").read_bytes() == summary
    assert set(pd.read_parquet(results / "summary-9a81beef.parquet")["label"]) == {"grl"}
    assert "there are no finished runs of baseline" in part.out


def test_says_where_the_page_is_when_no_browser_can_be_opened(tmp_path, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or False)
    open_in_browser(tmp_path / "report.html")
    assert opened == [(tmp_path / "report.html").as_uri()]
    assert f"No browser can be opened here; the page is {tmp_path / 'report.html'}" in capsys.readouterr().err


def test_refuses_what_is_not_there(study, tmp_path):
    refused(magsig("report", "--workspace", tmp_path), 2, "prepare")
    refused(report(study, "--config-hash", "ffff"), 2, "ffff")
