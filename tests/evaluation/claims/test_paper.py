"""Another paper's claims are a file: it is judged as it says, and a slip in it is told with its place and remedy."""

from typing import get_args, get_type_hints

import numpy as np
import pandas as pd
import pytest
import yaml

from magsig_tf.data.sources.breakhis import known_breakhis_counts
from magsig_tf.errors import UsageError
from magsig_tf.evaluation import load_runs
from magsig_tf.evaluation.claims.judge import judge_claims
from magsig_tf.evaluation.claims.paper import CLAIM_METRICS, AnyRule, Paper, Statement, read_paper, the_paper
from tests.evaluation.fake_runs import FakeStudy
from tests.evaluation.fake_signatures import write_signatures

OTHER_PAPER = """
paper: Doe & Roe 2026
data: {name: Prostata, images: 240, slides: 40}
claims:
  - claim: sensitive
    statement: coral finds more tumours than baseline at 10x and at 20x
    source: coral is the more sensitive one
    paper: .90 against .80
    holds_if:
      - {rule: higher, method: coral, reference: baseline, metric: sensitivity, over: each, holdouts: [10x, 20x]}
  - claim: log_loss
    statement: the log-loss of coral is lower, 10x and 20x pooled
    holds_if:
      - {rule: lower, method: coral, reference: baseline, metric: log_loss, over: pooled, holdouts: [10x, 20x]}
  - claim: most_at_20x
    statement: coral lowers the Brier score most at 20x
    holds_if: [{rule: largest_gain, method: coral, reference: baseline, metric: brier, holdout: 20x}]
  - claim: costs_nothing
    statement: AUC of erm is within .9 of that of baseline
    holds_if: [{rule: equivalent, method: erm, reference: baseline, metric: auc, margin: 0.9}]
  - claim: nobody
    statement: sagnet is better
    holds_if: [{rule: higher, method: sagnet, reference: baseline, metric: auc}]
  - claim: at_5x
    statement: coral is better at 5x
    holds_if: [{rule: higher, method: coral, reference: baseline, metric: auc, over: each, holdouts: [5x]}]
  - claim: half
    statement: signatures of coral are at least 2.5 times smaller
    holds_if: [{rule: smaller_signatures, method: coral, reference: baseline, at_least: 2.5}]
  - claim: shared
    statement: signatures of coral overlap by a half, margin {margin}
    holds_if: [{rule: overlap, method: coral, reference: baseline, holdouts: [10x, 20x], at_least: 0.5}]
  - claim: baseline_shares_less
    statement: those of baseline do not
    holds_if:
      - {rule: overlap, method: coral, reference: baseline, whose: reference, holdouts: [10x, 20x], below: 0.5}
      - {rule: more_overlap, method: coral, reference: baseline, holdouts: [20x, 10x]}
  - claim: refuted
    kind: falsification
    statement: coral is not better, or not better at 20x
    holds_unless:
      - {rule: higher, method: coral, reference: baseline, metric: auc}
      - {rule: higher, method: coral, reference: baseline, metric: auc, over: each, holdouts: [20x]}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return a study at 10x, 20x and 40x where coral loses nothing at the holdout and baseline much, most at 20x."""
    drop = {"baseline": 1.6, "erm": 1.5, "coral": -2.0}
    root = tmp_path_factory.mktemp("other")
    study = FakeStudy(root, cases=(18, 22), images=2, drop=drop, magnifications=("10x", "20x", "40x"))
    study.write(["baseline", "erm", "coral"], seeds=(0, 1, 2))
    for path in study.workspace.runs(study.dataset).glob("baseline/20x/*/predictions.parquet"):
        frame = pd.read_parquet(path)
        frame.assign(probability=1 - frame["probability"]).to_parquet(path)
    write_signatures(
        study, {"baseline": 60, "coral": 20}, {"baseline": 0.1, "coral": 0.5}, lambda _, rows: rows["label"]
    )
    manifest = pd.DataFrame({"slide": [f"s{row % 40}" for row in range(240)], "case": "c", "magnification": "10x"})
    manifest.to_parquet(study.workspace.data(study.dataset) / "manifest.parquet")
    return study


def judged(study, path, text=OTHER_PAPER):
    path.write_text(text)
    return judge_claims(load_runs(study.workspace, study.dataset), study.workspace, replicates=200, claims=path)


@pytest.fixture(scope="module")
def claims(study, tmp_path_factory):
    return judged(study, tmp_path_factory.mktemp("file") / "other.yaml")


