"""What a method declares that it needs before a run trains: listed, and provided in the order it declares."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from magsig_tf.atomic_files import read_json
from magsig_tf.config import Config
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.errors import MagsigError, RunError, UsageError
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.workers import WorkerLost, Workers
from magsig_tf.gan.fold import RECORD, FoldGans, SyntheticImages, fold_status, share_synthetic_images
from magsig_tf.methods.contract import Method
from magsig_tf.methods.needs import FoldGansNeeded, RunNeeded
from magsig_tf.registry import PluginError, naming_plugins, registry

if TYPE_CHECKING:
    from magsig_tf.runs.run import Run


@dataclass
class Provided:
    """What was provided for one run.

    Args:
        fold: The GANs of its fold; None where it needs none.
        synthetic: What they drew.
        runs: Finished runs by method.
    """

    fold: FoldGans | None = None
    synthetic: SyntheticImages | None = None
    runs: dict[str, Run] = field(default_factory=dict)


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


def method_of(run: Run) -> type[Method]:
    """Return the class of a run's method."""
    return registry("methods").load(run.config.settings.method[0])


def needs_of(run: Run) -> tuple[FoldGansNeeded | RunNeeded, ...]:
    """Return what a run's method declares."""
    name = run.config.settings.method[0]
    with naming_plugins(("methods", name)):
        return method_of(run).needs(run.config.options[name])


def needed_run(run: Run, need: RunNeeded) -> Run:
    """Return the run of another method: the same settings, and the same values of options that both methods have.

    Args:
        run: Who needs it.
        need: What it declares.
    """
    own = run.config.options[run.config.settings.method[0]].model_dump()
    known = registry("methods").load(need.method).Options
    options = known(**{name: value for name, value in own.items() if name in known.model_fields})
    settings = run.config.settings.model_copy(update={"method": [need.method]})
    return type(run).of(run.workspace, Config(settings, {need.method: options}))


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


def provide(
    run: Run,
    prepared: PreparedDataset,
    observer: Observer,
    workers: Workers,
    execute: Callable[[Run, PreparedDataset, Observer, Workers], object],
) -> Provided:
    """Train what a run needs and is not there, and return it.

    Args:
        run: The run.
        prepared: Its data.
        observer: Who watches.
        workers: The processes that train it.
        execute: Trains another run or returns at once where it is done.

    Raises:
        MagsigError: a prerequisite failed, or belongs to another split or data set.
    """
    provided = Provided()
    for need in needs_of(run):
        if isinstance(need, RunNeeded):
            provided.runs[need.method] = _provided_run(run, need, prepared, observer, workers, execute)
        else:
            provided.fold = _provided_gans(run, need, prepared, observer, workers)
            provided.synthetic = share_synthetic_images(provided.fold, workers)
    return provided


def _provided_run(
    run: Run,
    need: RunNeeded,
    prepared: PreparedDataset,
    observer: Observer,
    workers: Workers,
    execute: Callable[[Run, PreparedDataset, Observer, Workers], object],
) -> Run:
    other = needed_run(run, need)
    if workers.from_chief(lambda: other.status) != "done":
        observer.note(f"{run.title}: its {need.method} run is trained first")
    with _needed_by(run, f"its {need.method} run"):
        execute(other, prepared, observer, workers)
    return other


def _provided_gans(
    run: Run, need: FoldGansNeeded, prepared: PreparedDataset, observer: Observer, workers: Workers
) -> FoldGans:
    fold = needed_gans(run, need, prepared)
    if workers.from_chief(lambda: fold_status(fold)) != "done":
        from magsig_tf.gan.study import ensure_fold

        observer.note(f"{run.title}: the GANs of its fold are trained first")
        with _needed_by(run, "the GANs of its fold"):
            ensure_fold(fold, prepared, run.config.settings, observer, workers)
    return fold


@contextlib.contextmanager
def _needed_by(run: Run, what: str) -> Iterator[None]:
    """Say of an error whose prerequisite failed."""
    try:
        yield
    except (UsageError, WorkerLost):
        raise
    except MagsigError as error:
        found = ", ".join(filter(None, (error.expected, error.found)))
        raise RunError(f"Expected {what} for {run.title}", f"found it failed: {found}", error.remedy) from error


def missing_prerequisites(runs: Sequence[Run], prepared: PreparedDataset) -> list[Prerequisite]:
    """Return what runs need beyond one another and is not done yet, each once.

    Raises:
        UsageError: a method asks for GANs that would make larger images than the classifier takes.
    """
    unfinished = [run for run in runs if run.status != "done"]
    planned = {str(run.folder) for run in runs}
    found = prerequisites(unfinished, prepared)
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
