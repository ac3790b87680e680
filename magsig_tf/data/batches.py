"""Which images make up each training batch: a pure function of (seed names, epoch, step)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from magsig_tf.parallel_work import read_ahead
from magsig_tf.seeding import generator_for


@dataclass(frozen=True)
class Batch:
    """One global batch, its source magnifications interleaved so that any slice holds a share of each.

    Args:
        images: uint8 [n, height, width, 3]; of a data set of embeddings those, float [n, p].
        labels: float32 [n, 1], 1 is malignant.
        domains: int32 [n], index of the source magnification.
        cases: int32 [n], index of the case; -1 where the plan knows none.
        synthetic: bool [n], whether a GAN drew the image; None where none is synthetic.
    """

    images: np.ndarray
    labels: np.ndarray
    domains: np.ndarray
    cases: np.ndarray
    synthetic: np.ndarray | None = None


Change = Callable[[Batch, int, int, slice], Batch]
"""Replaces images of a batch, given the batch, epoch, step and the places of the global batch that it holds."""


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """The order of training images.

    A batch holds `images_per_magnification` images of each source magnification. An epoch has as many steps as the
    largest magnification needs; smaller ones are reshuffled and cycled.

    A paired plan keeps the order of the largest magnification. Beside each of its images stands one of the same case at
    every other magnification, or any other image there where the case has none.

    Args:
        rows_by_domain: Domain index to the training rows at that magnification, int64.
        images_per_magnification: Images of each magnification in a batch.
        seed_names: Names that the order derives from (split and seed, never the method).
        cases: Index of the case of each row of the data set, int32 [N]; None where it does not matter.
        paired: Whether images are paired by case.
    """

    rows_by_domain: Mapping[int, np.ndarray]
    images_per_magnification: int
    seed_names: tuple
    cases: np.ndarray | None = None
    paired: bool = False

    @property
    def steps_per_epoch(self) -> int:
        """Steps that the largest magnification needs."""
        return -(-max(map(len, self.rows_by_domain.values())) // self.images_per_magnification)

    @property
    def batch_size(self) -> int:
        """Images in one global batch."""
        return self.images_per_magnification * len(self.rows_by_domain)

    def epoch_rows(self, epoch: int) -> np.ndarray:
        """Return the rows of every step of an epoch.

        Returns:
            int64 [steps, images_per_magnification, domains].
        """
        orders = {domain: self._order(epoch, domain) for domain in sorted(self.rows_by_domain)}
        if self.paired:
            first = max(orders, key=lambda domain: len(self.rows_by_domain[domain]))
            partners = {domain: self._partners(orders[first], orders[domain]) for domain in orders if domain != first}
            orders |= partners
        shape = (self.steps_per_epoch, self.images_per_magnification)
        return np.stack([order.reshape(shape) for order in orders.values()], axis=-1)

    def cases_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the case of each row, int32; -1 where the plan knows none."""
        return np.full(len(rows), -1, np.int32) if self.cases is None else self.cases[rows]

    def views(self, count: int, epoch: int, step: int) -> np.ndarray:
        """Return which of `count` views each place of a batch gets, int64 [batch_size]."""
        random = generator_for("views", *self.seed_names, epoch, step)
        return random.integers(count, size=self.batch_size)

    def _order(self, epoch: int, domain: int) -> np.ndarray:
        """Return the rows of one magnification in the order of an epoch, as many as the epoch needs."""
        rows, needed = self.rows_by_domain[domain], self.steps_per_epoch * self.images_per_magnification
        random = generator_for("order", *self.seed_names, epoch, domain)
        rounds = -(-needed // len(rows))
        return np.concatenate([random.permutation(rows) for _ in range(rounds)])[:needed]

    def _partners(self, leading: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Return for each leading row one of `order` of the same case, in turn; of any case where there is none."""
        turns: dict[int, Iterator[int]] = {}
        cases = self.cases_of(order)
        for case in np.unique(cases):
            turns[int(case)] = itertools.cycle(dict.fromkeys(order[cases == case].tolist()))
        anyone = itertools.cycle(order.tolist())
        return np.array([next(turns.get(int(case), anyone)) for case in self.cases_of(leading)], order.dtype)


def read_batches(
    images: np.ndarray,
    labels: np.ndarray,
    plan: BatchPlan,
    epoch: int,
    first_step: int = 0,
    share: tuple[int, int] = (0, 1),
    change: Change | None = None,
) -> Generator[Batch]:
    """Yield the batches of an epoch from `first_step` on, read ahead by a thread.

    Args:
        images: uint8 [N, height, width, 3], or embeddings, float [N, views, p]; usually memory-mapped. Which view of a
            row is taken is drawn anew each time, from (seed names, epoch, step) alone.
        labels: int [N], 1 is malignant.
        plan: The order.
        epoch: Epoch index.
        first_step: Step inside the epoch to begin with.
        share: (index, count): of each batch yield only the index-th of count equal slices, which is all that one of
            several processes needs.
        change: Called for each batch in the thread that reads; None leaves them as they are.
    """
    rows = plan.epoch_rows(epoch)[first_step:]
    index, count = share
    size = plan.batch_size // count
    mine = slice(index * size, (index + 1) * size)
    domains = np.tile(np.array(sorted(plan.rows_by_domain), np.int32), plan.images_per_magnification)

    def read(item: tuple[int, np.ndarray]) -> Batch:
        step, step_rows = item
        flat = step_rows.reshape(-1)[mine]
        views = () if images.ndim == 4 else (plan.views(images.shape[1], epoch, step)[mine],)
        truth = labels[flat].astype(np.float32)[:, None]
        batch = Batch(images[(flat, *views)], truth, domains[mine], plan.cases_of(flat))
        return batch if change is None else change(batch, epoch, step, mine)

    yield from read_ahead(read, enumerate(rows, first_step))
