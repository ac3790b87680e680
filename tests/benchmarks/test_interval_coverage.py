"""The intervals of tables hold the truth often enough on clustered images, by simulation with a fixed seed."""

import numpy as np
import pytest

from benchmarks import interval_coverage
from benchmarks.clustered_answers import Study
from magsig_tf.statistics.intervals import INTERVAL_KIND
from magsig_tf.statistics.metrics import auc, brier_score


def covered(found, number, kind=INTERVAL_KIND):
    (share,) = found.loc[(found["number"] == number) & (found["kind"] == kind), "covered"]
    return share


@pytest.mark.slow
def test_at_70_cases_at_least_88_percent_are_covered():
    found = interval_coverage.coverage(Study(interval_coverage.CASES["70"], 0.85), datasets=120, replicates=299)
    for number in ("auc", "auc of folds", "auc difference", "f1", "f1 difference", "brier", "brier difference"):
        assert covered(found, number) >= 0.88, number


@pytest.mark.slow
def test_at_16_cases_more_are_covered_than_by_drawing_images_or_by_percentiles():
    found = interval_coverage.coverage(Study(interval_coverage.CASES["16"], 0.85), datasets=120, replicates=299)
    assert covered(found, "auc") >= 0.88
    assert covered(found, "auc") > covered(found, "auc", "percentile") > covered(found, "auc", "images drawn") + 0.2


def test_the_truth_is_that_of_very_many_cases():
    study = Study((900, 1800), 0.85)
    models = study.draw(np.random.default_rng(0))
    for number, found in (
        ("auc", [auc(units.label, units.probability) for units in models]),
        ("brier", [brier_score(units.label, units.probability) for units in models]),
    ):
        assert study.truth()[number] == pytest.approx(found[0], abs=0.015)
        assert study.truth()[f"{number} difference"] == pytest.approx(found[0] - found[1], abs=0.008)


def test_the_table_has_a_line_for_each_number_and_kind(capsys):
    arguments = ["--datasets", "2", "--replicates", "40", "--cases", "16"]
    interval_coverage.main.main(arguments, standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    for kind in ("student", "percentile", "bca", "obuchowski_logit_t", "studentized_logit", "images drawn"):
        assert any(kind in line for line in lines)
