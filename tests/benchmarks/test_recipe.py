"""What each ingredient of a recipe is worth: the choice among validated weights, and a table of it."""

import pandas as pd
import pytest

from benchmarks import recipe


@pytest.mark.parametrize(
    ("losses", "patience", "chosen"),
    [([3, 2, 1], 0, 2), ([2, 3, 1], 0, 2), ([2, 3, 1], 1, 0), ([2, 2, 1], 1, 0), ([2, 3, 4, 1], 3, 3), ([1], 1, 0)],
)
def test_early_stopping_sees_nothing_behind_its_end(losses, patience, chosen):
    assert recipe._chosen(losses, patience) == chosen


def test_each_setting_has_the_loss_of_the_epoch_that_it_would_choose():
    moment = {-1: 0.9, 0: 0.1, 1: 0.5, 2: 0.6, 3: 0.3}
    rows = [("200X", 0, "linear", 0.3, 1.0, epoch, (epoch + 1) / 4, loss) for epoch, loss in moment.items()]
    rows += [("200X", 0, "linear", 0.3, 0.5, epoch, (epoch + 1) / 4, loss) for epoch, loss in ((2, 0.4), (3, 0.45))]
    table = recipe.summary(pd.DataFrame(rows, columns=recipe.COLUMNS)).set_index(["setting", "early_stop"])["mean"]
    name = "head linear, encoder rate 0.3, average from {}".format
    assert table["linear head, never trained", 0] == 0.9
    # the first epoch comes too early to be chosen
    assert (table[name("1"), 0], table[name("1"), 1]) == (0.3, 0.5)
    assert (table[name("0.5"), 0], table[name("0.5"), 1]) == (0.4, 0.4)


def test_a_setting_that_lacks_a_fold_has_no_mean_and_comes_last():
    rows = [("200X", fold, "random", rate, 1.0, 3, 1.0, 0.5) for fold, rate in ((0, 1.0), (1, 1.0), (0, 0.3))]
    table = recipe.summary(pd.DataFrame(rows, columns=recipe.COLUMNS))
    assert table["mean"].notna().tolist() == [True] * 8 + [False] * 8
    assert table["setting"].iloc[-1].startswith("head random, encoder rate 0.3")


@pytest.mark.slow
def test_trainings_are_stored_and_a_repeat_goes_on(tmp_path, capsys):
    out = tmp_path / "recipe.csv"
    recipe.main.main(["--quick", "--out", str(out), "--start", "linear", "--rate", "1"], standalone_mode=False)
    first = pd.read_csv(out)
    assert first.groupby(recipe.KEY).ngroups == 1
    assert set(first["epoch"]) == {-1, 0, 1}
    recipe.main.main(["--quick", "--out", str(out), "--rate", "1"], standalone_mode=False)
    both = pd.read_csv(out)
    pd.testing.assert_frame_equal(both.head(len(first)), first)
    assert both.groupby(recipe.KEY).ngroups == 2
    assert "head linear, encoder rate 1, average from 0.75" in capsys.readouterr().out
