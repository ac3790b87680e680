"""One flat, validated configuration: what a user can set, its default, and what makes two runs the same run.

A config is a flat mapping. Most keys are the fields of `Settings`; the rest belong to the methods that a study names
(`lambda_max` of grl, say) and are checked by each method's own `Options`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

AXES = ("dataset", "method", "holdout", "patient_fold", "seed")
"""Keys that say which runs of the matrix are meant; they name a run's folder and stay out of its config hash."""

WEIGHT_WORDS = ("auto", "imagenet", "none")
"""Values of `weights` that are no file."""

MOST_FOLDS = 50

DEFAULT_AUGMENTATION: list[str | dict[str, dict[str, Any]]] = [
    "QuarterTurns",
    {"StainJitter": {"strength": 0.2}},
    {"CropZoom": {"strength": 0.2}},
]


def _operational(default: Any, **keywords: Any) -> Any:
    """Return a field that changes how a run is carried out, not what it computes."""
    return Field(default, json_schema_extra={"operational": True}, **keywords)


class Strict(BaseModel):
    """A pydantic model that refuses unknown keys and infinite numbers and cannot be changed after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MethodOptions(Strict):
    """Base of the options of a method: its fields become flat config keys."""


class Settings(Strict):
    """Every setting that does not belong to one method."""

    # which runs
    dataset: str | None = Field(None, description="prepared data set; the only one prepared if not given")
    method: list[str] = Field(["baseline"], min_length=1, description="methods to train (see magsig plugins)")
    holdout: list[str] = Field(["all"], min_length=1, description="magnifications to hold out, or all")
    patient_fold: list[int | Literal["all"]] = Field(
        [0], min_length=1, description="patient folds to test on: numbers, 0..4, or all"
    )
    seed: list[int] = Field([0], min_length=1, description="seeds: initialisation, data order and augmentation")

    # protocol
    magnifications: list[str] | None = Field(None, min_length=1, description="limit the study to these magnifications")
    folds: int = Field(5, ge=3, le=MOST_FOLDS, description="number K of patient folds")
    split_seed: int = Field(0, ge=0, description="seed of the patient folds")
    group_by: Literal["case", "slide"] = Field("case", description="what a split keeps together; slide leaks patients")
    selection: Literal["source", "oracle"] = Field(
        "source", description="validation that chooses the epoch; oracle uses the holdout, and marks the run"
    )
    select_from: float = Field(
        0.3, ge=0, lt=1, description="share of training before which no epoch is chosen, for every method"
    )

    # model
    encoder: str = Field("efficientnet_lite0", description="encoder by name, or package.module:function")
    weights: str = Field("auto", description="auto (the encoder's own default), imagenet, none, or a weight file")
    dropout: float = Field(0.2, ge=0, lt=1, description="dropout between embedding and label head")
    freeze_until: str = Field(
        "", description="keep the encoder's layers up to and including this layer or block as they are; empty: none"
    )
    batch_statistics: Literal["auto", "reestimated", "moving", "frozen"] = Field(
        "auto",
        description="what batch norms of the evaluated weights use: reestimated on training rows before each "
        "validation; frozen as the encoder came (scale and offset are trained); moving averages, which short runs do "
        "not reach; auto: frozen for pretrained weights, reestimated without",
    )

    # objective and optimizer
    epochs: int = Field(
        4, ge=1, le=10**6, description="epochs; one has as many steps as the largest source magnification needs"
    )
    images_per_magnification: int = Field(
        16, ge=1, le=4096, description="images of each source magnification in a batch"
    )
    learning_rate: float = Field(3e-4, gt=0, description="peak learning rate of AdamW")
    head_learning_rate: float | None = Field(
        None, gt=0, description="peak learning rate of the label head; none: as learning_rate"
    )
    weight_decay: float = Field(1e-4, ge=0, description="decoupled weight decay of AdamW")
    warmup: float = Field(0.05, ge=0, lt=1, description="share of the steps in which the learning rate rises linearly")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="label smoothing of the classification loss")
    clip_norm: float = Field(1.0, ge=0, description="largest global gradient norm; 0 switches clipping off")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the moving average of weights; 0 switches it off")
    early_stop: int = Field(0, ge=0, description="epochs without a better validation loss before stopping; 0: never")
    augment: list[str | dict[str, dict[str, Any]]] = Field(
        DEFAULT_AUGMENTATION, description="augmentation layers: names or {name: {argument: value}}, or import paths"
    )
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "auto", description="auto: mixed_bfloat16 on GPUs that have it, float32 elsewhere"
    )
    strategy: Literal["auto", "one", "mirrored", "multiworker"] = Field(
        "auto",
        description="auto: mirrored over several GPUs of this host, one device otherwise; multiworker: the hosts in "
        "TF_CONFIG, one process each",
    )
    synchronized_batch_norm: bool = Field(
        False, description="batch statistics over all replicas instead of each replica's share (slower: unfused)"
    )
    virtual_replicas: int = Field(
        0, ge=0, le=64, description="split one CPU into this many replicas, to test strategies"
    )

    # how it is carried out
    inference_batch: int = _operational(64, ge=1, description="images per step when predicting")
    threads: int = _operational(0, ge=0, le=1024, description="threads inside one operation; 0: all cores")
    deterministic: bool = _operational(True, description="bit-identical repeats on the same machine (costs 4 to 10 %)")
    log_every: int = _operational(10, ge=1, description="training steps between two log lines")
    checkpoint_every: int = _operational(200, ge=1, description="training steps between checkpoints inside an epoch")
    tensorboard: bool | None = _operational(
        None,
        description="write TensorBoard event files beside each log; none: where the package tensorboard is installed",
    )

    # how finished runs are judged
    equivalence_margin: float = _operational(
        0.02, gt=0, lt=1, description="differences of AUC, F1 or overlap up to this size count as equivalent"
    )

    @field_validator("method", "holdout", "seed", "magnifications", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return _each_once([value] if isinstance(value, str | int) else value)

    @field_validator("patient_fold", mode="before")
    @classmethod
    def _folds(cls, value: Any) -> Any:
        value = [value] if isinstance(value, str | int) else value
        return _each_once(
            [fold for item in value for fold in _expand_range(item)] if isinstance(value, list) else value
        )


class Config:
    """A validated configuration: `settings` plus the options of each method it names.

    Args:
        settings: The part that every method shares.
        options: The validated options of each named method.
    """

    def __init__(self, settings: Settings, options: Mapping[str, MethodOptions]):
        self.settings, self.options = settings, dict(options)

    def for_run(self, *, dataset: str, method: str, holdout: str, patient_fold: int, seed: int) -> Config:
        """Return the config of one run of the matrix: single values on every axis, one method's options."""
        axes = {"method": [method], "holdout": [holdout], "patient_fold": [patient_fold], "seed": [seed]}
        settings = self.settings.model_copy(update={"dataset": dataset, **axes})
        return Config(settings, {method: self.options[method]})

    @property
    def tested_fold(self) -> int:
        """The patient fold of the config of one run."""
        fold = self.settings.patient_fold[0]
        assert isinstance(fold, int), "a run's config names one fold"
        return fold

    def flat(self) -> dict[str, Any]:
        """Return every key with its value, defaults included, ready for YAML."""
        values = self.settings.model_dump(mode="json")
        for options in self.options.values():
            values.update(options.model_dump(mode="json"))
        return values

    def identity_hash(self) -> str:
        """Return eight hex digits over everything that changes what a run of this config computes.

        The axes are left out (they name the folder already), and so are settings that only change how it is carried
        out. A weight file counts by its content, not its path. Defined for a config with one method.
        """
        left_out = set(Settings.model_fields) - deciding_settings()
        values = {key: value for key, value in self.flat().items() if key not in left_out}
        if values["magnifications"]:
            values["magnifications"] = sorted(values["magnifications"])  # the same study in whatever order
        file = weight_file_path(self.settings.weights)
        if file:
            state = file.stat()
            values["weights"] = f"sha256 {_content_hash(file, state.st_mtime_ns, state.st_size)}"
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]


