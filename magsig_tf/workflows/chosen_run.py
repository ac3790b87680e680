"""Which finished run a command means when a user names a method and a holdout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from magsig_tf.errors import RunError, UsageError, nearest
from magsig_tf.statistics_rule import MARK, MOVING
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    from magsig_tf.runs.run import Run


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
    from magsig_tf.runs.run import find_runs

    found = find_runs(workspace, dataset)
    found = _with(found, "method", method, "Run `magsig train --method METHOD --holdout HOLDOUT` first")
    found = _with(found, "holdout", holdout, f"Run `magsig train --method {method} --holdout HOLDOUT` first")
    found = _with(found, "patient_fold", patient_fold, "Choose another --patient-fold, or train it first")
    found = _of_one_config(found, config_hash)
    done = [run for run in found if run.record.status == "done"]
    if not done:
        states = ", ".join(sorted({run.record.status for run in found}))
        raise RunError(
            f"Expected a finished run of {method}, holdout {holdout}, patient fold {patient_fold}",
            f"found {len(found)} that {'is' if len(found) == 1 else 'are'} {states}",
            f"Repeat `magsig train --method {method} --holdout {holdout}`: it resumes from there",
        )
    return sorted(done, key=lambda run: (validation_loss(run), run.seed))


def validation_loss(run: Run) -> float:
    """Return the validation loss of a run's chosen weights; infinite where its record has none."""
    return run.record.chosen.validation_loss if run.record.chosen else math.inf


def _with(found: Sequence[Run], key: str, wanted: object, remedy: str) -> list[Run]:
    kept = [run for run in found if getattr(run, key) == wanted]
    if kept:
        return kept
    known = sorted({str(getattr(run, key)) for run in found})
    offered = nearest(str(wanted), known) if known else ""
    raise UsageError(
        f"Expected a {key.replace('_', ' ')} with runs",
        f"found none of {wanted!r}",
        ". ".join(filter(None, [offered, remedy])),
    )


def _of_one_config(found: list[Run], start: str | None) -> list[Run]:
    hashes = sorted({run.config_hash for run in found})
    if start is not None:
        matching = [name for name in hashes if name.startswith(start)]
        if not matching:
            raise UsageError(
                "Expected the hash of a config with runs", f"found none of {start!r}", nearest(start, hashes)
            )
        hashes = matching
    if len(hashes) > 1:
        remedy = f"Choose with --config-hash {'|'.join(hashes)}{_marked(found, hashes)}"
        raise UsageError("Expected runs of one config", f"found {len(hashes)}", remedy)
    return [run for run in found if run.config_hash == hashes[0]]


def _marked(found: Sequence[Run], hashes: Sequence[str]) -> str:
    """Name the configs whose runs have moving statistics."""
    moving = {run.config_hash for run in found if run.batch_statistics == MOVING}
    named = [name for name in hashes if name in moving]
    return f" ({', '.join(named)}: {MARK})" if named else ""
