"""Names by import path: from the current folder too, but never in place of what is installed."""

import sys

import pytest

from magsig_tf.errors import UsageError
from magsig_tf.registry import named_by_user


def import_by_path(module: str, attribute: str):
    return named_by_user(module, attribute, "Expected something", "Name it")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current folder that Python does not search yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    return tmp_path


def test_a_module_in_the_current_folder_is_found(folder):
    (folder / "networks_of_mine.py").write_text("def build():\n    return 'built'\n")
    assert import_by_path("networks_of_mine", "build")() == "built"
    del sys.modules["networks_of_mine"]


def test_an_installed_package_comes_before_a_file_of_that_name(folder, monkeypatch):
    (folder / "colorsys.py").write_text("mine = True\n")
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    assert import_by_path("colorsys", "rgb_to_hsv")(0, 0, 0) == (0.0, 0.0, 0)


def test_what_is_not_there_raises(folder):
    with pytest.raises(UsageError, match=r"ModuleNotFoundError.*no_such_module"):
        import_by_path("no_such_module", "build")
    with pytest.raises(UsageError, match="AttributeError"):
        import_by_path("colorsys", "no_such_name")
