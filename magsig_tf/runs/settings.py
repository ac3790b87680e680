"""The margin of equivalence that runs were configured with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from magsig_tf.config import AXES, Settings, deciding_settings
from magsig_tf.config_files import read_config_file
from magsig_tf.errors import UsageError
from magsig_tf.runs.matrix import Group
from magsig_tf.statistics_rule import KEY, OLD_KEY


def settings_of(group: Group) -> dict[str, Any]:
    """Return what decides the outcome of a group's runs, from the config.yaml of one of them.

    Operational settings and the axes of the matrix are left out, the options of the method are kept. The rule of the
    batch statistics is that of the group, under its name of today; it is all there is where the run has no such file.

    Raises:
        RunError: the file is no flat YAML mapping.
    """
    left_out = {OLD_KEY, *AXES, *Settings.model_fields} - deciding_settings()
    values = dict(next(iter(group.runs.values())).settings)
    if OLD_KEY in values and "lambda_max" in values:
        values = {"reversal": "plain", "domain_normalization": "none"} | values  # all that grl had then
    values = {key: value for key, value in values.items() if key not in left_out} | {KEY: group.batch_statistics}
    if isinstance(values.get("magnifications"), list):
        values["magnifications"] = sorted(map(str, values["magnifications"]))
    return values


def differing(first: Group, second: Group) -> dict[str, tuple[Any, Any]]:
    """Return the keys that both groups' configs have, with another value: what else than the method differs."""
    one, two = settings_of(first), settings_of(second)
    return {key: (one[key], two[key]) for key in one if key in two and one[key] != two[key]}


def counterparts(group: Group, others: Sequence[Group]) -> list[Group]:
    """Return the groups that differ from a group in their method only: the same study, selection and settings.

    Args:
        group: The group that is to be compared.
        others: Groups of another method.
    """
    return [
        other
        for other in others
        if (other.magnifications, other.selection) == (group.magnifications, group.selection)
        and not differing(group, other)
    ]


def told_apart(groups: Sequence[Group]) -> dict[str, str]:
    """Return for each group's label the settings in which the groups differ, in words; empty for a single one.

    Args:
        groups: Groups of one method.
    """
    settings = {group.label: settings_of(group) for group in groups}
    keys = sorted({key for values in settings.values() for key in values})
    varied = [key for key in keys if len({repr(values.get(key)) for values in settings.values()}) > 1]
    return {
        label: ", ".join(f"{key} {_word(values[key])}" for key in varied if key in values)
        for label, values in settings.items()
        if varied
    }


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)[:40]


MARGIN_KEY = "equivalence_margin"


def margin_of(folders: Iterable[Path]) -> float:
    """Return the margin that all runs name in their config.yaml; one without the key counts with the default.

    Args:
        folders: Folders of runs, at least one.

    Raises:
        UsageError: runs name different margins, or one is no number above 0 and below 1.
    """
    default = Settings.model_fields[MARGIN_KEY].default
    found = {_named(folder / "config.yaml", default) for folder in folders}
    if len(found) > 1:
        listed = ", ".join(map(str, sorted(found)))
        raise UsageError(f"Expected runs with one {MARGIN_KEY}", f"found {listed}", "Choose with --margin")
    return found.pop()


def _named(path: Path, default: float) -> float:
    value = read_config_file(str(path)).get(MARGIN_KEY, default) if path.is_file() else default
    if not isinstance(value, int | float) or not 0 < value < 1:
        raise UsageError(
            f"Expected {MARGIN_KEY} above 0 and below 1 in {path}", f"found {str(value)[:40]!r}", "Choose with --margin"
        )
    return float(value)