def test_another_papers_file_is_judged_by_its_own_methods_holdouts_and_metrics(claims):
    table = claims.table.set_index("claim")
    assert list(table.index) == [each["claim"] for each in yaml.safe_load(OTHER_PAPER)["claims"]]
    holds = ["sensitive", "log_loss", "most_at_20x", "costs_nothing", "half", "shared", "baseline_shares_less"]
    assert dict(table.loc[holds, "verdict"]) == dict.fromkeys(holds, "holds"), table["why"].to_string()
    assert table.loc["refuted", ["kind", "verdict"]].tolist() == ["falsification", "does not hold"]
    assert table.loc["refuted", "why"].startswith("The criterion is not met. coral minus baseline, AUC, mean of 3")
    assert table.loc["sensitive", "why"] == (
        "coral minus baseline, sensitivity at 10x: the 95 % interval lies above 0. "
        "coral minus baseline, sensitivity at 20x: the 95 % interval lies above 0."
    )
    assert "log-loss, pooled over 10x, 20x" in table.loc["log_loss", "why"]
    assert "Brier score at 20x minus that at 40x: the 95 % interval lies below 0" in table.loc["most_at_20x", "why"]
    assert "inside -.900 to .900" in table.loc["costs_nothing", "why"]
    assert table.loc["half", "why"] == (
        "signatures of coral are at least 2.5 times smaller in all of 18 comparisons of runs, "
        "and would with other training cases (p below .001)."
    )
    assert table.loc["shared", "statement"] == "signatures of coral overlap by a half, margin .020"
    assert table.loc["sensitive", "source"] == "coral is the more sensitive one"
    assert table.loc["sensitive", "paper"] == ".90 against .80"
    assert table.loc["half", "source"] == table.loc["half", "statement"]


def test_what_another_papers_claims_lack_is_named_with_its_command(claims):
    table = claims.table.set_index("claim")
    assert set(table.loc[["nobody", "at_5x"], "verdict"]) == {"not run"}
    assert table.loc["nobody", "why"] == (
        "no finished runs of sagnet: run `magsig train --method sagnet --holdout all`."
    )
    assert "no pair of runs at holdout 5x: run `magsig train --method coral baseline" in table.loc["at_5x", "why"]


def test_another_papers_data_set_is_told_by_its_counts(study, claims, tmp_path):
    assert set(claims.table["data"]) == {"Prostata"}
    assert not claims.of_other_data
    assert claims.notes[0].startswith("Claims of Doe & Roe 2026, read from ")
    assert claims.notes[0].endswith("other.yaml.")
    smaller = judged(study, tmp_path / "larger.yaml", OTHER_PAPER.replace("images: 240", "images: 241"))
    assert set(smaller.table["data"]) == {"other data"}
    assert "Other data: 240 images of 40 slides; Prostata has 241 of 40." in smaller.notes[1]


def test_the_shipped_claims_are_the_papers_five_statements_and_two_criteria():
    paper = the_paper()
    assert len({each.source for each in paper.claims if each.kind == "statement"}) == 5
    assert [each.claim for each in paper.claims if each.kind == "falsification"] == [
        "falsified_by_brier",
        "falsified_by_size",
    ]
    whole = known_breakhis_counts().query("images > 0")
    assert (paper.data.images, paper.data.slides) == (whole["images"].sum(), whole["slide"].nunique())


SPARSE = """
paper: Doe & Roe 2026
data: {name: Prostata, images: 240, slides: 40}
claims:
  - claim: worse
    statement: sparse classifiers of coral have a lower AUC at 20x
    holds_if:
      - {rule: lower, method: coral, reference: baseline, metric: auc,
         of: sparse_classifiers, over: each, holdouts: [20x]}
"""


def test_any_metric_of_the_sparse_classifiers_can_be_judged_where_their_tables_are(tmp_path):
    study = FakeStudy(tmp_path, cases=(18, 22), images=2, magnifications=("10x", "20x"))
    study.write(["baseline", "coral"])
    noise = np.random.default_rng(0)

    def answer(method, rows):
        return rows["label"] * 0.8 + 0.1 if method == "baseline" else noise.uniform(size=len(rows))

    def worse():
        return judged(study, tmp_path / "sparse.yaml", SPARSE).table.iloc[0]

    write_signatures(study, {"baseline": 50, "coral": 20}, {"baseline": 0.1, "coral": 0.5}, answer)
    assert worse()["verdict"] == "holds"
    assert worse()["why"].startswith("coral minus baseline, sparse classifiers, AUC at 20x: ")
    write_signatures(study, {"baseline": 50, "coral": 0}, {"baseline": 0.1, "coral": 0.5}, answer)
    assert "4 of 8 signatures are empty" in worse()["why"]
    path = study.workspace.results() / study.dataset / "signature_predictions.parquet"
    pd.read_parquet(path).query("holdout == '10x'").to_parquet(path)
    assert worse()["verdict"] == "not run"
    assert worse()["why"].endswith("for these runs: run `magsig signatures --compare-folds`.")


