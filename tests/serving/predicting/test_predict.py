"""`magsig predict` as a user meets it, with a model whose answers are known."""

from __future__ import annotations

import csv
import gc
import json
import os
import shutil
import subprocess
import sys
import tracemalloc
from itertools import repeat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from magsig_tf.data.preparation.prepare import Preparation
from magsig_tf.errors import DataError
from magsig_tf.locks import holding_file
from magsig_tf.serving.model_description import ModelDescription
from magsig_tf.serving.predicting import prediction
from magsig_tf.serving.predicting.input_images import InputImage
from magsig_tf.serving.predicting.predict import Tally, predict, row_of
from tests.cli.command_line import magsig, refused
from tests.data.small_images import breakhis_files, png, write_tree
from tests.serving.stand_in import SIZE, expected_probability, write_facts, write_stand_in


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_stand_in(tmp_path_factory.mktemp("exports") / "bright")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def grey(level: int, width: int = 20, height: int = 10) -> bytes:
    return png(np.full((height, width, 3), level, np.uint8))


def test_a_folder_of_breakhis_gives_a_row_an_image_and_a_row_a_case(model, here):
    tree = write_tree(here / "tiles", breakhis_files())
    done = magsig("predict", "--model", model, "tiles", "--out", "p.csv")
    assert done.code == 0, done.errors
    found = rows("p.csv")
    prepared = Preparation(tree, here / "workspace", size=SIZE).run(workers=1)
    by_name = {Path(row["file"]).name: row for row in found}
    assert len(found) == len(by_name) == len(prepared.manifest)
    for image, known in zip(prepared.images, prepared.manifest.itertuples(), strict=True):
        row = by_name[Path(known.path).name]
        assert (row["case"], row["slide"], row["magnification"]) == (known.case, known.slide, known.magnification)
        assert float(row["probability"]) == pytest.approx(expected_probability(image), abs=1e-6)
        assert row["label"] == ("malignant" if float(row["probability"]) >= 0.5 else "benign")
        assert row["note"].startswith("40X is not among") == (known.magnification == "40X")
    cases = {row["case"]: row for row in rows("p-cases.csv")}
    assert set(cases) == {"14-22549", "14-13412"}
    for case, row in cases.items():
        own = [float(each["probability"]) for each in found if each["case"] == case]
        assert int(row["images"]) == len(own) == 3
        assert float(row["probability"]) == pytest.approx(np.mean(own), abs=1e-12)
        assert row["magnifications"] == "40X 100X"
    assert "6 images in" in done.out
    assert "4 images at 40X: the model was trained at 100X, 200X" in done.out
    assert not list(here.glob("*.partial*"))


@pytest.mark.parametrize("resize", ["squash", "crop"])
def test_the_network_gets_the_pixels_that_prepare_makes(model, here, resize):
    tree = write_tree(here / "tiles", breakhis_files())
    prepared = Preparation(tree, here / "workspace", size=SIZE, resize=resize).run(workers=1)
    write_facts(here, {"name": "m", "version": 1, "resize": resize})
    (here / "saved_model.pb").touch()
    seen = []

    def answer(pixels):
        seen.append(pixels)
        return np.zeros(len(pixels), np.float32), ["benign"] * len(pixels)

    images = [InputImage(path, tree / path) for path in _native_paths(tree, prepared)]
    list(prediction.predict_images(ModelDescription.open(here), answer, images, batch=4))
    np.testing.assert_array_equal(np.concatenate(seen), prepared.images)


def _native_paths(tree, prepared) -> list[Path]:
    by_name = {path.name: path.relative_to(tree) for path in tree.rglob("*.png")}
    return [by_name[Path(path).name] for path in prepared.manifest["path"]]


def test_what_cannot_be_read_gets_a_row_and_the_exit_status_says_so(model, here):
    files = {"a.png": grey(250), "b.png": b"no image", "c.png": grey(5)[:-30], "d.png": grey(5)}
    write_tree(here / "tiles", files)
    done = magsig("predict", "--model", model, "tiles")
    assert done.code == 1
    assert [(row["label"], bool(row["error"])) for row in rows("predictions.csv")] == [
        ("malignant", False), ("", True), ("", True), ("benign", False),
    ]  # fmt: skip
    assert rows("predictions.csv")[1]["error"].startswith("no image of a known format")
    assert "Unreadable: 2 images" in done.out
    assert not (here / "predictions-cases.csv").exists()


def test_strict_stops_at_the_first_and_leaves_no_table(model, here):
    write_tree(here / "tiles", {"a.png": grey(250), "b.png": b"no image"})
    refused(magsig("predict", "--model", model, "tiles", "--strict"), 1, "b.png", "no image of a known format")
    assert not (here / "predictions.csv").exists()


