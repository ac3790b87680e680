"""Private memory of training at epoch 50 against epoch 5: small_cnn on the phantom, all processes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from benchmarks.options import quick_option
from benchmarks.private_memory import family_bytes
from benchmarks.timing import report

ALLOWED_MEBIBYTES = 20
FEW = {"development_benign": 8, "development_malignant": 8, "test_benign": 2, "test_malignant": 2, "tiles": 1}


@click.command(help=__doc__)
@quick_option
@click.option("--epochs", default=50, show_default=True, help="The last epoch looked at; the first is a tenth of it.")
@click.option("--method", default="baseline", show_default=True)
def main(quick: bool, epochs: int, method: str) -> None:
    from benchmarks.made_up_run import set_up_tensorflow

    set_up_tensorflow()
    from magsig_tf.config_files import build_config
    from magsig_tf.data.preparation.prepare import Preparation
    from magsig_tf.execution.observer import Observer
    from magsig_tf.runs.run import Run
    from magsig_tf.training.run import execute
    from magsig_tf.workspace import Workspace

    epochs = 10 if quick else epochs
    first = epochs // 10
    seen: dict[int, int] = {}

    class Watch(Observer):
        def epoch_done(self, summary) -> None:
            seen[summary.epoch + 1] = family_bytes()

    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        preparation = Preparation(None, workspace, kind="phantom", options=FEW if quick else None)
        dataset = preparation.run(workers=1 if quick else None)
        values = {"method": method, "holdout": "400X", "encoder": "small_cnn", "epochs": epochs, "weights": "none"}
        batch = 4 if quick else 16
        config = build_config({**values, "images_per_magnification": batch, "learning_rate": 0.002}).for_run(
            dataset=dataset.name, method=method, holdout="400X", patient_fold=0, seed=0
        )
        execute(Run.of(workspace, config), dataset, Watch())
    mebibytes = {epoch: value / 2**20 for epoch, value in seen.items()}
    report(
        f"memory of training small_cnn, epoch {epochs}",
        [(mebibytes[first] + ALLOWED_MEBIBYTES) / mebibytes[epochs]],
        of=f"epoch {epochs}",
        to=f"epoch {first} and {ALLOWED_MEBIBYTES} MiB",
        target=1.0,
        mebibytes={str(epoch): round(mebibytes[epoch], 1) for epoch in sorted({1, first, epochs // 2, epochs})},
        growth=round(mebibytes[epochs] - mebibytes[first], 1),
    )


if __name__ == "__main__":
    main()
