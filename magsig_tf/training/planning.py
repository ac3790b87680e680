"""What a config asks for: the runs of its matrix, and what each of them needs before it trains."""

from __future__ import annotations

import contextlib
import itertools
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

from magsig_tf.checksums import read_signed_json
from magsig_tf.config import ADAPTERS, Config, options_for_embeddings
from magsig_tf.data.identity import ALL, check_told_apart, find_magnification, find_magnifications
from magsig_tf.data.prepared import Dataset, EmbeddedDataset, PreparedDataset, with_images
from magsig_tf.data.splits import Split, split_of
from magsig_tf.errors import MagsigError, UsageError
from magsig_tf.execution.observer import Observer
from magsig_tf.execution.workers import ALONE, Workers
from magsig_tf.gan.fold import RECORD, FoldGans, SyntheticImages, fold_status
from magsig_tf.methods.contract import Method
from magsig_tf.methods.exact import DECISIVE, ExactMethod
from magsig_tf.methods.needs import FoldGansNeeded, RunNeeded
from magsig_tf.registry import ENCODER_FILES, PluginError, folder_of, naming_plugins, registry
from magsig_tf.runs.run import Run
from magsig_tf.training.seen_images import check_unseen
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
    prepared: Dataset
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


def plan_matrix(config: Config, prepared: Dataset, workspace: Workspace) -> list[Run]:
    """Return the runs of a config: every holdout x patient fold x seed x method, methods innermost.

    Methods are innermost so that an interrupted matrix holds complete comparisons.

    Raises:
        UsageError: a magnification is not in the data, a patient fold does not exist, a method needs more source
            magnifications than there are, a trained encoder would be tested on what it has seen, or as `config_for`.
        DataError: two magnifications of the data are one.
    """
    config = config_for(config, prepared)
    s = config.settings
    check_told_apart(prepared.magnifications)
    present = prepared.magnifications
    if s.magnifications:
        present = find_magnifications(s.magnifications, prepared.magnifications)
        # as the data name them, so that a study in other spellings is the same study
        s = s.model_copy(update={"magnifications": present})
        config = Config(s, config.options)
    exact = {method for method in s.method if is_exact(method)}
    holdouts = present
    if not any(name.casefold() == ALL for name in s.holdout):
        find = partial(find_magnification, present=present, expected="Expected a holdout among the magnifications")
        holdouts = list(dict.fromkeys(map(find, s.holdout)))
    _check_enough(config, present)
    folds = list(range(s.folds)) if "all" in s.patient_fold else [fold for fold in s.patient_fold if fold != "all"]
    for fold in folds:
        if not 0 <= fold < s.folds:
            raise UsageError(f"Expected patient folds from 0 to {s.folds - 1}", f"found {fold}", "Choose among them")
    runs = []
    for place, fold, holdout, method in itertools.product(range(len(s.seed)), folds, holdouts, s.method):
        if method in exact and place:
            continue  # an exact method has one run, whatever the seeds of the others
        seed = 0 if method in exact else s.seed[place]
        one = config.for_run(dataset=prepared.name, method=method, holdout=holdout, patient_fold=fold, seed=seed)
        runs.append(Run.of(workspace, one.using(DECISIVE) if method in exact else one))
    check_unseen(runs, prepared)
    return runs


def is_exact(method: str) -> bool:
    """Return whether a method is fitted instead of trained in steps."""
    with naming_plugins(("methods", method)):
        return issubclass(registry("methods").load(method), ExactMethod)


def config_for(config: Config, prepared: Dataset) -> Config:
    """Return a config as a data set takes it: one of embeddings has other defaults than one of images.

    Raises:
        UsageError: the encoder does not exist or takes the other kind of data, images are to be augmented where there
            are none, or a method needs pixels, or an embedding that can be trained.
    """
    if ":" not in config.settings.encoder:
        registry("encoders").find(config.settings.encoder)  # a mistake is reported before the first folder is made
    folder = folder_of("encoders", config.settings.encoder)
    if folder and not (folder / ENCODER_FILES[0]).is_file():
        expected = f"Expected a vision transformer in {folder}: {', '.join(ENCODER_FILES)}"
        raise UsageError(expected, f"found no {ENCODER_FILES[0]}", "Check the path behind hf:")
    if isinstance(prepared, PreparedDataset):
        if config.settings.encoder in ADAPTERS:
            _check_input(config.settings.encoder, prepared.data)
        for method in filter(is_exact, config.options):
            raise UsageError(
                f"Expected a data set of embeddings for the method {method}",
                f"found one of images: {prepared.name}",
                f"Embed the images first: magsig embed --dataset {prepared.name}",
            )
        return config
    config = config.for_embeddings()
    s = config.settings
    if s.augment:
        remedy = "Leave out augment, and embed augmented views instead: magsig embed --views 8"
        raise UsageError("Expected no augmentation of embeddings", f"found {len(s.augment)} layers", remedy)
    if s.encoder not in ADAPTERS:
        _check_input(s.encoder, prepared.data)
    for method, options in config.options.items():
        with naming_plugins(("methods", method)):
            loaded = registry("methods").load(method)
            needs_pixels = loaded.changed_images(options) is not None
            acts = loaded.trains_embedding(options)
        if needs_pixels:
            remedy = f"Leave out {method}, or choose a data set of images"
            raise UsageError(f"Expected images for the method {method}", "found a data set of embeddings", remedy)
        if acts and not getattr(registry("encoders").load(s.encoder), "trains", True):
            remedy = "Choose --encoder mlp_adapter or linear_adapter"
            raise UsageError(f"Expected an adapter that the method {method} can train", f"found {s.encoder}", remedy)
    return config


