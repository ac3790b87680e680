"""The page: it holds everything, says what is missing, and a name stays a name."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from magsig_tf.report.page.report import as_latex, said
from tests.report.page.small_report import COUNTS, HOSTILE, add_signatures, small_report, small_study

ESCAPED = "&lt;img src=x onerror=alert(1)&gt;"


class Tags(HTMLParser):
    """Collects every tag with its attributes, and the tags that are left open."""

    def __init__(self):
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "img", "input", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = small_study(tmp_path_factory.mktemp("study"))
    add_signatures(study)
    return study


@pytest.fixture(scope="module")
def written(study):
    return small_report(study)


@pytest.fixture(scope="module")
def text(written):
    return written.page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tags(text):
    parser = Tags()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser.found


def test_names_stay_text(text, tags):
    assert HOSTILE not in text
    assert ESCAPED in text
    assert all(name != "onerror" and not name.startswith("on") for _, found in tags for name in found)
    assert not [found for tag, found in tags if tag == "img" and found.get("src") == "x"]


def test_nothing_leads_out_of_the_page(text, tags):
    addresses = [found[name] for _, found in tags for name in ("src", "href") if name in found]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|WebSocket", text)
    (policy,) = [found["content"] for tag, found in tags if found.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not [found for _, found in tags if "style" in found]


def test_ids_are_unique_and_labels_point_at_them(tags):
    ids = [found["id"] for _, found in tags if "id" in found]
    assert len(ids) == len(set(ids))
    pointed = [found[name] for _, found in tags for name in ("aria-labelledby", "for") if name in found]
    assert set(pointed) <= set(ids)
    assert all(found.get("alt") is not None for tag, found in tags if tag == "img")


def test_the_verdict_box_comes_first_and_marks_other_data(text):
    assert text.index('id="verdicts"') < text.index('id="held-out"')
    assert text.count('class="claim ') == 13
    assert text.count("other data") > 13


def test_worst_images_are_shown_with_case_and_probability(tags, text):
    pictures = [found for tag, found in tags if tag == "img" and found.get("src", "").startswith("data:image/png")]
    assert len(pictures) == 3 * 2 * 2
    assert "probability of malignant" in text


def test_commands_in_sentences_are_code_and_all_else_is_escaped():
    assert said("run `magsig probe` & <b>") == "run <code>magsig probe</code> &amp; &lt;b&gt;"
    assert said("`<i>`") == "<code>&lt;i&gt;</code>"
    assert said("one ` alone <i>") == "one ` alone &lt;i&gt;"


def test_figures_and_tables_are_files(written):
    names = {path.name for path in written.figures}
    assert {"roc_per_holdout.svg", "roc_per_holdout.png", "case_strips.svg", "signature_size.png"} <= names
    assert {path.suffix for path in written.tables} == {".csv", ".tex"}
    assert all(path.stat().st_size for path in [*written.figures, *written.tables])
    claims = pd.read_csv(next(path for path in written.tables if path.name == "claims.csv"))
    assert len(claims) == 13


def test_latex_of_a_hostile_name_is_escaped():
    from magsig_tf.report.tables.table import Cell, Column, Row, Table

    name = "[2ex] a_b & 50% $x$ #1 {y} \\input{z} ~^\n\nend"
    table = Table("t", name, [Column(name, "", False), Column("n")], [Row([Cell(name), Cell("1", 1.0, ("0", "2"))])])
    text = as_latex(table)
    assert not re.search(r"(?<!\\)[$#]", text.split("longtable", 2)[2])
    assert "\\input" not in text
    assert "\\textbackslash " in text
    assert "1 [0 to 2]" in text
    assert "\n\nend" not in text
    assert "\n[" not in text
    assert "{[}2ex]" in text
    # one row ends where it should: two columns, one separator
    (row,) = [line for line in text.splitlines() if "[0 to 2]" in line]
    assert len(re.findall(r"(?<!\\)&", row)) == 1
    for rule in ("\\toprule", "\\midrule", "\\bottomrule"):
        assert rule in text


def test_a_half_finished_study_says_what_is_missing_and_keeps_no_older_file(tmp_path):
    study = small_study(tmp_path, ("baseline",))
    study.write(("grl",), ("40X",), cases_per_class={})
    study.write(("grl",), ("200X",), folds=(0,), status="running")
    (study.workspace.data(study.dataset) / "images.npy").unlink()
    results = study.workspace.results() / study.dataset
    names = ("figures/signature_size.svg", "figures/real_and_synthetic.png", "tables/signatures.tex")
    older = [results / name for name in names]
    for path in older:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of an older report")
    written = small_report(study)
    assert not written.status.complete
    assert written.status.title == "Half-finished: 6 of at least 8 runs finished"
    remarks = "\n".join(written.status.remarks)
    for words in ("1 run running", "grl", "magsig signatures --compare-folds", "magsig probe", "Images are not shown"):
        assert words in remarks
    text = written.page.read_text(encoding="utf-8")
    for words in ("Not run: <code>magsig probe</code>.", "Not run: no run used GANs", "prepared images are gone"):
        assert words in text
    assert not any(path.exists() for path in older)


def test_moving_statistics_are_marked_on_the_page_and_no_answer_rests_on_them(tmp_path):
    study = small_study(tmp_path, methods=("baseline",), holdouts=("40X",))
    # the older runs would be the best of all
    study.drop["grl"] = -4.0
    study.write(["grl"], ["40X"], batch_statistics=None, cases_per_class=COUNTS)
    written = small_report(study)
    text = " ".join(written.page.read_text(encoding="utf-8").split())
    assert "grl moving statistics: evaluated with moving averages of the batch statistics" in text
    assert "Runs evaluated with moving averages of the batch statistics are left out: grl." in text
    assert "The lowest Brier score is that of baseline, " in text
    runs = pd.read_csv(written.page.parent / "tables" / "runs.csv").set_index("label")
    assert set(runs.loc["grl moving statistics", "batch_statistics"]) == {"moving"}
    assert "moving statistics" in (written.page.parent / "tables" / "held_out.tex").read_text(encoding="utf-8")
