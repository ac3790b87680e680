"""The margin of equivalence that runs were configured with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from magsig_tf.config import Settings
from magsig_tf.config_files import read_config_file
from magsig_tf.errors import UsageError

KEY = "equivalence_margin"


def margin_of(folders: Iterable[Path]) -> float:
    """Return the margin that all runs name in their config.yaml; one without the key counts with the default.

    Args:
        folders: Folders of runs, at least one.

    Raises:
        UsageError: runs name different margins, or one is no number above 0 and below 1.
    """
    default = Settings.model_fields[KEY].default
    found = {_named(folder / "config.yaml", default) for folder in folders}
    if len(found) > 1:
        listed = ", ".join(map(str, sorted(found)))
        raise UsageError(f"Expected runs with one {KEY}", f"found {listed}", "Choose with --margin")
    return found.pop()


def _named(path: Path, default: float) -> float:
    value = read_config_file(str(path)).get(KEY, default) if path.is_file() else default
    if not isinstance(value, int | float) or not 0 < value < 1:
        raise UsageError(
            f"Expected {KEY} above 0 and below 1 in {path}", f"found {str(value)[:40]!r}", "Choose with --margin"
        )
    return float(value)
