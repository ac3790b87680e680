"""Which finished run is exported, and under which name."""

from __future__ import annotations

import math
import re

from magsig_tf.data.identity import same_magnification
from magsig_tf.errors import RunError, UsageError, nearest
from magsig_tf.runs.run import Run, find_runs
from magsig_tf.statistics_rule import MARK, MOVING
from magsig_tf.workspace import Workspace


def default_name(run: Run) -> str:
    """Return a model's name for a run: `grl-400x`, with the patient fold where it is not the first."""
    fold = f"-fold{run.patient_fold}" if run.patient_fold else ""
    words = f"{run.method}-{run.holdout}{fold}".lower()
    return re.sub(r"[^a-z0-9._]+", "-", words).strip("-.") or "model"


def choose_run(
    workspace: Workspace, dataset: str, method: str, holdout: str, patient_fold: int, config_hash: str | None
) -> list[Run]:
    """Return the finished runs of all seeds, the best first, by validation loss.

    Args:
        workspace: Where the runs lie.
        dataset: Name of the data set.
        method: Name of the method.
        holdout: The magnification left out.
        patient_fold: Index of the tested patient fold.
        config_hash: First digits of the config's hash; None where there is only one config.

    Raises:
        UsageError: no run has that method, holdout, patient fold or config, or several configs have one.
        RunError: none is finished.
    """
    found = find_runs(workspace, dataset)
    holdout = next((run.holdout for run in found if same_magnification(run.holdout, holdout)), holdout)
    for key, wanted, remedy in (
        ("method", method, "Run `magsig train --method METHOD --holdout HOLDOUT` first"),
        ("holdout", holdout, f"Run `magsig train --method {method} --holdout HOLDOUT` first"),
        ("patient_fold", patient_fold, "Choose another --patient-fold, or train it first"),
    ):
        known = sorted({str(getattr(run, key)) for run in found})
        found = [run for run in found if getattr(run, key) == wanted]
        if not found:
            offered = f"{nearest(str(wanted), known)}. " if known else ""
            expected = f"Expected a {key.replace('_', ' ')} with runs"
            raise UsageError(expected, f"found none of {wanted!r}", f"{offered}{remedy}")
    found = _of_one_config(found, config_hash or "")
    done = [run for run in found if run.record.status == "done"]
    if not done:
        states = ", ".join(sorted({run.record.status for run in found}))
        expected = f"Expected a finished run of {method}, holdout {holdout}, patient fold {patient_fold}"
        remedy = f"Repeat `magsig train --method {method} --holdout {holdout}`: it resumes from there"
        raise RunError(expected, f"found {len(found)} that {'is' if len(found) == 1 else 'are'} {states}", remedy)
    return sorted(done, key=lambda run: (validation_loss(run), run.seed))


def validation_loss(run: Run) -> float:
    """Return the validation loss of a run's chosen weights; infinite where its record has none."""
    return run.record.chosen.validation_loss if run.record.chosen else math.inf


def _of_one_config(found: list[Run], start: str) -> list[Run]:
    """Return the runs of the config whose hash begins so; where several do, those with moving statistics are named."""
    hashes = sorted({run.config_hash for run in found})
    kept = [name for name in hashes if name.startswith(start)]
    if not kept:
        raise UsageError("Expected the hash of a config with runs", f"found none of {start!r}", nearest(start, hashes))
    if len(kept) > 1:
        moving = {run.config_hash for run in found if run.batch_statistics == MOVING}.intersection(kept)
        marked = f" ({', '.join(sorted(moving))}: {MARK})" if moving else ""
        remedy = f"Choose with --config-hash {'|'.join(kept)}{marked}"
        raise UsageError("Expected runs of one config", f"found {len(kept)}", remedy)
    return [run for run in found if run.config_hash == kept[0]]
