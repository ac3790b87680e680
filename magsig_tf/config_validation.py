"""From a flat mapping to a config: every key known, every value in range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from magsig_tf.config import Config, Settings, Strict
from magsig_tf.errors import UsageError, nearest
from magsig_tf.method_options import method_options
from magsig_tf.registry import registry
from magsig_tf.statistics_rule import FROZEN, OLD_KEY, REESTIMATED


def build_config(raw: Mapping[str, Any]) -> Config:
    """Validate a flat mapping.

    Args:
        raw: Keys of `Settings` and of the options of any registered method.

    Returns:
        The config. Keys of registered methods that the mapping does not name are allowed and ignored, so that one file
        serves `--method baseline` and `--method grl`.

    Raises:
        UsageError: a key is unknown (the nearest is offered), or a value is out of range.
    """
    if OLD_KEY in raw:
        raise UsageError(
            "Expected the key batch_statistics in the place of freeze_batch_statistics",
            f"found {OLD_KEY}: {raw[OLD_KEY]}",
            f"Write batch_statistics: {FROZEN if raw[OLD_KEY] is True else REESTIMATED}",
        )
    core = {key: value for key, value in raw.items() if key in Settings.model_fields}
    settings = _validated(Settings, core)
    classes = method_options()
    for name in settings.method:
        registry("methods").load(name)  # says why where a method is unknown, taken twice or broken
    known = {key for options in classes.values() for key in options.model_fields} | set(Settings.model_fields)
    for key in raw:
        if key not in known:
            raise UsageError("Expected a config key", f"found {key!r}", nearest(key, known))
    options = {
        name: _validated(classes[name], {key: raw[key] for key in classes[name].model_fields if key in raw})
        for name in settings.method
    }
    return Config(settings, options)


def _validated(model: type[Strict], values: Mapping[str, Any]) -> Any:
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else "config"
        raise UsageError(
            f"Expected a valid value of {key}",
            f"found {repr(first['input'])[:100]}: {first['msg']}",
            "`magsig train --help` lists every key",
        ) from error
