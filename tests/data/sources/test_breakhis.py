from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magsig_tf.data.sources.breakhis import SUBTYPES, BreakhisName, known_breakhis_counts, parse_name


def test_every_part_of_a_name_is_read():
    assert parse_name("SOB_B_A-14-22549AB-100-027.png") == BreakhisName(
        "benign", "adenosis", "100X", "14-22549", "SOB_B_A-14-22549AB", "027"
    )
    assert parse_name("CNB_M_PC-15-190EF-400-010.PNG") == BreakhisName(
        "malignant", "papillary_carcinoma", "400X", "15-190", "CNB_M_PC-15-190EF", "010"
    )


@pytest.mark.parametrize(
    "name",
    [
        "SOB_B_A_14-22549AB-100-027.png",  # the folder's spelling
        "SOB_X_A-14-22549AB-100-027.png",
        "SOB_B_A-14-AB-100-027.png",
        "SOB_B_A-14-22549AB-100X-027.png",
        "SOB_B_A-14-22549AB-100-027.txt",
        "._SOB_B_A-14-22549AB-100-027.png",
        "SOB_B_A-14-22549AB-100-027.png\n",
        "SOB_B_A-14-22٥49-100-027.png",  # a digit, but not an ASCII one
        "",
    ],
)
def test_other_names_are_outside_the_grammar(name):
    assert parse_name(name) is None


@settings(deadline=None)
@given(
    st.sampled_from(["SOB", "CNB"]),
    st.sampled_from(["B", "M"]),
    st.sampled_from(sorted(SUBTYPES)),
    st.from_regex(r"\A[0-9]{2}-[0-9]{1,5}\Z"),
    st.from_regex(r"\A[A-Z]{0,2}\Z"),
    st.integers(1, 9999),
    st.integers(1, 999),
)
def test_what_is_written_is_read_back(procedure, letter, subtype, case, section, magnification, sequence):
    slide = f"{procedure}_{letter}_{subtype}-{case}{section}"
    found = parse_name(f"{slide}-{magnification}-{sequence:03d}.png")
    label = {"B": "benign", "M": "malignant"}[letter]
    assert found == BreakhisName(label, SUBTYPES[subtype], f"{magnification}X", case, slide, f"{sequence:03d}")


@settings(deadline=None)
@given(st.text(max_size=40))
def test_no_text_breaks_the_grammar(text):
    found = parse_name(text)
    assert found is None or text.startswith(found.slide)


def test_the_known_counts_are_those_of_the_whole_data_set():
    known = known_breakhis_counts()
    assert known["images"].sum() == 7909
    assert known["slide"].nunique() == 82
    assert known["case"].nunique() == 70
    by_magnification = known.groupby("magnification")["images"].sum().to_dict()
    # as the page of its authors states
    assert by_magnification == {"40X": 1995, "100X": 2081, "200X": 2013, "400X": 1820}
    assert known[known["label"] == "benign"]["images"].sum() == 2480
    for slide, case in zip(known["slide"], known["case"], strict=True):
        assert parse_name(f"{slide}-40-001.png").case == case


@pytest.mark.real
@pytest.mark.parametrize("fold", range(1, 6))
def test_every_official_name_is_read_and_counted_as_known(real_data, fold):
    with gzip.open(real_data / "facts" / f"dsfold{fold}.txt.gz", "rt") as lines:
        names = [line.split("|")[0] for line in lines]
    counts: dict[tuple[str, str], int] = {}
    for name in names:
        found = parse_name(name)
        assert found is not None, name
        counts[found.slide, found.magnification] = counts.get((found.slide, found.magnification), 0) + 1
    known = known_breakhis_counts()
    assert counts == {(row.slide, row.magnification): row.images for row in known.itertuples()}
