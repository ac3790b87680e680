"""A model card says what the result files say, and nothing that they do not."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pandas as pd
import pytest

from magsig_tf.evaluation import load_runs, summarise
from magsig_tf.evaluation.summary.frame import one_run_table
from magsig_tf.runs.result_files import write_frame
from magsig_tf.serving.card.model_card import CardFacts, model_card, number, text
from magsig_tf.workflows.exporting import write_card
from tests.evaluation.fake_runs import DATASET_HASH, FakeStudy

RECORD = {
    "encoder": "small_cnn",
    "images": {"train": 1234, "validation": 96, "test": 120, "in_domain_test": 360},
    "cases_per_class": {"train": {"benign": 7, "malignant": 9}, "test": {"benign": 12, "malignant": 18}},
    "warnings": ["2 near-duplicates <b>lie</b> | on both sides"],
    "versions": {"tensorflow": "2.21.0"},
}
EXPORT = {
    "image_size": 64,
    "resize": "squash",
    "temperature": 1.0,
    "temperature_fit": None,
    "versions": {"keras": "3.15.1"},
}


@pytest.fixture
def study(tmp_path):
    study = FakeStudy(tmp_path / "workspace", cases=(12, 16), images=2)
    study.write(methods=["grl"], **RECORD)
    (study.workspace.data("fake") / "dataset.json").write_text(json.dumps({
        "name": "fake", "kind": "breakhis", "content_hash": DATASET_HASH, "images": 960, "cases": 60,
        "report": {"counts": [{"label": "benign", "subtype": s, "magnification": "40X", "images": 41} for s in "ab"]},
    }))  # fmt: skip
    return study


def card_of(study, tmp_path, **export) -> str:
    run = study.write_run("grl", "400X", 0, 0, **RECORD)
    (run / "config.yaml").write_text("folds: 2\ngroup_by: case\nweights: auto\n")
    extra = tmp_path / "assets.extra"
    extra.mkdir(exist_ok=True)
    (extra / "export.json").write_text(json.dumps(EXPORT | export))
    (extra / "labels.json").write_text('{"labels": ["benign", "malignant"], "threshold": 0.5}')
    return write_card(extra, run, name="grl-400x", version=3).read_text(encoding="utf-8")


def section(card: str, title: str) -> str:
    return card.split(f"\n{title}\n")[1].split("\n## ")[0].split("\n### ")[0]


def cells(part: str) -> list[list[str]]:
    lines = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("|")]
    return [lines[0], *lines[2:]]


def own_table(study) -> pd.DataFrame:
    (run,) = [run for run in load_runs(study.workspace, "fake").runs if run.name == "grl 400X fold 0 seed 0"]
    return one_run_table(run)


TITLES = {"AUC": "auc", "accuracy": "accuracy", "sensitivity": "sensitivity", "specificity": "specificity"} | {
    "F1": "f1", "Brier": "brier", "ECE": "ece", "log-loss": "log_loss",
}  # fmt: skip


def check_row(header: list[str], row: list[str], frame: pd.DataFrame, first: int) -> int:
    """Hold the cells of a row against the frame of its place and return how many were compared."""
    for title, cell in zip(header[first:], row[first:], strict=True):
        (known,) = frame[frame["metric"] == TITLES[title]].itertuples()
        found = [float(value) for value in re.findall(r"\d\.\d+", cell)]
        # a number without an interval, such as the ECE of cases, stands alone
        wanted = [known.value, *([] if pd.isna(known.low) else [known.low, known.high])]
        assert found == [round(value, 3) for value in wanted]
    return len(header) - first


def test_each_number_of_the_results_is_that_of_the_frame(study, tmp_path):
    card, own = card_of(study, tmp_path), own_table(study)
    compared = 0
    for level, title in (("image", "### Images"), ("case", "### Cases (mean probability of a case's images)")):
        header, *rows = cells(section(card, title))
        assert [row[0] for row in rows] == ["40X, a source", "100X, a source", "200X, a source", "**400X, held out**"]
        for row, magnification in zip(rows, ("40X", "100X", "200X", "400X"), strict=True):
            at = own[(own["level"] == level) & (own["magnification"] == magnification)]
            first = at.iloc[0]
            assert row[1:3] == [f"{first['cases_benign']} + {first['cases_malignant']}", str(first["images"])]
            compared += check_row(header, row, at, 3)
    header, *rows = cells(section(card, "## Calibration"))
    for row, magnification in zip(rows, ("40X", "100X", "200X", "400X"), strict=True):
        compared += check_row(header, row, own[(own["level"] == "image") & (own["magnification"] == magnification)], 2)
    assert compared == 2 * 4 * 7 + 4 * 3
    assert "No temperature was fitted" in card


def test_counts_come_from_the_run_and_the_data(study, tmp_path):
    card = card_of(study, tmp_path)
    assert "In all 960 images of 60 cases." in card
    assert ["40X", "benign", "82"] in cells(section(card, "## Data"))
    protocol = cells(section(card, "## Protocol"))
    assert protocol[1] == ["training", "7", "9", "1,234"]
    assert protocol[3] == ["test, at the held-out magnification", "12", "18", "120"]
    assert protocol[2] == ["validation", "not recorded", "not recorded", "96"]
    assert "Patient fold 0 of 2" in card
    for known in (
        "**Not for clinical use.**",
        "doi:10.1109/TBME.2015.2496264",
        "arXiv:2604.25817",
        "64 x 64 pixels",
        "version 3",
    ):
        assert known in card


def test_a_temperature_adds_rows_of_what_is_served(study, tmp_path):
    card = card_of(study, tmp_path, temperature=1.25, temperature_fit={"images": 96})
    kinds = [row[0] for row in cells(section(card, "## Calibration"))[1:]]
    assert kinds == ["trained"] * 4 + ["served"] * 4
    assert "temperature of 1.2500" in card


def test_a_temperature_that_does_not_fit_is_said_and_adds_no_rows(study, tmp_path):
    card = card_of(study, tmp_path, temperature=1.0, temperature_fit={"value": None, "reason": "the loss falls on"})
    assert [row[0] for row in cells(section(card, "## Calibration"))[1:]] == ["trained"] * 4
    assert "No temperature fits: the loss falls on. Probabilities are as trained." in card


def test_the_study_is_not_run_until_it_was_evaluated(study, tmp_path):
    assert "Not run: the study around this run was not evaluated" in card_of(study, tmp_path)
    summary = summarise(load_runs(study.workspace, "fake"), replicates=100)
    # that of a named study, as `magsig reproduce` writes it
    write_frame(summary.table, study.workspace.results() / summary.dataset, "summary-demo")
    header, *rows = cells(section(card_of(study, tmp_path), "## The study it comes from"))
    assert header == ["level", "metric", "quantity", "value", "images", "runs"]
    table = summary.table[(summary.table["label"] == "grl") & (summary.table["holdout"] == "400X")]
    names = {"AUC": "auc", "F1": "f1", "Brier": "brier", "ECE": "ece"}
    assert len(rows) == 2 * 4 * 4
    for level, metric, quantity, value, images, runs in rows:
        wanted = table[(table["level"] == level) & (table["metric"] == names[metric])]
        (known,) = wanted[wanted["quantity"] == quantity.replace("-", "_")].itertuples()
        assert float(value.split(" ")[0]) == round(known.value, 3)
        assert (images, runs) == (str(known.images), str(known.runs))


def test_what_is_not_there_is_said(study, tmp_path):
    card = card_of(study, tmp_path)
    facts = CardFacts("n", 1, ("benign", "malignant"), {}, {}, {}, None, own_table(study))
    bare = model_card(facts)
    assert "Its counts are not recorded here" in bare
    assert "their licence is not recorded" in bare
    assert "not recorded x not recorded pixels" in bare
    assert not re.search(r"\bnan\b|\bNone\b", bare + card)
    absent = facts.own.assign(value=float("nan"), low=float("nan"), high=float("nan"), reason="not defined: one class")
    assert "not defined" in cells(section(model_card(replace(facts, own=absent)), "### Images"))[1][3]


def test_a_strangers_words_stay_words(study, tmp_path):
    card = card_of(study, tmp_path)
    assert "2 near-duplicates &lt;b&gt;lie&lt;/b&gt; \\| on both sides" in card
    hostile = "[x](http://a) `b` <script> | *c*\n# d www.e.org f@g"
    shown = text(hostile)
    assert "\n" not in shown
    for raw in ("[x]", "<script>", " | ", "*c*", "://", "www.", "@", " `b`"):
        assert raw not in shown
    assert text("grl-400x") == "grl-400x"


def test_no_fact_of_the_card_can_hold_markup(study):
    hostile = "[x](http://a) `b` <script> | *c*\n# d www.e.org f@g"
    named = dict.fromkeys(("method", "encoder", "holdout", "dataset", "dataset_hash", "split_hash"), hostile)
    lists = {"source_magnifications": [hostile], "warnings": [hostile], "versions": {hostile: hostile}}
    counts = {"cases_per_class": {"train": {hostile: 3}}, "images": {"train": 3}, "batch_statistics": "reestimated"}
    report = {"counts": [{"magnification": hostile, "label": hostile, "images": 1}]}
    facts = CardFacts(
        hostile, 1, [hostile, hostile], named | lists | counts, {"group_by": hostile, "weights": hostile},
        {"resize": hostile}, {"kind": hostile, "report": report},
        own_table(study).assign(magnification=hostile, reason=hostile),
    )  # fmt: skip
    card = model_card(facts)
    assert card.count("f&#64;g") > 20
    for raw in ("[x]", "<script>", " | *c*", "://", "www.", "f@g", " `b`"):
        assert raw not in card


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1234, "1,234"),
        (0.12345, "0.123"),
        (float("nan"), "not defined"),
        (None, "not recorded"),
        ("7", "not recorded"),
        (True, "not recorded"),
    ],
)
def test_numbers_are_numbers_or_say_so(value, shown):
    assert number(value) == shown


def test_moving_statistics_are_said(study, tmp_path):
    assert "oving" not in card_of(study, tmp_path)
    old = study.write_run("grl", "100X", 0, 0, batch_statistics=None, **RECORD)
    facts = CardFacts("n", 1, ("benign", "malignant"), {}, {}, {}, None, own_table(study))
    record = json.loads((old / "run.json").read_text())
    said = "**Moving statistics**: evaluated with moving averages of the batch statistics, which short runs"
    assert said in section(model_card(replace(facts, run=record)), "## Protocol")
    frozen = replace(facts, run=record, config={"freeze_batch_statistics": True})
    assert said not in model_card(frozen)
