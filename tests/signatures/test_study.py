"""Rows of runs, pairs of holdouts, and drawing again, on runs whose informative dimensions are known."""

import numpy as np
import pandas as pd
import pytest

from magsig_tf.errors import DataError, UsageError
from magsig_tf.evaluation import arrange, load_runs
from magsig_tf.signatures.sources import fit_sources, sources_of_files, sources_of_runs
from magsig_tf.signatures.study import compare_methods, compare_pairs, signature_table
from magsig_tf.signatures.within_fold import measure_within_fold
from tests.signatures.fake_embeddings import DIMENSIONS, INFORMATIVE, EmbeddingStudy, stand_in


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = EmbeddingStudy(tmp_path_factory.mktemp("study"), shuffled=["grl"])
    study.write(folds=[0])
    return study


def fitted(study, monkeypatch, penalty=1.0, replicates=100):
    stand_in(monkeypatch, penalty)
    loaded = load_runs(study.workspace, study.dataset)
    return fit_sources(sources_of_runs(arrange(loaded.runs)), replicates=replicates)


def test_one_row_a_run_with_size_and_scores_in_their_intervals(study, monkeypatch):
    table = signature_table(fitted(study, monkeypatch))
    assert list(table["holdout"]) == ["40X", "100X", "200X", "400X"] * 2
    assert set(table["k"]) == {INFORMATIVE}
    assert set(table["share"]) == {INFORMATIVE / DIMENSIONS}
    assert table["C"].iloc[0] == pytest.approx(1 / table["training_images"].iloc[0])
    for score in ("auc", "f1", "brier"):
        assert (table[f"{score}_low"] <= table[score]).all()
        assert (table[score] <= table[f"{score}_high"]).all()
    assert table["auc"].min() > 0.9
    # some rank every test image correctly, which has a one-sided interval
    sides = table["auc_interval"] == "one_sided"
    assert sides.any()
    assert list(table["reason_code"].str.contains("one_sided")) == list(sides | (table["f1_interval"] == "one_sided"))


def test_a_shared_signature_is_found_in_every_pair(study, monkeypatch):
    pairs = compare_pairs(fitted(study, monkeypatch)).set_index("label").loc["baseline"]
    assert len(pairs) == 6
    assert (pairs["jaccard"] == 1).all()
    assert (pairs["p_value"] < 1e-4).all()
    # every signature is the same, so that one permutation of each would be far from chance by luck
    np.testing.assert_allclose(pairs["control_jaccard"], pairs["expected"], atol=0.02)
    np.testing.assert_allclose(pairs["control_adjusted"], 0, atol=0.02)
    assert (pairs["control_p_value"] > 0.4).all()


def test_shuffled_networks_agree_after_matching_only(study, monkeypatch):
    signatures = fitted(study, monkeypatch)
    pairs = compare_pairs(signatures)
    shuffled = pairs[pairs["label"] == "grl"]
    assert shuffled["jaccard"].mean() < 0.5
    assert (shuffled["matched_jaccard"] == 1).all()
    assert (shuffled["matched_correlation"] > 0.9).all()
    assert (shuffled["cka"] > 0.95).all()
    methods = compare_methods(signatures, pairs).set_index(["label", "control"])
    assert methods.loc[("baseline", False), "nogueira"] == pytest.approx(1)
    assert abs(methods.loc[("grl", False), "nogueira"]) < 0.4
    for label in ("baseline", "grl"):
        assert methods.loc[(label, True), "adjusted"] == pytest.approx(0, abs=0.01)
        assert methods.loc[(label, True), "nogueira"] == pytest.approx(0, abs=0.02)
        assert methods.loc[(label, True), "jaccard"] == pytest.approx(methods.loc[(label, True), "expected"], abs=0.01)
    assert methods.loc[("baseline", False), "mean_size"] == INFORMATIVE


@pytest.mark.parametrize(("penalty", "said"), [(-9.0, "saturated"), (99.0, "empty")])
def test_saturated_and_empty_signatures_say_so(study, monkeypatch, penalty, said):
    signatures = fitted(study, monkeypatch, penalty)
    table, pairs = signature_table(signatures), compare_pairs(signatures)
    assert table["reason"].str.contains(said).all()
    assert pairs["adjusted"].isna().all()
    assert (pairs["reason"] != "").all()
    methods = compare_methods(signatures, pairs)
    assert methods["nogueira"].isna().all()
    assert (methods["reason"] != "").all()


def test_a_single_holdout_and_a_run_without_a_signature_say_why(tmp_path, monkeypatch):
    study = EmbeddingStudy(tmp_path)
    (folder,) = study.write(["baseline"], ["40X"], folds=[0])
    arrays = dict(np.load(folder / "embeddings.npz"))
    signatures = fitted(study, monkeypatch)
    methods = compare_methods(signatures, compare_pairs(signatures))
    assert methods["reason"].str.contains("fewer than two holdouts").all()
    kept = arrays["part"] != "train"
    np.savez(folder / "embeddings.npz", **{name: array[kept] for name, array in arrays.items()})
    row = signature_table(fitted(study, monkeypatch)).iloc[0]
    assert row["k"] is pd.NA
    assert "no signature: expected training rows" in row["reason"]
    (folder / "embeddings.npz").unlink()
    with pytest.raises(DataError, match=r"found none\. Move the run's folder"):
        fitted(study, monkeypatch)