def test_hidden_files_links_and_other_files_are_passed_over_and_counted(model, here):
    write_tree(
        here / "tiles", {"a.png": grey(9), ".b.png": grey(9), "c.txt": b"", "deep/d.JPG": grey(9), ".git/e.png": b""}
    )
    (here / "tiles" / "circle").symlink_to(here / "tiles")
    (here / "tiles" / "f.png").symlink_to(here / "tiles" / "a.png")
    done = magsig("predict", "--model", model, "tiles", "tiles/a.png", "tiles/deep/../a.png", "--json")
    assert done.code == 0, done.errors
    found = json.loads(done.out)
    assert [row["file"] for row in rows("predictions.csv")] == ["tiles/a.png", "tiles/deep/d.JPG"]
    # the link to a file that is there too
    assert (found["named_again"], found["links_followed"]) == (3, 1)
    assert {kind["what"]: kind["count"] for kind in found["skipped"]} == {
        "link to a folder (not followed)": 1, "hidden file": 1, "hidden folder": 1, ".txt file": 1,
    }  # fmt: skip


def test_a_list_gives_cases_and_magnifications_and_its_own_paths(model, here):
    write_tree(here / "data", {"x/a.png": grey(250), "x/b.png": grey(120), "x/c.png": grey(0)})
    lines = [
        "\ufefffile,scanner,case,magnification",
        "x/a.png,A,p1,100x",
        "x/b.png,A,p1,20x",
        "x/c.png,B,p2,",
        "x/no.png,B,p2,",
    ]
    (here / "data" / "list.csv").write_text("\n".join([*lines, ",B,p3,"]) + "\n", encoding="utf-8")
    done = magsig("predict", "--model", model, "data/list.csv", "--out", "o/p.csv", "--cases", "o/c.csv")
    assert done.code == 1
    found = rows("o/p.csv")
    assert [row["file"] for row in found] == ["x/a.png", "x/b.png", "x/c.png", "x/no.png", ""]
    # 100x is the 100X of training; 20x is none
    assert [row["note"].split(" ")[0] for row in found] == ["", "20x", "", "", ""]
    assert [row["error"] for row in found[3:]] == ["no such file", "the list names no file"]
    cases = rows("o/c.csv")
    assert [(row["case"], row["images"], row["unreadable"]) for row in cases] == [
        ("p1", "2", "0"), ("p2", "1", "1"), ("p3", "0", "1"),
    ]  # fmt: skip
    mean = np.mean([float(row["probability"]) for row in found[:2]])
    assert float(cases[0]["probability"]) == pytest.approx(mean, abs=1e-12)
    assert (cases[0]["label"], cases[2]["probability"], cases[2]["label"]) == ("malignant", "", "")
    assert "of 1 image the magnification is not known" in done.out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"name,case\na.png,1\n", "found no path among name, case. Name yours with --columns path=THEIRS"),
        (b"", "found nothing in it"),
        (b"path\n\xff\xfe.png\n", "UTF-8"),
        (b"path,case\na.png,1,2\n", "found 3 in line 2"),
        (b"path,case\nhere/a.png,1\nhere/b.png,2\n", "found 2 of 2 missing, among them 'here/a.png'"),
        (b'path\n"a.png\n', "unexpected end of data"),
    ],
)
def test_a_list_that_is_none_is_refused(model, here, content, said):
    (here / "list.csv").write_bytes(content)
    refused(magsig("predict", "--model", model, "list.csv"), 1, "list.csv", said)


def test_a_list_is_read_as_a_spreadsheet_on_windows_saves_it(model, here):
    write_tree(here / "data", {"x/a.png": grey(250), "x/b.png": grey(120)})
    lines = ["Bild;Patient;Größe", "x\\a.png;p1;1,5", ";;", "x\\b.png;p2;2", ";;"]
    (here / "data" / "list.csv").write_bytes("\r\n".join(lines).encode("cp1252"))
    done = magsig("predict", "--model", model, "data/list.csv", "--columns", "path=Bild,case=patient", "--out", "p.csv")
    assert done.code == 0, done.errors
    assert [(row["file"], row["case"]) for row in rows("p.csv")] == [("x/a.png", "p1"), ("x/b.png", "p2")]
    said = " ".join(done.errors.split())
    for words in ("Windows-1252", "semicolons", "Patient as case", "2 rows without content", "2 of 2 paths with \\"):
        assert words in said
    done = magsig("predict", "--model", model, "data/list.csv", "--columns", "path=Bilder", "--out", "p.csv")
    refused(done, 2, "'Bilder'", "Did you mean 'Bild'")
    refused(magsig("predict", "--model", model, "data/x", "--columns", "case=Patient"), 2, "--columns", "a table")


