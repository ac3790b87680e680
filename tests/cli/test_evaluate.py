"""`magsig evaluate`, `compare` and `augmentation` on run folders: table, files, JSON, CSV and refusals."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from magsig_tf.cli.augmentation import augmentation
from magsig_tf.cli.compare import compare
from magsig_tf.cli.evaluate import evaluate
from magsig_tf.errors import RunError, UsageError
from tests.evaluation.fake_encoders import FakeEncoder
from tests.evaluation.fake_gans import fold_quality, write_gan_run, write_gans
from tests.evaluation.fake_runs import FakeStudy


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = FakeStudy(tmp_path_factory.mktemp("study"), cases=(8, 10), images=2)
    study.write(holdouts=["40X", "100X"])
    return study


def invoke(study, *arguments, command=evaluate):
    return CliRunner().invoke(command, ["--workspace", str(study.workspace.root), "--replicates", "100", *arguments])


def test_prints_the_table_and_writes_every_number(study):
    result = invoke(study)
    assert result.exit_code == 0, result.output
    assert "image level" in result.stdout
    assert max(map(len, result.stdout.splitlines()[:-1])) <= 100
    folder = study.workspace.results() / study.dataset
    frame = pd.read_parquet(folder / "summary.parquet")
    assert set(frame["level"]) == {"image", "case"}
    assert {"held_out", "in_domain", "as_source", "drop"} == set(frame["quantity"])
    assert len(pd.read_csv(folder / "summary.csv")) == len(frame)


def test_json_is_the_tidy_frame_and_nothing_else(study):
    records = json.loads(invoke(study, "--json").stdout)
    frame = pd.read_parquet(study.workspace.results() / study.dataset / "summary.parquet")
    assert len(records) == len(frame)
    assert records[0]["value"] == pytest.approx(frame.loc[0, "value"], abs=1e-14)


def test_csv_goes_where_it_is_wanted(study, tmp_path):
    invoke(study, "--csv", str(tmp_path / "deep" / "numbers.csv"))
    assert len(pd.read_csv(tmp_path / "deep" / "numbers.csv")) > 100


def test_a_selection_of_runs_leaves_the_files_of_all_runs_alone(study, tmp_path):
    invoke(study)
    files = sorted((study.workspace.results() / study.dataset).iterdir())
    before = [path.read_bytes() for path in files]
    result = invoke(study, "--method", "grl", "--csv", str(tmp_path / "grl.csv"))
    assert sorted((study.workspace.results() / study.dataset).iterdir()) == files
    assert [path.read_bytes() for path in files] == before
    assert set(pd.read_csv(tmp_path / "grl.csv")["method"]) == {"grl"}
    assert str(tmp_path / "grl.csv") in result.stdout
    assert "All numbers" not in invoke(study, "--config-hash", "9a8").stdout


def test_level_metric_and_threshold_choose_what_is_shown(study):
    text = invoke(study, "--level", "case", "--metric", "patient_recognition_rate", "--threshold", "validation").stdout
    assert "case level" in text
    assert "patient rate" in text
    assert "Brier" not in text


def test_slips_are_refused_with_what_was_expected(study, tmp_path):
    assert isinstance(invoke(study, "--metric", "acu").exception, UsageError)
    assert isinstance(invoke(study, "--metric", "patient_recognition_rate").exception, UsageError)
    result = invoke(study, "--threshold", "2")
    assert result.exit_code == 2
    assert "number from 0 to 1" in result.output
    empty = FakeStudy(tmp_path)
    assert isinstance(invoke(empty).exception, RunError)


def test_runs_suffice_when_the_prepared_images_are_gone(tmp_path):
    study = FakeStudy(tmp_path, cases=(6, 6), images=1)
    study.write(methods=["grl"], holdouts=["40X"])
    (study.workspace.data(study.dataset) / "dataset.json").unlink()
    assert invoke(study).exit_code == 0


def test_two_methods_are_compared_on_the_same_runs(study, tmp_path):
    result = invoke(study, "grl", "baseline", command=compare)
    assert result.exit_code == 0, result.output
    assert "grl minus baseline" in result.stdout
    assert max(map(len, result.stdout.splitlines()[:-1])) <= 100
    folder = study.workspace.results() / study.dataset
    frame = pd.read_parquet(folder / "comparison-grl-baseline.parquet")
    assert set(frame["level"]) == {"image", "case"}
    assert len(pd.read_csv(folder / "comparison-grl-baseline.csv")) == len(frame)
    records = json.loads(invoke(study, "grl", "baseline", "--json", command=compare).stdout)
    assert records[0]["value"] == pytest.approx(frame.loc[0, "value"], abs=1e-14)
    # the sides are the numbers of the summary
    invoke(study)
    summary = pd.read_parquet(folder / "summary.parquet").query("quantity == 'held_out' and label == 'grl'")
    keys = ["holdout", "level", "metric"]
    both = frame.merge(summary, on=keys, suffixes=("", "_summary"))
    assert len(both) == len(frame)
    assert both["method_value"].to_numpy() == pytest.approx(both["value_summary"].to_numpy(), abs=1e-12, nan_ok=True)
    assert invoke(study, "grl", command=compare).exit_code == 2
    assert isinstance(invoke(study, "grl", "gan", command=compare).exception, UsageError)


@pytest.fixture(scope="module")
def augmented(tmp_path_factory):
    study = FakeStudy(tmp_path_factory.mktemp("augmented"), cases=(6, 6), images=1)
    study.write(methods=["baseline"], holdouts=["40X"])
    for fold in (0, 1):
        write_gans(study, "40X", fold, fold_quality())
        write_gan_run(study, "40X", fold)
    return study


def test_the_explanation_follows_the_summary_where_runs_used_gans(augmented, study):
    text = invoke(augmented).stdout
    assert text.index("tested at the held-out magnification") < text.index("effect of synthetic images")
    folder = augmented.workspace.results() / augmented.dataset
    frame = pd.read_parquet(folder / "explanation.parquet")
    assert {"auc", "kid", "kept_share", "sentence"} <= set(frame["quantity"])
    assert len(pd.read_csv(folder / "explanation.csv")) == len(frame)
    assert "effect of synthetic images" not in invoke(study).stdout
    assert not (study.workspace.results() / study.dataset / "explanation.csv").exists()


def test_json_stays_the_summary_and_the_explanation_has_its_own(augmented, study, tmp_path):
    records = json.loads(invoke(augmented, "--json").stdout)
    assert {record["quantity"] for record in records} == {"held_out", "in_domain", "as_source", "drop"}
    alone = json.loads(invoke(augmented, "--json", "--csv", str(tmp_path / "why.csv"), command=augmentation).stdout)
    assert [record["words"] for record in alone if record["quantity"] == "sentence"]
    assert len(pd.read_csv(tmp_path / "why.csv")) == len(alone)
    text = invoke(augmented, "--level", "case", command=augmentation).stdout
    assert "case level" in text
    assert "tested at the held-out magnification" not in text
    assert isinstance(invoke(study, command=augmentation).exception, RunError)


def test_gans_of_another_split_stop_it_before_anything_is_written(tmp_path):
    study = FakeStudy(tmp_path, cases=(6, 6), images=1)
    write_gans(study, "40X", 0, fold_quality(), split_hash="another")
    write_gan_run(study, "40X", 0)
    result = invoke(study)
    assert isinstance(result.exception, RunError)
    assert "split-40X-0" in str(result.exception)
    assert "another" in str(result.exception)
    assert result.stdout == ""
    assert not study.workspace.results().exists()


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    root = tmp_path_factory.mktemp("encoders")
    made = [FakeEncoder(root, name, seed=seed, cases=(6, 6), images=1) for seed, name in enumerate(("uni", "lite0"))]
    for each in made:
        each.write(methods=["linear"], holdouts=["40X"], seedless=True, config_hash="11near00")
        each.write(methods=["grl"], holdouts=["40X"], seeds=(0, 1))
    return made[0]


def test_several_data_sets_are_named_in_one_go_or_repeated(encoders):
    for words in (("--dataset", "uni", "lite0"), ("--dataset", "uni", "--dataset", "lite0")):
        result = invoke(encoders, *words)
        assert result.exit_code == 0, result.output
        assert "uni+lite0: tested at the held-out magnification" in result.stdout
        assert "Paired on 48 images of 12 cases that all data sets have, by path and case." in result.stdout
        records = json.loads(invoke(encoders, *words, "--json").stdout)
        assert {record["dataset"] for record in records} == {"uni", "lite0"}
        assert {record["label"] for record in records} >= {"uni: linear", "lite0: grl"}
    assert isinstance(invoke(encoders).exception, UsageError)  # which of them is meant
    assert isinstance(invoke(encoders, "--dataset", "uni", "lite").exception, UsageError)


@pytest.mark.parametrize(
    "words",
    [
        ("grl", "linear", "--dataset", "uni", "lite0"),
        ("--dataset", "uni", "lite0", "grl", "linear"),
        ("grl", "--dataset", "uni", "lite0", "--metric", "brier", "linear"),
        ("--dataset", "uni", "lite0", "--", "grl", "linear"),
    ],
)
def test_methods_may_stand_before_and_behind_the_data_sets(encoders, words):
    result = invoke(encoders, *words, command=compare)
    assert result.exit_code == 0, result.output
    titles = [line for line in result.stdout.splitlines() if " minus " in line and "at the held-out" in line]
    assert [title.split(" at ")[0] for title in titles] == [
        "uni: grl minus uni: linear",
        "lite0: grl minus lite0: linear",
    ]


def test_one_method_on_two_data_sets(encoders):
    words = ("linear", "linear", "--dataset", "uni", "--reference-dataset", "lite0")
    result = invoke(encoders, *words, command=compare)
    assert "uni: linear minus lite0: linear" in result.stdout
    (record,) = [
        each
        for each in json.loads(invoke(encoders, *words, "--json", command=compare).stdout)
        if (each["metric"], each["level"]) == ("auc", "image")
    ]
    # both answer alike, in another order
    assert (record["dataset"], record["reference_dataset"], record["value"]) == ("uni", "lite0", 0)


def test_one_data_set_alone_is_written_and_printed_as_without_its_name(study):
    for words, command, name in (((), evaluate, "summary"), (("grl", "baseline"), compare, "comparison-grl-baseline")):
        path = study.workspace.results() / study.dataset / f"{name}.csv"
        plain = invoke(study, *words, command=command).stdout, path.read_bytes()
        assert (invoke(study, "--dataset", study.dataset, *words, command=command).stdout, path.read_bytes()) == plain
        assert "reference_dataset" not in pd.read_csv(path)
        assert "Paired on" not in plain[0]
    words = ("--dataset", study.dataset, study.dataset)
    assert f"{study.dataset}: tested" in invoke(study, *words).stdout