BAD_FILES = {
    "claims: [": ("Expected YAML in", "while parsing", "Mend the file"),
    "just words": ("the whole file", "'just words'", "docs/claims.md"),
    "paper: &a b": ("data in", "found none", "docs/claims.md"),
    "rule: higher,->rule: hihger,": ("claims 1, holds_if 1 in", "'hihger'", "docs/claims.md"),
    "metric: sensitivity->metric: sensitivty": (
        "claims 1, holds_if 1, higher, metric in",
        "found 'sensitivty'",
        "Did you mean 'sensitivity'",
    ),
    "metric: log_loss->metric: ece": ("claims 2, holds_if 1, lower, metric in", "found 'ece'", "Known: accuracy, auc"),
    "metric: log_loss, ->": ("claims 2, holds_if 1, lower, metric in", "found none", "docs/claims.md"),
    "over: pooled->over: joined": ("claims 2, holds_if 1, lower, over in", "'joined'", "docs/claims.md"),
    "statement: sagnet->statment: sagnet": ("claims 5 in", "found the key 'statment'", "Did you mean 'statement'"),
    "method: erm->method: baseline": (
        "claims 4, holds_if 1, equivalent in",
        "'baseline' as method and reference",
        "Name two methods",
    ),
    "margin: 0.9->margin: -1": ("holds_if 1, equivalent, margin in", "found -1", "docs/claims.md"),
    "at_least: 2.5->whose: method": ("smaller_signatures in", "found the key 'whose'", "Known: at_least, method"),
    ", at_least: 2.5->": ("smaller_signatures in", "found neither", "Write one of more_than and at_least"),
    "at_least: 2.5->at_least: 2.5, more_than: 2": ("smaller_signatures in", "found more_than and at_least", "one of"),
    "holdouts: [20x, 10x]->holdouts: [20x, 20x]": ("more_overlap, holdouts in", "found '20x' twice", "each once"),
    "holdouts: [20x, 10x]->holdouts: [20x]": ("more_overlap, holdouts in", "at least 2", "docs/claims.md"),
    "holdouts: [5x]->holdouts: [5]": ("higher, holdouts 1 in", "found 5: Input should be a valid string", "docs"),
    "holds_unless:->holds_if: []\n    holds_unless:": ("claims 10, holds_if in", "found []", "docs/claims.md"),
    "claim: log_loss->claim: sensitive": ("claims in", "found 'sensitive' twice", "Name each once"),
    "kind: falsification->kind: criterion": ("claims 10, kind in", "'criterion'", "docs/claims.md"),
    "images: 240->images: many": ("data, images in", "'many'", "docs/claims.md"),
}


@pytest.mark.parametrize("slip", BAD_FILES)
def test_a_slip_in_a_file_is_told_with_its_place_what_was_found_and_the_remedy(tmp_path, slip):
    expected, found, remedy = BAD_FILES[slip]
    path = tmp_path / "bad.yaml"
    old, changes, new = slip.partition("->")
    path.write_text(OTHER_PAPER.replace(old, new, 1) if changes else slip)
    assert not changes or old in OTHER_PAPER
    with pytest.raises(UsageError) as refused:
        read_paper(path)
    assert str(path) in refused.value.expected
    assert expected in refused.value.expected
    assert found in refused.value.found
    assert remedy in refused.value.remedy


def test_the_documented_file_can_be_read_and_its_slip_reads_as_printed(root, tmp_path):
    page = (root / "docs" / "claims.md").read_text(encoding="utf-8")
    text = page.partition("```yaml\n")[2].partition("```")[0]
    path = tmp_path / "roe.yaml"
    path.write_text(text)
    assert [each.claim for each in read_paper(path).claims] == ["auc_coral", "no_cost", "falsified_by_size"]
    path.write_text("metric: acu, holdout".join(text.rsplit("metric: auc, holdout", 1)))
    with pytest.raises(UsageError) as refused:
        read_paper(path)
    printed = str(refused.value).replace(str(path), path.name).partition("Known")[0]
    assert f"\n{printed}Known: ...\n" in page


def test_every_key_rule_and_metric_is_documented(root):
    page = (root / "docs" / "claims.md").read_text(encoding="utf-8")
    kinds = get_args(AnyRule)
    rules = {name for kind in kinds for name in get_args(get_type_hints(kind)["rule"])}
    keys = {key for model in (Paper, Statement, *kinds) for key in model.model_fields}
    assert not {name for name in rules | keys | {*CLAIM_METRICS} if f"`{name}`" not in page}


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"Expected a YAML file of claims at .*none\.yaml"):
        read_paper(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="Check the path"):
        read_paper(tmp_path / "bytes.yaml")
