"""What is installed is what is there, under `magsig_tf` and nowhere else."""

from __future__ import annotations

import configparser
import subprocess
import sys

import pytest

HOMES = {"magsig_tf": "magsig_tf", "cli": "magsig_tf.cli", "configs": "magsig_tf.configs"}


@pytest.fixture(scope="module")
def setup_cfg(root):
    parser = configparser.ConfigParser()
    parser.read(root / "setup.cfg", encoding="utf-8")
    return parser


def test_the_listed_packages_are_the_folders(root, setup_cfg):
    listed = setup_cfg["options"]["packages"].split()
    folders = {
        ".".join([package, *init.parent.relative_to(root / top).parts])
        for top, package in HOMES.items()
        for init in (root / top).rglob("__init__.py")
    }
    assert listed == sorted(set(listed)), "keep the list sorted, each package once"
    assert set(listed) == folders


def test_no_module_lies_in_a_folder_that_is_not_a_package(root):
    stray = [
        path.relative_to(root)
        for top in HOMES
        for path in (root / top).rglob("*.py")
        if not (path.parent / "__init__.py").exists()
    ]
    assert not stray


def test_the_command_line_has_one_home(root):
    assert not (root / "magsig_tf" / "cli").exists()
    assert not (root / "magsig_tf" / "configs").exists()


def test_nothing_but_magsig_tf_is_importable(tmp_path):
    code = (
        "import importlib.util as u, magsig_tf.cli.main, magsig_tf.configs\n"
        "print([name for name in ('cli', 'configs', 'tests') if u.find_spec(name)])"
    )
    # isolated and elsewhere, so that only what is installed is found
    found = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_entry_point_names_a_module_that_exists(root, setup_cfg):
    for group, lines in setup_cfg["options.entry_points"].items():
        for line in lines.strip().splitlines():
            module = line.partition("=")[2].partition(":")[0].strip()
            first, *rest = module.removeprefix("magsig_tf.").split(".")
            folder = root / first if first in HOMES else root / "magsig_tf" / first
            path = folder.joinpath(*rest)
            assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file(), f"{group}: {line}"
