"""Tries magsig with the oldest releases that setup.cfg allows: `make floors`.

A script and not a test: it installs every dependency anew, in an environment that it removes.
"""

from __future__ import annotations

import configparser
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.packaging.check_wheel import ROOT, build, check_use, run, say

FOLDERS = ("data", "evaluation", "linear_models", "methods", "report", "runs", "signatures", "statistics", "workflows")
"""Folders of tests whose quick tests are run: those that lean on what other packages calculate, draw and decode."""

PYTHON = (3, 11)
"""The oldest that setup.cfg allows."""


def main() -> None:
    """Install the floors, use the wheel with them, and run tests."""
    if sys.version_info[:2] != PYTHON:
        print(f"The oldest releases are tried with Python {PYTHON[0]}.{PYTHON[1]} alone: later ones lack wheels.")
        return
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="magsig-floors-") as name:
        folder = Path(name)
        wheel = build(folder)
        environment = folder / "environment"
        run(sys.executable, "-m", "venv", environment, cwd=folder)
        python = environment / "bin" / "python"
        oldest = floors()
        say(f"install {', '.join(oldest)}")
        run(python, "-m", "pip", "install", "--quiet", *oldest, *test_packages(), wheel, cwd=folder)
        check_use(environment, folder)
        checkout = folder / "checkout"
        for part in ("tests", "docs", "configs", "benchmarks"):
            shutil.copytree(ROOT / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy2(ROOT / "pyproject.toml", checkout)
        say(f"quick tests of {', '.join(FOLDERS)}")
        tests = [f"tests/{part}" for part in FOLDERS]
        said = run(python, "-m", "pytest", "-n", "2", "--dist", "loadscope", "-m", "not slow", *tests, cwd=checkout)
        print(said.splitlines()[-1])
    print(f"The oldest releases work ({time.perf_counter() - began:.0f} s).")


def floors() -> list[str]:
    """Return each run-time dependency, and what reads workbooks, at the lower bound that setup.cfg gives it."""
    wanted = _required("options", "install_requires") + _required("options.extras_require", "excel")
    return [re.sub(">=", "==", line) for line in wanted]


def test_packages() -> list[str]:
    """Return what runs the tests, any release of it."""
    wanted = _required("options.extras_require", "test")
    return [line for line in wanted if line.startswith(("hypothesis", "pytest", "efficientnet"))]


def _required(section: str, option: str) -> list[str]:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config[section][option].split()


if __name__ == "__main__":
    main()
