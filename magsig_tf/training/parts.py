"""Everything a run trains with, built from its config in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from magsig_tf.config import Config, Settings
from magsig_tf.data.batches import BatchPlan
from magsig_tf.data.prepared import Dataset, EmbeddedDataset
from magsig_tf.data.splits import Split
from magsig_tf.errors import RunError, UsageError
from magsig_tf.execution.evaluated_weights import StretchMean, TailMean, WeightAverage
from magsig_tf.execution.runtime import resolve_precision, resolve_strategy
from magsig_tf.execution.workers import ALONE, Workers
from magsig_tf.linear_models.sparse_path import fit_scaling
from magsig_tf.methods.averaging import AverageWindow, Averaging, MovingAverage, NoAverage, TailAverage
from magsig_tf.methods.contract import Method, Task
from magsig_tf.models.augmentation import assign_seeds, build_augmentation, seed_generators
from magsig_tf.models.classifier import build_classifier, freeze
from magsig_tf.models.encoders import build_encoder, is_pretrained
from magsig_tf.models.encoders.adapters import standardise
from magsig_tf.models.fuse import synchronize_batch_normalization
from magsig_tf.registry import registry
from magsig_tf.seeding import seed_for
from magsig_tf.statistics_rule import FROZEN, MOVING, REESTIMATED, Rule

_NOT_DECAYED = ["bias", "gamma", "beta"]


class RunParts:
    """The networks, optimizers, data order and strategy of one run.

    Initial weights depend on (encoder, seed) alone, augmentation on (split, seed) and never on the method; so does the
    data order, unless the method pairs images by case.

    Args:
        config: The config of one run.
        prepared: The data.
        split: Its split.
        workers: The processes that train it.

    Attributes:
        classifier: The network that trains, with the layers that the method puts in.
        evaluated: A second classifier outside the strategy: `put_weights_to_use` fills it, then it validates, predicts
            and is saved. So averaged weights never stand in the way of training, and a saved model holds plain
            variables.
        saved: `evaluated`, the same variables, without the layers that the method put in.
        global_batch: Images in one step over all replicas.
        total_steps: Steps of the whole training.

    Raises:
        UsageError: the global batch cannot be divided among the replicas, the encoder lacks the block to freeze, or the
            method averages weights and the settings say otherwise.
    """

    def __init__(self, config: Config, prepared: Dataset, split: Split, workers: Workers = ALONE):
        settings, seed, name = config.settings, config.settings.seed[0], config.settings.method[0]
        method_class, options = registry("methods").load(name), config.options[name]
        train = split.rows["train"]
        magnifications = prepared.manifest["magnification"].to_numpy()[train]
        rows = {index: train[magnifications == source] for index, source in enumerate(split.source_magnifications)}
        per_magnification, pairs = settings.images_per_magnification, method_class.pairs_cases(options)
        self.plan = BatchPlan(rows, per_magnification, (split.hash, seed), prepared.cases, pairs)
        self.global_batch = self.plan.batch_size
        self.strategy_name, self.strategy = resolve_strategy(settings, workers)
        if self.global_batch % self.strategy.num_replicas_in_sync:
            raise UsageError(
                f"Expected a global batch that {self.strategy.num_replicas_in_sync} replicas can share",
                f"found {self.global_batch} images",
                "Change --images-per-magnification",
            )
        self.precision = resolve_precision(settings.precision)
        keras.config.set_dtype_policy(self.precision)
        self.batch_statistics = batch_statistics_rule(settings)
        self.epochs, self.total_steps = settings.epochs, settings.epochs * self.plan.steps_per_epoch
        self.clip_norm, self.seed = settings.clip_norm, seed_for("steps", split.hash, seed)

        scaling = fit_scaling(prepared.inputs[train]) if isinstance(prepared, EmbeddedDataset) else None

        def built() -> keras.Model:
            encoder = build_encoder(settings.encoder, prepared.inputs.shape[1:], settings.weights, seed)
            if settings.synchronized_batch_norm:
                encoder = synchronize_batch_normalization(encoder)
            freeze(encoder, settings.freeze_until, self.batch_statistics == FROZEN)
            if scaling is not None:
                standardise(encoder, scaling)
            return build_classifier(encoder, settings.dropout, seed)

        self.saved = built()
        with self.strategy.scope():
            plain = built()
            length, sources = plain.output["embedding"].shape[-1], split.source_magnifications
            task = Task(length, sources, seed, self.global_batch, settings.label_smoothing)
            self.method: Method = method_class(options, task)
            self.classifier = _with_layers_of(self.method, plain)
            self.optimizer = build_optimizer(settings, self.classifier, self.plan.steps_per_epoch, self.precision)
            for network_name, network in self.method.networks.items():
                self.method.optimizers[network_name].build(network.trainable_variables)
            self.augmentation: keras.layers.Layer = keras.layers.Identity(dtype="float32")  # embeddings have no range
            if not isinstance(prepared, EmbeddedDataset):
                self.augmentation = build_augmentation(settings.augment, seed_for("augmentation", split.hash, seed))
            self.averaging = _averaging(self.method, settings, self.batch_statistics)
            self.average: WeightAverage | StretchMean | TailMean | None = None
            if isinstance(self.averaging, MovingAverage):
                self.average = WeightAverage(self.classifier.trainable_variables, self.averaging.decay)
            elif isinstance(self.averaging, TailAverage):
                first = int(self.averaging.begin * self.total_steps)
                self.average = TailMean(self.classifier.trainable_variables, first)
            elif isinstance(self.averaging, AverageWindow):
                self.average = StretchMean(self.classifier.trainable_variables)
            # a generator's seed depends on its place: what a method adds comes last, so that it moves nobody else's
            found = seed_generators(plain, self.augmentation, *self.method.networks.values(), self.classifier)
            self._generators = [generator for generator in found if generator is not self.method.random]
        self.evaluated = _with_layers_of(self.method, self.saved)

    def assign_seeds(self, step: tf.Tensor) -> None:
        """Set every random generator (dropout, augmentation, nested ones, the method's) from the seed and the step."""
        assign_seeds(self._generators, self.seed, step)
        assign_seeds([self.method.random], seed_for("method", self.seed), step, per_replica=False)

    def assign_batch_seed(self, step: tf.Tensor) -> None:
        """Set the method's generator for mixing the batch of a step; its loss draws other numbers."""
        assign_seeds([self.method.random], seed_for("batch", self.seed), step, per_replica=False)

    def random_states(self) -> list[Any]:
        """Return the variables that hold the states of all random generators."""
        return [generator.state for generator in (*self._generators, self.method.random)]

    def learning_rate(self) -> float:
        """Return the classifier's learning rate of the next step, where its schedule has come to."""
        return float(getattr(self.optimizer, "inner_optimizer", self.optimizer).learning_rate)

    def start_head(self, weights: np.ndarray, offset: np.ndarray) -> None:
        """Give the label head its first weights; averages begin with them too.

        Args:
            weights: float32 [p, 1].
            offset: float32 [1].
        """
        head = self.classifier.get_layer("logit")
        for variable, value in ((head.kernel, weights), (head.bias, offset)):
            variable.assign(value)
        if isinstance(self.average, WeightAverage | TailMean):
            for average, variable in zip(self.average.averages, self.classifier.trainable_variables, strict=True):
                average.assign(variable.numpy())

    def put_weights_to_use(self, means: Sequence[Any] | None = None) -> None:
        """Give `evaluated` the classifier's weights, or their average where that is on.

        Args:
            means: In the place of the trainable weights, in order.
        """
        if means is None and isinstance(self.average, WeightAverage | TailMean):
            means = self.average.averages
        values = {id(variable): variable for variable in self.classifier.weights}
        if means is not None:
            values |= {id(v): mean for v, mean in zip(self.classifier.trainable_variables, means, strict=True)}
        for target, value in zip(self.evaluated.weights, values.values(), strict=True):
            target.assign(value if isinstance(value, np.ndarray) else value.numpy())

    def variables(self) -> dict[str, Any]:
        """Return every variable that a resumed run needs, by name."""
        groups = {"classifier": self.classifier.weights, "optimizer": self.optimizer.variables}
        for name, network in self.method.networks.items():
            groups |= {f"network.{name}": network.weights, f"optimizer.{name}": self.method.optimizers[name].variables}
        groups["average"] = self.average.averages if self.average else []
        found = {f"{group}/{i}": variable for group, each in groups.items() for i, variable in enumerate(each)}
        found |= {f"state/{name}": variable for name, variable in self.method.state.items()}
        if isinstance(self.average, StretchMean):
            found["averaged_steps"] = self.average.steps
        return found


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
        if settings.ema:
            return MovingAverage(settings.ema)
        return TailAverage(settings.average_from) if settings.average_from < 1 else NoAverage()
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


def batch_statistics_rule(settings: Settings) -> Rule:
    """Return the rule of `magsig_tf.statistics_rule` that a run follows; `auto` depends on the encoder's weights.

    Raises:
        UsageError: there is no such encoder.
    """
    if settings.batch_statistics != "auto":
        return settings.batch_statistics
    return FROZEN if is_pretrained(settings.encoder, settings.weights) else REESTIMATED


def starts_linear(settings: Settings) -> bool:
    """Return whether a run's label head starts as a logistic regression; `auto` depends on the encoder's weights.

    Raises:
        UsageError: there is no such encoder.
    """
    if settings.head_start != "auto":
        return settings.head_start == "linear"
    return is_pretrained(settings.encoder, settings.weights)


class TwoRatesAdamW(keras.optimizers.AdamW):
    """AdamW whose variables learn at multiples of one schedule.

    Args:
        factors: Of the learning rate, one for each variable in the order in which `build` gets them.
        **kwargs: Those of `keras.optimizers.AdamW`. Weight decay is the same for all variables.
    """

    def __init__(self, factors: Sequence[float], **kwargs: Any):
        super().__init__(**kwargs)
        self.factors = tuple(factors)

    def update_step(self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor) -> None:
        """Take a step of one variable at its own rate."""
        factor = self.factors[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * factor)


def build_optimizer(
    settings: Settings, classifier: keras.Model, steps_per_epoch: int, precision: str
) -> keras.optimizers.Optimizer:
    """Return the optimizer of a run, built for the classifier's trainable variables.

    Args:
        settings: Rates, warm-up, decay and epochs of the run.
        classifier: From `build_classifier`: what is not in the layer `encoder` is the label head.
        steps_per_epoch: Steps of one epoch.
        precision: Under mixed_float16 the loss is scaled.
    """
    total, rate = settings.epochs * steps_per_epoch, settings.learning_rate
    warmup = min(int(settings.warmup * total), total - 1)
    first, target = (0.0, rate) if warmup else (rate, None)
    schedule = keras.optimizers.schedules.CosineDecay(first, total - warmup, warmup_target=target, warmup_steps=warmup)
    encoder = {id(variable) for variable in classifier.get_layer("encoder").trainable_variables}
    variables = classifier.trainable_variables
    head = (settings.head_learning_rate or rate) / rate
    own = settings.encoder_rate if is_pretrained(settings.encoder, settings.weights) else 1.0
    factors = [own if id(variable) in encoder else head for variable in variables]
    optimizer = TwoRatesAdamW(factors, learning_rate=schedule, weight_decay=settings.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=_NOT_DECAYED)
    if precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer
