"""Everything a run trains with, built from its config in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from magsig_tf.config import Config, Settings
from magsig_tf.data.batches import BatchPlan
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.splits import Split
from magsig_tf.errors import RunError, UsageError
from magsig_tf.execution.averaging import StretchMean, WeightAverage
from magsig_tf.execution.runtime import resolve_precision, resolve_strategy
from magsig_tf.execution.workers import ALONE, Workers
from magsig_tf.methods.averaging import AverageWindow, Averaging, MovingAverage, NoAverage
from magsig_tf.methods.contract import Method, Task
from magsig_tf.registry import registry
from magsig_tf.seeding import seed_for
from magsig_tf.statistics_rule import FROZEN, MOVING, REESTIMATED, Rule

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


@dataclass
class RunParts:
    """The networks, optimizers, data order and strategy of one run.

    `evaluated` is a second classifier outside the strategy: `put_weights_to_use` fills it, then it validates, predicts
    and is saved. So averaged weights never stand in the way of training, and a saved model holds plain variables.
    `saved` is `evaluated`, the same variables, without the layers that the method put in.
    """

    classifier: keras.Model
    evaluated: keras.Model
    saved: keras.Model
    method: Method
    optimizer: keras.optimizers.Optimizer
    augmentation: keras.Layer
    averaging: Averaging
    average: WeightAverage | StretchMean | None
    plan: BatchPlan
    strategy: tf.distribute.Strategy
    strategy_name: str
    precision: str
    batch_statistics: Rule
    clip_norm: float
    epochs: int
    seed: int
    _generators: list = field(default_factory=list)

    @property
    def total_steps(self) -> int:
        """Steps of the whole training."""
        return self.epochs * self.plan.steps_per_epoch

    @property
    def global_batch(self) -> int:
        """Images in one step over all replicas."""
        return self.plan.batch_size

    def assign_seeds(self, step: tf.Tensor) -> None:
        """Set every random generator (dropout, augmentation, nested ones, the method's) from the seed and the step."""
        from magsig_tf.models.augmentation import assign_seeds

        assign_seeds(self._generators, self.seed, step)
        assign_seeds([self.method.random], seed_for("method", self.seed), step, per_replica=False)

    def assign_batch_seed(self, step: tf.Tensor) -> None:
        """Set the method's generator for mixing the batch of a step; its loss draws other numbers."""
        from magsig_tf.models.augmentation import assign_seeds

        assign_seeds([self.method.random], seed_for("batch", self.seed), step, per_replica=False)

    def random_states(self) -> list[Any]:
        """Return the variables that hold the states of all random generators."""
        return [generator.state for generator in (*self._generators, self.method.random)]

    def learning_rate(self) -> float:
        """Return the classifier's learning rate of the next step, where its schedule has come to."""
        return float(getattr(self.optimizer, "inner_optimizer", self.optimizer).learning_rate)

    def put_weights_to_use(self) -> None:
        """Give `evaluated` the classifier's weights, or their moving average where that is on."""
        self._put(self.average.averages if isinstance(self.average, WeightAverage) else None)

    def put_average_to_use(self, means: Sequence[np.ndarray]) -> None:
        """Give `evaluated` the mean of the trainable weights over a window, and the rest as it is."""
        import keras

        self._put([keras.ops.convert_to_tensor(mean) for mean in means])

    def _put(self, means: Sequence[Any] | None) -> None:
        values = {id(variable): variable for variable in self.classifier.weights}
        if means is not None:
            values |= {id(v): mean for v, mean in zip(self.classifier.trainable_variables, means, strict=True)}
        for target, variable in zip(self.evaluated.weights, values.values(), strict=True):
            target.assign(variable.numpy())

    def variables(self) -> dict[str, Any]:
        """Return every variable that a resumed run needs, by name."""
        found = {f"classifier/{i}": v for i, v in enumerate(self.classifier.weights)}
        found |= {f"optimizer/{i}": v for i, v in enumerate(self.optimizer.variables)}
        for name, network in self.method.networks.items():
            found |= {f"network.{name}/{i}": v for i, v in enumerate(network.weights)}
            found |= {f"optimizer.{name}/{i}": v for i, v in enumerate(self.method.optimizers[name].variables)}
        found |= {f"state/{name}": v for name, v in self.method.state.items()}
        if self.average is not None:
            found |= {f"average/{i}": v for i, v in enumerate(self.average.averages)}
        if isinstance(self.average, StretchMean):
            found["averaged_steps"] = self.average.steps
        return found


def build_parts(config: Config, prepared: PreparedDataset, split: Split, workers: Workers = ALONE) -> RunParts:
    """Build what one run trains with.

    Initial weights depend on (encoder, seed) alone, augmentation on (split, seed) and never on the method; so does the
    data order, unless the method pairs images by case.

    Args:
        config: The config of one run.
        prepared: The data.
        split: Its split.
        workers: The processes that train it.

    Raises:
        UsageError: the global batch cannot be divided among the replicas, the encoder lacks the block to freeze, or the
            method averages weights and the settings say otherwise.
    """
    import keras

    from magsig_tf.execution.optimizer import build_optimizer
    from magsig_tf.models.augmentation import build_augmentation, seed_generators
    from magsig_tf.models.classifier import build_classifier, freeze
    from magsig_tf.models.encoders import build_encoder
    from magsig_tf.models.fuse import synchronize_batch_normalization

    settings, seed = config.settings, config.settings.seed[0]
    name = settings.method[0]
    method_class, options = registry("methods").load(name), config.options[name]
    plan = BatchPlan(
        _rows_by_domain(prepared, split),
        settings.images_per_magnification,
        (split.hash, seed),
        prepared.cases,
        method_class.pairs_cases(options),
    )
    strategy_name, strategy = resolve_strategy(settings, workers)
    if plan.batch_size % strategy.num_replicas_in_sync:
        raise UsageError(
            f"Expected a global batch that {strategy.num_replicas_in_sync} replicas can share",
            f"found {plan.batch_size} images",
            "Change --images-per-magnification",
        )
    precision = resolve_precision(settings.precision)
    keras.config.set_dtype_policy(precision)
    rule = batch_statistics_rule(settings)

    def networks() -> keras.Model:
        encoder = build_encoder(settings.encoder, (prepared.size, prepared.size, 3), settings.weights, seed)
        if settings.synchronized_batch_norm:
            encoder = synchronize_batch_normalization(encoder)
        freeze(encoder, settings.freeze_until, rule == FROZEN)
        return build_classifier(encoder, settings.dropout, seed)

    saved = networks()
    with strategy.scope():
        plain = networks()
        task = Task(
            embedding_length=plain.output["embedding"].shape[-1],
            source_magnifications=split.source_magnifications,
            seed=seed,
            global_batch=plan.batch_size,
            label_smoothing=settings.label_smoothing,
        )
        method = method_class(options, task)
        classifier = _with_layers_of(method, plain)
        optimizer = build_optimizer(settings, classifier, plan.steps_per_epoch, precision)
        for network_name, network in method.networks.items():
            method.optimizers[network_name].build(network.trainable_variables)
        augmentation = build_augmentation(settings.augment, seed_for("augmentation", split.hash, seed))
        averaging = _averaging(method, settings, rule)
        average = _average(averaging, classifier)
        # a generator's seed depends on its place: what a method adds comes last, so that it moves nobody else's
        found = seed_generators(plain, augmentation, *method.networks.values(), classifier)
        generators = [generator for generator in found if generator is not method.random]
    evaluated = _with_layers_of(method, saved)
    return RunParts(
        classifier=classifier,
        evaluated=evaluated,
        saved=saved,
        method=method,
        optimizer=optimizer,
        augmentation=augmentation,
        averaging=averaging,
        average=average,
        plan=plan,
        strategy=strategy,
        strategy_name=strategy_name,
        precision=precision,
        batch_statistics=rule,
        clip_norm=settings.clip_norm,
        epochs=settings.epochs,
        seed=seed_for("steps", split.hash, seed),
        _generators=generators,
    )


def _with_layers_of(method: Method, plain: keras.Model) -> keras.Model:
    """Return the classifier with the layers that the method puts in; it must be made of the plain one's layers."""
    classifier = method.network(plain)
    known = {id(variable) for variable in classifier.weights}
    lost = [variable.path for variable in plain.weights if id(variable) not in known]
    if lost or set(classifier.output) != set(plain.output):
        raise RunError(
            f"Expected `network` of the method {type(method).__name__} to return the classifier with layers put in",
            f"found one {f'without its weight {lost[0]}' if lost else f'with outputs {sorted(classifier.output)}'}",
            "Use `insert_after` of magsig_tf.models.classifier",
        )
    return classifier


def _averaging(method: Method, settings: Settings, rule: str) -> Averaging:
    """Return how weights are averaged: as the method says, or else the setting."""
    declared = method.averaging()
    if declared is None:
        return MovingAverage(settings.ema) if settings.ema else NoAverage()
    name = settings.method[0]
    if settings.ema:
        raise UsageError(
            f"Expected ema 0 with the method {name}, which averages by its own rule", f"found {settings.ema}", ""
        )
    if isinstance(declared, AverageWindow) and rule == MOVING:
        raise UsageError(
            f"Expected reestimated or frozen batch statistics with the method {name}, which averages over a window",
            "found moving ones, which belong to no average",
            "Leave out --batch-statistics",
        )
    return declared


def _average(averaging: Averaging, classifier: keras.Model) -> WeightAverage | StretchMean | None:
    if isinstance(averaging, MovingAverage):
        return WeightAverage(classifier.trainable_variables, averaging.decay)
    return StretchMean(classifier.trainable_variables) if isinstance(averaging, AverageWindow) else None


def batch_statistics_rule(settings: Settings) -> Rule:
    """Return the rule of `magsig_tf.statistics_rule` that a run follows; `auto` depends on the encoder's weights.

    Raises:
        UsageError: there is no such encoder.
    """
    from magsig_tf.models.encoders import is_pretrained

    if settings.batch_statistics != "auto":
        return settings.batch_statistics
    return FROZEN if is_pretrained(settings.encoder, settings.weights) else REESTIMATED


def _rows_by_domain(prepared: PreparedDataset, split: Split) -> dict[int, np.ndarray]:
    train = split.rows["train"]
    magnifications = prepared.manifest["magnification"].to_numpy()[train]
    return {index: train[magnifications == name] for index, name in enumerate(split.source_magnifications)}
