"""The generated parts of docs/configuration.md are what the code says."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from magsig_tf.cli.configuration_table import (
    command_table,
    key_table,
    keys_left_out_of_the_hash,
    main,
    own_commands,
    shipped_table,
    with_tables,
)
from magsig_tf.config import Settings
from magsig_tf.config_files import shipped_configs
from magsig_tf.errors import MagsigError
from tests.test_config import AXIS_VALUES, OPERATIONAL

EMPTY = "before\n" + "".join(
    f"<!-- {name} -->\nold\n<!-- /{name} -->\nafter {name}\n" for name in ("configs", "hash", "options", "commands")
)


def test_the_page_is_up_to_date(root):
    outcome = CliRunner().invoke(main, ["--check", str(root / "docs" / "configuration.md")])
    assert outcome.exit_code == 0, outcome.output


def test_every_key_is_in_the_table_with_its_default_and_owner():
    rows = {row.split("`")[1]: row for row in key_table().splitlines()[2:]}
    assert set(rows) >= set(Settings.model_fields)
    assert rows["lambda_max"].endswith(
        "| `0.3`<br>embeddings: `3.0` | strength of gradient reversal at the end of training (from 0) | grl |"
    )
    assert "`--patient-fold`" in rows["patient_fold"]
    assert rows["precision"].count("`mixed_bfloat16`") == 1


def test_every_command_is_in_the_table_with_the_options_that_are_no_keys():
    table = command_table()
    for name in own_commands():
        assert f"| `magsig {name}` |" in table
    assert "`--dry-run`" in table
    assert "--learning-rate" not in table


def test_every_shipped_config_is_in_the_table_with_the_methods_it_trains():
    rows = {row.split("`")[1]: row for row in shipped_table().splitlines()[2:]}
    assert list(rows) == shipped_configs()
    assert '`method: ["baseline", "baseline-resampled", "gan", "grl"]`' in rows["demo"]
    assert "every holdout, every patient fold, three seeds" in rows["paper"]


def test_the_keys_left_out_of_the_hash_are_those_that_tests_find_to_leave_it_as_it_is():
    listed = re.findall(r"`(\w+)`", keys_left_out_of_the_hash())
    assert sorted(listed) == sorted([*AXIS_VALUES, *OPERATIONAL, "recipe"])


def test_the_tables_are_written_between_the_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(EMPTY)
    assert CliRunner().invoke(main, ["--check", str(page)]).exit_code == 1
    assert page.read_text() == EMPTY
    assert CliRunner().invoke(main, [str(page)]).exit_code == 0
    text = page.read_text()
    assert text.startswith("before\n<!-- configs -->\n\n| name |")
    assert "after hash\n<!-- options -->\n\n| key and option |" in text
    assert text.endswith("<!-- /commands -->\nafter commands\n")
    assert "\nold\n" not in text
    assert CliRunner().invoke(main, ["--check", str(page)]).exit_code == 0


def test_a_page_without_markers_is_refused():
    with pytest.raises(MagsigError, match="<!-- configs -->"):
        with_tables("no markers here")
