from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magsig_tf.data.columns import COLUMNS, MEASURED_COLUMNS
from magsig_tf.data.identity import magnification_order
from magsig_tf.data.manifest import build_manifest, content_hash
from magsig_tf.data.preparation.write import without_common_folder
from magsig_tf.errors import DataError


def row(path: str, **others) -> dict:
    measured = dict.fromkeys(MEASURED_COLUMNS, 1) | {"pixel_sha256": f"p-{path}", "sha256": "s", "perceptual_hash": "h"}
    return {"path": path, "label": "benign", "magnification": "40X", "case": "1", **measured, **others}


def test_magnifications_are_ordered_by_their_number():
    assert magnification_order(["400X", "40X", "100X", "40X"]) == ["40X", "100X", "400X"]
    assert magnification_order(["2.5x", "10x", "1.25x"]) == ["1.25x", "2.5x", "10x"]
    assert magnification_order(["low", "high", "40X"]) == ["40X", "high", "low"]


def test_rows_are_sorted_and_what_is_unknown_is_filled_in():
    manifest = build_manifest([row("b", note="x"), row("a", note="y", case="2")])
    assert list(manifest["path"]) == ["a", "b"]
    assert list(manifest.columns) == [*COLUMNS, "note"]
    assert list(manifest["slide"]) == ["2", "1"]
    assert set(manifest["origin"]) == {"file"}
    assert manifest["mean_red"].dtype == "float32"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("a"), row("a")], "each path once, found 'a' twice"),
        ([row("a", label="unsure")], "benign and malignant, found 'unsure'"),
        ([row("a", case="")], "a case for every image"),
        ([row("a"), row("b", label="malignant")], "one label per case .* found case '1' with 'benign' and 'malignant'"),
        ([row("a", cohort="test"), row("b", cohort="")], "one cohort per case"),
        ([], "at least one readable image"),
    ],
)
def test_what_the_protocol_cannot_stand_on_is_refused(rows, message):
    with pytest.raises(DataError, match=message):
        build_manifest(rows)


def test_the_content_hash_follows_content_only():
    manifest = build_manifest([row("a"), row("b")])
    assert content_hash(manifest) == content_hash(build_manifest([row("b", origin="tar"), row("a", width=9)]))
    for changed in ({"pixel_sha256": "other"}, {"case": "3"}, {"magnification": "100X"}, {"slide": "s"}):
        assert content_hash(build_manifest([row("a"), row("b", **changed)])) != content_hash(manifest)
    with_cohort = build_manifest([row("a", cohort="test"), row("b", cohort="test")])
    assert content_hash(with_cohort) != content_hash(manifest)


def test_the_common_folder_is_dropped():
    assert without_common_folder(["x/y/a/1.png", "x/y/b/2.png"]) == {"x/y/a/1.png": "a/1.png", "x/y/b/2.png": "b/2.png"}
    assert without_common_folder(["x/1.png", "2.png"]) == {"x/1.png": "x/1.png", "2.png": "2.png"}
    assert without_common_folder(["x/ab/1.png", "x/ac/1.png"]) == {"x/ab/1.png": "ab/1.png", "x/ac/1.png": "ac/1.png"}
    assert without_common_folder([]) == {}


segments = st.lists(st.sampled_from(["a", "b", "ab", "c d"]), min_size=1, max_size=4)


@settings(deadline=None)
@given(st.lists(segments, min_size=1, max_size=6), segments)
def test_shortening_does_not_depend_on_the_level_and_keeps_names_apart(paths, root):
    plain = list(dict.fromkeys("/".join(path) for path in paths))
    deeper = ["/".join([*root, path]) for path in plain]
    short, short_deeper = without_common_folder(plain), without_common_folder(deeper)
    assert [short[path] for path in plain] == [short_deeper[path] for path in deeper]
    assert len(set(short.values())) == len(plain)
