"""One flat, validated configuration: what a user can set, its default, and what makes two runs the same run.

A config is a flat mapping. Most keys are the fields of `Settings`; the rest belong to the methods that a study names
(`lambda_max` of grl, say) and are checked by each method's own `Options`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from magsig_tf.atomic_files import content_hash
from magsig_tf.registry import ENCODER_FILES, folder_of

AXES = ("dataset", "method", "holdout", "patient_fold", "seed")
"""Keys that say which runs of the matrix are meant; they name a run's folder and stay out of its config hash."""

WEIGHT_WORDS = ("auto", "folder", "imagenet", "none")
"""Values of `weights` that are no file."""

NAME_KEYS = ("dataset", "holdout", "magnifications")
"""Keys whose values are names: `5` in YAML is the name "5" there."""

LISTS = ("method", "holdout", "patient_fold", "seed", "magnifications")
"""Keys that hold several values."""

MOST_FOLDS = 50

ADAPTERS = ("mlp_adapter", "linear_adapter", "identity")
"""Values of `encoder` for a data set of embeddings; a plugin may bring others."""

FOR_EMBEDDINGS: dict[str, Any] = {
    **{"encoder": ADAPTERS[0], "augment": [], "epochs": 5, "head_start": "linear"},
    **{"images_per_magnification": 64, "learning_rate": 2e-4},
}
"""Defaults for a data set of embeddings, where they are other than for images, whatever the recipe."""

RECIPES: dict[str, dict[str, Any]] = {
    "strong": {"head_start": "auto", "encoder_rate": 0.3, "average_from": 0.5, "early_stop": 0},
    "plain": {"head_start": "random", "encoder_rate": 1.0, "average_from": 1.0, "early_stop": 0},
}
"""Values of the keys that were chosen together, where nobody gives them."""
RECIPE = "plain"
RECIPE_KEYS = tuple(RECIPES[RECIPE])
BEFORE_RECIPES = {key: value for key, value in RECIPES["plain"].items() if key != "early_stop"}
"""Keys that came with the recipes, at the values that say what was done before: then they are left out of the config
hash, so that `--recipe plain` finds the runs of before."""

Augmentation = list[str | dict[str, dict[str, Any]]]
DEFAULT_AUGMENTATION: Augmentation = [
    *("QuarterTurns", {"StainJitter": {"strength": 0.2}}, {"CropZoom": {"strength": 0.2}})
]


def _key(default: Any, description: str, **keywords: Any) -> Any:
    """Return the field of one config key."""
    return Field(default, description=description, **keywords)


_operational = partial(_key, json_schema_extra={"operational": True})
"""Return a field that changes how a run is carried out, not what it computes."""


def _ingredient(key: str, description: str, **keywords: Any) -> Any:
    """Return the field of a key whose value the recipe gives."""
    return _key(RECIPES[RECIPE][key], description, **keywords)