def test_embeddings_of_different_length_are_compared_as_a_whole_but_not_by_dimension(tmp_path, monkeypatch):
    stand_in(monkeypatch)
    study = EmbeddingStudy(tmp_path)
    paths = []
    for name, holdout, dimensions in (("a", "40X", 24), ("b", "100X", 20)):
        arrays = study.embeddings("baseline", holdout, 0, 0)
        arrays["embedding"] = arrays["embedding"][:, :dimensions]
        arrays["split"] = arrays.pop("part")
        paths.append(tmp_path / f"{name}.npz")
        np.savez(paths[-1], **arrays)
    signatures = fit_sources(sources_of_files(paths), replicates=10)
    assert [each.source.holdout for each in signatures] == ["a", "b"]
    (pair,) = compare_pairs(signatures).to_dict("records")
    assert pair["reason"] == "no overlap: embeddings of different length, 24 and 20"
    assert pair["reason_code"] == pair["matched_reason_code"] == "other_length"
    assert (pair["first_size"], pair["second_size"]) == (INFORMATIVE, INFORMATIVE)
    assert np.isnan([pair["jaccard"], pair["adjusted"], pair["matched_jaccard"], pair["control_jaccard"]]).all()
    # the shorter one has the first dimensions of the same network
    assert pair["matched_correlation"] > 0.9
    assert pair["cka"] > pair["cka_debiased"] > 0.8
    methods = compare_methods(signatures, pd.DataFrame([pair])).set_index("control")
    assert methods.loc[False, "cka_debiased"] == pair["cka_debiased"]
    assert "different length" in methods.loc[False, "reason"]
    with pytest.raises(UsageError, match="different names"):
        sources_of_files([paths[0], tmp_path / "deep" / "a.npz"])


def test_one_case_in_a_class_leaves_no_bound_and_says_so(tmp_path, monkeypatch):
    study = EmbeddingStudy(tmp_path)
    (folder,) = study.write(["baseline"], ["40X"], folds=[0])
    arrays = dict(np.load(folder / "embeddings.npz"))
    benign = np.unique(arrays["case"][(arrays["label"] == 0) & (arrays["part"] == "train")])
    kept = ~np.isin(arrays["case"], benign[1:])
    np.savez(folder / "embeddings.npz", **{name: array[kept] for name, array in arrays.items()})
    within = measure_within_fold(fitted(study, monkeypatch), 10, pairs=5)
    row = within.stability.iloc[0]
    assert row["bound_reason"].startswith("no bound: expected at least two benign")
    assert np.isfinite(row["nogueira"])
    assert within.frequencies["half_sample_frequency"].isna().all()
    assert within.tests.empty


def test_drawing_the_cases_again(study, monkeypatch):
    signatures = [each for each in fitted(study, monkeypatch) if each.source.holdout == "40X"]
    said = []
    within = measure_within_fold(signatures, 30, pairs=10, progress=lambda *now: said.append(now))
    assert said[-1] == (160, 160)
    row = within.stability.set_index("label").loc["baseline"]
    assert row["nogueira_low"] <= row["nogueira"] <= row["nogueira_high"]
    assert row["nogueira"] > 0.9
    assert abs(row["control_nogueira"]) < 0.1
    assert row["stable"] == INFORMATIVE
    frequencies = within.frequencies[within.frequencies["label"] == "baseline"]
    assert len(frequencies) == DIMENSIONS
    assert frequencies.loc[frequencies["selected"], "bootstrap_frequency"].min() > 0.9
    (test,) = within.tests.to_dict("records")
    assert (test["first"], test["second"], test["holdout"]) == ("baseline", "grl", "40X")
    assert 0 <= test["p_value"] <= 1


def test_runs_share_the_draws_that_claims_rest_on(study, monkeypatch):
    signatures = [each for each in fitted(study, monkeypatch, penalty=2.0) if each.source.holdout != "400X"]
    within = measure_within_fold(signatures, 12, pairs=2)
    draws, pairs = within.draws, within.pair_draws
    # grl has the same dimensions as baseline in another order, so that the same cases select as many of them
    k = draws.pivot(index=["holdout", "draw"], columns="method", values="k")
    assert len(k) == 3 * 12
    assert (k["baseline"] == k["grl"]).all()
    assert k["baseline"].nunique() > 1
    assert (draws["cases_benign"].iloc[0], draws["cases_malignant"].iloc[0]) == (6, 7)
    assert set(zip(pairs["first"], pairs["second"], strict=True)) == {
        ("40X", "100X"),
        ("40X", "200X"),
        ("100X", "200X"),
    }
    assert pairs.groupby("method").size().to_dict() == {"baseline": 36, "grl": 36}
    assert pairs["jaccard"].between(0, 1).all()
    again = measure_within_fold(signatures[:1], 12, pairs=2).draws
    assert again["k"].tolist() == draws["k"].iloc[:12].tolist()


def test_a_draw_without_a_class_selects_nothing_and_says_nothing(tmp_path, monkeypatch):
    study = EmbeddingStudy(tmp_path)
    for folder in study.write(["baseline"], ["40X", "100X"], folds=[0]):
        arrays = dict(np.load(folder / "embeddings.npz"))
        benign = np.unique(arrays["case"][(arrays["label"] == 0) & (arrays["part"] == "train")])
        kept = ~np.isin(arrays["case"], benign[1:]) if "40X" in str(folder) else np.ones(len(arrays["case"]), bool)
        np.savez(folder / "embeddings.npz", **{name: array[kept] for name, array in arrays.items()})
    within = measure_within_fold(fitted(study, monkeypatch), 20, pairs=2)
    # the one benign case of a run is not in every draw of those of both
    k = within.draws.pivot(index="draw", columns="holdout", values="k")
    assert 0 < k["40X"].isna().sum() < 20
    assert k["100X"].notna().all()
    assert (within.pair_draws["jaccard"].isna().to_numpy() == k["40X"].isna().to_numpy()).all()
