"""`magsig signatures` through the sparse path itself, with planted answers; and one file that both commands read."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.cli.command_line import magsig
from tests.signatures.fake_embeddings import DIMENSIONS, INFORMATIVE, EmbeddingStudy

HOLDOUTS = ["40X", "100X", "200X"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = EmbeddingStudy(tmp_path_factory.mktemp("study"), shuffled=["grl"])
    study.write(holdouts=HOLDOUTS, folds=[0])
    return study


@pytest.fixture(scope="module")
def said(study):
    words = ["--compare-folds", "--replicates", "100", "--json"]
    answer = magsig("signatures", "--workspace", study.workspace.root, *words)
    assert answer.code == 0, answer.errors
    return json.loads(answer.out)


def test_the_planted_dimensions_are_found_and_good(study, said):
    rows = [row for row in said["signatures"] if row["method"] == "baseline"]
    assert [row["holdout"] for row in rows] == HOLDOUTS
    for row in rows:
        assert INFORMATIVE <= row["k"] <= INFORMATIVE + 4
        assert row["auc"] > 0.95
        assert row["duality_gap"] < 1e-5


def test_stability_is_near_1_where_runs_share_the_planted_set_and_near_0_where_they_do_not(said):
    methods = {(row["label"], row["control"]): row for row in said["signature_methods"]}
    shared, shuffled = methods["baseline", False], methods["grl", False]
    assert shared["nogueira"] > 0.8
    assert shared["adjusted"] > 0.75
    assert shared["median_p_value"] < 0.001
    assert abs(shuffled["nogueira"]) < 0.2
    assert abs(shuffled["adjusted"]) < 0.2
    assert shuffled["median_p_value"] > 0.05
    # networks that learnt the same in another order: the matching finds it
    assert shuffled["matched_adjusted"] > 0.75
    for label in ("baseline", "grl"):
        assert methods[label, True]["adjusted"] == pytest.approx(0, abs=0.02)


def test_files_of_another_model_go_through_both_commands(study, tmp_path):
    words = []
    for holdout in HOLDOUTS[:2]:
        arrays = study.embeddings("baseline", holdout, 0, 0)
        arrays["split"] = arrays.pop("part")
        # the last dimension tells the magnifications apart
        size = np.char.rstrip(arrays["magnification"], "X").astype(float)
        arrays["embedding"][:, -1] += 5 * np.log2(size / 40)
        path = tmp_path / f"model-{holdout}.npz"
        np.savez(path, **arrays)
        words += ["--embeddings", path]
    options = ["--workspace", tmp_path, "--replicates", "100", "--json"]
    signatures = magsig("signatures", *words, "--compare-folds", *options)
    assert signatures.code == 0, signatures.errors
    found = json.loads(signatures.out)
    assert {row["p"] for row in found["signatures"]} == {DIMENSIONS}
    (pair,) = found["signature_pairs"]
    assert (pair["first"], pair["second"]) == ("model-40X", "model-100X")
    assert pair["adjusted"] > 0.75
    # drawn again with lambda fixed, every bootstrap selects what was planted
    folder = tmp_path / "results" / "embeddings-model-40X"
    drawn = magsig("signatures", *words[:2], "--bootstraps", "5", *options)
    assert drawn.code == 0, drawn.errors
    frequencies = pd.read_csv(folder / "selection_frequencies.csv").set_index("dimension")
    assert frequencies["selected"][:INFORMATIVE].all()
    assert (frequencies.loc[: INFORMATIVE - 1, "bootstrap_frequency"] == 1).all()
    assert frequencies.loc[INFORMATIVE:, "bootstrap_frequency"].mean() < 0.4
    probes = magsig("probe", *words, "--workers", "1", *options)
    assert probes.code == 0, probes.errors
    told = [
        row
        for row in json.loads(probes.out)
        if (row["metric"], row["control"], row["probe"]) == ("balanced_accuracy", "none", "linear")
    ]
    assert {row["subject"] for row in told} == {"model-40X", "model-100X"}
    for row in told:
        assert row["low"] > row["chance"] + 0.15
