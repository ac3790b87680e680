"""Which finished run a command means when a user names a method and a holdout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from magsig_tf.errors import RunError, UsageError, nearest
from magsig_tf.statistics_rule import MARK, MOVING
from magsig_tf.workspace import Workspace

Found = tuple[Path, dict]


def choose_run(
    workspace: Workspace, dataset: str, method: str, holdout: str, patient_fold: int, config_hash: str | None
) -> tuple[Path, list[dict]]:
    """Return the folder of the best seed, by validation loss, and the records of all seeds, best first.

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
    from magsig_tf.runs.files import read_record

    found = [(path.parent, read_record(path)) for path in sorted(workspace.runs(dataset).glob("*/*/*/run.json"))]
    found = _with(found, "method", method, "Run `magsig train --method METHOD --holdout HOLDOUT` first")
    found = _with(found, "holdout", holdout, f"Run `magsig train --method {method} --holdout HOLDOUT` first")
    found = _with(found, "patient_fold", patient_fold, "Choose another --patient-fold, or train it first")
    found = _of_one_config(found, config_hash)
    done = [(folder, info) for folder, info in found if info["status"] == "done"]
    if not done:
        states = ", ".join(sorted({str(info["status"]) for _, info in found}))
        raise RunError(
            f"Expected a finished run of {method}, holdout {holdout}, patient fold {patient_fold}",
            f"found {len(found)} that {'is' if len(found) == 1 else 'are'} {states}",
            f"Repeat `magsig train --method {method} --holdout {holdout}`: it goes on from there",
        )
    done.sort(key=lambda each: (validation_loss(each[1]), each[1]["seed"]))
    return done[0][0], [info for _, info in done]


def validation_loss(record: dict) -> float:
    """Return the validation loss of a run's chosen weights; infinite where its record has none."""
    chosen = record.get("chosen")
    loss = chosen.get("validation_loss") if isinstance(chosen, dict) else None
    return float(loss) if isinstance(loss, int | float) else float("inf")


def _with(found: Sequence[Found], key: str, wanted: object, remedy: str) -> list[Found]:
    kept = [(folder, info) for folder, info in found if info[key] == wanted]
    if kept:
        return kept
    known = sorted({str(info[key]) for _, info in found})
    offered = nearest(str(wanted), known) if known else ""
    raise UsageError(
        f"Expected a {key.replace('_', ' ')} with runs",
        f"found none of {wanted!r}",
        ". ".join(filter(None, [offered, remedy])),
    )


def _of_one_config(found: list[Found], start: str | None) -> list[Found]:
    hashes = sorted({info["config_hash"] for _, info in found})
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
    return [(folder, info) for folder, info in found if info["config_hash"] == hashes[0]]


def _marked(found: Sequence[Found], hashes: Sequence[str]) -> str:
    """Name the configs whose runs have moving statistics."""
    from magsig_tf.runs.files import batch_statistics_of

    moving = {info["config_hash"] for folder, info in found if batch_statistics_of(folder, info) == MOVING}
    named = [name for name in hashes if name in moving]
    return f" ({', '.join(named)}: {MARK})" if named else ""
