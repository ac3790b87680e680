"""Which names may be one: every rule, ordinary names that are none, and many names in little time."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magsig_tf.data.same_names import pairs_of_magnifications, pairs_of_names, pairs_within, section_groups
from tests.time_limits import slower


def rules(*names, **options):
    return {pair.rule for pair in pairs_within([("", name) for name in names], "case", patients=True, **options)}


@pytest.mark.parametrize(
    ("first", "second", "rule"),
    [
        ("slide-b7", "Slide-B7", "letter case"),
        ("B7", "\u04127", "characters that look alike"),
        ("Nuñez", "Nunez", "characters that look alike"),
        ("№3", "No3", "characters that look alike"),
        ("K08", "K8", "leading zeros"),
        ("31.0", "31", ".0 at the end"),
        ("K-8", "K_8", "separators"),
        ("K 8", "K8", "separators"),
        ("19/4711", "194711", "separators"),
        ("K\u20138", "K-8", "separators"),
        ("19-4711", "2019-4711", "year of two and of four digits"),
        ("H19/4711", "H2019/4711", "year of two and of four digits"),
        ("4711/19", "4711/2019", "year of two and of four digits"),
        ("TCGA-AB-1234-01A", "TCGA-AB-1234-11B-02", "samples of one TCGA patient"),
        ("k-008", "K8", "several of these at once"),
    ],
)
def test_a_pair_is_found_under_its_rule(first, second, rule):
    assert rules(first, second) == {rule}


def test_slides_that_share_an_accession_are_found_where_file_names_tell():
    slides = {"left": "14-100", "right": "14-100", "other": "14-200"}
    assert rules(*slides, accessions=slides) == {"one BreaKHis accession"}


ORDINARY = {
    "zeros in front": [f"P{n:03d}" for n in range(12)],
    "no zeros": [f"patient_{n}" for n in range(1, 2500)],
    "numbers": [str(n) for n in range(1, 3000)],
    "running numbers of sites": [f"{site}-{n}" for site in range(1, 4) for n in range(1, 2500)],
    "many sites": [f"{site}-{n}" for site in range(1, 2500) for n in range(1, 4)],
    "accessions": [f"{year}-{n}" for year in (14, 15) for n in range(1000, 2600)],
    "accessions with years": [f"H{year}/{n}" for year in (2019, 2020) for n in range(1, 300)],
    "barcodes": [f"TCGA-{a}{b}-A{c}{d}{a}" for a, b, c, d in itertools.product("A1BZ", "27E", "0SXJ", "149T")],
    "barcodes of slides": [f"TCGA-AB-{n}-01Z-00-DX1" for n in range(2800, 3000)],
    "signs": ["HER2+", "HER2-", "ER+", "ER-"],
    "separators elsewhere": ["1-12", "11-2", "111-2", "1-112"],
    "one decimal each": [f"{n}.0" for n in range(50)],
}


@pytest.mark.parametrize("kind", ORDINARY)
def test_ordinary_names_are_no_pairs(kind):
    assert pairs_of_names(ORDINARY[kind], "case", patients=True) == []
    assert section_groups(ORDINARY[kind]) == []


@given(st.permutations(["a1", "A1", "a01", "a-1", "b", "B ", "c2", "2021-7", "21-7", "21-07"]))
def test_the_order_of_names_is_irrelevant(names):
    assert pairs_of_names(names, "case", patients=True) == pairs_of_names(sorted(names), "case", patients=True)


@given(st.lists(st.text(max_size=6), max_size=20))
def test_any_names_give_pairs_of_two_different_ones(names):
    pairs = pairs_of_names(names, "case", patients=True)
    assert all(pair.first < pair.second and {pair.first, pair.second} <= set(names) for pair in pairs)
    assert len({(pair.first, pair.second) for pair in pairs}) == len(pairs)


@pytest.mark.parametrize(
    "names",
    [
        [f"{n}{end}" for n in range(10_000) for end in ("", ".0")],
        [f"Case-{n:05d}" for n in range(50_000)],
        ["7" * n + "-" + "7" * (200 - n) for n in range(200)] + ["0" * n + "1" for n in range(2000)],
    ],
    ids=["all in pairs", "ordinary", "built to be slow"],
)
def test_many_names_take_little_time(names):
    began = time.process_time()
    pairs_of_names(names, "case", patients=True)
    assert time.process_time() - began < 8 * slower()


@given(st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from(["a1", "A1", "a01", "Ä1", "ä-1", "22-1", "2022-1"]))))
def test_names_within_different_things_are_never_a_pair(named):
    apart = pairs_within(named, "case", patients=True)
    for place in "AB":
        alone = pairs_within([each for each in named if each[0] == place], "case", patients=True)
        assert [pair for pair in apart if pair.within == place] == alone


def test_magnifications_that_may_be_one():
    found = {(pair.first, pair.second): pair.rule for pair in pairs_of_magnifications(["Low", "low", "10", "5x"])}
    assert found == {("Low", "low"): "letter case"}
    names = ["40X", "39.98X", "20x objective", "20x", "0.5", "0.5 um", "10", "10.5"]
    assert {pair.rule for pair in pairs_of_magnifications(names)} == {
        "numbers less than 1 % apart",
        "one number with and without other words",
        "one number with and without a unit",
    }
    assert pairs_of_magnifications(["20x HE", "20x IHC", "5x", "10x", "low", "high"]) == []


def test_a_section_letter_alone_is_told_apart_from_a_patient():
    assert section_groups(["mouse_1A", "mouse_1B", "mouse_2", "T7", "T7c"]) == [["T7", "T7c"], ["mouse_1A", "mouse_1B"]]
    assert pairs_of_names(["mouse_1A", "mouse_1B"], "case", patients=True) == []
