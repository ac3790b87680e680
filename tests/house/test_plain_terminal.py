"""Text reaches a terminal through doors that let no escape sequence and no markup of a stranger pass."""

import ast

from tests.house.test_import_direction import MODULES

# the second measures a table and prints nothing
CONSOLES = {"magsig_tf.report.terminal.console", "magsig_tf.report.terminal.render"}
ECHO = {"magsig_tf.cli.output"}
CSV = {"magsig_tf.data.plain_text"}


def _calls(name):
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


def test_consoles_and_bars_are_made_in_one_place():
    made = ("Console", "PlainConsole", "Progress")
    found = [name for name in MODULES for _, called in _calls(name) if called.rsplit(".", 1)[-1] in made]
    assert set(found) <= CONSOLES


def test_nothing_but_json_is_printed_without_the_door():
    def is_json(node):
        return "json" in (text := ast.unparse(node)) or "as_records" in text

    bare = [(name, node.lineno) for name in MODULES for node, called in _calls(name) if called == "click.echo"]
    fine = {(n, node.lineno) for n in MODULES for node, called in _calls(n) if called == "click.echo" and is_json(node)}
    assert {name for name, line in bare if (name, line) not in fine} <= ECHO


def test_frames_become_csv_in_one_place():
    found = {name for name in MODULES for _, called in _calls(name) if called.endswith(".to_csv")}
    assert found == CSV
