"""Which rows are the same picture: a zoom and its source, and no two files that share a name in different folders."""

import numpy as np
import pandas as pd
import pytest

from magsig_tf.data.embeddings_file import Embeddings
from magsig_tf.evaluation.probes.rows import Known, file_rows


def pictures(paths, origins):
    manifest = pd.DataFrame({"path": paths, "origin": origins})
    return Known(manifest, {}).pictures(np.arange(len(paths)))


def test_equal_names_in_different_folders_are_different_pictures():
    picture, zoomed = pictures([f"case-{c}/{m}/tile-00.png" for c in (0, 1) for m in ("40X", "400X")], ["phantom"] * 4)
    assert len(set(picture)) == 4
    assert not zoomed.any()


def test_a_zoom_shares_its_picture_with_the_source_it_names_with_or_without_its_folder():
    paths = ["a/100X/1.png", "a/400X/1.png", "b/100X/2.png", "b/400X/zoom.png", "b/400X/2.png"]
    origins = ["file", "digital-zoom of a/100X/1.png", "file", "digital-zoom of 2.png", "file"]
    picture, zoomed = pictures(paths, origins)
    assert zoomed.tolist() == [False, True, False, True, False]
    assert picture[0] == picture[1]
    # the folder is not told, so every file of that name may be the source
    assert picture[2] == picture[3] == picture[4] != picture[0]


def test_a_source_that_is_gone_still_joins_its_zooms():
    picture, _ = pictures(["a/1.png", "a/2.png"], ["digital-zoom of gone.png", "digital-zoom of x/gone.png"])
    assert picture[0] == picture[1]


def test_a_manifest_without_origins_knows_no_zooms():
    known = Known(pd.DataFrame({"path": ["a.png"]}), {})
    assert known.pictures(np.arange(1)) == (None, None)
    assert Known(None, {}).pictures(np.arange(1)) == (None, None)


@pytest.mark.parametrize("others", [("train", "validation", "in_domain_test"), ("in_domain_test",), ("train",)])
def test_validation_rows_at_the_holdout_make_it_no_source(others):
    parts = np.array(["test", "validation_holdout", *np.repeat(others, 2)])
    magnification = np.array(["20x", "20x", *["5x", "10x"] * len(others)])
    n = len(parts)
    file = Embeddings(np.ones((n, 2), np.float32), np.zeros(n, np.int8), np.arange(n).astype(str), magnification, parts)
    rows = file_rows(file, "another model")
    assert rows.sources == ("10x", "5x")
    assert "20x" not in rows.within("source").magnification
