"""All measures of one GAN in one feature space."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from magsig_tf.data.prepared import magnification_order
from magsig_tf.errors import NotDefinedError
from magsig_tf.gan.quality import kid, neighbours
from magsig_tf.gan.quality.neighbours import Distances, distances_within, memorisation, squared_distances
from magsig_tf.gan.quality.probes import MagnificationProbe, mix_distance
from magsig_tf.statistics.bootstrap import FEWEST_CASES
from magsig_tf.statistics.case_draws import bootstrap_draws, halves, interval, resampled_means

REPLICATES = 1000
HALVINGS = 10
FEWEST_CASES_TO_HALVE = 4
Record = dict[str, object]
NO_INTERVAL = f"no interval: fewer than {FEWEST_CASES} cases"


@dataclass(frozen=True)
class PartRows:
    """The training images of one class in one feature space, and which of them the GAN saw; n images.

    Args:
        features: Shape (n, d).
        magnification: Name of each one's magnification, shape (n,).
        case: Name of each one's case, shape (n,).
        own: Bool [n], those that the GAN saw.
        intended: The magnification that the GAN learned; "" for all.
        class_names: Names that draws over all cases of the class derive from, the same for every GAN of the class.
    """

    features: np.ndarray
    magnification: np.ndarray
    case: np.ndarray
    own: np.ndarray
    intended: str
    class_names: tuple[object, ...]

    @cached_property
    def own_case(self) -> np.ndarray:
        """Position of the case of each image that the GAN saw."""
        return np.unique(self.case[self.own], return_inverse=True)[1]

    @property
    def cases(self) -> int:
        """Number of cases that the GAN saw."""
        return int(self.own_case.max()) + 1


def measured(
    rows: PartRows, synthetic: np.ndarray, *names: object, pixels: bool = False, replicates: int
) -> Iterator[Record]:
    """Yield one record for each kind and metric.

    Args:
        rows: The training images.
        synthetic: Features of the samples, shape (m, d).
        names: Names that every draw derives from.
        pixels: Whether these are pixels, in which only nearest neighbours mean something.
        replicates: Bootstrap replicates over cases.
    """
    own, case, cases = rows.features[rows.own], rows.own_case, rows.cases
    draws = bootstrap_draws(cases, replicates, *names)
    halved = halves(cases, HALVINGS, *names) if cases >= FEWEST_CASES_TO_HALVE else None
    counts = {"images_real": len(own), "images_synthetic": len(synthetic), "cases": cases}
    of_floor = _floor_counts(case, halved) if halved is not None else {}
    for measure in _measures(rows, synthetic, draws, halved, pixels):
        for record in measure:
            yield counts | (of_floor if record["kind"] == "floor" else {}) | record


def _measures(
    rows: PartRows, synthetic: np.ndarray, draws: np.ndarray, halved: np.ndarray | None, pixels: bool
) -> Iterator[Iterator[Record]]:
    own, case = rows.features[rows.own], rows.own_case
    if pixels:
        yield _memorisation(distances_within(own), squared_distances(own, synthetic), case, halved)
        return
    yield _kid(own, case, synthetic, draws, halved)
    distances = Distances.between(own, synthetic)
    yield _neighbours(distances, case, draws, halved)
    yield _memorisation(distances.real, distances.cross, case, halved)
    yield _magnification(rows, synthetic, len(draws) - 1)


def _record(
    kind: str, metric: str, value: float = np.nan, bounds: tuple[float, float] = (np.nan, np.nan), reason: str = ""
) -> Record:
    low, high = bounds
    return {"kind": kind, "metric": metric, "value": value, "low": low, "high": high, "reason": reason}


def _floor_counts(case: np.ndarray, halved: np.ndarray) -> Record:
    first = [int(half[case].sum()) for half in halved]
    kept = round(float(np.mean(first)))
    return {"images_real": kept, "images_synthetic": len(case) - kept}


def _with_interval(metric: str, replicates: np.ndarray, cases: int) -> Record:
    if cases < FEWEST_CASES:
        return _record("synthetic", metric, float(replicates[0]), reason=NO_INTERVAL)
    return _record("synthetic", metric, float(replicates[0]), interval(replicates[1:]))


def _floor(
    metrics: tuple[str, ...], halved: np.ndarray | None, of_half: Callable[[np.ndarray], tuple[float, ...]]
) -> Iterator[Record]:
    """Yield the means over the halvings; halvings whose sides are too small are left out."""
    reason = f"fewer than {FEWEST_CASES_TO_HALVE} cases to halve" if halved is None else ""
    found = []
    for half in [] if halved is None else halved:
        try:
            found.append(of_half(half))
        except NotDefinedError as error:
            reason = error.reason
    if not found:
        yield from (_record("floor", metric, reason=reason) for metric in metrics)
        return
    for metric, value in zip(metrics, np.mean(found, axis=0), strict=True):
        yield _record("floor", metric, float(value))


def _enough(fewest: int, *sizes: int) -> None:
    if min(sizes) < fewest:
        raise NotDefinedError(
            f"Expected at least {fewest} images on each side", f"found {min(sizes)} images on a side", "Use more images"
        )


def _kid(
    own: np.ndarray, case: np.ndarray, synthetic: np.ndarray, draws: np.ndarray, halved: np.ndarray | None
) -> Iterator[Record]:
    try:
        _enough(kid.FEWEST, len(own), len(synthetic))
    except NotDefinedError as error:
        yield from (_record(kind, "kid", reason=error.reason) for kind in ("synthetic", "floor"))
        return
    real = kid.RealKernel.of(own, case)
    replicates = kid.resampled_kid(real, kid.SampleKernel.of(own, case, synthetic), draws)
    yield _with_interval("kid", replicates, draws.shape[1])

    def of_half(first: np.ndarray) -> tuple[float]:
        _enough(kid.FEWEST, real.images[first].sum(), real.images[~first].sum())
        return (real.halved(first),)

    yield from _floor(("kid",), halved, of_half)


def _neighbours(
    distances: Distances, case: np.ndarray, draws: np.ndarray, halved: np.ndarray | None
) -> Iterator[Record]:
    metrics = ("precision", "recall", "density", "coverage")

    def scores(some: Distances) -> neighbours.NeighbourScores:
        _enough(neighbours.FEWEST, *some.cross.shape)
        return neighbours.neighbour_scores(some)

    try:
        found = scores(distances)
    except NotDefinedError as error:
        yield from (_record(kind, metric, reason=error.reason) for kind in ("synthetic", "floor") for metric in metrics)
        return
    # a resampled set of balls would not be one of new patients: only means over real images have an interval
    yield _record("synthetic", "precision", found.values["precision"])
    for metric, of_real in found.of_real.items():
        yield _with_interval(metric, resampled_means(of_real, case, draws), draws.shape[1])
    yield from _floor(metrics, halved, lambda first: tuple(scores(distances.halves(first[case])).values.values()))


def _memorisation(real: np.ndarray, cross: np.ndarray, case: np.ndarray, halved: np.ndarray | None) -> Iterator[Record]:
    metrics = ("copied", "nearest_ratio")
    try:
        found = memorisation(real, cross, case)
    except NotDefinedError as error:
        yield from (_record(kind, metric, reason=error.reason) for kind in ("synthetic", "floor") for metric in metrics)
        return
    yield from (_record("synthetic", metric, found[metric]) for metric in metrics)

    def of_half(first: np.ndarray) -> tuple[float, ...]:
        one, other = np.flatnonzero(first[case]), np.flatnonzero(~first[case])
        scores = memorisation(
            real[np.ix_(one, one)], real[np.ix_(one, other)], np.unique(case[one], return_inverse=True)[1]
        )
        return tuple(scores[metric] for metric in metrics)

    yield from _floor(metrics, halved, of_half)
    alone = "" if np.isfinite(found["copied_same_case"]) else "only one image per case"
    yield _record("floor", "copied_same_case", found["copied_same_case"], reason=alone)


def _magnification(rows: PartRows, synthetic: np.ndarray, replicates: int) -> Iterator[Record]:
    names = rows.class_names
    case = np.unique(rows.case, return_inverse=True)[1]
    cases = int(case.max()) + 1
    try:
        probe = MagnificationProbe.fitted(rows.features, rows.magnification, case, *names)
    except NotDefinedError as error:
        yield _record("synthetic", "magnification_shift", reason=error.reason)
        return
    of_class = {"images_real": len(case), "cases": cases}
    draws = bootstrap_draws(cases, replicates, *names)
    accuracy, low, high = probe.balanced_accuracy(draws)
    chance = 1 / len(probe.classes)
    blind = "" if low > chance else "the probe does not distinguish real magnifications"
    mixes = {"synthetic": probe.sample_mix(synthetic), "floor": probe.mix(rows.own)}
    yield of_class | _record("synthetic", "magnification_shift", mix_distance(*mixes.values()), reason=blind)
    floor = probe.halved(rows.own, halves(cases, HALVINGS, *names))
    yield of_class | _record("floor", "magnification_shift", floor)
    for kind, mix in mixes.items():
        for name in magnification_order(probe.classes):
            yield of_class | _record(kind, f"looks_like {name}", float(mix[probe.classes.index(name)]))
        if rows.intended:
            yield of_class | _record(kind, "as_intended", float(mix[probe.classes.index(rows.intended)]))
    yield of_class | _record("floor", "probe_accuracy", accuracy, (low, high))
    yield of_class | _record("floor", "probe_chance", chance)
