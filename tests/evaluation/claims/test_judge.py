"""Planted runs and signatures get the planted verdict, for every claim each way."""

import numpy as np
import pandas as pd
import pytest

from magsig_tf.data.sources.breakhis import known_breakhis_counts
from magsig_tf.errors import DataError, UsageError
from magsig_tf.evaluation import load_runs
from magsig_tf.evaluation.claims.judge import judge_claims
from magsig_tf.evaluation.claims.paper import the_paper
from magsig_tf.evaluation.claims.verdicts import Verdict
from tests.evaluation.fake_runs import FakeStudy
from tests.evaluation.fake_signatures import write_signatures

METHODS = ("baseline", "gan", "grl")
DOES_NOT_HOLD, NOT_RUN, INCONCLUSIVE, HOLDS = (verdict.value for verdict in Verdict)


def plant(root, quality, methods=METHODS, seeds=(0,), **settings):
    """Write runs; `quality` gives the separation of classes of a method at a holdout, in standard deviations."""
    study = FakeStudy(root, cases=(16, 20), images=2, **settings)
    noise = np.random.default_rng(3).normal(size=len(study.manifest))
    for method in methods:
        for folder in study.write(methods=[method], holdouts=["100X", "200X", "400X"], seeds=seeds):
            frame = pd.read_parquet(folder / "predictions.parquet")
            logit = quality(method, folder.parent.name) * (frame["label"] - 0.5) + noise[frame["row"]]
            frame.assign(probability=1 / (1 + np.exp(-logit))).to_parquet(folder / "predictions.parquet")
    return study


def judged(study, **settings):
    loaded = load_runs(study.workspace, study.dataset)
    return judge_claims(loaded, study.workspace, replicates=200, **settings).table.set_index("claim")


def as_the_paper_says(method, holdout):
    weak = {"200X": {"baseline": 0.2, "gan": 2.4}, "400X": {"gan": -0.2}}
    return weak.get(holdout, {}).get(method, {"baseline": 1.8, "gan": 1.8, "grl": 4.0}[method])


def truthful(method, tested):
    """Return nearly the same answers for every method, good but not faultless, with a little noise of its own."""
    seeds = 9, (len(method), int(tested["row"].iloc[0]))
    draws = [np.random.default_rng(seed).normal(size=len(tested)) for seed in seeds]
    logit = np.where(tested["label"] == 1, 2, -2) + 1.5 * draws[0] + 0.1 * draws[1]
    return 1 / (1 + np.exp(-logit))


@pytest.fixture(scope="module")
def agreeing(tmp_path_factory):
    study = plant(tmp_path_factory.mktemp("agreeing"), as_the_paper_says, seeds=(0, 1, 2))
    write_signatures(study, {"baseline": 1074, "grl": 306}, {"baseline": 0.02, "grl": 0.99}, truthful)
    return study


@pytest.fixture(scope="module")
def contradicting(tmp_path_factory):
    better = {"baseline": 4.0, "gan": 4.5, "grl": 1.0}
    study = plant(tmp_path_factory.mktemp("contradicting"), lambda method, _: better[method], seeds=(0, 1, 2))

    def answer(method, tested):
        return truthful(method, tested) if method == "baseline" else 0.4 + 0.2 * (truthful("grl", tested[::-1]) - 0.5)

    write_signatures(study, {"baseline": 300, "grl": 310}, {"baseline": 0.6, "grl": 0.3}, answer)
    return study


@pytest.fixture(scope="module")
def upheld(agreeing):
    return judged(agreeing)


def test_runs_as_the_paper_says_uphold_every_statement_and_meet_no_criterion(upheld):
    table = upheld
    statements = table[table["kind"] == "statement"]
    assert set(statements["verdict"]) == {HOLDS}, statements[["verdict", "why"]].to_string()
    assert set(table.loc[table["kind"] == "falsification", "verdict"]) == {DOES_NOT_HOLD}
    assert set(table["source"]) == {claim.source or claim.statement for claim in the_paper().claims}
    assert table.loc["signature_size", "value"] == pytest.approx(1074 / 306)
    assert "1,074 to 306: 3.5 times" in table.loc["signature_size", "ours"]
    assert "n 18" in table.loc["signature_size", "ours"]
    assert table.loc["brier_lowest", "paper"] == ".063 against .089"
    assert table.loc["gan_inconsistent", "why"] == (
        "gan minus baseline, AUC: above 0 at 200X and below 0 at 400X, Holm's p below .05."
    )


def test_runs_that_contradict_the_paper_refute_every_statement(contradicting):
    table = judged(contradicting)
    verdicts = table["verdict"].drop(["gan_inconsistent", "gan_degrades_400X"])
    assert set(verdicts[table["kind"] == "statement"]) == {DOES_NOT_HOLD}, table[["verdict", "why"]].to_string()
    assert set(verdicts[table["kind"] == "falsification"]) == {HOLDS}
    assert table.loc["falsified_by_brier", "why"].startswith("The criterion is met, against the paper.")
    assert table.loc["gan_degrades_400X", "verdict"] != HOLDS