class Strict(BaseModel):
    """A pydantic model that refuses unknown keys and infinite numbers and cannot be changed after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MethodOptions(Strict):
    """Base of the options of a method: its fields become flat config keys."""

    FOR_EMBEDDINGS: ClassVar[Mapping[str, Any]] = {}
    """Defaults for a data set of embeddings, where they are other than for images."""


class Settings(Strict):
    """Every setting that does not belong to one method."""

    # which runs
    dataset: str | None = _key(None, "prepared data set; the only one prepared if not given")
    method: list[str] = _key(["baseline"], "methods to train (see magsig plugins)", min_length=1)
    holdout: list[str] = _key(["all"], "magnifications to hold out, or all", min_length=1)
    patient_fold: list[int | Literal["all"]] = _key(
        [0], "patient folds to test on: numbers, 0..4, or all", min_length=1
    )
    seed: list[int] = _key([0], "seeds: initialisation, data order and augmentation", min_length=1)

    # protocol
    magnifications: list[str] | None = _key(None, "limit the study to these magnifications", min_length=1)
    folds: int = _key(5, "number K of patient folds", ge=3, le=MOST_FOLDS)
    split_seed: int = _key(0, "seed of the patient folds", ge=0)
    group_by: Literal["case", "slide"] = _key("case", "what a split keeps together; slide leaks patients")
    selection: Literal["source", "oracle"] = _key(
        "source", "validation that chooses the epoch; oracle uses the holdout, and marks the run"
    )
    select_from: float = _key(0.3, "share of training before which no epoch is chosen, for every method", ge=0, lt=1)

    # model
    encoder: str = _key("efficientnet_lite0", "encoder by name, package.module:function, or hf:FOLDER")
    weights: str = _key("auto", "auto (the encoder's own default), imagenet, none, or a weight file")
    dropout: float = _key(0.2, "dropout between embedding and label head", ge=0, lt=1)
    freeze_until: str = _key(
        "", "keep the encoder's layers up to and including this layer or block as they are; empty: none"
    )
    batch_statistics: Literal["auto", "reestimated", "moving", "frozen"] = _key(
        "auto",
        "what batch norms of the evaluated weights use: reestimated on training rows before each "
        "validation; frozen as the encoder came (scale and offset are trained); moving averages, which short runs do "
        "not reach; auto: frozen for pretrained weights, reestimated without",
    )

    # objective and optimizer
    recipe: Literal["strong", "plain"] = _key(
        RECIPE,
        "values of head_start, encoder_rate, average_from and early_stop that are not given; plain: as ever",
        json_schema_extra={"preset": True},
    )
    head_start: Literal["auto", "linear", "random"] = _ingredient(
        "head_start",
        "first weights of the label head: linear, a logistic regression on the embeddings before training, its "
        "strength chosen by source validation; random; auto: linear for pretrained weights, random without",
    )
    encoder_rate: float = _ingredient(
        "encoder_rate", "peak learning rate of a pretrained encoder, as a share of learning_rate", gt=0, le=1
    )
    average_from: float = _ingredient(
        "average_from", "share of training from which on the mean of all steps' weights is used; 1: never", ge=0, le=1
    )
    epochs: int = _key(4, "epochs; one has as many steps as the largest source magnification needs", ge=1, le=10**6)
    images_per_magnification: int = _key(16, "images of each source magnification in a batch", ge=1, le=4096)
    learning_rate: float = _key(3e-4, "peak learning rate of AdamW", gt=0)
    head_learning_rate: float | None = _key(None, "peak learning rate of the label head; none: as learning_rate", gt=0)
    weight_decay: float = _key(1e-4, "decoupled weight decay of AdamW", ge=0)
    warmup: float = _key(0.05, "share of the steps in which the learning rate rises linearly", ge=0, lt=1)
    label_smoothing: float = _key(0.0, "label smoothing of the classification loss", ge=0, lt=1)
    clip_norm: float = _key(1.0, "largest global gradient norm; 0 switches clipping off", ge=0)
    ema: float = _key(0.0, "decay of the moving average of weights; 0 switches it off", ge=0, lt=1)
    early_stop: int = _ingredient("early_stop", "epochs without a better loss before stopping; 0: never", ge=0)
    augment: Augmentation = _key(
        DEFAULT_AUGMENTATION, "augmentation layers: names or {name: {argument: value}}, or import paths"
    )
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = _key(
        "auto", "auto: mixed_bfloat16 on GPUs that have it, float32 elsewhere"
    )
    strategy: Literal["auto", "one", "mirrored", "multiworker"] = _key(
        "auto",
        "auto: mirrored over several GPUs of this host, one device otherwise; multiworker: the hosts in "
        "TF_CONFIG, one process each",
    )
    synchronized_batch_norm: bool = _key(
        False, "batch statistics over all replicas instead of each replica's share (slower: unfused)"
    )
    virtual_replicas: int = _key(0, "split one CPU into this many replicas, to test strategies", ge=0, le=64)

    # how it is carried out
    inference_batch: int = _operational(64, "images per step when predicting", ge=1)
    threads: int = _operational(0, "threads inside one operation; 0: all cores", ge=0, le=1024)
    deterministic: bool = _operational(True, "bit-identical repeats on the same machine (costs 4 to 10 %)")
    log_every: int = _operational(10, "training steps between two log lines", ge=1)
    checkpoint_every: int = _operational(200, "training steps between checkpoints inside an epoch", ge=1)
    tensorboard: bool | None = _operational(
        None, "write TensorBoard event files beside each log; none: where the package tensorboard is installed"
    )

    # how finished runs are judged
    equivalence_margin: float = _operational(
        0.02, "differences of AUC, F1 or overlap up to this size count as equivalent", gt=0, lt=1
    )

    @model_validator(mode="wrap")
    @classmethod
    def _as_the_recipe_says(cls, values: Any, validated: Callable[[Any], Settings]) -> Settings:
        """Give the keys of the recipe their values where they have none; they do not count as given by the user."""
        if not isinstance(values, Mapping):
            return validated(values)
        recipe = values.get("recipe", RECIPE)
        filled = RECIPES.get(recipe, {}) if isinstance(recipe, str) else {}
        settings = validated({"recipe": recipe, **filled, **values})
        settings.model_fields_set.intersection_update(values)
        return settings

    @field_validator(*NAME_KEYS, mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        """Return numbers as names; which magnification of the data a name means, `plan_matrix` finds."""
        return [_name(item) for item in value] if isinstance(value, list | tuple) else _name(value)

    @field_validator(*LISTS, mode="before")
    @classmethod
    def _listed(cls, value: Any, info: ValidationInfo) -> Any:
        """Return a list without repeats: a run asked for twice is one run."""
        value = [value] if isinstance(value, str | int) else value
        if info.field_name == "patient_fold" and isinstance(value, list):
            value = [fold for item in value for fold in _expand_range(item)]
        plain = isinstance(value, list) and all(isinstance(item, str | int) for item in value)
        return list(dict.fromkeys(value)) if plain else value


class Config:
    """A validated configuration: `settings` plus the options of each method it names.

    Args:
        settings: The part that every method shares.
        options: The validated options of each named method.
        unused: Settings that do not matter to the method: they are neither written nor hashed.
    """

    def __init__(self, settings: Settings, options: Mapping[str, MethodOptions], unused: Iterable[str] = ()):
        self.settings, self.options, self.unused = settings, dict(options), tuple(unused)

    def for_run(self, *, dataset: str, method: str, holdout: str, patient_fold: int, seed: int) -> Config:
        """Return the config of one run of the matrix: single values on every axis, one method's options."""
        axes = {"method": [method], "holdout": [holdout], "patient_fold": [patient_fold], "seed": [seed]}
        settings = self.settings.model_copy(update={"dataset": dataset, **axes})
        return Config(settings, {method: self.options[method]}, self.unused)

    def using(self, settings: Iterable[str]) -> Config:
        """Return the config of a method to which only these of the settings that decide matter."""
        return Config(self.settings, self.options, sorted(deciding_settings() - set(settings)))

    def for_embeddings(self) -> Config:
        """Return the config with the defaults for embeddings in the place of those that nobody has set."""
        settings = _with_defaults(self.settings, FOR_EMBEDDINGS)
        options = {name: options_for_embeddings(each) for name, each in self.options.items()}
        return Config(settings, options, self.unused)

    @property
    def tested_fold(self) -> int:
        """The patient fold of the config of one run."""
        fold = self.settings.patient_fold[0]
        assert isinstance(fold, int), "a run's config names one fold"
        return fold

    def flat(self) -> dict[str, Any]:
        """Return every key that matters with its value, defaults included, ready for YAML."""
        values = self.settings.model_dump(mode="json", exclude=set(self.unused))
        for options in self.options.values():
            values.update(options.model_dump(mode="json"))
        return values

    def identity_hash(self) -> str:
        """Return eight hex digits over everything that changes what a run of this config computes.

        The axes are left out (they name the folder already), and so are settings that only change how it is carried
        out, and ingredients of the recipe that are as before there were recipes. A weight file and an encoder's folder
        count by their content, not their path. Defined for a config with one method.
        """
        left_out = set(Settings.model_fields) - deciding_settings()
        values = {key: value for key, value in self.flat().items() if key not in left_out}
        values = {key: value for key, value in values.items() if (key, value) not in BEFORE_RECIPES.items()}
        file = weight_file_path(self.settings.weights)
        if file and "weights" in values:
            values["weights"] = f"sha256 {content_hash(file)}"
        folder = folder_of("encoders", self.settings.encoder)
        if folder and "encoder" in values:
            found = [folder / name for name in ENCODER_FILES if (folder / name).is_file()]
            values["encoder"] = [f"{each.name} sha256 {content_hash(each)}" for each in found]
        return study_hash(values)


