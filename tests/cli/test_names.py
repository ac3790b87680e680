"""Names that may be one, from the refusal of `magsig prepare` to a data set in which they are."""

import json

import pytest

from magsig_tf.checksums import FILE, MARK
from tests.cli.command_line import magsig, refused
from tests.data.small_images import png, write_tree

ROWS = [("k1", "2.5x"), ("K1", "x2.5"), ("k-2", "2.50 X"), ("k 2", "5")]
TABLE = "path,label,magnification,case\n" + "".join(f"{n}.png,0,{mag},{case}\n" for n, (case, mag) in enumerate(ROWS))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a CSV manifest and its images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAGSIG_WORKSPACE", raising=False)
    write_tree(tmp_path, {"set.csv": TABLE.encode()} | {f"{n}.png": png(str(n)) for n in range(4)})
    return tmp_path


def prepare(*words: str):
    return magsig("prepare", "--source", "set.csv", "--size", "8", "--workers", "1", *words)


def test_a_refusal_writes_what_the_next_call_takes(here):
    said = (
        "found 2 pairs of names that may be one: cases, letter case: 'K1' and 'k1'; cases, separators: 'k 2' and 'k-2'"
    )
    refused(prepare(), 1, said, "pass --same-case workspace/set-names.csv")
    answer = prepare("--same-case", "workspace/set-names.csv", "--json")
    assert answer.code == 0, answer.errors
    written = json.loads(answer.out)
    assert written["cases"] == 2
    assert written["magnifications"] == ["2.5X", "5X"]
    assert len(written["names"]["same_case_sha256"]) == 64
    assert prepare("--same-case", "workspace/set-names.csv").code == 0
    refused(prepare("--names-are-exact"), 2, "differs in what is said of names")
    assert json.loads(prepare("--names-are-exact", "--overwrite", "--json").out)["cases"] == 4


def test_a_data_set_of_an_earlier_version_is_still_prepared_already(here):
    assert prepare("--names-are-exact").code == 0
    file = here / "workspace" / "data" / "set" / "dataset.json"
    info = json.loads(file.read_text())
    file.write_text(json.dumps({key: value for key, value in info.items() if key not in ("names", *MARK)}))
    file.with_name(FILE).unlink()
    assert "already prepared" in prepare().out


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("magnification", "all", "a word of the command line"),
        ("magnification", "..", "a word for folders"),
        ("magnification", "1,250x", "Write 1250 or 1.250"),
        ("magnification", "9" * 300, "of at most 100 characters, found 300"),
        ("cohort", "group 3", "found 'group 3'"),
    ],
)
def test_a_name_that_can_be_none_is_refused_before_anything_is_decoded(here, column, value, said):
    (here / "set.csv").write_text(f'path,label,magnification,case,{column}\n0.png,0,5x,1,"{value}"\n')
    if column == "magnification":
        (here / "set.csv").write_text(f'path,label,magnification,case\n0.png,0,"{value}",1\n')
    refused(prepare(), 1, said)


def test_test_cases_are_test_cases_in_any_spelling(here):
    table = "path,label,magnification,case,cohort\n0.png,0,5x,1,Test\n1.png,0,5x,2,TEST \n2.png,0,5x,3,train\n"
    (here / "set.csv").write_text(table)
    assert prepare("--json").code == 0
    from magsig_tf.data.prepared import PreparedDataset

    manifest = PreparedDataset.open(here / "workspace" / "data" / "set").manifest
    assert list(manifest["cohort"]) == ["test", "test", "train"]
