"""Runs of several data sets of the same images side by side, as if they were of one: encoders are compared so.

An image is the same in two data sets where its path and its case are. Runs are cut down to the images that all data
sets have, which get one numbering. Splits get one name where they put the same images into the same parts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from magsig_tf.checksums import verified
from magsig_tf.data.identity import magnification_order
from magsig_tf.errors import DataError, RunError
from magsig_tf.locks import short
from magsig_tf.parquet_files import read_parquet
from magsig_tf.runs.record import REMEDY
from magsig_tf.runs.run import LoadedRuns, Run
from magsig_tf.workspace import Workspace

IMAGE = ["path", "case"]
"""Columns of a manifest that name an image."""
FACTS = ["label", "magnification"]
"""Columns in which data sets of the same images agree."""
PARTS = ("test", "in_domain_test", "validation")
_SAME_IMAGES = "Name data sets of the same images, whose manifests have the same paths and cases"
_SAME_SPLIT = "Train them with the same --folds, --split-seed and --group-by on data sets of the same cases"


def put_side_by_side(workspace: Workspace, loaded: Sequence[LoadedRuns]) -> LoadedRuns:
    """Return the runs of several data sets as runs on the images that all of them have.

    Args:
        workspace: Where the data sets lie.
        loaded: The finished runs of each data set, two or more, in the order of tables.

    Returns:
        Runs that know the name of their data set, with predictions for the common images in one order, and one hash of
        the data and of each split; notes say how many images and runs are left out.

    Raises:
        DataError: a manifest is missing or damaged, data sets share no image or contradict each other about one.
        RunError: predictions do not belong to their manifest, or splits put cases into other parts.
    """
    manifests = {each.dataset: _manifest(workspace, each.dataset) for each in loaded}
    common = _common(manifests)
    places = {name: _places(manifest, common) for name, manifest in manifests.items()}
    data = hashlib.sha256("\x1e".join(map("\x1f".join, common)).encode()).hexdigest()
    runs: list[Run] = []
    untested: dict[str, int] = {}
    for each in loaded:
        cut = [_cut(run, each.dataset, places[each.dataset], manifests[each.dataset], data) for run in each.runs]
        tested = [run for run in cut if len(run.part("test"))]
        if not tested:
            expected = f"Expected runs of {each.dataset} that tested images which all data sets have"
            raise RunError(expected, f"found none among {len(cut)}", _SAME_IMAGES)
        runs += tested
        untested[each.dataset] = len(cut) - len(tested)
    _check_splits(runs)
    unfinished = [(f"{each.dataset}: {name}", state) for each in loaded for name, state in each.unfinished]
    notes = [_counted(manifests, common), *(_untested(name, count) for name, count in untested.items() if count)]
    return LoadedRuns(joined_name(list(manifests)), runs, unfinished, tuple(notes))


def joined_name(datasets: Sequence[str]) -> str:
    """Return the name of several data sets side by side, which their results folder has: `uni+lite0`."""
    return short("+".join(datasets))


def _manifest(workspace: Workspace, dataset: str) -> pd.DataFrame:
    path = workspace.data(dataset) / "manifest.parquet"
    expected = f"Expected the manifest of data set {dataset} in {path}, which names its images"
    remedy = f"Prepare it again as {dataset}, or leave it out of --dataset"
    if not verified(path).is_file():
        raise DataError(expected, "found none", remedy)
    try:
        return read_parquet(path, columns=[*IMAGE, *FACTS])
    except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
        raise DataError(expected, f"found {type(error).__name__}", remedy) from error


def _images(manifest: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(*(manifest[column].astype(str) for column in IMAGE), strict=True))


def _common(manifests: dict[str, pd.DataFrame]) -> list[tuple[str, str]]:
    """Return the images that all data sets have, ordered by path and case."""
    for (one, first), (other, second) in combinations(manifests.items(), 2):
        both = first.merge(second, on=IMAGE, suffixes=("", "_other"))
        if both.empty:
            found = f"found none of the {len(first):,} images of {one} among the {len(second):,} of {other}"
            raise DataError(f"Expected {one} and {other} to share images, by path and case", found, _SAME_IMAGES)
        for fact in FACTS:
            differs = both[both[fact] != both[f"{fact}_other"]]
            if len(differs):
                row = differs.iloc[0]
                words = f"{row['path']!r} with {row[fact]!r} in {one} and {row[f'{fact}_other']!r} in {other}"
                found = f"found {len(differs)} images with another, first {words}"
                raise DataError(f"Expected one {fact} of each image in {one} and {other}", found, "Correct one of them")
    common = set.intersection(*(set(_images(manifest)) for manifest in manifests.values()))
    if not common:
        expected = f"Expected {', '.join(manifests)} to share images, by path and case"
        raise DataError(expected, "found none that all of them have", _SAME_IMAGES)
    return sorted(common)


def _places(manifest: pd.DataFrame, common: list[tuple[str, str]]) -> np.ndarray:
    """Return the place of each row's image among the common ones, int64 [rows]; -1 where it is none of them."""
    place = {image: number for number, image in enumerate(common)}
    return np.array([place.get(image, -1) for image in _images(manifest)], np.int64)


