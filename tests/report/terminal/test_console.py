"""A terminal shows the names of strangers as the characters that they are."""

import io

import pytest
from rich.table import Table
from rich.text import Text

from magsig_tf.cli.output import progress_bar
from magsig_tf.cli.training_display import TrainingDisplay
from magsig_tf.data.plain_text import printable
from magsig_tf.report.terminal.console import PlainConsole, bars

STRANGE = ["[red]X[/red]", "[/]", ":x:", "[link=http://a.b]c[/link]", "{task.id}", "\\[bold]"]
ESCAPES = ["\x1b[2J", "\x1b]0;title\x07", "a\u202eb", "\x9b31m", "\x7f"]


def shown(draw, **settings):
    text = io.StringIO()
    draw(PlainConsole(file=text, width=200, **settings))
    return text.getvalue()


@pytest.mark.parametrize("name", STRANGE)
def test_markup_emoji_codes_and_templates_are_only_characters(name):
    def draw(console):
        table = Table(title=name)
        table.add_column(name)
        table.add_row(name)
        console.print(table, name, Text(name))

    assert shown(draw).count(name) == 5


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("terminal", [True, False])
def test_escape_sequences_are_written_out(name, terminal):
    def draw(console):
        table = Table(title=name)
        table.add_column("case")
        table.add_row(Text(f"x{name}"))
        console.print(table, f"y{name}", style="bold")

    text = shown(draw, force_terminal=terminal)
    # in a table it may be cut: its width was measured before
    assert printable(name.replace("\x07", "")) in text
    assert name not in text


@pytest.mark.parametrize("name", [*STRANGE, "a\u202eb\x1b[2J"])
def test_bars_and_titles_of_runs_show_names_as_they_are(name):
    text = io.StringIO()
    console = PlainConsole(file=text, width=200, force_terminal=True)
    with bars(console, "{task.description}") as bar:
        bar.add_task(name, total=1)
    with TrainingDisplay(console) as display:
        display.run_started(name, 1, 0.5)
        display.part_started(name, 1)
        display.note(name)
    assert "\u202e" not in text.getvalue()
    assert "\x1b[2J" not in text.getvalue()
    assert text.getvalue().count(name if name.isprintable() else r"a\u202eb\x1b[2J") >= 3


def test_lines_of_a_text_stay_lines():
    assert shown(lambda console: console.print("a\nb")) == "a\nb\n"


def test_a_bar_on_standard_error_takes_any_title(capsys):
    with progress_bar("[/nothing]") as told:
        told(1, 2)
    assert capsys.readouterr().out == ""
