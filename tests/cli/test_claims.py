"""`magsig claims`: table, files, JSON and refusals."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from magsig_tf.cli.claims import claims
from magsig_tf.errors import UsageError
from tests.evaluation.fake_runs import FakeStudy


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = FakeStudy(tmp_path_factory.mktemp("study"), cases=(6, 6), images=1)
    study.write(holdouts=["40X", "200X"])
    return study


def invoke(study, *arguments):
    return CliRunner().invoke(claims, ["--workspace", str(study.workspace.root), "--replicates", "100", *arguments])


def test_prints_the_claims_and_writes_them(study, tmp_path):
    result = invoke(study, "--csv", str(tmp_path / "copy.csv"))
    assert result.exit_code == 0, result.output
    assert "the paper's claims, judged by these runs" in result.stdout
    assert max(map(len, result.stdout.splitlines()[:-1])) <= 100
    folder = study.workspace.results() / study.dataset
    frame = pd.read_parquet(folder / "claims.parquet")
    assert len(pd.read_csv(folder / "claims.csv")) == len(pd.read_csv(tmp_path / "copy.csv")) == len(frame) == 13
    records = json.loads(invoke(study, "--json", "--margin", "0.05").stdout)
    assert [record["claim"] for record in records] == list(frame["claim"])
    assert {record["margin"] for record in records} == {0.05}


def test_slips_are_refused(study):
    assert invoke(study, "--margin", "0").exit_code == 2
    assert isinstance(invoke(study, "--config-hash", "ffff").exception, UsageError)


def test_every_column_and_claim_is_documented(study, root):
    invoke(study)
    frame = pd.read_parquet(study.workspace.results() / study.dataset / "claims.parquet")
    text = (root / "docs" / "claims.md").read_text(encoding="utf-8")
    for name in [*frame.columns, *frame["claim"]]:
        assert f"`{name}`" in text, name


def test_the_margin_is_that_of_the_runs_configs(study, tmp_path):
    def named(margin, some):
        for path in sorted((study.workspace.root / "runs").rglob("run.json"))[: 1 if some else None]:
            (path.parent / "config.yaml").write_text(f"equivalence_margin: {margin}\n")

    named(0.07, some=False)
    records = json.loads(invoke(study, "--json").stdout)
    assert {record["margin"] for record in records} == {0.07}
    named(0.03, some=True)
    refused = invoke(study).exception
    assert isinstance(refused, UsageError)
    assert (refused.found, refused.remedy) == ("found 0.03, 0.07", "Choose with --margin")
    assert invoke(study, "--margin", "0.05").exit_code == 0
    named("wide", some=False)
    assert "found 'wide'" in str(invoke(study).exception)
    for path in (study.workspace.root / "runs").rglob("config.yaml"):
        path.unlink()


def test_another_papers_claims_are_printed_and_written_apart(study, tmp_path):
    rule = "{rule: lower, method: grl, reference: baseline, metric: brier, over: pooled}"
    path = tmp_path / "doe.yaml"
    path.write_text(
        "paper: Doe 2026\ndata: {name: Doe, images: 9, slides: 3}\n"
        f"claims: [{{claim: calibrated, statement: grl is better calibrated, holds_if: [{rule}]}}]\n"
    )
    invoke(study)
    folder = study.workspace.results() / study.dataset
    before = (folder / "claims.csv").read_bytes()
    printed = invoke(study, "--file", str(path)).output
    assert "grl is better calibrated" in printed
    assert "Claims of Doe 2026, read from" in printed
    assert list(pd.read_csv(folder / "claims-of-doe.csv")["claim"]) == ["calibrated"]
    assert (folder / "claims.csv").read_bytes() == before
