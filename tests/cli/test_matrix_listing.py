"""`reproduce --dry-run` lists what would be trained before the runs."""

from rich.console import Console

from magsig_tf import workflows
from magsig_tf.cli.reproduce import print_plan
from magsig_tf.workspace import Workspace
from tests.made_up_gans import gan_config
from tests.tiny import tiny_dataset


def test_gans_and_runs_that_would_be_trained_first_are_listed_once(tmp_path, capsys):
    workspace = Workspace(tmp_path)
    tiny_dataset(workspace)
    print_plan(workflows.plan(gan_config(seed=[0, 1], synthetic_filter=True), workspace), Console(width=100))
    said = capsys.readouterr().out
    assert said.count("Trained first: GANs, holdout 400X, patient fold 0 (new)") == 1
    for seed in (0, 1):
        assert f"Trained first: baseline, holdout 400X, patient fold 0, seed {seed} (new)" in said
    print_plan(
        workflows.plan(gan_config(method=["baseline", "gan"], synthetic_filter=True), workspace), Console(width=100)
    )
    said = capsys.readouterr().out
    assert said.count("Trained first") == 1  # the baseline run is one of the matrix
