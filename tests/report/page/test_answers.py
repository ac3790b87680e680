"""The plain sentences follow from the numbers by rules."""

from __future__ import annotations

import pandas as pd

from magsig_tf.report.page.answers import (
    answer_better,
    answer_calibrated,
    answer_drop,
    answer_invariance,
    answer_unseen,
    answer_wrong,
)
from magsig_tf.report.page.material import ResultTables

NAN = float("nan")


def summary(*rows, metric="auc", quantity="held_out"):
    columns = ["label", "holdout", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns).assign(level="image", metric=metric, quantity=quantity)


def test_better_than_chance_needs_the_whole_interval():
    every = summary(("grl", "40X", 0.7, 0.6, 0.8), ("grl", "100X", 0.8, 0.7, 0.9))
    first, second = answer_unseen(every)
    assert first.startswith("Every method ranks")
    assert (
        second == "The lowest AUC is .700 (.600 to .800), grl at 40X; the highest is .800 (.700 to .900), grl at 100X."
    )
    some = summary(("grl", "40X", 0.6, 0.4, 0.8), ("grl", "100X", 0.8, 0.7, 0.9), ("a", "40X", 0.3, 0.2, 0.4))
    first, _ = answer_unseen(some)
    assert "1 of 3" in first
    assert "inconclusive: grl at 40X" in first
    assert "Worse than chance: a at 40X" in first
    assert "inconclusive for every method" in answer_unseen(summary(("grl", "40X", 0.9, NAN, NAN)))[0]


def test_a_drop_is_told_where_its_interval_lies_below_zero():
    table = summary(("a", "40X", -0.2, -0.3, -0.1), ("a", "100X", -0.01, -0.1, 0.1), quantity="drop")
    words, largest = answer_drop(table)
    assert words == "A clear loss of AUC in 1 of 2 pairs of method and holdout; in the others the interval includes 0."
    assert largest == "The largest loss is -.200 (-.300 to -.100), a at 40X."
    assert answer_drop(table.iloc[:0])[0].startswith("Not run")


def test_better_is_decided_by_holms_p_and_inconclusive_is_not_equal():
    rows = [("grl", "40X", 0.1, 0.01), ("grl", "100X", -0.1, 0.03), ("grl", "200X", 0.1, 0.06)]
    table = pd.DataFrame(rows, columns=["label", "holdout", "value", "holm_p"])
    table = table.assign(reference_label="baseline", level="image", metric="auc", holdout_mean=NAN)
    said = answer_better(table, "baseline")
    assert said[0] == ("AUC of grl against baseline: better at 40X, worse at 100X, inconclusive at 1 of 3 holdouts.")
    assert "Inconclusive does not mean equal" in said[-1]


def test_calibration_lists_errors_and_the_lowest_brier_score():
    rows = [("a", "pooled", 0.3, NAN, NAN), ("b", "pooled", 0.1, NAN, NAN)]
    errors, lowest = answer_calibrated(pd.concat([summary(*rows, metric="ece"), summary(*rows, metric="brier")]))
    assert "b .100, a .300" in errors
    assert lowest.startswith("The lowest Brier score is that of b, .100; a .300.")


def test_a_case_is_always_wrong_when_every_method_misses_most_of_its_images():
    rows = [("a", "benign", "c1", 0.6), ("b", "benign", "c1", 0.9), ("a", "malignant", "c2", 0.9)]
    strips = pd.DataFrame([*rows, ("b", "malignant", "c2", 0.5)], columns=["label", "class", "case", "wrong"])
    assert answer_wrong(strips) == [
        "1 of 2 cases is misclassified by every method in most of their images: 1 benign, 0 malignant (c1)."
    ]


def test_an_embedding_is_never_called_free_of_magnification():
    row = {"kind": "method", "target": "magnification", "metric": "balanced_accuracy", "control": "none"}
    row |= {"rows": "source", "probe": "linear", "chance": 0.33, "high": 0.9}
    frame = pd.DataFrame(
        [row | {"subject": "a", "value": 0.8, "low": 0.7}, row | {"subject": "b", "value": 0.4, "low": 0.3}]
    )
    control = row | {"kind": "control", "low": 0.5}
    colours = control | {"subject": "colour mean and SD", "value": 0.9}
    untrained = pd.DataFrame([control | {"subject": "random tiny", "value": 0.6}, colours])
    *_, last = answer_invariance(ResultTables({"probes": pd.concat([frame, untrained])}, {}, []))
    assert last == "The encoder before training gives .600."
    given = pd.DataFrame([control | {"subject": "embeddings as given", "value": 0.7}, colours])
    *_, last = answer_invariance(ResultTables({"probes": pd.concat([frame, given])}, {}, []))
    assert last == "The embeddings as given give .700."
    first, second = answer_invariance(ResultTables({"probes": frame}, {}, []))
    assert first.endswith("the embedding still reveals the magnification.")
    assert second.endswith("which does not show that no probe can.")
    assert answer_invariance(ResultTables({}, {"probes": "not run: magsig probe"}, [])) == ["Not run: magsig probe."]
