"""The images at held-out magnifications that each method predicts with the largest errors."""

from __future__ import annotations

import pandas as pd

from magsig_tf.runs.matrix import Matrix

COLUMNS = ("label", "holdout", "row", "case", "malignant", "probability", "lowest", "highest", "answers", "error")


def worst_images(matrix: Matrix, count: int = 2) -> pd.DataFrame:
    """Return the worst answers of each group and holdout, one image per case, so that one case does not fill the list.

    Where several runs (seeds, or patient folds with a common test cohort) answer an image, the mean of their errors
    orders the images.

    Args:
        matrix: The runs.
        count: Images of each group and holdout, at least 1.

    Returns:
        Columns `COLUMNS`: `row` is the image's place in the manifest, `probability` the mean of its `answers`
        probabilities of malignant, between `lowest` and `highest`, `error` its distance to the truth, in [0, 1].
    """
    frames = [
        _worst(pd.concat([group.runs[key].part("test") for key in sorted(group.runs) if key[0] == holdout]), count)
        .assign(label=group.label, holdout=holdout)
        .reindex(columns=list(COLUMNS))
        for group in matrix.groups
        for holdout in matrix.holdouts
        if any(key[0] == holdout for key in group.runs)
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(COLUMNS))


def _worst(tested: pd.DataFrame, count: int) -> pd.DataFrame:
    answers = tested.groupby("row").agg(
        case=("case", "first"),
        malignant=("label", "first"),
        probability=("probability", "mean"),
        lowest=("probability", "min"),
        highest=("probability", "max"),
        answers=("probability", "size"),
    )
    answers = answers.reset_index().assign(error=lambda rows: (rows["probability"] - rows["malignant"]).abs())
    ordered = answers.sort_values(["error", "row"], ascending=[False, True])
    return ordered.drop_duplicates("case").head(count)
