"""The printed quality table: fits 100 columns, every number beside its floor, words for what is missing."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from magsig_tf.report.terminal.results import print_quality

VALUES = {
    "kid": (0.435, 0.24),
    "precision": (0.91, 0.83),
    "recall": (1.0, 0.82),
    "density": (1.08, 0.9),
    "coverage": (0.97, 0.95),
    "copied": (0.52, 0.01),
    "nearest_ratio": (0.49, 0.99),
    "magnification_shift": (0.21, 0.05),
    "label_agreement": (0.66, 0.84),
}


def record(part, features, kind, metric, value, **more):
    about = {"part": part, "label": 0, "magnification": "", "features": features, "kind": kind, "metric": metric}
    counts = {"images_real": 90, "images_synthetic": 90, "cases": 19}
    return about | {"value": value, "low": np.nan, "high": np.nan, "reason": ""} | counts | more


def quality(parts=("benign", "malignant-40X"), **of_first):
    rows = []
    for part in parts:
        for features in ("random_cnn", "efficientnet_lite0"):
            for metric, values in VALUES.items():
                bounds = {"low": -0.121, "high": 1.15} if metric == "kid" else {}
                rows.append(record(part, features, "synthetic", metric, values[0], **bounds))
                rows.append(record(part, features, "floor", metric, values[1]))
            for kind, shares in (("synthetic", (0.7, 0.3)), ("floor", (0.48, 0.52))):
                for name, share in zip(("40X", "100X"), shares, strict=True):
                    rows.append(record(part, features, kind, f"looks_like {name}", share))
            accuracy = 0.8 if features == "random_cnn" else 0.92
            rows.append(record(part, features, "floor", "probe_accuracy", accuracy))
            rows.append(record(part, features, "floor", "probe_chance", 0.5))
        rows.append(record(part, "pixels", "synthetic", "copied", 0.04))
    rows[0] |= of_first
    return pd.DataFrame(rows)


def printed(frame):
    console = Console(file=io.StringIO(), width=100, highlight=False)
    print_quality(frame, "GANs of holdout 400X", ["Demonstration quality."], console)
    return console.file.getvalue()


def test_no_heading_and_no_number_is_cut_where_intervals_are_long():
    frame = quality()
    kid = (frame["metric"] == "kid") & (frame["kind"] == "synthetic")
    frame.loc[kid, ["value", "low", "high"]] = [-2.278, -2.885, -1.884]
    text = printed(frame)
    assert "-2.885 -1.884" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_fits_100_columns_and_shows_every_number_above_its_floor():
    lines = printed(quality()).splitlines()
    assert max(map(len, lines)) <= 100
    at = next(index for index, line in enumerate(lines) if "ImageNet" in line)
    assert lines[at].split() == ["ImageNet", ".435", ".240", ".91", "1.00", "1.08", ".97", ".52", ".49", ".21", ".66"]
    assert lines[at + 1].split() == ["-.121", "1.150", ".83", ".82", ".90", ".95", ".01", ".99", ".05", ".84"]
    assert lines[-1] == "Demonstration quality."


def test_one_row_for_each_gan_and_feature_space():
    text = printed(quality())
    for name in ("random ", "ImageNet ", "pixels"):
        assert text.count(f" {name}") >= 2
    assert "malignant" in text
    assert "40X" in text


def test_the_mix_is_told_where_the_probe_sees_best():
    text = " ".join(printed(quality()).split())
    assert (
        "benign: samples look like 40X .70 (real .48), 100X .30 (real .52); the probe (ImageNet features) recognises "
        ".92 of real images, chance .50." in text
    )


def test_what_is_missing_is_said_in_words():
    frame = quality(value=np.nan, low=np.nan, high=np.nan, reason="found 1 images on a side")
    text = " ".join(printed(frame).split())
    assert "not def." in text
    assert "benign: kid (random CNN): found 1 images on a side." in text
    assert "Only 19 cases" in text
    left_out = quality()[lambda table: table["features"] != "efficientnet_lite0"]
    rows = [
        record(part, "efficientnet_lite0", "synthetic", "kid", np.nan, reason="its package is not installed")
        for part in ("benign", "malignant-40X")
    ]
    text = " ".join(printed(pd.concat([left_out, pd.DataFrame(rows)])).split())
    assert "ImageNet features are left out: its package is not installed." in text
    assert " ImageNet ." not in text


@pytest.mark.parametrize("cases", [30, 70])
def test_many_cases_need_no_warning(cases):
    assert "too narrow" not in printed(quality().assign(cases=cases))
