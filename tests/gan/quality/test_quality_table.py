"""The tidy table: every number beside its floor, in order, and a reason where there is none."""

import numpy as np
import pytest

from magsig_tf.gan.fold import Part, PartSamples, TrainingImages
from magsig_tf.gan.quality import quality_table as module
from magsig_tf.gan.quality.features import Features
from magsig_tf.gan.quality.quality_table import COLUMNS, quality_table
from magsig_tf.seeding import generator_for

MAGNIFICATIONS = np.array(["40X", "100X", "200X"])
COLOURS = np.array([[200, 120, 120], [120, 200, 120], [120, 120, 200]])
MEAN = Features("mean", "mean colours", lambda images: images.mean((1, 2)).astype(np.float32) / 64 - 2)


def drawn(count, kinds, *names):
    """Tiles whose colour tells the magnification."""
    random = generator_for("quality test", *names)
    images = (
        COLOURS[kinds][:, None, None]
        + random.normal(0, 10, (count, 1, 1, 3))
        + random.normal(0, 20, (count, 16, 16, 3))
    )
    return np.clip(images, 0, 255).astype(np.uint8)


def training(cases=12, images=6):
    count = 2 * cases * images
    kinds, case = np.arange(count) % 3, np.arange(count) // images
    names = np.array([f"case-{number}" for number in case])
    label = (case >= cases).astype(int)
    return TrainingImages(drawn(count, kinds, "real"), label, MAGNIFICATIONS[kinds], names, names)


def samples(per_magnification=False):
    kinds = np.arange(60) % 3
    if not per_magnification:
        return [PartSamples(Part(label, "", np.arange(1)), drawn(60, kinds, label)) for label in (0, 1)]
    return [
        PartSamples(Part(1, name, np.arange(1)), drawn(60, np.full(60, at), name))
        for at, name in enumerate(MAGNIFICATIONS)
    ]


@pytest.fixture(scope="module")
def table():
    reason = {"efficientnet_lite0": "not installed"}
    return quality_table(training(), samples(), [MEAN], "test", left_out=reason, replicates=50)


def value(table, **wanted):
    rows = table[np.logical_and.reduce([table[name] == each for name, each in wanted.items()])]
    assert len(rows) == 1
    return rows.iloc[0]


def test_columns_and_kinds(table):
    assert tuple(table.columns) == COLUMNS
    assert list(dict.fromkeys(table["part"])) == ["benign", "malignant"]
    assert set(table["features"]) == {"mean", "pixels", "efficientnet_lite0"}
    assert set(table["kind"]) == {"synthetic", "floor"}
    assert not table.duplicated(["part", "features", "kind", "metric"]).any()
    assert (table["value"].notna() | (table["reason"] != "")).all()
    missing = value(table, part="benign", features="efficientnet_lite0")
    assert (missing["metric"], missing["reason"]) == ("kid", "not installed")


def test_every_number_stands_beside_its_floor(table):
    for metric in (
        "kid",
        "precision",
        "recall",
        "density",
        "coverage",
        "copied",
        "nearest_ratio",
        "magnification_shift",
        "label_agreement",
    ):
        ours = value(table, part="benign", features="mean", kind="synthetic", metric=metric)
        floor = value(table, part="benign", features="mean", kind="floor", metric=metric)
        assert np.isfinite([ours["value"], floor["value"]]).all()
        assert (ours["images_real"], ours["images_synthetic"], ours["cases"]) == (72, 60, 12)
        if metric not in ("magnification_shift", "label_agreement"):
            assert (floor["images_real"], floor["images_synthetic"]) == (36, 36)


def test_intervals_hold_the_value_where_there_are_some(table):
    with_interval = table[table["low"].notna()]
    assert set(with_interval["metric"]) == {"kid", "recall", "density", "coverage", "probe_accuracy"}
    assert (with_interval["low"] <= with_interval["value"]).all()
    assert (with_interval["value"] <= with_interval["high"]).all()


def test_the_table_is_the_same_again_and_differs_under_another_name(table):
    again = quality_table(
        training(), samples(), [MEAN], "test", left_out={"efficientnet_lite0": "not installed"}, replicates=50
    )
    assert again.equals(table)
    other = quality_table(training(), samples(), [MEAN], "other", replicates=50)
    floor = {"part": "benign", "features": "mean", "kind": "floor", "metric": "kid"}
    assert value(other, **floor)["value"] != value(table, **floor)["value"]


def test_gans_of_one_magnification_are_held_against_its_images():
    table = quality_table(training(), samples(per_magnification=True), [MEAN], "test", replicates=50)
    assert list(dict.fromkeys(table["part"])) == ["malignant-40X", "malignant-100X", "malignant-200X"]
    for name in MAGNIFICATIONS:
        about = {"part": f"malignant-{name}", "features": "mean", "kind": "synthetic"}
        assert value(table, metric="kid", **about)["images_real"] == 24
        assert value(table, metric="as_intended", **about)["value"] > 0.95
        assert (
            value(table, metric="as_intended", **about)["value"]
            == value(table, metric=f"looks_like {name}", **about)["value"]
        )
        assert value(table, metric="magnification_shift", **about)["value"] < 0.05


def test_few_cases_and_few_samples_say_so():
    few = training(cases=3)
    table = quality_table(few, samples()[:1], [MEAN], "test", replicates=50)
    about = {"part": "benign", "features": "mean"}
    assert "fewer than 5 cases" in value(table, kind="synthetic", metric="kid", **about)["reason"]
    assert "to halve" in value(table, kind="floor", metric="kid", **about)["reason"]
    assert "fewer cases than folds" in value(table, kind="synthetic", metric="magnification_shift", **about)["reason"]
    one = [PartSamples(samples()[0].part, samples()[0].images[:1])]
    table = quality_table(training(), one, [MEAN], "test", replicates=50)
    assert "1 images on a side" in value(table, kind="synthetic", metric="kid", **about)["reason"]
    assert "1 images on a side" in value(table, kind="synthetic", metric="coverage", **about)["reason"]


def test_more_images_than_are_compared_are_drawn_at_random(monkeypatch):
    monkeypatch.setattr(module, "MOST_IMAGES", 40)
    table = quality_table(training(), samples()[:1], [MEAN], "test", replicates=50)
    row = value(table, part="benign", features="mean", kind="synthetic", metric="kid")
    assert (row["images_real"], row["images_synthetic"]) == (40, 40)
