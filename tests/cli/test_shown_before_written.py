"""What a command has calculated is shown, also where it cannot be written or the reader of its output has left."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from magsig_tf.checksums import sign_tree
from tests.cli.command_line import files, magsig
from tests.cli.limits import file_size_limit
from tests.evaluation.fake_runs import FakeStudy
from tests.evaluation.probes.fake_embeddings import FakeEmbeddings

QUICK = ("--replicates", "100")
SHOWN = {
    "evaluate": (QUICK, "held-out"),
    "compare": (("grl", "baseline", *QUICK), "grl - baseline"),
    "claims": (QUICK, "the paper's claims, judged"),
    "signatures": ((*QUICK, "--no-random-encoder"), "no signature"),
    "probe": ((*QUICK, "--workers", "1"), "chance"),
    "report": (QUICK, "runs"),
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = FakeEmbeddings(tmp_path_factory.mktemp("study"), cases=(10, 10), images=2)
    study.write(holdouts=["40X", "100X"], folds=[0])
    study.prepare()
    return study


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_a_full_disk_costs_the_files_and_not_what_was_calculated(study, name):
    words, shown = SHOWN[name]
    with file_size_limit(300):  # the signature of a lock fits
        answer = magsig(name, "--workspace", study.workspace.root, *words)
    assert answer.code == 1
    assert shown in answer.out
    assert answer.error.startswith("Error: Expected to write ")
    assert "found: File too large. Free space or choose another --workspace." in answer.error
    assert "All numbers" not in answer.out
    assert files(study.workspace.results()) == []


def test_json_is_whole_where_files_are_not(study):
    with file_size_limit(300):
        answer = magsig("evaluate", "--workspace", study.workspace.root, *QUICK, "--json")
        report = magsig("report", "--workspace", study.workspace.root, *QUICK, "--json")
    assert {row["method"] for row in json.loads(answer.out)} == {"baseline", "grl"}
    assert json.loads(report.out)["report"] is None
    assert (answer.code, report.code) == (1, 1)


def test_the_list_of_plugins_comes_before_its_file(tmp_path):
    with file_size_limit(0):
        answer = magsig("plugins", "--csv", tmp_path / "plugins.csv")
    assert "baseline" in answer.out
    assert "plugins.csv, found: File too large" in answer.error


CODE = "from magsig_tf.cli.main import main; main()"


def typed(words: str, shell: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `magsig WORDS` in a process of its own, its standard output where the shell's words send it."""
    command = ["bash", "-o", "pipefail", "-c", f'"{sys.executable}" -c "{CODE}" {words} {shell}']
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, check=False)


REFUSED = "Error: Expected to print on standard output, found: {}. Files were written all the same"


@pytest.mark.parametrize(
    ("shell", "code", "said"),
    [
        ("> /dev/full", 1, REFUSED.format("No space left on device")),
        (">&-", 1, REFUSED.format("Bad file descriptor")),
        ("| true", 1, ""),
        ("2>&- > /dev/null", 0, ""),
    ],
)
def test_an_output_that_takes_nothing_is_told_in_one_line(shell, code, said):
    done = typed("--help", shell)
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == bool(said)


@pytest.mark.slow
def test_what_cannot_be_printed_is_written_and_an_ascii_terminal_gets_the_same_table(tmp_path):
    study = FakeStudy(tmp_path / "wörk", cases=(6, 6), images=1)
    study.write(methods=["baseline"], holdouts=["40X"])
    root = study.workspace.root
    for folder in (*root.glob("runs/*/*/*/*"), *root.glob("data/*")):
        sign_tree(folder, folder)  # of an unsigned one there is a note
    words = f'evaluate --replicates 100 --workspace "{study.workspace.root}"'
    done = typed(words, "> /dev/full")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert files(study.workspace.results()) == [
        f"fake/{name}" for name in ("checksums.json", "summary.csv", "summary.parquet")
    ]
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0"}
    done = typed(words, "", **plain)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "summary.parquet" in done.stdout


def test_a_limit_of_memory_is_told_before_anything_waits_for_it():
    words = ["bash", "-c", f'ulimit -v 600000; "{sys.executable}" -c "{CODE}" evaluate']
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "Error: Expected more memory than 585 MiB, found no more allowed (`ulimit -v 600000`). Raise"
    )
