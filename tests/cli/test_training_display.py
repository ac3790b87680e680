"""What a training shows where there is no terminal: GANs have lines of their own and count as no runs."""

import io

from rich.console import Console

from magsig_tf.cli.training_display import TrainingDisplay
from magsig_tf.execution.observer import EpochSummary


def test_a_gan_shows_both_losses_its_distance_and_its_rate_and_counts_as_no_run():
    text = io.StringIO()
    with TrainingDisplay(Console(file=text, width=200)) as display:
        display.matrix_started(1)
        display.part_started("benign [40X]", 20)
        display.step_done(10)
        display.interval(10, {"generator_loss": 0.711, "discriminator_loss": 1.302, "steps_per_second": 12.34})
        display.part_checked(10, {"distance": 0.01234, "spread": 0.5}, chosen=True)
        display.run_started("gan, holdout 400X", 30, 1 / 3)
        display.interval(10, {"loss": 0.5})
        display.epoch_done(EpochSummary(0, 2, 15, {"loss": 0.4}, 0.6, 0.75, images_per_second=99.0))
    lines = [line.strip() for line in text.getvalue().splitlines() if line.strip()]
    assert lines == [
        "GAN benign [40X]",
        "step 10/20  G 0.71  D 1.30  12.3 steps/s  distance 0.0123  chosen so far",
        "[1/1] gan, holdout 400X",
        "epoch 1/2  loss 0.400  val 0.600  AUC 0.750  99 img/s",
    ]


def test_a_finished_run_says_what_was_chosen_below_its_title_and_the_matrix_speaks_for_itself():
    text = io.StringIO()
    chosen = {"epoch": 0, "validation_loss": 0.6, "state": {"lambda": 0.1}}
    record = {"chosen": chosen, "selection": "oracle", "batch_statistics": "reestimated", "seconds": 75.0}
    with TrainingDisplay(Console(file=text, width=200)) as display:
        display.matrix_started(2)
        display.note("2 runs")
        display.run_started("grl, holdout 400X", 30, 1 / 3)
        display.run_done(record, "runs/grl")
        display.note("Trained 1 run")
        display.matrix_done()
    assert text.getvalue().splitlines() == [
        "2 runs",
        "[1/2] grl, holdout 400X",
        "  Epoch 1 chosen by the oracle (it uses the holdout): validation loss 0.600, lambda 0.10. "
        "1 min 15 s. runs/grl",
        "Trained 1 run",
    ]
