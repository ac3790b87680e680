"""Every benchmark runs in its smallest form and is listed; what it measures is no test."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import click
import pandas as pd
import pytest

from benchmarks.run_all import BENCHMARKS, run_benchmark, table

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
FIELDS = {"benchmark", "of", "to", "ratio", "lowest", "highest", "target", "reached", "rounds", "cores", "load"}


@pytest.mark.slow
@pytest.mark.parametrize("name", BENCHMARKS)
def test_it_runs_in_its_smallest_form_and_prints_its_lines(name, capsys):
    importlib.import_module(f"benchmarks.{name}").main.main(["--quick"], standalone_mode=False)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert lines
    for line in lines:
        assert set(line) >= FIELDS
        assert line["lowest"] <= line["ratio"] <= line["highest"]
        assert line["reached"] == (None if line["target"] is None else line["ratio"] >= line["target"])


@pytest.mark.slow
def test_the_profile_of_a_step_names_its_operations_and_the_limits(capsys):
    importlib.import_module("benchmarks.step_profile").main.main(["--quick"], standalone_mode=False)
    text = capsys.readouterr().out
    assert "Conv2DBackpropFilter" in text
    assert "GFLOP a step" in text


@pytest.mark.slow
def test_the_strength_of_reversal_is_measured_and_drawn(capsys, tmp_path):
    main = importlib.import_module("benchmarks.reversal_strength").main
    main.main(["--quick", "--out", str(tmp_path / "curve")], standalone_mode=False)
    assert "norm_ratio" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "curve.csv")
    assert table["lambda_max"].tolist() == [0.0, 0.3]
    assert table["held_out_auc"].between(0, 1).all()
    assert table["norm_ratio"].iloc[0] == 1
    assert "<svg" in (tmp_path / "curve.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", MODULES)
def test_every_module_is_listed(name):
    assert f"`{name}`" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_every_module_with_the_quick_form_is_run_by_make_bench():
    commands = {
        name
        for name in MODULES
        if isinstance(main := getattr(importlib.import_module(f"benchmarks.{name}"), "main", None), click.Command)
        and any("--quick" in parameter.opts for parameter in main.params)
    }
    tables_of_their_own = {"run_all", "step_profile", "frozen_features", "reversal_strength", "few_cases", "recipe"}
    assert commands - tables_of_their_own == set(BENCHMARKS)
    makefile = (FOLDER.parent / "Makefile").read_text(encoding="utf-8")
    assert "\nbench:" in makefile
    assert "benchmarks.run_all" in makefile


def test_a_benchmark_that_fails_is_reported_and_has_its_row():
    (line,) = run_benchmark("no_such_module", quick=True, minutes=1)
    assert "No module named" in line["failed"]
    done = {"benchmark": "b", "ratio": 1.6, "lowest": 1.2, "highest": 2.0, "target": 1.5, "reached": True}
    header, failed, reached = table([line, done]).splitlines()
    assert header.split() == ["benchmark", "ratio", "lowest-highest", "target", "reached"]
    assert failed.startswith("no_such_module")
    assert "failed: " in failed
    assert reached.split() == ["b", "1.60", "1.20-2.00", "1.50", "yes"]
