"""docs/python.md does what it says: its code is run as it is printed there, and prints nothing."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from magsig_tf import workflows
from tests.house.documentation import ROOT, blocks

PAGE = ROOT / "docs" / "python.md"
NOT_COMMANDS = {"configure", "plan", "list_plugins", "prepare_without_source", "STEPS"}


@pytest.fixture(scope="module")
def notebook(tmp_path_factory, tensorflow):
    """Every name of the page after its last block, and what was printed on the way."""
    names, printed = {"__name__": "notebook"}, io.StringIO()
    with contextlib.chdir(tmp_path_factory.mktemp("notebook")), contextlib.redirect_stdout(printed):
        for language, code in blocks(PAGE.read_text(encoding="utf-8")):
            assert language == "python"
            exec(compile(code, str(PAGE), "exec"), names)
        names["predictions"] = pd.read_csv("predictions.csv")
        with Image.open("heat.png") as picture:
            names["picture"] = picture.size
        names["finished"] = len(names["trained"].done)
        names["written"] = [path.is_file() for path in names["evaluated"].files + names["difference"].files]
    return names | {"printed": printed.getvalue()}


@pytest.mark.slow
def test_runs_are_planned_then_trained(notebook):
    assert list(notebook["plan"].frame["state"]) == ["new"] * 4
    trained = notebook["trained"]
    assert trained.complete
    assert notebook["finished"] == 4
    assert len(notebook["losses"].losses) == 4
    assert np.isfinite(notebook["losses"].losses).all()


@pytest.mark.slow
def test_numbers_come_as_frames_and_files(notebook):
    auc = notebook["auc"]
    assert set(auc["method"]) == {"baseline", "grl"}
    assert auc["value"].between(0, 1).all()
    found = notebook["difference"].frame.query("metric == 'auc' and level == 'image'").set_index("holdout")["value"]
    sides = auc.pivot(index="holdout", columns="method", values="value")
    np.testing.assert_allclose(found["400X"], sides.loc["400X", "grl"] - sides.loc["400X", "baseline"], atol=1e-12)
    assert notebook["written"] == [True] * 4
    assert {path.stem for path in notebook["evaluated"].files} == {"summary"}


@pytest.mark.slow
def test_a_part_of_the_runs_has_files_of_its_own(notebook):
    assert {path.stem for path in notebook["claims"].files} == {"claims-first"}
    assert {path.stem for path in notebook["probes"].files} == {"probes-first"}
    assert "signatures-first" in {path.stem for path in notebook["signatures"].files}
    assert notebook["report"].page.name == "report-first.html"
    # the claims read the signatures of this part
    assert not notebook["claims"].frame["why"].str.contains("magsig signatures").any()


@pytest.mark.slow
def test_who_asks_is_told_how_far_it_is(notebook):
    told = notebook["told"]
    assert {"bootstrap", "claims", "figures"} <= {title for title, _, _ in told}
    assert all(0 <= done <= total for _, done, total in told)


@pytest.mark.slow
def test_the_model_answers(notebook):
    assert notebook["predictions"]["error"].isna().all()
    heat = {image.path.name: image.probability for image in notebook["heat"].images}
    predicted = {path.rpartition("/")[2]: p for path, p in notebook["predictions"][["file", "probability"]].to_numpy()}
    assert heat == pytest.approx(predicted, abs=1e-5)
    assert min(notebook["picture"]) > 100


@pytest.mark.slow
def test_nothing_is_printed(notebook):
    assert notebook["printed"] == ""


def test_the_table_lists_every_function_and_every_command_has_one():
    listed = set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert listed == set(dir(workflows)) - {"prepare_without_source", "STEPS"}
    from magsig_tf.cli.configuration_table import own_commands

    assert listed - NOT_COMMANDS == set(own_commands()) - {"plugins"}


def test_workflows_load_no_tensorflow_before_they_are_called():
    code = "import sys; from magsig_tf import workflows; [getattr(workflows, name) for name in dir(workflows)]"
    code += "; print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_name_that_is_none_is_an_attribute_error():
    with pytest.raises(AttributeError, match="evalute"):
        workflows.evalute  # noqa: B018
