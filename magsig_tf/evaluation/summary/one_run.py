"""The numbers of a single run, one magnification at a time: what a model card needs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from magsig_tf.data.prepared import magnification_order
from magsig_tf.evaluation.summary.frame import summarise
from magsig_tf.reasons import NO_TEST_IMAGES, Reason
from magsig_tf.runs.finished import LoadedRuns
from magsig_tf.runs.run import Run

TRAINED, SERVED = "trained", "served"
COLUMNS = (
    *("outputs", "part", "magnification", "level", "metric", "value", "low", "high"),
    *("cases_benign", "cases_malignant", "images", "reason", "reason_code"),
)


def one_run_table(run: Run, temperature: float | None = None, replicates: int = 2000) -> pd.DataFrame:
    """Calculate every metric of one run on its test cases, at each magnification for itself.

    Args:
        run: A finished run.
        temperature: Divides the logits of the model that is served; None where it serves the probabilities as trained.
        replicates: Bootstrap replicates over cases.

    Returns:
        Columns `COLUMNS`, one row for each kind of outputs ("trained", and "served" where there is a temperature), part
        ("held_out" at the holdout, else "in_domain"), magnification, level ("image", "case") and metric. Value and
        interval are those of `summarise`; where they are NaN the reason says why.
    """
    kinds = {TRAINED: run} if temperature is None else {TRAINED: run, SERVED: _tempered(run, temperature)}
    rows = [
        _rows_at(each, magnification, replicates).assign(outputs=outputs)
        for outputs, each in kinds.items()
        for magnification in magnification_order(run.magnifications)
    ]
    return pd.concat(rows, ignore_index=True)[list(COLUMNS)]


def _rows_at(run: Run, magnification: str, replicates: int) -> pd.DataFrame:
    """Return the rows of one magnification, as those of a run that is tested there only."""
    held_out = magnification == run.holdout
    tested = run.part("test" if held_out else "in_domain_test", magnification).assign(part="test")
    alone = run.with_predictions(tested, holdout=magnification)
    part = "held_out" if held_out else "in_domain"
    if tested.empty:
        return pd.DataFrame(
            [{"part": part, "magnification": magnification, "level": level, "metric": metric, **_ABSENT}
             for level in ("image", "case") for metric in ("auc", "brier", "ece")]
        )  # fmt: skip
    table = summarise(LoadedRuns("", [alone], []), replicates=replicates).table
    return table[table["quantity"] == "held_out"].assign(part=part, magnification=magnification)


_ABSENT = {
    **dict.fromkeys(("value", "low", "high"), float("nan")),
    **dict.fromkeys(("cases_benign", "cases_malignant", "images"), 0),
    **Reason(NO_TEST_IMAGES, "not run: no test images at this magnification").columns(),
}


def _tempered(run: Run, temperature: float) -> Run:
    probability = run.predictions["probability"].to_numpy(float)
    with np.errstate(divide="ignore"):  # a probability of 0 or 1 has an infinite logit, and keeps it
        logit = np.log(probability) - np.log1p(-probability)
    return run.with_predictions(run.predictions.assign(probability=1 / (1 + np.exp(-logit / temperature))))
