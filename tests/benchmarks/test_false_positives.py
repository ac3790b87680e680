"""The simulations of p-values and verdicts print a line for each kind; what they measure is in decision 030."""

import numpy as np

from benchmarks import false_positives, false_verdicts


def test_each_kind_of_p_has_its_share_of_significant_differences(capsys):
    false_positives.main.main(["--datasets", "4", "--replicates", "40", "--cases", "8+8"], standalone_mode=False)
    text = capsys.readouterr().out
    assert text.count("counted") == text.count("of the interval") == 4
    assert false_positives.counted(np.array([0.1, 0.2, 0.3, np.nan])) == 2 * 1 / 4


def test_each_kind_of_study_has_its_share_of_verdicts(capsys):
    false_verdicts.main.main(["--studies", "3", "--draws", "60"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(false_verdicts.RUNS) * len(false_verdicts.CORRELATIONS) + len(false_verdicts.PARTS)
