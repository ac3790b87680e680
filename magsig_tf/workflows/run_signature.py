"""The sparse signature of a run, brought from the tables of `magsig signatures` to a served model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magsig_tf.errors import DataError, RunError
from magsig_tf.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from magsig_tf.runs.run import Run
    from magsig_tf.serving.exporting.served_model import SparseSignature

_SAME_PENALTY = 1e-6


def signature_of_run(workspace: Workspace, run: Run) -> SparseSignature:
    """Return a run's signature, fitted again from its embeddings and held against the table.

    The tables hold sizes and scores, not coefficients; the fit is a pure function of the embeddings, so it is the same.

    Args:
        workspace: Where the result tables lie.
        run: The run.

    Raises:
        RunError: no table has this run, or the fit is no longer the one in the table.
        DataError: the run has no signature, or an empty one.
    """
    from magsig_tf.data.embeddings_file import read_embeddings
    from magsig_tf.serving.exporting.served_model import SparseSignature
    from magsig_tf.signatures.signature import fit_signature

    row, title = _row_of_run(workspace, run), run.name
    if row["k"] != row["k"] or not row["k"]:  # NaN is not equal to itself
        raise DataError(
            f"Expected a signature of {title}",
            f"found {row['reason'] or 'an empty one'}",
            "Export it without --with-signature",
        )
    train = read_embeddings(run.folder / "embeddings.npz").of("train")
    names = (run.dataset_hash, run.holdout, run.patient_fold)
    fitted = fit_signature(train.embedding, train.label, train.case, names=names)
    if fitted.size != row["k"] or abs(fitted.penalty / row["penalty"] - 1) > _SAME_PENALTY:
        raise RunError(
            f"Expected the signature of {title} as in the table, {int(row['k'])} dimensions",
            f"found {fitted.size} when fitted again",
            "The run was trained again since: run `magsig signatures` again",
        )
    return SparseSignature(
        indices=fitted.indices,
        coefficients=fitted.coefficients,
        intercept=fitted.intercept,
        mean=fitted.mean,
        scale=fitted.scale,
        dimensions=fitted.dimensions,
        penalty=fitted.penalty,
    )


def _row_of_run(workspace: Workspace, run: Run) -> pd.Series:
    import pandas as pd

    folder = workspace.results() / run.record.dataset
    wanted = {
        "method": run.method,
        "config": run.config_hash,
        "holdout": run.holdout,
        "patient_fold": run.patient_fold,
        "seed": run.seed,
    }
    tables = [folder / "signatures.parquet", *sorted(folder.glob("signatures-*.parquet"))]
    for path in tables:
        if not path.is_file():
            continue
        table = pd.read_parquet(path)
        same = table[(table[list(wanted)] == pd.Series(wanted)).all(axis=1)]
        if len(same):
            return same.iloc[0].astype(object).where(same.iloc[0].notna(), float("nan"))
    raise RunError(
        f"Expected the signature of this run in {folder / 'signatures.parquet'}",
        "found none",
        f"Run `magsig signatures --dataset {run.record.dataset}` first",
    )
