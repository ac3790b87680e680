from __future__ import annotations

import gzip
import hashlib

import pytest

from magsig_tf.data.sources.breakhis import known_breakhis_counts, parse_name
from magsig_tf.data.sources.breakhis_originals import beside_originals, known_originals

ONE, OTHER, THIRD = "SOB_B_A-14-22549AB-100-001", "SOB_M_PC-14-9146-400-012", "SOB_M_DC-14-2523-40-010"


def test_the_originals_are_those_that_the_counts_of_slides_know():
    counts = known_breakhis_counts()
    names = [parse_name(f"{name}.png") for name in known_originals()]
    assert len(names) == counts["images"].sum() == 7909
    of_slide = [f"{name.slide} {name.magnification}" for name in names if name]
    expected = dict(zip(counts["slide"] + " " + counts["magnification"], counts["images"], strict=True))
    assert {key: of_slide.count(key) for key in set(of_slide)} == expected


def test_each_file_is_told_from_its_name_bytes_and_size():
    known = known_originals()
    found = beside_originals(
        [
            (f"a/{ONE}.png", known[ONE], 700, 460),
            (f"b/{OTHER}.jpg", "0" * 64, 700, 456),
            (f"a/{THIRD}.png", "1" * 64, 224, 224),
            ("a/SOB_M_DC-14-99999-40-001.png", "2" * 64, 700, 460),
            ("notes/figure.png", "3" * 64, 10, 10),
        ]
    )
    assert found is not None
    counts = {key: found[key] for key in ("identical", "saved_again", "resized", "misnamed", "unknown", "repeated")}
    assert counts == {"identical": 1, "saved_again": 1, "resized": 1, "misnamed": 0, "unknown": 1, "repeated": 0}
    assert found["missing"] == 7909 - 3


def test_swapped_names_are_seen_and_neither_original_is_missing():
    known = known_originals()
    swapped = [(f"{ONE}.png", known[OTHER], 700, 460), (f"{OTHER}.png", known[ONE], 700, 460)]
    found = beside_originals([*swapped, ("copy.png", known[ONE], 700, 460)])
    assert found is not None
    assert (found["misnamed"], found["repeated"], found["missing"]) == (3, 1, 7907)
    assert found["examples"]["misnamed"][0] == f"{ONE}.png holds {OTHER}.png"


def test_other_data_sets_are_not_held_against_breakhis():
    assert beside_originals([("a/001.png", "0" * 64, 700, 460)]) is None


@pytest.mark.real
@pytest.mark.parametrize(
    ("fold", "expected"),
    list(enumerate([(8, 1145, 2904), (6, 674, 2403), (7, 697, 2577), (7, 836, 2698), (6, 999, 3083)], 1)),
)
def test_the_documented_leak_of_the_official_folds(real_data, fold, expected):
    with gzip.open(real_data / "facts" / f"dsfold{fold}.txt.gz", "rt") as lines:
        parts = [(line.split("|")[0], line.rstrip().split("|")[-1]) for line in lines]
    case = {name: parse_name(name).case for name, _ in parts}
    train = {case[name] for name, part in parts if part == "train"}
    test = [case[name] for name, part in parts if part == "test"]
    assert (len(train & set(test)), sum(name in train for name in test), len(test)) == expected


@pytest.mark.real
def test_real_originals_are_byte_identical(real_data):
    files = sorted((real_data / "native").rglob("*.png"))
    rows = [(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), 700, 460) for path in files]
    found = beside_originals(rows)
    assert found is not None
    assert found["identical"] == len(files) > 40