def options_for_embeddings(options: MethodOptions) -> MethodOptions:
    """Return options with their defaults for embeddings in the place of those that nobody has set."""
    return _with_defaults(options, options.FOR_EMBEDDINGS)


def _with_defaults(values: Any, defaults: Mapping[str, Any]) -> Any:
    changed = {key: each for key, each in defaults.items() if key not in values.model_fields_set}
    validated = type(values)(**values.model_dump() | changed)
    return values.model_copy(update={key: getattr(validated, key) for key in changed})


def study_hash(values: dict[str, Any]) -> str:
    """Return eight hex digits over some values, `magnifications` among them: the same study in whatever order."""
    study = values | {"magnifications": values["magnifications"] and sorted(values["magnifications"])}
    return hashlib.sha256(json.dumps(study, sort_keys=True).encode()).hexdigest()[:8]


def deciding_settings() -> set[str]:
    """Return the settings that change what a run computes and do not name it; of a recipe the values, not its name."""
    return {name for name, field in Settings.model_fields.items() if not field.json_schema_extra} - set(AXES)


def weight_file_path(weights: str) -> Path | None:
    """Return the existing file that the setting `weights` names; None for a word.

    The words stay words where a file of that name lies about.
    """
    path = Path(weights).expanduser()
    return path if weights not in WEIGHT_WORDS and path.is_file() else None


def _name(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _expand_range(item: Any) -> list[Any]:
    if isinstance(item, str) and ".." in item:
        first, _, last = item.partition("..")
        if first.isdecimal() and last.isdecimal():
            if not 0 <= int(last) - int(first) < MOST_FOLDS:
                raise ValueError(f"{item[:40]!r} is no range of 1 to {MOST_FOLDS} folds")
            return list(range(int(first), int(last) + 1))
    return [item]
