"""Untrained encoders beside the methods: once a split and seed, the same features everywhere, missing ones named."""

import numpy as np
import pytest

from magsig_tf.errors import RunError
from magsig_tf.evaluation import arrange, load_runs
from magsig_tf.signatures.sources import fit_sources, sources_of_random_encoders
from magsig_tf.signatures.study import compare_methods, compare_pairs
from tests.signatures.fake_embeddings import INFORMATIVE, EmbeddingStudy, stand_in


@pytest.fixture
def study(tmp_path):
    study = EmbeddingStudy(tmp_path)
    study.write(folds=[0])
    return study


def sources_of(study):
    matrix = arrange(load_runs(study.workspace, study.dataset).runs)
    return sources_of_random_encoders(matrix, study.workspace, study.dataset)


def test_one_source_a_split_however_many_methods_have_it(study):
    study.write_random_encoder()
    study.write(["baseline"], ["40X"], folds=[1])
    sources, absent = sources_of(study)
    assert absent == []
    assert [(each.holdout, each.patient_fold) for each in sources] == [
        ("40X", 0),
        ("40X", 1),
        ("100X", 0),
        ("200X", 0),
        ("400X", 0),
    ]
    assert {(each.label, each.method, each.config) for each in sources} == {("random small_cnn", "random-encoder", "")}


def test_its_rows_are_those_of_the_split_and_its_features_those_of_the_encoder(study):
    features = np.arange(len(study.manifest) * 3, dtype=float).reshape(-1, 3)
    study.write_random_encoder(features)
    (first, *_), _ = sources_of(study)
    read, of_run = first.read(), study.embeddings("baseline", "40X", 0, 0)
    np.testing.assert_array_equal(read.embedding, features[of_run["row"]])
    for name in ("row", "part", "case", "label"):
        np.testing.assert_array_equal(getattr(read, name), of_run[name])


def test_the_same_features_at_every_holdout_are_aligned_and_matched_to_themselves(study, monkeypatch):
    stand_in(monkeypatch)
    # two dimensions that respond alike and one that does not respond: any order of them matches as well
    features = study.truth.copy()
    features[:, 10], features[:, 11] = features[:, 9], 0.0
    study.write_random_encoder(features)
    fitted = fit_sources(sources_of(study)[0], replicates=100)
    pairs = compare_pairs(fitted)
    assert len(pairs) == 6
    np.testing.assert_allclose(pairs["cka"], 1)
    np.testing.assert_array_equal(pairs["matched_jaccard"], pairs["jaccard"])
    assert (pairs["matched_correlation"] == 1).all()
    methods = compare_methods(fitted, pairs).set_index("control")
    assert methods.loc[False, "label"] == "random small_cnn"
    assert methods.loc[False, "mean_size"] == INFORMATIVE
    assert methods.loc[False, "nogueira"] == 1


def test_what_is_not_there_is_named_in_the_words_of_the_probes(study):
    assert sources_of(study) == (
        [],
        ["random small_cnn seed 0: not written yet; the next run trained with it writes it"],
    )
    tested = study.manifest["fold"].to_numpy() == 0
    study.write_random_encoder(rows=tested)
    sources, (absent,) = sources_of(study)
    assert sources == []
    assert absent == "random small_cnn seed 0: without training rows; the next run trained with it writes it whole"


@pytest.mark.parametrize("arrays", [{"dataset_hash": "other"}, {"embedding": np.zeros((3, 2))}, {"row": np.zeros(0)}])
def test_a_file_of_other_data_or_a_damaged_one_is_refused(study, arrays):
    path = study.write_random_encoder(**arrays)
    with pytest.raises(RunError, match="damaged file or one of other data") as found:
        sources_of(study)
    assert str(path) in str(found.value)


def test_splits_of_two_protocols_are_not_compared_with_each_other(study):
    study.write_random_encoder()
    for holdout in ("40X", "100X"):
        study.write_run("baseline", holdout, 0, 0, config_hash="0therc0f", split_hash=f"other-{holdout}")
    sources, _ = sources_of(study)
    by_label = {}
    for each in sources:
        by_label.setdefault(each.label, []).append(each.holdout)
    assert sorted(by_label.values()) == [["40X", "100X"], ["40X", "100X", "200X", "400X"]]
    assert set(by_label) == {"random small_cnn, splits 1", "random small_cnn, splits 2"}
