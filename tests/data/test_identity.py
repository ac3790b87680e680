"""What one name is: spellings that are certainly one, and names that can be none."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magsig_tf.data.identity import (
    cohort_of,
    find_magnification,
    magnification_name,
    magnification_order,
    plain_name,
    read_magnification,
    same_magnification,
    spelled_once,
)
from magsig_tf.errors import DataError, UsageError

# characters that a table can hold unseen, and some that it should keep
ODD = st.text(
    st.sampled_from("aZ09 .-_\u00a0\u2009\u200b\u200d\ufeff\u00ad\u202ee\u0301\u00e9\uff21\uff15\tß\u0130\u212b")
)


@given(st.one_of(st.text(), ODD))
def test_a_plain_name_stays_as_it_is(text):
    name = plain_name(text)
    assert plain_name(name) == name
    assert name == unicodedata.normalize("NFC", name)
    assert "  " not in name


@pytest.mark.parametrize(
    "written",
    [
        "Case 7",
        " Case\u00a07 ",
        "Case\u20097",
        "Case \t 7",
        "\ufeffCase 7",
        "Ca\u200bse 7",
        "Ｃａｓｅ\u3000７",
        "Case 7\u200e",
    ],
)
def test_what_no_reader_sees_makes_no_other_name(written):
    assert plain_name(written) == "Case 7"


def test_characters_are_composed_and_what_can_be_seen_stays():
    assert plain_name("Mu\u0308ller") == plain_name("Müller") == "Müller"
    assert len({plain_name(name) for name in ("p1", "P1", "P01", "P-1", "P_1", "1.0", "1", "Muller", "Müller")}) == 9


TIMES = ["{}X", "{}x", "x{}", "X {}", "{} X", "{}×", "{}", "{} ×", "{}-fold", "mag {}", "{}\u00a0x", "{}\u0445", "×{}"]
NUMBERS = ["{:g}", "{:.1f}", "{:.6f}", "0{:g}"]


@given(
    st.sampled_from([2.5, 4.0, 5.0, 10.0, 20.0, 40.0, 63.0, 100.0, 400.0]),
    st.lists(st.tuples(st.sampled_from(TIMES), st.sampled_from(NUMBERS)), min_size=2, max_size=6, unique=True),
)
def test_spellings_of_one_number_are_one_magnification(number, ways):
    names = [way.format(form.format(number)) for way, form in ways]
    assert {str(read_magnification(name)) for name in names} == {f"{number:g}X"}


@pytest.mark.parametrize(
    "written", ["0.5 um", "0,50 µm/px", "0.5 \u03bcm", "500 nm", "0.5 mpp", "0.5 microns per pixel"]
)
def test_a_pixel_size_is_read_with_its_unit(written):
    assert str(read_magnification(written)) == "0.5 um"


def test_a_number_among_other_words_is_a_name_of_its_own():
    for name in ("20x obj", "low", "20x/0.75", "5-10x", "HE 20x", "4x4"):
        assert str(read_magnification(name)) == name
    assert not same_magnification("20x", "20 um")


def test_a_number_that_reads_in_two_ways_is_refused():
    with pytest.raises(DataError, match=r"reads in one way, found '1,250x'. Write 1250 or 1.250"):
        magnification_name("1,250x")


@pytest.mark.parametrize("name", ["all", "ALL", " All ", ".", "..", "x" * 101, "倍" * 40])
def test_what_can_be_no_magnification_is_refused(name):
    with pytest.raises(DataError) as caught:
        magnification_name(name)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@given(st.lists(st.sampled_from(["5x", "5X", "5.0", "10", "x10", "low", "Low", "0.5 um", "500 nm"]), min_size=1))
def test_spelling_once_does_not_depend_on_the_order(names):
    once = spelled_once(names)
    assert once == spelled_once(reversed(names))
    assert all(same_magnification(name, chosen) for name, chosen in once.items())
    assert len(set(once.values())) == len({read_magnification(name) for name in names})


def test_names_of_a_data_set_with_one_spelling_stay():
    assert spelled_once(["5", "10x", "low"]) == {"5": "5", "10x": "10x", "low": "low"}
    assert spelled_once(["5", "10x", "10"]) == {"5": "5X", "10x": "10X", "10": "10X"}


def test_the_order_follows_the_number_wherever_it_stands():
    assert magnification_order(["x10", "x4", "x2.5"]) == ["x2.5", "x4", "x10"]
    assert magnification_order(["400X", "40X", "100X", "40X"]) == ["40X", "100X", "400X"]
    assert magnification_order(["20x HE", "5x HE"]) == ["5x HE", "20x HE"]
    assert magnification_order(["low", "high", "40X"]) == ["40X", "high", "low"]


def test_a_user_finds_a_magnification_in_any_spelling():
    assert find_magnification("20.0", ["10x", "20x"]) == "20x"
    assert find_magnification(20, ["10x", "20x"]) == "20x"
    with pytest.raises(UsageError, match=r"found '21'. Known: 10x, 20x"):
        find_magnification("21", ["10x", "20x"])
    with pytest.raises(UsageError, match="20x and 20X"):
        find_magnification("20", ["20x", "20X"])


@pytest.mark.parametrize("word", ["test", "Test", "TEST ", "testing", "Test set", "test\u00a0"])
def test_words_for_the_test_cohort(word):
    assert cohort_of(word) == "test"


def test_other_words_are_development_or_refused():
    assert [cohort_of(word) for word in ("Train", "", "validation", "DEV")] == ["train", "", "validation", "dev"]
    with pytest.raises(DataError, match="found 'B'"):
        cohort_of("B")


@settings(max_examples=200)
@given(st.text(max_size=30))
def test_anything_is_a_magnification_or_refused(text):
    try:
        name = magnification_name(text)
    except DataError:
        return
    assert magnification_name(name) == name
    assert same_magnification(name, str(read_magnification(name)))
