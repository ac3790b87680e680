"""The case-identity probe finds cases that carry a mark, and is at chance where they carry none."""

import numpy as np
import pytest

from magsig_tf.errors import NotDefinedError
from magsig_tf.evaluation.probes import identity_probe
from tests.evaluation.probes.planted import planted


def test_a_mark_of_the_case_is_found_across_magnifications_and_noise_is_at_chance():
    rows = planted()
    marked = identity_probe(rows.case_effect + 0.1 * rows.noise, rows.magnification, rows.case)
    assert marked.found.mean() > 0.95
    assert marked.chance == pytest.approx(1 / 40)
    nothing = identity_probe(rows.noise, rows.magnification, rows.case)
    assert nothing.found.mean() < 0.07
    # each row looks in the two other magnifications
    assert len(nothing.found) == 2 * len(rows.case)


def test_a_shift_between_magnifications_does_not_hide_the_case():
    rows = planted()
    shift = 50.0 * np.unique(rows.magnification, return_inverse=True)[1]
    assert identity_probe(rows.case_effect + shift[:, None], rows.magnification, rows.case).found.mean() > 0.95


def test_a_digital_zoom_is_never_compared_with_its_own_source():
    # each zoom equals its source, and nothing else ties a case together
    rows = planted(images=2)
    features, picture = rows.noise.copy(), np.arange(len(rows.case)).astype(str)
    sources, zooms = np.flatnonzero(rows.magnification == "100X"), np.flatnonzero(rows.magnification == "400X")
    features[zooms], picture[zooms] = features[sources], picture[sources]
    kept = rows.magnification != "200X"
    naive = identity_probe(features[kept], rows.magnification[kept], rows.case[kept])
    assert naive.found.mean() > 0.95
    fair = identity_probe(features[kept], rows.magnification[kept], rows.case[kept], picture[kept])
    assert fair.found.mean() < 0.1
    assert fair.chance == pytest.approx(1 / 79)


def test_a_hand_worked_search():
    # a and b change places between the magnifications; c, in the middle of both, keeps its own
    embedding = np.array([[1.0, 0], [-1, 0], [0, 3], [1, 0], [-1, 0], [0, 3]])
    magnification, case = np.repeat(["40X", "400X"], 3), np.array(["a", "b", "c", "b", "a", "c"])
    answers = identity_probe(embedding, magnification, case)
    assert dict(zip(answers.case, answers.found, strict=True)) == {"a": 0, "b": 0, "c": 1}
    assert answers.chance == pytest.approx(1 / 3)


def test_cases_without_a_partner_are_counted_and_single_ones_refused_in_words():
    rows = planted(cases=6)
    kept = (rows.case != "case-002") | (rows.magnification == "100X")
    answers = identity_probe(rows.noise[kept], rows.magnification[kept], rows.case[kept])
    assert "case-002" not in answers.case
    assert answers.left_out == 8
    one = rows.case == "case-001"
    with pytest.raises(NotDefinedError, match="one case"):
        identity_probe(rows.noise[one], rows.magnification[one], rows.case[one])
    low = rows.magnification == "100X"
    with pytest.raises(NotDefinedError, match="one magnification"):
        identity_probe(rows.noise[low], rows.magnification[low], rows.case[low])
