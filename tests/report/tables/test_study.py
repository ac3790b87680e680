"""The table of runs says which weights became each model."""

import pytest

from magsig_tf.evaluation import arrange, load_runs
from magsig_tf.report.tables.study import run_table
from tests.evaluation.fake_runs import FakeStudy

STEP = {"step": 40, "validation_loss": 0.5}
WINDOW = {"window": {"first_step": 10, "last_step": 1_040}}


@pytest.mark.parametrize(
    ("info", "shown"),
    [
        ({"chosen": STEP | {"epoch": 3}}, "4"),
        ({"chosen": STEP | WINDOW}, "steps 10 to 1,040"),
        ({"chosen": STEP | {"epoch": 3}, "adapted": {"train": 8}}, "4, adapted"),
        ({}, ""),
    ],
)
def test_the_chosen_weights_are_an_epoch_or_a_window_and_may_be_adapted(tmp_path, info, shown):
    study = FakeStudy(tmp_path)
    study.write(["grl"], holdouts=["40X"], folds=[0], **info)
    table = run_table(arrange(load_runs(study.workspace, study.dataset).runs))
    place = [column.title for column in table.columns].index("chosen epoch")
    assert [row.cells[place].text for row in table.rows] == [shown]
