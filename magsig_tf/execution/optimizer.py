"""AdamW with warm-up and cosine decay, and rates of their own for encoder and label head."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from magsig_tf.config import Settings

_NOT_DECAYED = ["bias", "gamma", "beta"]


class TwoRatesAdamW(keras.optimizers.AdamW):
    """AdamW whose variables learn at multiples of one schedule.

    Args:
        factors: Of the learning rate, one for each variable in the order in which `build` gets them.
        **kwargs: Those of `keras.optimizers.AdamW`. Weight decay is the same for all variables.
    """

    def __init__(self, factors: Sequence[float], **kwargs):
        super().__init__(**kwargs)
        self.factors = tuple(factors)

    def update_step(self, gradient, variable, learning_rate):
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
    total = settings.epochs * steps_per_epoch
    warmup = min(int(settings.warmup * total), total - 1)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else settings.learning_rate,
        decay_steps=total - warmup,
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    encoder = {id(variable) for variable in classifier.get_layer("encoder").trainable_variables}
    variables = classifier.trainable_variables
    head = (settings.head_learning_rate or settings.learning_rate) / settings.learning_rate
    factors = [1.0 if id(variable) in encoder else head for variable in variables]
    optimizer = TwoRatesAdamW(factors, learning_rate=schedule, weight_decay=settings.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=_NOT_DECAYED)
    if precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer
