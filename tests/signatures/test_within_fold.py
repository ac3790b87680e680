"""Resampled selections: whole cases, complementary halves, named seeds, the same result in processes."""

import os
import time
from typing import ClassVar

import numpy as np
import pytest

from magsig_tf.errors import DataError
from magsig_tf.signatures.stability import nogueira_stability, permuted
from magsig_tf.signatures.within_fold import bootstrap_selections, half_sample_selections
from magsig_tf.statistics.cases import bootstrap_rows, complementary_halves


def clustered(cases=(7, 9), images=3, dimensions=20, informative=4, seed=0):
    """Embedding whose first dimensions follow the label; rows of a case are scattered."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], cases)
    case = rng.permutation(np.repeat(np.arange(len(labels)), images))
    label = labels[case]
    embedding = rng.normal(size=(len(case), dimensions))
    embedding[:, :informative] += 2.0 * label[:, None]
    return embedding.astype(np.float32), label, np.array([f"case-{c}" for c in case])


def select_far_apart(embedding, label, case):
    """A selection without a fit: dimensions whose class means lie far apart."""
    return np.abs(embedding[label == 1].mean(0) - embedding[label == 0].mean(0)) > 1.0


def test_a_bootstrap_draws_whole_cases_within_their_class():
    _, label, case = clustered()
    for rows in bootstrap_rows(label, case, 20, "test"):
        assert len(rows) == len(case)
        assert (label[rows] == 0).sum() == (label == 0).sum()
        names, counts = np.unique(case[rows], return_counts=True)
        for name, count in zip(names, counts, strict=True):
            repeats = np.bincount(rows, minlength=len(case))[case == name]
            assert (repeats == repeats[0]).all()
            assert count == 3 * repeats[0]


def test_halves_have_no_case_in_common_and_half_of_each_class():
    _, label, case = clustered(cases=(7, 9))
    for first, second in complementary_halves(label, case, 10, "test"):
        assert not set(case[first]) & set(case[second])
        for half in (first, second):
            assert len(set(case[half][label[half] == 0])) == 3
            assert len(set(case[half][label[half] == 1])) == 4
            assert len(half) == len(set(half)) == 3 * 7


def test_draws_belong_to_their_names():
    _, label, case = clustered()
    draw = [np.concatenate(list(bootstrap_rows(label, case, 3, *names))) for names in (("a",), ("a",), ("b",))]
    assert (draw[0] == draw[1]).all()
    assert (draw[0] != draw[2]).any()
    longer = list(bootstrap_rows(label, case, 5, "a"))
    assert (np.concatenate(longer[:3]) == draw[0]).all()


def test_planted_dimensions_are_selected_nearly_always():
    selected = bootstrap_selections(select_far_apart, clustered(), 60, "test")
    frequencies = selected.mean(0)
    assert selected.shape == (60, 20)
    assert frequencies[:4].min() > 0.95
    assert frequencies[4:].max() < 0.3
    assert nogueira_stability(selected).index > 0.8
    assert abs(nogueira_stability(permuted(selected, "control")).index) < 0.05


def test_the_control_keeps_the_sizes():
    selected = np.random.default_rng(0).random((6, 30)) < 0.3
    control = permuted(selected, "run")
    assert (control.sum(1) == selected.sum(1)).all()
    assert (control != selected).any(1).all()
    assert (control == permuted(selected, "run")).all()


class SlowAtFirst:
    """Selects as `select_far_apart` does, so slowly at first that more processes seem worth while."""

    processes: ClassVar = set()

    def __call__(self, embedding, label, case):
        if os.getpid() not in self.processes:
            self.processes.add(os.getpid())
            time.sleep(0.4)
        return select_far_apart(embedding, label, case)


def test_processes_give_the_same_selections_and_report_progress():
    said = []
    data = clustered()
    alone = half_sample_selections(select_far_apart, data, 20, "test")
    together = half_sample_selections(
        SlowAtFirst(), data, 20, "test", processes=2, progress=lambda *now: said.append(now)
    )
    assert alone.shape == (20, 2, 20)
    assert (alone == together).all()
    assert said[0] == (0, 40)
    assert said[-1] == (40, 40)


def test_a_single_case_in_a_class_cannot_be_halved():
    data = clustered(cases=(1, 5))
    with pytest.raises(DataError, match="found 1 and 5"):
        half_sample_selections(select_far_apart, data, 2, "test")
