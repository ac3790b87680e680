"""Builds a wheel, installs it in an empty environment outside the checkout and uses it: `make wheel-check`.

A script and not a test: it installs every dependency anew. It uses the package index as pip is configured, and leaves
nothing behind.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "magsig_tf", "cli", "configs")
PHANTOM = ("tiles=1", "development_benign=6", "development_malignant=6", "test_benign=5", "test_malignant=5")
LARGEST_WHEEL = 2_000_000


def main() -> None:
    """Run every check; the first that fails ends the script with what went wrong."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="magsig-wheel-") as name:
        folder = Path(name)
        wheel = build(folder)
        check_contents(wheel)
        environment = install(wheel, folder)
        check_site_packages(environment)
        check_use(environment, folder)
    print(f"The wheel works ({time.perf_counter() - began:.0f} s).")


def build(folder: Path) -> Path:
    """Build an sdist of a copy of the checkout, and a wheel from it, so that leftovers of earlier builds stay out."""
    source = folder / "source"
    source.mkdir()
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, source / name)
    say("build an sdist, and a wheel from it")
    run(sys.executable, "-m", "build", "--outdir", folder / "dist", source, cwd=folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def check_contents(wheel: Path) -> None:
    """Hold the wheel's files against what belongs in it."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    say(f"look into {wheel.name}: {len(names)} files, {wheel.stat().st_size / 1000:.0f} kB")
    tops = {name.split("/")[0] for name in names}
    expect(
        {top for top in tops if not top.endswith(".dist-info")} == {"magsig_tf"}, f"only magsig_tf at the top: {tops}"
    )
    for top, inside in (("magsig_tf", "magsig_tf"), ("cli", "magsig_tf/cli"), ("configs", "magsig_tf/configs")):
        for path in (ROOT / top).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                packed = f"{inside}/{path.relative_to(ROOT / top).as_posix()}"
                expect(packed in names, f"{packed} in the wheel")
    expect(any(name.endswith("/LICENSE") for name in names), "the licence in the wheel")
    expect(wheel.stat().st_size < LARGEST_WHEEL, f"a wheel below {LARGEST_WHEEL} bytes")


def install(wheel: Path, folder: Path) -> Path:
    """Install the wheel in an empty environment; return that environment."""
    environment = folder / "environment"
    say("install it in an empty environment")
    run(sys.executable, "-m", "venv", environment, cwd=folder)
    run(environment / "bin" / "python", "-m", "pip", "install", "--quiet", wheel, cwd=folder)
    return environment


def check_site_packages(environment: Path) -> None:
    """Look for packages that would clash with other people's."""
    (packages,) = environment.glob("lib/python*/site-packages")
    for name in ("cli", "configs", "tests", "benchmarks"):
        expect(not (packages / name).exists(), f"no {name} in site-packages")
    expect((packages / "magsig_tf" / "cli" / "main.py").is_file(), "magsig_tf/cli in site-packages")
    expect(list((packages / "magsig_tf" / "serving" / "card" / "templates").glob("*.j2")), "the model card's template")


def check_use(environment: Path, folder: Path) -> None:
    """Ask for help, prepare a tiny phantom, train, evaluate."""
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()

    def magsig(*words: str) -> str:
        say(f"magsig {' '.join(words)}")
        return run(environment / "bin" / "magsig", *words, cwd=elsewhere)

    text = magsig("--help")
    for command in ("prepare", "train", "evaluate", "reproduce", "plugins", "report"):
        expect(f"\n  {command} " in text, f"{command} in the help")
    expect("broken" not in text, "no broken command")
    settings = [word for setting in PHANTOM for word in ("--phantom-set", setting)]
    magsig("prepare", "--phantom", "--size", "32", *settings)
    outcome = magsig(
        "train", "--method", "grl", "--holdout", "400X", "--encoder", "small_cnn", "--epochs", "1", "--folds", "3",
        "--images-per-magnification", "4", "--json",
    )  # fmt: skip
    runs = json.loads(outcome)["done"]
    expect([run["status"] for run in runs] == ["done"], "one finished run")
    table = magsig("evaluate", "--replicates", "100")
    expect("grl" in table and "400X" in table, "the run in the table")
    page = json.loads(magsig("report", "--replicates", "100", "--json"))["report"]
    expect((elsewhere / page).is_file(), "the report, whose templates are data of the package")


def run(*command: object, cwd: Path) -> str:
    """Run a command away from the checkout; return what it printed, or end with what it said."""
    # nothing of this environment or checkout may reach the other one
    left_out = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "MAGSIG_WORKSPACE", "MAGSIG_REAL_DATA")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"Failed with {done.returncode}: {' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def expect(true: bool, what: str) -> None:
    """End the script when something that should be so is not."""
    if not true:
        sys.exit(f"Expected {what}.")


def say(what: str) -> None:
    """Print what is being done."""
    print(f"- {what}", flush=True)


if __name__ == "__main__":
    main()