def test_wrong_arguments_are_refused(model, here):
    refused(magsig("predict", "--model", model, "nowhere"), 2, "nowhere")
    refused(magsig("predict", "--model", here, "nowhere"), 2, "exported model")
    os.mkfifo(here / "pipe")
    refused(magsig("predict", "--model", model, "pipe"), 2, "pipe")
    (here / "empty").mkdir()
    refused(magsig("predict", "--model", model, "empty"), 1, "empty", "none among 0 files")
    assert magsig("predict", "--model", model).code == 2


def test_the_latest_version_answers_unless_one_is_named(here):
    for version in (2, 10):
        write_stand_in(here / "m", version)
    write_tree(here / "tiles", {"a.png": grey(9)})
    assert "m version 10:" in magsig("predict", "--model", "m", "tiles").out
    assert "m version 2:" in magsig("predict", "--model", "m/2", "tiles").out


@pytest.mark.parametrize(
    "facts", [{"image_size": 0}, {"image_size": "64"}, {"resize": "stretch"}, {"labels": ["one"]}, {"threshold": 2}]
)
def test_damaged_facts_of_a_model_are_refused(here, facts):
    (here / "saved_model.pb").touch()
    write_facts(here, {"name": "m", "version": 1} | facts)
    with pytest.raises(DataError, match="Export the model again"):
        ModelDescription.open(here)


