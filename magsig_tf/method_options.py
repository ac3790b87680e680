"""The options of every registered method, for validation, `--help` and the documentation."""

from __future__ import annotations

from magsig_tf.config import MethodOptions, Settings
from magsig_tf.registry import PluginError, registry


def method_options() -> dict[str, type[MethodOptions]]:
    """Return the `Options` class of every usable method by name.

    A plugin that cannot be imported is left out here (`magsig plugins` reports it), so that it does not break others.

    Raises:
        PluginError: a method's option has the name of a general setting.
    """
    found: dict[str, type[MethodOptions]] = {}
    methods = registry("methods")
    for name in methods.names():
        try:
            method = methods.load(name)
        except PluginError:
            continue
        clash = set(method.Options.model_fields) & set(Settings.model_fields)
        if clash:
            raise PluginError(
                f"Expected options of the method {name!r} to have names of their own",
                f"found {min(clash)!r}, which is a general setting",
                f"Rename it in {methods.find(name).source}",
            )
        found[name] = method.Options
    return found