def _cut(run: Run, dataset: str, places: np.ndarray, manifest: pd.DataFrame, data: str) -> Run:
    """Return a run as if it were on the common images alone."""
    predictions = run.predictions
    row = predictions["row"].to_numpy()
    known = (row >= 0) & (row < len(manifest))
    if not known.all() or (manifest["case"].to_numpy(str)[row] != predictions["case"].to_numpy(str)).any():
        expected = f"Expected predictions for the images of {dataset} in {run.folder}"
        raise RunError(expected, "found rows or cases that its manifest does not have", REMEDY)
    kept = predictions.assign(row=places[row])
    kept = kept[kept["row"] >= 0].sort_values(["part", "row"], ignore_index=True)
    # the hash of a split holds that of the data, which differs between encoders; this one names the images in its parts
    digest = hashlib.sha256("\x1f".join((data, run.holdout, *magnification_order(run.magnifications))).encode())
    for part in PARTS:
        digest.update(part.encode() + kept.loc[kept["part"] == part, "row"].to_numpy("<i8").tobytes())
    return run.of_images(kept, dataset=dataset, dataset_hash=data, split_hash=digest.hexdigest()[:16])


def _check_splits(runs: Sequence[Run]) -> None:
    """Refuse data sets whose runs at one holdout and patient fold all differ in the cases of their parts."""
    sides: dict[str, dict[tuple[str, int], set[tuple[frozenset[str], frozenset[str]]]]] = {}
    for run in runs:
        tested = frozenset(run.part("test")["case"]) | frozenset(run.part("in_domain_test")["case"])
        both = tested, frozenset(run.part("validation")["case"])
        sides.setdefault(run.dataset, {}).setdefault((run.holdout, run.patient_fold), set()).add(both)
    for (one, first), (other, second) in combinations(sides.items(), 2):
        for holdout, fold in sorted(first.keys() & second.keys()):
            if first[holdout, fold] & second[holdout, fold]:
                continue
            (tested, validated), (others, others_validated) = (
                min(parts[holdout, fold], key=lambda sides: [sorted(side) for side in sides])
                for parts in (first, second)
            )
            part = "tested" if tested != others else "used for validation"
            case = min((tested ^ others) or (validated ^ others_validated))
            where = one if case in (tested if tested != others else validated) else other
            words = f"found case {case!r} {part} at holdout {holdout}, patient fold {fold} of {where} alone"
            raise RunError(f"Expected {one} and {other} with each case in the same part", words, _SAME_SPLIT)


def _counted(manifests: dict[str, pd.DataFrame], common: list[tuple[str, str]]) -> str:
    cases = len({case for _, case in common})
    shared = f"Paired on {len(common):,} images of {cases} cases that all data sets have"
    if all(len(manifest) == len(common) for manifest in manifests.values()):
        return f"{shared}, by path and case."
    each = [f"{len(common):,} of {len(manifest):,} images of {name}" for name, manifest in manifests.items()]
    return f"{shared}, by path and case: {', '.join(each)}."


def _untested(dataset: str, count: int) -> str:
    runs = f"{count} run{'s' * (count != 1)}"
    return f"{dataset}: {runs} left out, which tested none of the images that all data sets have."
