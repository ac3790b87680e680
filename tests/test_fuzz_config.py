"""Untrusted config files: a plan of runs or one line, and nothing is written.

`pytest -m slow --hypothesis-profile long` tries fifty times as many examples.
"""

from __future__ import annotations

import contextlib
import io

import pytest
import yaml
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from magsig_tf.cli.main import main
from magsig_tf.config import Settings
from magsig_tf.workspace import Workspace
from tests.tiny import tiny_dataset

pytestmark = pytest.mark.slow
bounded = settings(
    max_examples=settings.default.max_examples // 4,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a workspace that holds one data set."""
    folder = tmp_path_factory.mktemp("fuzz")
    tiny_dataset(Workspace(folder / "w"))
    return folder


def plan(folder, content: bytes, *words: str) -> int:
    """List the runs of a config file; check what holds whatever it says."""
    (folder / "own.yaml").write_bytes(content)
    before = sorted(folder.rglob("*"))
    errors = io.StringIO()
    with (
        pytest.raises(SystemExit) as left,
        contextlib.redirect_stderr(errors),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        main(["reproduce", "--config", str(folder / "own.yaml"), "--dry-run", "--workspace", str(folder / "w"), *words])
    code, said = left.value.code, errors.getvalue()
    assert code in (0, 2), said
    assert "Traceback" not in said
    assert sum("Error: " in line for line in said.splitlines()) == (code != 0), said
    assert max(map(len, said.splitlines()), default=0) < 1200
    assert sorted(folder.rglob("*")) == before
    event(f"exit {code}")
    return code


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["all", "0..4", "0..99999999999", "4..0", "40X", "grl", "..", "none", "/dev/zero", "2026-11-23"])
)  # fmt: skip
names = st.text(max_size=4)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=2), max_leaves=5
)
keys = st.sampled_from(sorted({*Settings.model_fields, "lambda_max", "domain_updates"}))


@bounded
@given(st.dictionaries(keys | st.text(max_size=6), values, max_size=4))
def test_mappings(folder, mapping):
    plan(folder, yaml.safe_dump(mapping).encode())


@bounded
@given(st.binary(max_size=100) | st.text("abkéx:[]{}&*!|>'\"#-\n\t 0.,", max_size=60).map(str.encode))
def test_bytes(folder, content):
    plan(folder, content)


@bounded
@given(keys | st.text(max_size=6), st.text(max_size=20))
def test_assignments(folder, key, text):
    plan(folder, b"", "--set", f"{key}={text}")
