"""The printed claims: narrow enough, every verdict named with its data, every reason below."""

import io

import pytest
from rich.console import Console

from magsig_tf.evaluation import load_runs
from magsig_tf.evaluation.claims.judge import judge_claims
from magsig_tf.report.terminal.results import print_claims
from tests.evaluation.fake_runs import FakeStudy


@pytest.fixture(scope="module")
def claims(tmp_path_factory):
    study = FakeStudy(tmp_path_factory.mktemp("study"), cases=(6, 6), images=1)
    study.write(holdouts=["40X", "200X"])
    return judge_claims(load_runs(study.workspace, study.dataset), study.workspace, replicates=100)


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_table_fits_and_every_verdict_says_other_data(claims, width):
    stream = io.StringIO()
    print_claims(claims, Console(file=stream, width=width))
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= min(width, 100) or width > 100
    text = " ".join(stream.getvalue().split())
    for place, claim in enumerate(claims.claims, 1):
        assert f"{place}. {claim.why}" in text
    assert text.count("(other data)") == len(claims.claims)
    assert sum("not run" in line for line in lines) >= len(claims.table.query("verdict == 'not run'"))
    assert text.count("falsified if") == 2
    assert "Other data: the prepared data set fake is missing, so its images cannot be counted." in text
    assert "likely too narrow" in text
