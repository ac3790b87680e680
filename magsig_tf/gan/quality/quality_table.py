"""The quality of the GANs of a fold as a tidy table: samples, and beside them real images of other patients."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from magsig_tf.data.identity import magnification_order
from magsig_tf.errors import NotDefinedError
from magsig_tf.gan.fold import LABELS, Part, PartSamples, TrainingImages
from magsig_tf.gan.quality import kid, neighbours
from magsig_tf.gan.quality.features import PIXELS, Features, pixel_features
from magsig_tf.gan.quality.neighbours import Distances, memorisation, squared_distances
from magsig_tf.gan.quality.probes import REPLICATES, Probe, label_probe, magnification_probe, mix_distance
from magsig_tf.seeding import generator_for
from magsig_tf.statistics.cases import FEWEST_CASES, bootstrap_draws, halves, interval, resampled_means

MOST_IMAGES = 5000
"""Training images of a class, and samples of a GAN, that are compared; of more, so many are drawn at random."""
HALVINGS = 10
FEWEST_CASES_TO_HALVE = 4
BLIND = "the probe does not distinguish real classes"
COPIES = ("copied", "nearest_ratio")
NO_INTERVAL = f"no interval: fewer than {FEWEST_CASES} cases"
NUMBERS, COUNTS = ("value", "low", "high"), ("images_real", "images_synthetic", "cases")
COLUMNS = ("part", "label", "magnification", "features", "kind", "metric", *NUMBERS, *COUNTS, "reason")
Record = dict[str, object]


def quality_table(
    training: TrainingImages,
    samples: Sequence[PartSamples],
    spaces: Sequence[Features],
    *names: object,
    left_out: Mapping[str, str] | None = None,
    replicates: int = REPLICATES,
    progress: Callable[[str], None] = lambda text: None,
) -> pd.DataFrame:
    """Measure what the GANs of a fold drew.

    Args:
        training: The fold's training images at the GAN's size, both classes, all source magnifications.
        samples: What each GAN drew.
        spaces: Features in which they are compared; pixels are added for the nearest neighbours.
        names: Names that every draw derives from.
        left_out: Names of feature spaces that are not there, each with the reason.
        replicates: Bootstrap replicates over cases.
        progress: Told what is measured next.

    Returns:
        A tidy frame with `COLUMNS`, one row for each GAN, feature space, kind ("synthetic", or "floor": half of the
        cases in place of the samples) and metric. `value`, `low` and `high` are NaN where they are not defined, and
        then `reason` says why.
    """
    rows = [_capped(np.flatnonzero(training.label == label), *names, label) for label in np.unique(training.label)]
    training = training.of_rows(np.sort(np.concatenate(rows)))
    samples = [PartSamples(each.part, _capped(each.images, *names, each.part.name)) for each in samples]
    found: list[Record] = []
    for space in [*spaces, pixel_features()]:
        progress(f"quality in {space.title}")
        features = space(training.images)
        # fitted once, by the first GAN that asks
        labels = functools.cache(functools.partial(label_probe, features, training.label, training.case, *names))
        for each in samples:
            measures = PartMeasures(training, features, each.part, space(each.images), names, replicates)
            records = measures.of_pixels() if space.name == PIXELS else measures.of_features(labels)
            found += [each.part.about | {"features": space.name} | record for record in records]
    for name, reason in (left_out or {}).items():
        empty = {"features": name, "kind": "synthetic", "metric": "kid", "reason": reason}
        found += [each.part.about | empty | dict.fromkeys(NUMBERS, np.nan) for each in samples]
    frame = pd.DataFrame([dict.fromkeys(COUNTS, 0) | record for record in found], columns=list(COLUMNS))
    order = [each.part.name for each in samples]
    return frame.sort_values("part", key=lambda part: part.map(order.index), kind="stable", ignore_index=True)


def _capped(images: np.ndarray, *names: object) -> np.ndarray:
    if len(images) <= MOST_IMAGES:
        return images
    return images[np.sort(generator_for("gan quality rows", *names).permutation(len(images))[:MOST_IMAGES])]


@dataclass
class PartMeasures:
    """All measures of one GAN in one feature space.

    Args:
        training: The training images of the fold.
        features: Theirs in this space.
        part: The GAN.
        drawn: Features of its samples, shape (m, d).
        names: Names that every draw derives from; draws over all cases of a class are the same for every GAN of it.
        replicates: Bootstrap replicates over cases.
    """

    training: TrainingImages
    features: np.ndarray
    part: Part
    drawn: np.ndarray
    names: tuple[object, ...]
    replicates: int

    def __post_init__(self) -> None:
        self.rows, names = self.training.rows_of(self.part), (*self.names, self.part.name)
        # what the GAN saw: features, and the position of each image's case
        self.own, self.case = self.features[self.rows], _positions(self.training.case[self.rows])
        self.cases = int(self.case.max()) + 1
        self.counts: Record = {"images_real": len(self.own), "images_synthetic": len(self.drawn), "cases": self.cases}
        self.draws = bootstrap_draws(self.cases, self.replicates, *names)
        self.halved, self.of_floor = np.zeros((0, self.cases), bool), {}
        if self.cases >= FEWEST_CASES_TO_HALVE:
            self.halved = halves(self.cases, HALVINGS, *names)
            kept = round(float(np.mean(self.halved[:, self.case].sum(axis=1))))
            self.of_floor = {"images_real": kept, "images_synthetic": len(self.own) - kept}

    def of_pixels(self) -> Iterator[Record]:
        """Yield one record for each kind and metric in pixels, in which only nearest neighbours mean something."""
        real, cross = squared_distances(self.own, self.own), squared_distances(self.own, self.drawn)
        yield from self._counted(COPIES, self._memorisation(real, cross))

    def of_features(self, labels: Callable[[], Probe]) -> Iterator[Record]:
        """Yield one record for each kind and metric.

        Args:
            labels: Gives the label probe of this space, or raises NotDefinedError.
        """
        distances = Distances.between(self.own, self.drawn)
        yield from self._counted(("kid",), self._kid())
        yield from self._counted(neighbours.METRICS, self._neighbours(distances))
        yield from self._counted(COPIES, self._memorisation(distances.real, distances.cross))
        yield from self._counted(("magnification_shift",), self._magnification(), ("synthetic",))
        yield from self._counted(("label_agreement",), self._label(labels), ("synthetic",))

    def _counted(
        self, metrics: tuple[str, ...], measure: Iterator[Record], kinds: tuple[str, ...] = ("synthetic", "floor")
    ) -> Iterator[Record]:
        """Yield a measure's records with the images behind them, or its metrics with the reason why there are none."""
        try:
            records = list(measure)
        except NotDefinedError as error:
            records = [_record(kind, metric, reason=error.reason) for kind in kinds for metric in metrics]
        for record in records:
            yield self.counts | (self.of_floor if record["kind"] == "floor" else {}) | record

    def _kid(self) -> Iterator[Record]:
        _enough(kid.FEWEST, len(self.own), len(self.drawn))
        real = kid.RealKernel.of(self.own, self.case)
        synthetic = kid.SampleKernel.of(self.own, self.case, self.drawn)
        yield self._with_interval("kid", kid.resampled_kid(real, synthetic, self.draws))

        def of_half(first: np.ndarray) -> dict[str, float]:
            _enough(kid.FEWEST, real.images[first].sum(), real.images[~first].sum())
            return {"kid": real.halved(first)}

        yield from self._floor(("kid",), of_half)

    def _neighbours(self, distances: Distances) -> Iterator[Record]:
        def scores(some: Distances) -> dict[str, np.ndarray]:
            _enough(neighbours.FEWEST, *some.cross.shape)
            return neighbours.neighbour_scores(some)

        found = scores(distances)
        # a resampled set of balls would not be one of new patients: only means over real images have an interval
        yield _record("synthetic", "precision", float(found.pop("precision").mean()))
        for metric, of_real in found.items():
            yield self._with_interval(metric, resampled_means(of_real, self.case, self.draws))
        yield from self._floor(neighbours.METRICS, lambda first: scores(distances.halves(first[self.case])))

    def _memorisation(self, real: np.ndarray, cross: np.ndarray) -> Iterator[Record]:
        found = memorisation(real, cross, self.case)
        yield from (_record("synthetic", metric, found[metric]) for metric in COPIES)

        def of_half(first: np.ndarray) -> dict[str, float]:
            one, other = np.flatnonzero(first[self.case]), np.flatnonzero(~first[self.case])
            return memorisation(real[np.ix_(one, one)], real[np.ix_(one, other)], _positions(self.case[one]))

        yield from self._floor(COPIES, of_half)
        alone = "" if np.isfinite(found["copied_same_case"]) else "only one image per case"
        yield _record("floor", "copied_same_case", found["copied_same_case"], reason=alone)

    def _magnification(self) -> Iterator[Record]:
        of_class, names = np.flatnonzero(self.training.label == self.part.label), (*self.names, LABELS[self.part.label])
        training, saw = self.training.of_rows(of_class), np.isin(of_class, self.rows)
        case = _positions(training.case)
        cases = int(case.max()) + 1
        probe = magnification_probe(self.features[of_class], training.magnification, case, *names)
        counts = {"images_real": len(case), "cases": cases}
        accuracy, low, high = probe.balanced_accuracy(bootstrap_draws(cases, self.replicates, *names))
        chance = 1 / len(probe.classes)
        blind = "" if low > chance else "the probe does not distinguish real magnifications"
        mixes = {"synthetic": probe.sample_mix(self.drawn), "floor": probe.mix(saw)}
        yield counts | _record("synthetic", "magnification_shift", mix_distance(*mixes.values()), reason=blind)
        floor = probe.halved(saw, halves(cases, HALVINGS, *names))
        yield counts | _record("floor", "magnification_shift", floor)
        for kind, mix in mixes.items():
            share = dict(zip(probe.classes, mix.tolist(), strict=True))
            for name in magnification_order(probe.classes):
                yield counts | _record(kind, f"looks_like {name}", share[name])
            if self.part.magnification:
                yield counts | _record(kind, "as_intended", share[self.part.magnification])
        yield counts | _record("floor", "probe_accuracy", accuracy, (low, high))
        yield counts | _record("floor", "probe_chance", chance)

    def _label(self, labels: Callable[[], Probe]) -> Iterator[Record]:
        probe = labels()
        agreement = float(probe.sample_mix(self.drawn)[self.part.label])
        yield _record("synthetic", "label_agreement", agreement, reason="" if probe.sees() else BLIND)
        yield self.counts | _record("floor", "label_agreement", probe.recognised(self.rows))

    def _with_interval(self, metric: str, replicates: np.ndarray) -> Record:
        few = self.cases < FEWEST_CASES
        bounds = (np.nan, np.nan) if few else interval(replicates[1:])
        return _record("synthetic", metric, float(replicates[0]), bounds, NO_INTERVAL if few else "")

    def _floor(self, metrics: tuple[str, ...], of_half: Callable[..., Mapping[str, Any]]) -> Iterator[Record]:
        """Yield the means over the halvings; halvings whose sides are too small are left out."""
        reason, found = f"fewer than {FEWEST_CASES_TO_HALVE} cases to halve", []
        for half in self.halved:
            try:
                scores = of_half(half)
                found.append([np.mean(scores[metric]) for metric in metrics])
            except NotDefinedError as error:
                reason = error.reason
        values = np.mean(found, axis=0).tolist() if found else [np.nan] * len(metrics)
        for metric, value in zip(metrics, values, strict=True):
            yield _record("floor", metric, value, reason="" if found else reason)


def _positions(case: np.ndarray) -> np.ndarray:
    return np.unique(case, return_inverse=True)[1]


def _record(
    kind: str, metric: str, value: float = np.nan, bounds: tuple[float, float] = (np.nan, np.nan), reason: str = ""
) -> Record:
    return {"kind": kind, "metric": metric, **dict(zip(NUMBERS, (value, *bounds), strict=True)), "reason": reason}


def _enough(fewest: int, *sizes: int) -> None:
    if min(sizes) < fewest:
        raise NotDefinedError(
            f"Expected at least {fewest} images on each side", f"found {min(sizes)} images on a side", "Use more images"
        )