def deciding_settings() -> set[str]:
    """Return the settings that change what a run computes and do not name it: neither axes nor operational ones."""
    return {name for name, field in Settings.model_fields.items() if not _is_operational(field)} - set(AXES)


def weight_file_path(weights: str) -> Path | None:
    """Return the existing file that the setting `weights` names; None for a word.

    The words stay words where a file of that name lies about.
    """
    path = Path(weights).expanduser()
    return path if weights not in WEIGHT_WORDS and path.is_file() else None


@lru_cache
def _content_hash(file: Path, modified_ns: int, size: int) -> str:
    """Return the SHA-256 of a file; its time and size are arguments so that a changed file is read again."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_operational(field: Any) -> bool:
    return bool((field.json_schema_extra or {}).get("operational"))


def _each_once(value: Any) -> Any:
    """Return a list of names or numbers without repeats: a run asked for twice is one run."""
    plain = isinstance(value, list) and all(isinstance(item, str | int) for item in value)
    return list(dict.fromkeys(value)) if plain else value


def _expand_range(item: Any) -> list[Any]:
    if isinstance(item, str) and ".." in item:
        first, _, last = item.partition("..")
        if first.isdecimal() and last.isdecimal():
            if not 0 <= int(last) - int(first) < MOST_FOLDS:
                raise ValueError(f"{item[:40]!r} is no range of 1 to {MOST_FOLDS} folds")
            return list(range(int(first), int(last) + 1))
    return [item]