def test_an_interrupted_call_goes_on_where_it_stopped(model, here):
    write_tree(here / "tiles", {f"{number:02d}.png": grey(20 * number) for number in range(12)})
    opened = ModelDescription.open(model)

    def stop(done: int, *_: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    predict(opened, [Path("tiles")], Path("whole.csv"), batch=2, threads=2)
    with pytest.raises(KeyboardInterrupt):
        predict(opened, [Path("tiles")], Path("p.csv"), batch=2, threads=2, progress=stop)
    assert not (here / "p.csv").exists()
    with open("p.csv.partial", "a", encoding="utf-8") as partial:
        partial.write("tiles/07.png,cut")  # as a power cut leaves it
    done = magsig("predict", "--model", model, "tiles", "--out", "p.csv", "--resume")
    assert "7 of them by an earlier call" in done.out
    assert (here / "p.csv").read_bytes() == (here / "whole.csv").read_bytes()
    assert not list(here.glob("*.partial*"))


def test_rows_of_another_model_or_other_images_are_not_gone_on_with(model, here):
    write_tree(here / "tiles", {f"{number}.png": grey(9) for number in range(4)})

    def stop(done: int, *_: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(ModelDescription.open(model), [Path("tiles")], Path("p.csv"), batch=1, progress=stop)
    (here / "tiles" / "0.png").unlink()
    refused(magsig("predict", "--model", model, "tiles", "--out", "p.csv", "--resume"), 1, "in place of tiles/0.png")
    (here / "p.csv.partial.json").write_text('{"model": "other"}')
    refused(magsig("predict", "--model", model, "tiles", "--out", "p.csv", "--resume"), 1, "another model")


def test_changed_rows_are_not_gone_on_with_and_those_after_the_mark_are_predicted_again(model, here, monkeypatch):
    write_tree(here / "tiles", {f"{number}.png": grey(30 * number) for number in range(6)})
    predict(ModelDescription.open(model), [Path("tiles")], Path("whole.csv"), batch=1)
    marks = []

    def stop(done: int, *_: int) -> None:
        marks.append(Path("p.csv.partial.json").read_bytes())
        if done == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("magsig_tf.serving.predicting.marked_rows.MARK_EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt):
        predict(ModelDescription.open(model), [Path("tiles")], Path("p.csv"), batch=1, progress=stop)
    resumed = ("predict", "--model", model, "tiles", "--out", "p.csv", "--resume")
    rows = Path("p.csv.partial").read_bytes()
    for changed in (rows.replace(b"0.", b"1.", 1), rows[:-1], b""):
        Path("p.csv.partial").write_bytes(changed)
        refused(magsig(*resumed), 1, "p.csv.partial as magsig wrote it", "Leave out --resume to start again")
    Path("p.csv.partial").write_bytes(rows)
    Path("p.csv.partial.json").write_bytes(marks[2])  # as a kill leaves it
    assert "2 of them by an earlier call" in magsig(*resumed).out
    assert Path("p.csv").read_bytes() == Path("whole.csv").read_bytes()


@pytest.mark.parametrize("held", ["p.csv", "p-cases.csv"])
def test_a_second_call_that_writes_the_same_files_is_refused(model, here, held):
    (here / "a.png").write_bytes(grey(90))
    command = ["predict", "--model", model, "a.png", "--out", "p.csv"]
    with holding_file(here / held):
        refused(
            magsig(*command), 1, f"the output {held} to be free", f"held by process {os.getpid()} on", "Wait for it"
        )
        assert magsig(*command[:-1], "other.csv").code == 0
    assert magsig(*command).code == 0
    assert not [path.name for path in here.iterdir() if path.name.startswith(".")]


def test_images_and_cases_are_not_written_to_one_file(model, here):
    (here / "a.png").write_bytes(grey(90))
    (here / "here").symlink_to(".")
    answer = magsig("predict", "--model", model, "a.png", "--out", "p.csv", "--cases", "here/p.csv")
    refused(answer, 2, "two files for --out and --cases", "Choose another --cases")


def test_memory_does_not_grow_with_the_number_of_images(here):
    """The listing is drawn as it is used, and of an image no more than its row is kept, and that only on disk."""
    (here / "saved_model.pb").touch()
    write_facts(here, {"name": "m", "version": 1})
    model = ModelDescription.open(here)
    Image.fromarray(np.zeros((SIZE, SIZE, 3), np.uint8)).save("a.png")

    def answer(batch):
        return np.zeros(len(batch), np.float32), ["benign"] * len(batch)

    def peak(count: int) -> int:
        image = InputImage("a.png", Path("a.png"), "case", "slide", "100X")
        tally = Tally(model)
        gc.collect()  # what earlier tests left is not freed, or kept, in the middle
        tracemalloc.start()
        for found in prediction.predict_images(model, answer, repeat(image, count), batch=64, threads=2):
            tally.add(row_of(found))
        assert tally.images == count
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(500)  # what is made once
    few, many = peak(1_000), peak(6_000)
    # a kept row would take more than 200 bytes
    assert many < few + 2**19


CODE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        for house in ("training", "models", "methods", "gan", "execution.", "evaluation", "signatures", "report."):
            few = ("execution.tensorflow_import", "report.terminal", "report.terminal.console")
            if name.startswith("magsig_tf." + house) and name.removeprefix("magsig_tf.") not in few:
                raise ImportError("predict imports " + name)
sys.meta_path.insert(0, Refuse())
from magsig_tf.cli.main import main
main(sys.argv[1:])
"""


def test_the_exported_folder_alone_is_enough(model, here):
    write_tree(here / "tiles", {"a.png": grey(250)})
    words = [sys.executable, "-c", CODE, "predict", "--model", str(model), "tiles"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert rows("predictions.csv")[0]["label"] == "malignant"
    assert "images/s" in done.stderr


def test_predictions_of_original_files_are_those_of_the_run(study, exported, here):
    """The files go through the same resize as in `prepare`, so the export answers as the run did on prepared pixels."""
    files = study.workspace.root.parent / "files"
    done = magsig("predict", "--model", exported.folder, files / "tiny.csv", "--out", "p.csv")
    assert done.code == 0, done.errors
    run = pd.read_parquet(study.folder / "predictions.parquet")
    run["file"] = study.prepared.manifest["path"].to_numpy()[run["row"]]
    found = pd.read_csv("p.csv", dtype={"note": str}).set_index("file").loc[run["file"]]
    served = 1 / (1 + np.exp(-run["logit"].to_numpy() / exported.facts["temperature"]))
    np.testing.assert_allclose(found["probability"], served, atol=1e-5)
    assert (found["case"].to_numpy() == run["case"].to_numpy()).all()
    outside = found["note"].fillna("").str.startswith("400X is not among").to_numpy()
    assert (outside == (run["magnification"] == "400X").to_numpy()).all()
    assert "40 images at 400X, which training left out on purpose" in done.out


def test_a_doctored_model_is_refused_before_it_is_loaded(model, here):
    doctored = shutil.copytree(model, here / "doctored")
    path = doctored / "1" / "saved_model.pb"
    graph = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    graph.meta_graphs[0].graph_def.library.function[0].node_def.add(name="sly", op="ReadFile")
    path.write_bytes(graph.SerializeToString())
    write_tree(here / "tiles", {"a.png": grey(9)})
    refused(magsig("predict", "--model", doctored, "tiles"), 1, "ReadFile", "can read any file")
    refused(magsig("explain", "--model", doctored, "tiles/a.png", "--out", "heat.png"), 1, "ReadFile")
    assert not (here / "predictions.csv").exists()
