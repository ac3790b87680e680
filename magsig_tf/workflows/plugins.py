"""Which commands, methods, encoders and data sets there are."""

from __future__ import annotations

import pandas as pd

from magsig_tf import __version__
from magsig_tf.registry import BY_FOLDER, GROUPS, PluginError, registry


def list_plugins() -> pd.DataFrame:
    """Return one row a plugin: kind, name, value, source, and state ("ok", or why it is broken)."""
    from magsig_tf.execution.tensorflow_import import load_tensorflow

    load_tensorflow()  # encoders need it
    rows = []
    for kind in GROUPS:
        for plugin in registry(kind).plugins:
            try:
                registry(kind).load(plugin.name)
                state = "ok"
            except PluginError as error:
                state = f"broken: {error.found}"
            rows.append((kind[:-1], plugin.name, plugin.value, plugin.source, state))
        if kind in BY_FOLDER:
            prefix, module, function = BY_FOLDER[kind]
            rows.append((kind[:-1], f"{prefix}FOLDER", f"{module}:{function}", f"magsig {__version__}", "ok"))
    return pd.DataFrame(rows, columns=["kind", "name", "value", "source", "state"])
