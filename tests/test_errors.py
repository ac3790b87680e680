"""Messages say what was expected, what was found and what to do."""

import errno
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magsig_tf.errors import DataError, MagsigError, RunError, UsageError, as_magsig_error, nearest, reading_remedy
from magsig_tf.registry import PluginError


def test_a_message_is_three_sentences():
    error = DataError("Expected a case column", "found path, label", "Add it.")
    assert str(error) == "Expected a case column, found path, label. Add it."


def test_parts_that_are_missing_leave_no_trace():
    assert str(MagsigError("Expected a file")) == "Expected a file."


@pytest.mark.parametrize(
    ("kind", "code"), [(UsageError, 2), (DataError, 1), (RunError, 1), (PluginError, 1), (MagsigError, 1)]
)
def test_usage_exits_with_two_and_failure_with_one(kind, code):
    assert kind.exit_code == code
    assert issubclass(kind, MagsigError)


def test_an_error_survives_the_way_back_from_a_worker_process():
    error = pickle.loads(pickle.dumps(DataError("Expected a", "found b", "Do c")))
    assert (type(error), error.expected, error.found, error.remedy) == (DataError, "Expected a", "found b", "Do c")


def test_the_nearest_name_is_offered_and_all_are_listed():
    assert nearest("lamda_max", ["lambda_max", "epochs"]) == "Did you mean 'lambda_max'? Known: epochs, lambda_max"
    assert nearest("zzz", ["b", "a"]) == "Known: a, b"
    assert nearest("zzz", []) == "Known: none"


@given(st.text(max_size=20), st.lists(st.text(max_size=10), max_size=5))
def test_any_name_gets_a_remedy(name, known):
    assert "Known:" in nearest(name, known)


def test_a_file_that_could_not_be_read_is_not_called_damaged():
    move = "Move it aside"
    assert reading_remedy(ValueError("no JSON"), move) == reading_remedy(None, move) == move
    assert reading_remedy(FileNotFoundError(errno.ENOENT, "gone"), move) == move
    assert "ulimit -n" in reading_remedy(OSError(errno.EMFILE, "Too many open files"), move)
    assert "Check the disk" in reading_remedy(OSError(errno.EIO, "Input/output error"), move)
    assert "may read it" in reading_remedy(PermissionError(errno.EACCES, "Permission denied"), move)
    assert "LC_ALL" in reading_remedy(UnicodeEncodeError("ascii", "ö", 0, 1, "not in range"), move)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.EIO, "Input/output error", "a.npy"),
            "read or write a.npy, found: Input/output error. Check the",
        ),
        (OSError(errno.EDQUOT, "Disk quota exceeded", b"a"), "read or write a, found: Disk quota exceeded. Free space"),
        (OSError(errno.EROFS, "Read-only file system", "a"), "found: Read-only file system. Check that it is there"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a"), "found: File name too long. Choose a shorter name"),
        (OSError(errno.EMFILE, "Too many open files"), "read or write a file, found: Too many open files. Raise the"),
        (MemoryError(), "Expected more memory, found the machine"),
        (RuntimeError("can't start new thread"), "Expected more memory, found the machine"),
        (ImportError("x.so: failed to map segment from shared object"), "Expected more memory, found the machine"),
    ],
)
def test_what_the_machine_refuses_is_told_in_our_words(error, said):
    assert said in str(as_magsig_error(error))


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), RuntimeError("x"), OSError("no number")])
def test_a_defect_of_ours_is_not_blamed_on_the_machine(error):
    assert as_magsig_error(error) is None
