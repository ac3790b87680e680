"""Untrusted run folders: `magsig evaluate` answers with numbers or with one line, and changes no run.

`pytest -m slow --hypothesis-profile long` tries fifty times as many examples.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from magsig_tf.cli.main import main
from magsig_tf.runs.record import RunRecord
from tests.evaluation.fake_runs import FakeStudy

pytestmark = pytest.mark.slow
bounded = settings(
    max_examples=settings.default.max_examples // 4,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> FakeStudy:
    """A study of four runs that every example copies."""
    study = FakeStudy(tmp_path_factory.mktemp("runs") / "study", cases=(6, 6), images=1)
    study.write(methods=["baseline"], holdouts=["40X", "100X"])
    return study


@contextlib.contextmanager
def copied(study: FakeStudy):
    """Yield a copy of the study, and the folder of one of its runs."""
    root = study.workspace.root.with_name(str(next(_NUMBERS)))
    shutil.copytree(study.workspace.root, root)
    yield root, next(root.glob("runs/fake/baseline/40X/fold0*"))
    shutil.rmtree(root)


def evaluate(root: Path, *words: str) -> int:
    """Run `magsig evaluate` and check what holds whatever the runs are."""
    before = {path: path.read_bytes() for path in (root / "runs").rglob("*") if path.is_file()}
    errors = io.StringIO()
    with (
        pytest.raises(SystemExit) as left,
        contextlib.redirect_stderr(errors),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        main(["evaluate", "--workspace", str(root), "--replicates", "100", *words])
    code, said = left.value.code, errors.getvalue()
    assert code in (0, 1, 2)
    assert "Error: unexpected" not in said, said
    assert "Traceback" not in said
    assert sum(line.startswith("Error: ") for line in said.splitlines()) == (code != 0), said
    assert {path: path.read_bytes() for path in (root / "runs").rglob("*") if path.is_file()} == before
    results = {path.name for path in (root / "results").rglob("*") if path.is_file()}
    assert results == (set() if code else {"checksums.json", "summary.csv", "summary.parquet"})
    event(f"exit {code}")
    return code


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["done", "40X", "100X", "baseline", "../x", "source", "oracle", "moving", "-1", "1e999"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
keys = st.sampled_from([*RunRecord.model_fields])


@bounded
@given(st.dictionaries(keys, values, min_size=1, max_size=3))
def test_records_with_other_values(study, changes):
    with copied(study) as (root, folder):
        record = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps(record | changes))
        evaluate(root)


@bounded
@given(st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()))
@example(b"[" * 200_000)
@example(b'{"status": ' + b"9" * 5000 + b"}")
def test_records_that_are_anything(study, content):
    for name in ("runs/fake/baseline/40X/fold0-seed0-ba5e11ne/run.json", "data/fake/dataset.json"):
        with copied(study) as (root, _):
            (root / name).write_bytes(content)
            evaluate(root)


@bounded
@given(
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), max_size=20), st.none() | st.integers(0, 20_000)
)
def test_damaged_predictions(study, changes, keep):
    with copied(study) as (root, folder):
        content = bytearray((folder / "predictions.parquet").read_bytes())
        for position, value in changes:
            content[position % len(content)] = value
        (folder / "predictions.parquet").write_bytes(bytes(content[:keep]))
        evaluate(root)


cells = st.sampled_from(
    [
        None,
        "",
        "test",
        "validation",
        "40X",
        "case-000",
        0,
        1,
        -1,
        2**62,
        0.5,
        float("nan"),
        float("inf"),
        True,
        b"x",
        "1",
    ]
)


@bounded
@given(
    st.dictionaries(
        st.sampled_from(["row", "part", "case", "magnification", "label", "probability"]),
        st.tuples(cells, st.integers(0, 40), st.booleans()),
        min_size=1,
        max_size=3,
    ),
    st.integers(0, 40),
)
def test_predictions_with_other_cells(study, changes, kept):
    with copied(study) as (root, folder):
        frame = pd.read_parquet(folder / "predictions.parquet")
        for name, (cell, row, whole_column) in changes.items():
            column = np.array(list(frame[name]), dtype=object)
            column[slice(None) if whole_column else row % len(frame)] = cell
            frame[name] = list(column)
        try:
            frame.head(kept or len(frame)).to_parquet(folder / "predictions.parquet")
        except Exception:
            return  # no parquet file can hold such a column
        evaluate(root)
