"""Which data set a path holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from magsig_tf.data.sources.source import DataSource
from magsig_tf.errors import UsageError
from magsig_tf.registry import PluginError, registry


def choose_source(
    path: Path | None, kind: str | None = None, options: Mapping[str, object] | None = None
) -> DataSource:
    """Return the data source for a path.

    Args:
        path: What the user gave, or None for a kind that needs no file.
        kind: A name from the registry of data sets; None asks every registered class whether it recognises the path.
        options: Settings of the source.

    Raises:
        UsageError: the path does not exist, nobody or more than one recognises it, or the kind is unknown.
    """
    if path is not None and not Path(path).exists():
        raise UsageError("Expected --source to exist", f"found nothing at {path}", "Check the path")
    if kind is not None:
        return registry("datasets").load(kind)(path, options)
    if path is None:
        raise UsageError(
            "Expected a data set", "found neither --source nor --phantom", "Pass one of them, for example --phantom"
        )
    known = _loadable()
    fitting = [name for name, source in known.items() if source.recognises(Path(path))]
    if not fitting:
        raise UsageError(
            "Expected a BreaKHis archive or folder, or a CSV manifest",
            f"found {path}, which none of {', '.join(known)} recognises",
            "Describe any other data set in a CSV with path,label,magnification,case (docs/data.md)",
        )
    if len(fitting) > 1:
        raise UsageError(
            "Expected one kind of data set",
            f"found that {' and '.join(fitting)} recognise {path}",
            "Choose with --kind",
        )
    return known[fitting[0]](path, options)


def _loadable() -> dict[str, type[DataSource]]:
    known: dict[str, type[DataSource]] = {}
    for name in registry("datasets").names():
        try:
            known[name] = registry("datasets").load(name)
        except PluginError:
            continue  # `magsig plugins` reports it; it must not stop the others
    return known
