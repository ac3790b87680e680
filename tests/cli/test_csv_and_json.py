"""Every command that prints a table has --json and --csv, and both say the same."""

import csv
import io
import json

import click
import pytest

from magsig_tf.cli.configuration_table import own_commands
from tests.cli.command_line import magsig

WITHOUT_A_TABLE = {"prepare", "embed", "export", "explain", "predict", "report"}
"""Commands whose result is a data set, a model, a picture or a file of their own."""


@pytest.mark.parametrize("name", sorted(set(own_commands()) - WITHOUT_A_TABLE))
def test_every_table_command_has_both_with_the_same_words(name):
    command = own_commands()[name]
    with click.Context(command) as context:
        given = [each for each in command.get_params(context) if isinstance(each, click.Option)]
        options = {word: option.help for option in given for word in option.opts}
    assert options["--csv"] == "Also write the numbers here."
    assert options["--json"] == "Print a machine-readable summary instead of tables."


def test_plugins_as_csv_and_json(tmp_path):
    answer = magsig("plugins", "--json", "--csv", tmp_path / "plugins.csv")
    assert answer.code == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "plugins.csv").read_text())))
    assert rows == json.loads(answer.out)
    assert {"kind", "name", "value", "source", "state"} == set(rows[0])
    assert "hf:FOLDER" in [row["name"] for row in rows if row["kind"] == "encoder"]
