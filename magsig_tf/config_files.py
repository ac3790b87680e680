"""Where a config comes from: defaults, then a shipped or own YAML file, then options and `--set key=value`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from magsig_tf.config import Config
from magsig_tf.config_validation import build_config
from magsig_tf.errors import UsageError, nearest
from magsig_tf.flat_yaml import parse_yaml


def shipped_configs() -> list[str]:
    """Return the names of the configs that come with magsig, sorted."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in files("magsig_tf.configs").iterdir()
        if entry.name.endswith(".yaml")
    )


def read_config_file(name: str) -> dict[str, Any]:
    """Read a shipped config by name or a YAML file by path.

    Returns:
        The flat mapping, not yet validated.

    Raises:
        UsageError: there is no such config, or it is not a flat YAML mapping.
    """
    if name in shipped_configs():
        text = files("magsig_tf.configs").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    elif Path(name).is_file():
        text = _read_text(Path(name))
    else:
        raise UsageError(
            "Expected a shipped config or a YAML file", f"found {name!r}", nearest(name, shipped_configs())
        )
    values = parse_yaml(text, f"Expected YAML in {name}", "Mend the file")
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UsageError(f"Expected `key: value` lines in {name}", f"found a {type(values).__name__}", "Mend the file")
    return values


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Parse `--set` arguments.

    Args:
        assignments: Texts `key=value`, each value read as YAML (`0.5`, `true`, `[]`, `{a: 1}`).

    Raises:
        UsageError: an assignment has no `=`, or its value is not YAML.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise UsageError(
                "Expected --set key=value", f"found {assignment!r}", "Write for example --set lambda_max=0.3"
            )
        values[key.strip().replace("-", "_")] = parse_yaml(text, f"Expected a YAML value for {key}", "Quote it")
    return values


def load_config(name: str | None = None, *overrides: Mapping[str, Any]) -> Config:
    """Return the validated config of defaults < file < overrides, later ones winning.

    Args:
        name: A shipped config or a path; None for the defaults alone.
        overrides: Flat mappings, for example from options and from `--set`.
    """
    raw = read_config_file(name) if name else {}
    for override in overrides:
        raw.update(override)
    return build_config(raw)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"Expected a readable text file {path}", f"found {_one_line(error)}", "Check the path"
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
