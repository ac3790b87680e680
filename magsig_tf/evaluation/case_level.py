"""Numbers with the case as the unit."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from magsig_tf.statistics.units import case_units, image_units


def mean_probability_per_case(case: ArrayLike, label: ArrayLike, probability: ArrayLike) -> pd.DataFrame:
    """Return one row a case: the mean probability over its images in one run.

    Args:
        case: Name of each image's case, shape (n,).
        label: 0 or 1, shape (n,).
        probability: In [0, 1], shape (n,).

    Returns:
        Columns case, label, probability; sorted by case.
    """
    codes, names = pd.factorize(np.asarray(case), sort=True)
    units = case_units(image_units(codes, label, probability))
    return pd.DataFrame({"case": names[units.case], "label": units.label, "probability": units.probability})


def patient_recognition_rate(case: ArrayLike, label: ArrayLike, predicted: ArrayLike) -> float:
    """Return the mean over cases of the share of a case's images that are decided correctly.

    Every case weighs the same, however many images it has.

    Args:
        case: Name of each image's case, shape (n,).
        label: 0 or 1, shape (n,).
        predicted: Decision for malignant, 0 or 1, shape (n,).

    Source: Spanhol et al., IEEE Trans. Biomed. Eng. 63 (2016) 1455-1462, equations 1 and 2.
    """
    correct = pd.Series(np.asarray(label, bool) == np.asarray(predicted, bool), dtype=float)
    return float(correct.groupby(np.asarray(case)).mean().mean())