def test_the_numbers_are_those_of_the_comparison(agreeing, upheld):
    from magsig_tf.evaluation.comparison import compare

    loaded = load_runs(agreeing.workspace, agreeing.dataset)
    rows = compare(loaded, "grl", "baseline", metrics=["auc", "brier"], replicates=200).frame()
    rows = rows[rows["level"] == "image"].set_index(["holdout", "metric"])
    table = upheld
    assert table.loc["falsified_by_brier", ["value", "low", "high"]].astype(float).to_numpy() == pytest.approx(
        rows.loc[("pooled", "brier"), ["value", "low", "high"]].astype(float).to_numpy(), abs=1e-12
    )
    assert table.loc["auc_strongest", "value"] == pytest.approx(rows.loc[("pooled", "auc"), "holdout_mean"], abs=1e-12)
    assert table.loc["auc_gain_200X", "low"] == pytest.approx(rows.loc[("200X", "auc"), "low"], abs=1e-12)


def test_equal_methods_are_inconclusive_and_say_how_many_cases_are_needed(tmp_path):
    flat = judged(plant(tmp_path, lambda method, _: 1.0))
    for claim in ("auc_strongest", "auc_gain_200X", "brier_lowest", "falsified_by_brier", "gan_inconsistent"):
        assert flat.loc[claim, "verdict"] == INCONCLUSIVE
    # methods that answer alike differ in no replicate, which says nothing of how far they may differ
    assert flat.loc["auc_gain_200X", "why"].endswith("no interval, since all replicates are the same.")
    assert "at no holdout an interval" in flat.loc["gan_inconsistent", "why"]


def test_what_is_not_there_is_not_run_with_the_command(tmp_path):
    table = judged(plant(tmp_path, as_the_paper_says, methods=["grl"]))
    assert set(table["verdict"]) == {NOT_RUN}
    assert table.loc["brier_lowest", "why"].startswith("no finished runs of baseline: run `magsig train")
    table = judged(plant(tmp_path / "two", as_the_paper_says, methods=["grl", "baseline"]))
    assert table.loc["auc_strongest", "verdict"] == NOT_RUN  # gan could still be stronger
    assert table.loc["falsified_by_brier", "verdict"] == DOES_NOT_HOLD
    signatures = table[table.index.str.startswith(("signature", "overlap"))]
    assert set(signatures["verdict"]) == {NOT_RUN}
    assert signatures["why"].str.contains("magsig signatures --compare-folds").all()


def test_empty_signatures_uphold_and_refute_nothing(tmp_path):
    study = plant(tmp_path, as_the_paper_says, methods=["grl", "baseline"], seeds=(0, 1, 2))
    # classifiers without a dimension: equal answers, so F1 is equal and the sizes of grl are "smaller"
    nothing = {"baseline": float("nan"), "grl": float("nan")}
    write_signatures(study, {"baseline": 12, "grl": 0}, nothing, lambda method, tested: np.full(len(tested), 0.6))
    table = judged(study)
    of_signatures = table.index.str.startswith(("signature", "overlap")) | (table.index == "falsified_by_size")
    assert set(table.loc[of_signatures, "verdict"]) == {INCONCLUSIVE}
    assert "18 of 36 signatures are empty" in table.loc["signature_f1", "why"]
    assert "both signatures of grl are empty at 100X and 200X" in table.loc["overlap_grl", "why"]


def test_a_wider_margin_can_make_equivalence_hold(contradicting):
    assert judged(contradicting, margin=0.9).loc["signature_auc", "verdict"] == HOLDS
    with pytest.raises(UsageError, match="margin"):
        judged(contradicting, margin=0.0)


def test_answers_of_other_images_do_not_pass_for_these_runs(tmp_path):
    study = plant(tmp_path, as_the_paper_says, methods=["grl", "baseline"])
    write_signatures(study, {"baseline": 10, "grl": 2}, {"baseline": 0.0, "grl": 0.9}, truthful)
    path = study.workspace.results() / study.dataset / "signature_predictions.parquet"
    frame = pd.read_parquet(path)
    frame.assign(row=frame["row"] + 1).to_parquet(path)
    assert judged(study).loc["signature_auc", "verdict"] == NOT_RUN
    path.write_bytes(b"no table")
    with pytest.raises(DataError, match=r"signature_predictions\.parquet"):
        judged(study)


def test_only_the_whole_of_breakhis_is_not_other_data(upheld, tmp_path):
    study = plant(tmp_path, as_the_paper_says, methods=["grl"])
    counts = known_breakhis_counts()
    whole = counts.loc[counts.index.repeat(counts["images"]), ["slide", "case", "magnification"]]
    path = study.workspace.data(study.dataset) / "manifest.parquet"
    whole.to_parquet(path)
    assert len(whole) == 7909
    assert set(judged(study)["data"]) == {"BreaKHis"}
    whole.iloc[1:].to_parquet(path)
    assert set(judged(study)["data"]) == {"other data"}
    assert set(upheld["data"]) == {"other data"}
