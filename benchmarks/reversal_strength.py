"""What gradient reversal takes out of the embedding, and what it costs, over its strength `lambda_max`.

Trains baseline and grl at each strength on a prepared data set (what is trained already is skipped), reads the
finished runs, and writes a table (CSV) and a figure (SVG): balanced accuracy of a linear magnification probe against
the AUC. Strengths are to be chosen by the columns of validation; those of test cases show what the choice then gives.

    python -m benchmarks.reversal_strength --workspace WORKSPACE --config demo --holdout all --out curve

Without --workspace it renders the phantom into a temporary one.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from benchmarks.options import quick_option

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
RISEN = 0.9
"""Share of `lambda_max` from which lambda counts as risen."""


@click.command(help=__doc__)
@click.option("--workspace", type=click.Path(path_type=Path), help="Where the data lie and the runs go.")
@click.option("--dataset", default="phantom", show_default=True, help="Name of the prepared data set.")
@click.option("--config", default="demo", show_default=True, help="A shipped config or a YAML file.")
@click.option("--set", "assignments", multiple=True, help="Further settings, key=value.")
@click.option("--holdout", multiple=True, default=("all",), show_default=True, help="Holdouts; repeat for several.")
@click.option("--patient-fold", multiple=True, default=("0",), show_default=True, help="Patient folds, or all.")
@click.option("--strength", "strengths", multiple=True, type=float, default=STRENGTHS, help="Values of lambda_max.")
@click.option("--out", type=click.Path(path_type=Path), help="Beginning of the names of the CSV and the SVG.")
@quick_option
def main(workspace, dataset, config, assignments, holdout, patient_fold, strengths, out, quick) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(workspace or folder)
        if quick:
            assignments, holdout, strengths = (*assignments, "epochs=1"), ("400X",), (0.3,)
        if workspace is None:
            _prepare(place, dataset, quick)
        table = _measure(place, dataset, config, assignments, list(holdout), list(patient_fold), strengths)
        click.echo(table.round(3).to_string(index=False))
        if out:
            table.round(4).to_csv(out.with_suffix(".csv"), index=False)
            _draw(table, out.with_suffix(".svg"))
        print(json.dumps({"benchmark": "reversal_strength", "rows": len(table), "quick": quick}))


def _prepare(place: Path, dataset: str, quick: bool) -> None:
    from magsig_tf import workflows
    from magsig_tf.workspace import Workspace

    small = {"development_benign": "8", "development_malignant": "12", "test_benign": "6", "test_malignant": "6"}
    options = small | {"tiles": "2"} if quick else {}
    workflows.prepare(None, Workspace(place), kind="phantom", name=dataset, options=options)


def _measure(place, dataset, config, assignments, holdout, patient_fold, strengths: Sequence[float]):
    import pandas as pd

    from benchmarks.made_up_run import set_up_tensorflow
    from magsig_tf.config_files import load_config, parse_assignments
    from magsig_tf.data.prepared import PreparedDataset
    from magsig_tf.execution.observer import Observer
    from magsig_tf.training.planning import plan_matrix
    from magsig_tf.training.run import execute_matrix
    from magsig_tf.workspace import Workspace

    set_up_tensorflow()
    prepared = PreparedDataset.open(Workspace(place).data(dataset))
    common = {"dataset": dataset, "holdout": holdout, "patient_fold": patient_fold, **parse_assignments(assignments)}
    rows = []
    for strength in (None, *strengths):
        own = {"method": ["baseline"]} if strength is None else {"method": ["grl"], "lambda_max": strength}
        runs = plan_matrix(load_config(config, common, own), prepared, Workspace(place))
        outcome = execute_matrix(runs, prepared, Observer())
        for run, error in outcome.failed:
            click.echo(f"Failed: {run.title}: {error}", err=True)
        lost = {run.folder for run, _ in outcome.failed}
        rows += [{"lambda_max": strength or 0.0, **_of_run(run)} for run in runs if run.folder not in lost]
        click.echo(f"lambda_max {strength}: {len(runs)} runs", err=True)
    found = pd.DataFrame(rows).groupby("lambda_max").mean().reset_index()
    found["norm_ratio"] = found["embedding_norm"] / found["embedding_norm"].iloc[0]
    return found


def _of_run(run) -> dict[str, float]:
    """Return the numbers of one run: AUC and probe on validation and on test cases, domain loss, embedding norm."""
    import numpy as np

    from magsig_tf.execution.run_log import read_log
    from magsig_tf.npz_files import read_npz
    from magsig_tf.parquet_files import read_parquet
    from magsig_tf.statistics.metrics import auc

    predictions = read_parquet(run.folder / "predictions.parquet")
    parts = dict(iter(predictions.groupby("part")))
    embeddings = read_npz(run.folder / "embeddings.npz")
    epochs = [record for record in read_log(run.folder / "log.jsonl") if record["kind"] == "epoch"]
    strength = getattr(run.config.options[run.config.settings.method[0]], "lambda_max", 0.0)
    domain = [epoch["domain_loss"] for epoch in epochs if "domain_loss" in epoch]
    risen = [loss for loss, epoch in zip(domain, epochs, strict=False) if epoch["lambda"] >= RISEN * strength]
    of_test = embeddings["part"] == "in_domain_test"
    return {
        "validation_auc": auc(parts["validation"]["label"].to_numpy(), parts["validation"]["logit"].to_numpy()),
        "validation_probe": _probe(embeddings, "validation"),
        "held_out_auc": auc(parts["test"]["label"].to_numpy(), parts["test"]["logit"].to_numpy()),
        "test_probe": _probe(embeddings, "in_domain_test"),
        "chance": 1 / len(run.record.source_magnifications),
        "largest_domain_loss": max(risen, default=float("nan")),
        "embedding_norm": float(np.linalg.norm(embeddings["embedding"][of_test], axis=1).mean()),
    }


def _probe(embeddings: dict, part: str) -> float:
    """Return the balanced accuracy of the linear magnification probe on one part, out of folds of cases."""
    import numpy as np

    from magsig_tf.errors import NotDefinedError
    from magsig_tf.evaluation.probes.magnification import magnification_probe

    rows = embeddings["part"] == part
    names = ("embedding", "magnification", "case", "label")
    try:
        answers = magnification_probe(*(embeddings[name][rows] for name in names))
    except NotDefinedError:
        return float("nan")
    right = answers.predicted == answers.target
    return float(np.mean([right[answers.target == target].mean() for target in np.unique(answers.target)]))


def _draw(table, path: Path) -> None:
    """Draw the probe against the AUC: validation cases beside test cases, a colour a strength."""
    from matplotlib import colormaps, rc_context
    from matplotlib.figure import Figure

    from magsig_tf.report.figures.base import MM_PER_INCH, STYLE

    viridis = colormaps["viridis"]
    with rc_context(STYLE):
        drawing = Figure(figsize=(140 / MM_PER_INCH, 62 / MM_PER_INCH), layout="constrained")
        axes = drawing.subplots(1, 2, sharey=True)
        panels = (("validation_auc", "validation_probe", "validation cases"),
                  ("held_out_auc", "test_probe", "test cases"))  # fmt: skip
        for ax, (auc, probe, title) in zip(axes, panels, strict=True):
            reversed_ = table[table["lambda_max"] > 0]
            baseline = table[table["lambda_max"] == 0]
            ax.plot(reversed_[auc], reversed_[probe], "-", color="#AAAAAA", zorder=1)
            ax.plot(baseline[auc], baseline[probe], "s", color="#000000", label="baseline")
            for place, (_, row) in enumerate(reversed_.iterrows()):
                colour = viridis(place / max(1, len(reversed_) - 1))
                ax.plot(row[auc], row[probe], "o", color=colour, label=f"grl, {row['lambda_max']:g}")
            ax.axhline(table["chance"].iloc[0], color="#888888", linestyle=":", label="chance")
            ax.set_xlabel("AUC at the source magnifications" if ax is axes[0] else "AUC at the held-out magnification")
            ax.set_title(title)
        axes[0].set_ylabel("balanced accuracy of the\nlinear magnification probe")
        drawing.legend(*axes[0].get_legend_handles_labels(), loc="outside right", title="lambda_max")
        drawing.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