def _check_input(encoder: str, data: str) -> None:
    from magsig_tf.models.encoders.build_encoder import check_input

    check_input(encoder, data)


def _check_enough(config: Config, magnifications: Sequence[str]) -> None:
    """Refuse a study whose holdouts leave a method fewer source magnifications than it needs."""
    if len(magnifications) < 2:
        remedy = "Each holdout needs at least one source magnification"
        found = f"found only {', '.join(map(repr, magnifications))}"
        raise UsageError("Expected at least two magnifications", found, remedy)
    for method, options in config.options.items():
        with naming_plugins(("methods", method)):
            needed = registry("methods").load(method).fewest_magnifications(options)
        if len(magnifications) - 1 < needed:
            expected = f"Expected at least {needed} source magnifications for the method {method}"
            found = f"found {len(magnifications) - 1} beside each holdout among {', '.join(magnifications)}"
            raise UsageError(expected, found, f"Leave out {method}, or add magnifications")


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


def needed_run(run: Run, need: RunNeeded, prepared: Dataset) -> Run:
    """Return the run of another method: the same settings, and the same values of options that both methods have.

    Its other options have their defaults, on embeddings those for embeddings.

    Args:
        run: Who needs it.
        need: What it declares.
        prepared: Its data.
    """
    own = run.config.options[run.method].model_dump()
    known = registry("methods").load(need.method).Options
    options = known(**{name: value for name, value in own.items() if name in known.model_fields})
    if isinstance(prepared, EmbeddedDataset):
        options = options_for_embeddings(options)
    settings = run.config.settings.model_copy(update={"method": [need.method]})
    return Run.of(run.workspace, Config(settings, {need.method: options}))


def needed_gans(run: Run, need: FoldGansNeeded, prepared: Dataset) -> FoldGans:
    """Return the GANs that a run draws from.

    Raises:
        UsageError: they would make larger images than the classifier takes, or the data set holds no images.
        DataError: one would have too few training images.
    """
    images = with_images(prepared)
    if need.options.gan_size > images.size:
        raise UsageError(
            f"Expected GAN images of at most {images.size} px, the size of data set {images.name}",
            f"found gan_size {need.options.gan_size}",
            f"Add --gan-size {images.size}, or prepare larger images",
        )
    return FoldGans.of(run.workspace, run.config, need.options, images)


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


def missing_prerequisites(runs: Sequence[Run], prepared: Dataset) -> list[Prerequisite]:
    """Return what runs need beyond one another and is not done yet, each once.

    Raises:
        UsageError: a method asks for GANs that would make larger images than the classifier takes.
    """
    found = prerequisites([run for run in runs if run.status != "done"], prepared)
    planned = {str(run.folder) for run in runs}
    return [each for each in found if each.status != "done" and each.folder not in planned]


def prerequisites(runs: Sequence[Run], prepared: Dataset) -> list[Prerequisite]:
    """Return what runs need, done or not, each once.

    Raises:
        UsageError: a method asks for GANs that would make larger images than the classifier takes.
    """
    found: dict[str, Prerequisite] = {}
    for run in runs:
        with contextlib.suppress(PluginError):  # that run fails by itself, and says why
            found |= {each.folder: each for each in _prerequisites(run, prepared)}
    return list(found.values())


def _prerequisites(run: Run, prepared: Dataset) -> Iterator[Prerequisite]:
    for need in needs_of(run):
        if isinstance(need, RunNeeded):
            other = needed_run(run, need, prepared)
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
                seconds = float(read_signed_json(fold.folder / RECORD).get("seconds", math.nan))
        except UsageError:
            raise
        except MagsigError as error:
            status = str(error)
        yield Prerequisite(title, folder, status, False, seconds)
