from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from magsig_tf.cli.main import main
from tests.data.small_images import breakhis_files, png, write_tree

PHANTOM = ("development_benign=1", "development_malignant=1", "test_benign=0", "test_malignant=0", "tiles=1")


@pytest.fixture
def command_line(tmp_path, monkeypatch, capsys):
    """Run `magsig` in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("MAGSIG_WORKSPACE", raising=False)

    def run(*words: str) -> SimpleNamespace:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        printed = capsys.readouterr()
        return SimpleNamespace(returncode=ended.value.code, stdout=printed.out, stderr=printed.err)

    return run


def small_phantom() -> list[str]:
    return ["--phantom", "--workers", "1", *(word for setting in PHANTOM for word in ("--phantom-set", setting))]


def test_the_report_is_printed_and_a_second_call_does_nothing(command_line, tmp_path):
    write_tree(tmp_path / "tree", breakhis_files())
    command = ["prepare", "--source", "tree", "--size", "16", "--workers", "1"]
    first, second = command_line(*command), command_line(*command)
    assert first.returncode == 0, first.stderr
    known = ("found/known", "7,903 of 7,909 known images", "Beside the 7,909 original files", ": 30x20")
    for words in (*known, "ductal_carcinoma", "14-13412", "prepared in"):
        assert words in first.stdout
    assert "images/s" in first.stderr
    assert second.returncode == 0
    assert "already prepared" in second.stdout
    assert (tmp_path / "workspace" / "data" / "breakhis" / "dataset.json").exists()


def test_json_is_all_there_is_on_standard_output(command_line, tmp_path):
    result = command_line("prepare", *small_phantom(), "--json", "--workspace", "elsewhere")
    summary = json.loads(result.stdout)
    assert summary["name"] == "phantom"
    assert summary["images"] == 8
    assert summary["already_prepared"] is False
    assert (tmp_path / "elsewhere" / "data" / "phantom" / "truth.parquet").exists()


def test_slips_are_told_in_one_line(command_line, tmp_path):
    write_tree(
        tmp_path, {"a.csv": b"path,label,case\na.png,0,1\n", "b.csv": b"path,label,magnification,case\na.png,0,1,1\n"}
    )
    for words, code, message in [
        ([], 2, "neither --source nor --phantom"),
        (["--phantom", "--source", "a.csv"], 2, "either --phantom or a source"),
        (["--phantom", "--phantom-set", "tiles"], 2, "KEY=VALUE"),
        (["--phantom", "--phantom-set", "tils=3"], 2, "Did you mean 'tiles'"),
        (["--source", "a.csv"], 1, "found no magnification"),
        (["--source", "b.csv"], 1, "found 1 of 1 missing, among them 'a.png'. No file of these names"),
    ]:
        result = command_line("prepare", *words)
        assert (result.returncode, result.stderr.count("Traceback")) == (code, 0), result.stderr
        assert message in " ".join(result.stderr.split())
        assert [line for line in result.stderr.splitlines() if "Error" in line] == result.stderr.splitlines()[-1:]


def test_names_from_strangers_cannot_draw_on_the_terminal(command_line, tmp_path):
    files = {f"SOB_B_A-14-{case}-40-001.png": png(str(case)) for case in range(40)}
    write_tree(tmp_path / "tree", files | {"[red]\x1b[2Jx.png": b"", "SOB_B_A-14-41-40-001.png": b"\x1b[2J[bold]"})
    result = command_line("prepare", "--source", "tree", "--size", "8", "--workers", "1")
    assert result.returncode == 0, result.stderr
    assert "\x1b[2J" not in result.stdout
    assert r"[red]\x1b[2Jx.png" in result.stdout
