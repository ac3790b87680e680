"""What a config asks for: the runs of its matrix, and what each of them needs before it trains."""

from __future__ import annotations

import contextlib
import itertools
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from magsig_tf.atomic_files import read_json
from magsig_tf.config import Config
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.splits import Split, split_of
from magsig_tf.errors import MagsigError, UsageError, nearest
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.workers import ALONE, Workers
from magsig_tf.gan.fold import RECORD, FoldGans, SyntheticImages, fold_status
from magsig_tf.methods.contract import Method
from magsig_tf.methods.needs import FoldGansNeeded, RunNeeded
from magsig_tf.registry import PluginError, naming_plugins, registry
from magsig_tf.runs.run import Run
from magsig_tf.workspace import Workspace


@dataclass
class Job:
    """One run with everything that carries it out.

    Args:
        run: The run.
        prepared: Its data.
        observer: Who watches.
        workers: The processes that train it; the chief alone writes.
        fold: The GANs of its fold, once they are provided; None where it needs none.
        synthetic: What they drew.
        runs: Finished runs by method, once they are provided.
    """

    run: Run
    prepared: PreparedDataset
    observer: Observer
    workers: Workers = ALONE
    fold: FoldGans | None = None
    synthetic: SyntheticImages | None = None
    runs: dict[str, Run] = field(default_factory=dict)

    @cached_property
    def split(self) -> Split:
        """The split of the run."""
        return split_of(self.run.config, self.prepared)

    def naming_plugins(self) -> contextlib.AbstractContextManager[None]:
        """Name the run's plugins in errors that are raised inside."""
        return naming_plugins(("methods", self.run.method), ("encoders", self.run.config.settings.encoder))


def plan_matrix(config: Config, prepared: PreparedDataset, workspace: Workspace) -> list[Run]:
    """Return the runs of a config: every holdout x patient fold x seed x method, methods innermost.

    Methods are innermost so that an interrupted matrix holds complete comparisons.

    Raises:
        UsageError: a holdout is not in the data, or a patient fold or the encoder does not exist.
    """
    s = config.settings
    if ":" not in s.encoder:
        registry("encoders").find(s.encoder)  # a mistake is reported before the first folder is made
    present = s.magnifications or prepared.magnifications
    for name in s.holdout:
        if name != "all" and name not in present:
            raise UsageError("Expected a holdout among the magnifications", f"found {name!r}", nearest(name, present))
    holdouts = present if "all" in s.holdout else s.holdout
    folds = list(range(s.folds)) if "all" in s.patient_fold else [fold for fold in s.patient_fold if fold != "all"]
    for fold in folds:
        if not 0 <= fold < s.folds:
            raise UsageError(f"Expected patient folds from 0 to {s.folds - 1}", f"found {fold}", "Choose among them")
    configs = [
        config.for_run(dataset=prepared.name, method=method, holdout=holdout, patient_fold=fold, seed=seed)
        for seed, fold, holdout, method in itertools.product(s.seed, folds, holdouts, s.method)
    ]
    return [Run.of(workspace, each) for each in configs]


def estimated_seconds(runs: Sequence[Run]) -> float | None:
    """Return the time that the unfinished runs should take, judged by the finished ones; None where none is.

    A run counts as the median of the finished ones of its method, or of all where there are none of it.
    """
    spent = [(run.method, run.record.seconds) for run in runs if run.status == "done"]
    if not spent:
        return None
    overall = statistics.median(seconds for _, seconds in spent)
    medians = {name: statistics.median(seconds for method, seconds in spent if method == name) for name, _ in spent}
    return sum(medians.get(run.method, overall) for run in runs if run.status != "done")


def needs_of(run: Run) -> tuple[FoldGansNeeded | RunNeeded, ...]:
    """Return what a run's method declares."""
    with naming_plugins(("methods", run.method)):
        return method_of(run).needs(run.config.options[run.method])


def method_of(run: Run) -> type[Method]:
    """Return the class of a run's method."""
    return registry("methods").load(run.method)


def needed_run(run: Run, need: RunNeeded) -> Run:
    """Return the run of another method: the same settings, and the same values of options that both methods have.

    Args:
        run: Who needs it.
        need: What it declares.
    """
    own = run.config.options[run.method].model_dump()
    known = registry("methods").load(need.method).Options
    options = known(**{name: value for name, value in own.items() if name in known.model_fields})
    settings = run.config.settings.model_copy(update={"method": [need.method]})
    return Run.of(run.workspace, Config(settings, {need.method: options}))


def needed_gans(run: Run, need: FoldGansNeeded, prepared: PreparedDataset) -> FoldGans:
    """Return the GANs that a run draws from.

    Raises:
        UsageError: they would make larger images than the classifier takes.
        DataError: one would have too few training images.
    """
    if need.options.gan_size > prepared.size:
        raise UsageError(
            f"Expected GAN images of at most {prepared.size} px, the size of data set {prepared.name}",
            f"found gan_size {need.options.gan_size}",
            f"Add --gan-size {prepared.size}, or prepare larger images",
        )
    return FoldGans.of(run.workspace, run.config, need.options, prepared)


@dataclass(frozen=True)
class Prerequisite:
    """One line of what a matrix will train beside its runs.

    Args:
        title: In words.
        folder: Where it lies.
        status: `done`, `failed`, `running`, `new`, or why it cannot be used.
        is_run: Whether it is a run; otherwise the GANs of a fold.
        seconds: What it took, where it is done; NaN otherwise.
    """

    title: str
    folder: str
    status: str
    is_run: bool
    seconds: float = math.nan


def missing_prerequisites(runs: Sequence[Run], prepared: PreparedDataset) -> list[Prerequisite]:
    """Return what runs need beyond one another and is not done yet, each once.

    Raises:
        UsageError: a method asks for GANs that would make larger images than the classifier takes.
    """
    found = prerequisites([run for run in runs if run.status != "done"], prepared)
    planned = {str(run.folder) for run in runs}
    return [each for each in found if each.status != "done" and each.folder not in planned]


def prerequisites(runs: Sequence[Run], prepared: PreparedDataset) -> list[Prerequisite]:
    """Return what runs need, done or not, each once.

    Raises:
        UsageError: a method asks for GANs that would make larger images than the classifier takes.
    """
    found: dict[str, Prerequisite] = {}
    for run in runs:
        with contextlib.suppress(PluginError):  # that run fails by itself, and says why
            found |= {each.folder: each for each in _prerequisites(run, prepared)}
    return list(found.values())


def _prerequisites(run: Run, prepared: PreparedDataset) -> Iterator[Prerequisite]:
    for need in needs_of(run):
        if isinstance(need, RunNeeded):
            other = needed_run(run, need)
            yield from _prerequisites(other, prepared)
            seconds = other.record.seconds if other.status == "done" else math.nan
            yield Prerequisite(other.title, str(other.folder), other.status, True, seconds)
            continue
        title, folder, seconds = f"GANs for {run.title}", str(run.folder), math.nan
        try:
            fold = needed_gans(run, need, prepared)
            title, folder = f"GANs, {fold.title}", str(fold.folder)
            status = fold_status(fold)
            if status == "done":
                seconds = float(read_json(fold.folder / RECORD).get("seconds", math.nan))
        except UsageError:
            raise
        except MagsigError as error:
            status = str(error)
        yield Prerequisite(title, folder, status, False, seconds)
