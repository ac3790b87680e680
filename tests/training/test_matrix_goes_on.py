"""An exception of one run, foreseen or not, costs that run alone."""

import pytest

from magsig_tf.errors import RunError, UsageError
from magsig_tf.execution.observer import Observer
from magsig_tf.training import run as training
from magsig_tf.training.planning import plan_matrix
from magsig_tf.workspace import Workspace
from tests.tiny import tiny_config, tiny_dataset

FAULTS = {
    "a defect": (ZeroDivisionError("division by zero"), "unexpected ZeroDivisionError: division by zero"),
    "no memory": (MemoryError(), "Expected more memory"),
    "a run that cannot be": (RunError("Expected a loss", "found NaN"), "Expected a loss, found NaN"),
    "a setting that does not fit": (UsageError("Expected a size", "found 3"), "Expected a size, found 3"),
}


@pytest.fixture
def runs(tmp_path):
    """Five planned runs and their data."""
    workspace = Workspace(tmp_path)
    prepared = tiny_dataset(workspace)
    return plan_matrix(tiny_config(patient_fold=["all"]), prepared, workspace), prepared


class Notes(Observer):
    """Keeps what is noted."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def carried_out(monkeypatch, runs, faults):
    """Execute runs of which some raise, by their place."""
    planned, prepared = runs

    def execute(run, *others):
        if (fault := faults.get(planned.index(run))) is not None:
            raise fault
        return {}

    monkeypatch.setattr(training, "execute", execute)
    notes = Notes()
    return training.execute_matrix(planned, prepared, notes), notes.notes


@pytest.mark.parametrize("kind", FAULTS)
def test_the_others_go_on_and_the_fault_is_told_in_one_line(monkeypatch, runs, kind):
    fault, said = FAULTS[kind]
    outcome, notes = carried_out(monkeypatch, runs, {2: fault})
    assert [runs[0].index(run) for run in outcome.done] == [0, 1, 3, 4]
    ((failed, words),) = outcome.failed
    assert failed is runs[0][2]
    assert words.startswith(said)
    assert notes == [f"Failed: {failed.title}. {words}"]
    assert "\n" not in notes[0]


def test_a_call_that_cannot_be_carried_out_ends_at_its_first_run(monkeypatch, runs):
    with pytest.raises(UsageError, match="found 3"):
        carried_out(monkeypatch, runs, dict.fromkeys(range(5), UsageError("Expected a size", "found 3")))
