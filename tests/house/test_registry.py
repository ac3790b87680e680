"""Names come from installed distributions; two claims on one name, or a plugin that fails, are told and contained."""

from __future__ import annotations

import sys

import pytest

from magsig_tf.cli.main import main
from magsig_tf.errors import MagsigError, UsageError
from magsig_tf.registry import GROUPS, PluginError, Registry, registry


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a distribution on the path: install("twin", "methods", {"baseline": "twin:Twin"}, code)."""

    def put(name: str, kind: str, points: dict[str, str], code: str = "") -> None:
        folder = tmp_path / name
        information = folder / f"{name}-1.2.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = [f"[{GROUPS[kind]}]", *(f"{point} = {value}" for point, value in points.items())]
        (information / "entry_points.txt").write_text("\n".join(lines) + "\n")
        (folder / f"{name}.py").write_text(code)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, name, raising=False)

    return put


def test_built_ins_come_by_the_same_door():
    for kind, some in {
        "commands": {"prepare", "train", "evaluate", "reproduce", "plugins"},
        "methods": {"baseline", "grl"},
        "encoders": {"small_cnn", "efficientnet_lite0", "resnet50"},
        "datasets": {"breakhis", "csv", "phantom"},
    }.items():
        found = Registry(kind)
        assert some <= set(found.names())
        assert all(found.find(name).source.startswith("magsig ") for name in some)


def test_a_strangers_name_is_found_with_its_source(install):
    install("stranger_a", "methods", {"mine": "stranger_a:Mine"}, "class Mine: pass\n")
    plugin = Registry("methods").find("mine")
    assert plugin.source == "stranger_a 1.2"
    assert plugin.load().__name__ == "Mine"


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(UsageError, match=r"found 'glr'.*Did you mean 'grl'"):
        Registry("methods").find("glr")


def test_a_name_taken_twice_names_both_sources(install):
    install("twin_a", "methods", {"baseline": "twin_a:Twin"}, "class Twin: pass\n")
    methods = Registry("methods")
    with pytest.raises(PluginError) as caught:
        methods.load("baseline")
    assert "twin_a 1.2 (twin_a:Twin)" in str(caught.value)
    assert "magsig " in str(caught.value)
    assert "magsig_tf.methods.baseline:Baseline" in str(caught.value)
    assert methods.names().count("baseline") == 1
    assert methods.load("grl").__name__ == "GradientReversalMethod"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import a_module_that_is_not_there\n", "ModuleNotFoundError"),
        ("raise RuntimeError('half installed')\n", "RuntimeError: half installed"),
        ("", "AttributeError"),
        ("def broken(:\n", "SyntaxError"),
    ],
)
def test_a_broken_plugin_says_whose_it_is_and_why(install, code, reason):
    install("sick_a", "methods", {"sick": "sick_a:Sick"}, code)
    methods = Registry("methods")
    with pytest.raises(PluginError) as caught:
        methods.load("sick")
    assert "sick_a 1.2" in str(caught.value)
    assert reason in str(caught.value)
    assert isinstance(caught.value, MagsigError)
    assert methods.load("baseline").__name__ == "Baseline"


@pytest.fixture
def command_line(capsys):
    """Run `magsig` in this process, with the registry read anew: command_line("train") -> exit code, output, errors."""

    def run(*words: str) -> tuple[int, str, str]:
        registry.cache_clear()
        with pytest.raises(SystemExit) as leaving:
            main(list(words))
        return leaving.value.code, *capsys.readouterr()

    yield run
    registry.cache_clear()


def test_the_command_line_lists_a_broken_plugin_and_goes_on(install, command_line, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    install("sick_b", "commands", {"sick": "sick_b:sick"}, "raise RuntimeError('half installed')\n")
    install("twin_b", "commands", {"train": "twin_b:train"}, "import click\ntrain = click.Command('train')\n")
    code, text, _ = command_line("plugins")
    assert code == 0
    assert "broken: found RuntimeError: half installed" in text
    assert "twin_b 1.2" in text
    code, text, _ = command_line("--help")
    assert code == 0
    assert "half installed" in text
    code, _, said = command_line("train")
    assert code == 1
    assert "twin_b 1.2" in said
    assert "magsig_tf.cli.train:train" in said
    assert "Traceback" not in said
    assert command_line("reproduce", "--help")[0] == 0


def test_a_registered_command_that_is_none_costs_its_own_line_of_help(install, command_line, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    install("bare_c", "commands", {"bare": "bare_c:bare"}, "def bare():\n    pass\n")
    code, text, _ = command_line("--help")
    assert code == 0
    assert "broken: found no click command but function" in text
    code, _, said = command_line("bare")
    assert code == 1
    assert "bare_c:bare from bare_c 1.2" in said


def test_an_unknown_command_offers_the_nearest(command_line):
    code, _, said = command_line("trian")
    assert code == 2
    assert "Did you mean 'train'" in said
