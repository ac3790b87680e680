"""The cases of a phantom: class, grade, and the factors that follow from it or do not.

A case has a latent grade, normal around plus or minus `separation`. Four *invariant* factors each follow the grade with
noise of their own and are squashed into a physical range; they are ratios, so that no pixel size is in them. Five
*nuisance* factors have the same law in both classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.special import ndtri

from magsig_tf.data.phantom.settings import MAGNIFICATIONS, PhantomSettings
from magsig_tf.errors import DataError
from magsig_tf.seeding import generator_for

INVARIANT_FACTORS = ("pleomorphism", "irregularity", "nuclear_fraction", "disorder")
NUISANCE_FACTORS = ("nuclear_radius_um", "haematoxylin", "eosin", "hue", "gain")

GRADE_SPREAD = 0.7
"""Standard deviation of the grade within a class."""

FACTOR_RANGES = {
    "pleomorphism": (0.08, 0.42),
    "irregularity": (0.0, 1.0),
    "nuclear_fraction": (0.14, 0.34),
    "disorder": (0.20, 0.46),
}


@dataclass(frozen=True)
class Case:
    """One phantom patient.

    Args:
        name: Unique over both cohorts, such as `case-0007`.
        cohort: `development` or `test`.
        number: Position within the cohort; with the cohort it names every draw of the case.
        malignant: The class.
        grade: The latent grade that the invariant factors follow.
        pleomorphism: Standard deviation of the log nuclear radius, 0.08 to 0.42.
        irregularity: 0 (near-circular nuclei) to 1 (elongated, lobed nuclei).
        nuclear_fraction: Summed nuclear area over tissue area that is aimed at, 0.14 to 0.34; overlaps lower what is
            seen.
        disorder: How far nuclei stray from their lattice and turn from their common direction, 0.20 to 0.46.
        nuclear_radius_um: Radius of the circle with the mean nuclear area, micrometres, about 3.5.
        haematoxylin, eosin: Stain amounts in optical density, about 0.95 and 0.34.
        hue, gain: Standard normal: the tint of the stains and the brightness of the lamp.
    """

    name: str
    cohort: str
    number: int
    malignant: bool
    grade: float
    pleomorphism: float
    irregularity: float
    nuclear_fraction: float
    disorder: float
    nuclear_radius_um: float
    haematoxylin: float
    eosin: float
    hue: float
    gain: float


def draw_cases(settings: PhantomSettings) -> tuple[Case, ...]:
    """Draw the cases of both cohorts, development first.

    Every latent value is spread evenly over its law within each cohort and class (Latin hypercube sampling, McKay et
    al. 1979, Technometrics 21:239), since a few dozen independent draws would let a nuisance follow the class by luck.
    Changing the size of one cohort leaves the other's pixels as they were: draws are named by cohort and number.
    """
    cases: list[Case] = []
    digits = max(4, len(str(settings.cases - 1)))
    for cohort in ("development", "test"):
        counts = {False: getattr(settings, f"{cohort}_benign"), True: getattr(settings, f"{cohort}_malignant")}
        labels = np.repeat(list(counts), list(counts.values()))
        generator_for("phantom", settings.seed, cohort, "labels").shuffle(labels)
        scores = {}
        for malignant, count in counts.items():
            random = generator_for("phantom", settings.seed, cohort, int(malignant), "scores")
            scores[malignant] = iter(_spread_scores(count, random))
        for number, malignant in enumerate(labels.tolist()):
            drawn = _grade_and_factors(settings, malignant, next(scores[malignant]))
            cases.append(Case(f"case-{len(cases):0{digits}d}", cohort, number, malignant, **drawn))
    return tuple(cases)


def _spread_scores(count: int, random: np.random.Generator) -> np.ndarray:
    """Return standard normal scores, one row per case; each column holds one draw from each of `count` equal strata."""
    columns = 1 + len(INVARIANT_FACTORS) + len(NUISANCE_FACTORS)
    strata = random.permuted(np.tile(np.arange(count), (columns, 1)), axis=1).T
    return ndtri((strata + np.clip(random.random(strata.shape), 1e-9, 1)) / count)


def _grade_and_factors(settings: PhantomSettings, malignant: bool, scores: np.ndarray) -> dict[str, float]:
    grade = settings.separation * (1 if malignant else -1) + GRADE_SPREAD * scores[0]
    drawn = {"grade": float(grade)}
    for factor, score in zip(INVARIANT_FACTORS, scores[1:5], strict=True):
        low, high = FACTOR_RANGES[factor]
        drawn[factor] = float(low + (high - low) / (1 + np.exp(-grade - settings.factor_noise * score)))
    radius, haematoxylin, eosin, hue, gain = scores[5:].tolist()
    drawn["nuclear_radius_um"] = float(3.5 * np.exp(0.10 * radius))
    drawn["haematoxylin"] = float(0.95 * np.exp(0.15 * haematoxylin))
    drawn["eosin"] = float(0.34 * np.exp(0.20 * eosin))
    return drawn | {"hue": hue, "gain": gain}


@dataclass(frozen=True)
class PhantomRow:
    """One image: a site of a case seen through one objective.

    Args:
        path: The manifest's path; rows are sorted by it.
        case: The case.
        magnification: One of `MAGNIFICATIONS`.
        tile: Number of the site within the case; the same site at all magnifications.
    """

    path: str
    case: Case
    magnification: str
    tile: int


@lru_cache(maxsize=4)
def phantom_rows(settings: PhantomSettings) -> tuple[PhantomRow, ...]:
    """Return the images of a phantom, sorted by path."""
    digits = max(2, len(str(2 * settings.tiles - 1)))
    rows = []
    for case in draw_cases(settings):
        for magnification in MAGNIFICATIONS:
            folder = f"phantom/{case.cohort}/{case.name}/{magnification}"
            tiles = range(tiles_of(settings, case, magnification))
            rows += [PhantomRow(f"{folder}/tile-{tile:0{digits}d}.png", case, magnification, tile) for tile in tiles]
    return tuple(sorted(rows, key=lambda row: row.path))


def tiles_of(settings: PhantomSettings, case: Case, magnification: str) -> int:
    """Return how many tiles a case has at a magnification (see `PhantomSettings.confounding`)."""
    if case.cohort == "test":
        return settings.tiles
    position = np.linspace(-1, 1, len(MAGNIFICATIONS))[MAGNIFICATIONS.index(magnification)]
    share = 1 + settings.confounding * position * (1 if case.malignant else -1)
    return int(np.rint(settings.tiles * share))


def check_rows(settings: PhantomSettings, rows: Sequence[int]) -> np.ndarray:
    """Return row numbers as an integer array.

    Raises:
        DataError: If a number is no whole number or the phantom has no such row.
    """
    numbers = np.asarray(rows)
    if numbers.size == 0:
        return np.zeros(0, np.int64)
    images = len(phantom_rows(settings))
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() >= images:
        raise DataError(f"Row numbers of this phantom are whole numbers from 0 to {images - 1}", f"Found {rows!r}")
    return numbers.astype(np.int64)


def phantom_manifest(settings: PhantomSettings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the manifest and the known truth of a phantom; no image is rendered.

    Args:
        settings: The phantom.

    Returns:
        Two frames with one row per image in the same order (sorted by path, index 0..N-1). The manifest lacks what only
        pixels can tell (hashes and colours); the truth holds the factors of the image's case and the geometry of its
        magnification. `measure_rows` adds what the rendered masks realise.
    """
    rows = [(row.path, row.case.name, row.magnification, row.tile) for row in phantom_rows(settings)]
    cases = pd.DataFrame(draw_cases(settings)).set_index("name")
    truth = pd.DataFrame(rows, columns=["path", "case", "magnification", "site"]).join(cases, on="case")
    truth["label"] = truth["malignant"].map({True: "malignant", False: "benign"})
    truth["field_um"] = truth["magnification"].map(settings.field_um)
    truth["pixel_size_um"] = truth["magnification"].map(settings.pixel_size_um)
    common, factors = ["path", "label", "magnification", "case", "cohort"], [*INVARIANT_FACTORS, *NUISANCE_FACTORS]
    manifest = truth[common].assign(
        subtype="",
        slide=truth["case"],
        sequence=[path.rsplit("-", 1)[1].removesuffix(".png") for path in truth["path"]],
        width=settings.size,
        height=settings.size,
        origin="phantom",
    )
    return manifest, truth[[*common, "site", "grade", *factors, "field_um", "pixel_size_um"]]
