"""Names in a list of images are read as `magsig prepare` reads them."""

from types import SimpleNamespace

from magsig_tf.serving.predicting.input_images import listed_images
from magsig_tf.serving.predicting.prediction import is_outside
from tests.data.small_images import png, write_tree


def listed(tmp_path, *rows: str):
    table = "path,case,magnification,site\n" + "".join(f"{number}.png,{row}\n" for number, row in enumerate(rows))
    write_tree(
        tmp_path, {"list.csv": table.encode()} | {f"{number}.png": png(str(number)) for number in range(len(rows))}
    )
    return listed_images(tmp_path / "list.csv")


def test_spellings_of_one_name_are_one(tmp_path):
    images, notes = listed(tmp_path, "k 1,5x,", "k\u00a01,5.0,", "k 1,x5,", "m,10,")
    assert [image.case for image in images] == ["k 1", "k 1", "k 1", "m"]
    assert [image.magnification for image in images] == ["5X", "5X", "5X", "10X"]
    assert notes == []


def test_a_site_makes_the_case_and_names_that_may_be_one_are_said(tmp_path):
    images, notes = listed(tmp_path, "1,5x,A", "1,5x,B", "k-2,5x,B", "K-2,5x,B")
    assert [image.case for image in images] == ["A/1", "B/1", "B/k-2", "B/K-2"]
    assert notes == ["names of cases that may be one, each with a mean of its own: 'B/K-2' and 'B/k-2' (letter case)"]


def test_a_magnification_of_training_is_known_in_any_spelling():
    model = SimpleNamespace(magnifications=("40X", "low"))
    assert not any(is_outside(model, name) for name in ("40", "40.0", "x40", "40X", "", "low", "Low"))
    assert is_outside(model, "400")
    assert is_outside(model, "high")
