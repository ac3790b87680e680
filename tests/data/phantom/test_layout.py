import numpy as np
import pytest

from magsig_tf.data.phantom import MAGNIFICATIONS, PhantomSettings, measure_rows, phantom_manifest, render_rows
from magsig_tf.errors import DataError

SMALL = {"size": 16, "tiles": 4, "development_benign": 2, "development_malignant": 3}
SMALL |= {"test_benign": 2, "test_malignant": 2}


def test_manifest_and_truth_are_aligned_and_sorted_by_path():
    manifest, truth = phantom_manifest(PhantomSettings(**SMALL))
    assert len(manifest) == len(truth) == 9 * 4 * 4
    assert list(manifest.path) == sorted(manifest.path)
    assert manifest.path.is_unique
    assert list(manifest.path) == list(truth.path)
    assert list(manifest.index) == list(range(len(manifest)))
    assert manifest.path[0] == "phantom/development/case-0000/100X/tile-00.png"
    assert manifest.sequence[1] == "01"
    assert set(manifest.origin) == {"phantom"}
    assert (manifest.width == 16).all()


def test_cases_have_one_label_and_one_cohort():
    manifest, _ = phantom_manifest(PhantomSettings(**SMALL))
    assert (manifest.groupby("case")[["label", "cohort"]].nunique() == 1).all(axis=None)
    cases = manifest.drop_duplicates("case")
    assert cases.groupby(["cohort", "label"]).size().to_dict() == {
        ("development", "benign"): 2,
        ("development", "malignant"): 3,
        ("test", "benign"): 2,
        ("test", "malignant"): 2,
    }


def test_more_than_a_hundred_tiles_stay_sorted():
    manifest, truth = phantom_manifest(PhantomSettings(**SMALL | {"tiles": 120}))
    assert list(manifest.path) == sorted(manifest.path)
    assert list(manifest.sequence.astype(int)) == list(truth.site)


def test_confounding_skews_the_development_cohort_only():
    manifest, _ = phantom_manifest(PhantomSettings(**SMALL, confounding=0.5))
    counts = manifest.groupby(["cohort", "label", "magnification"]).size()
    # 4 tiles times 1 -+ 0.5 at the ends and 1 -+ 0.5 / 3 between, rounded, for 2 and 3 cases
    assert list(counts["development", "benign"][list(MAGNIFICATIONS)]) == [12, 10, 6, 4]
    assert list(counts["development", "malignant"][list(MAGNIFICATIONS)]) == [6, 9, 15, 18]
    assert set(counts["test"]) == {8}


def test_confounding_at_one_leaves_a_class_out_at_either_end():
    manifest, _ = phantom_manifest(PhantomSettings(**SMALL, confounding=1))
    development = manifest[manifest.cohort == "development"]
    assert set(development[development.magnification == "40X"].label) == {"benign"}
    assert set(development[development.magnification == "400X"].label) == {"malignant"}


@pytest.mark.parametrize("rows", [[-1], [144], [0.5], [[0, 1]], ["0"], [True]])
@pytest.mark.parametrize("function", [render_rows, measure_rows])
def test_rows_that_do_not_exist_are_refused(function, rows):
    with pytest.raises(DataError, match="0 to 143"):
        function(PhantomSettings(**SMALL), rows)


def test_no_rows_give_no_images():
    settings = PhantomSettings(**SMALL)
    assert render_rows(settings, []).shape == (0, 16, 16, 3)
    assert len(measure_rows(settings, np.array([], int))) == 0
