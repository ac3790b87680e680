"""One door for everything that has a name: commands, methods, encoders and data sets, ours and other people's.

A package adds to magsig by declaring entry points in one of `GROUPS`; magsig's own are declared in setup.cfg in the
same way. Nothing is imported until it is asked for.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from magsig_tf.errors import MagsigError, UsageError, nearest


def named_by_user(module: str, attribute: str, expected: str, remedy: str) -> Any:
    """Return `attribute` of `module`, which may lie in the current folder; what goes wrong is told in one line.

    The command `magsig` does not search that folder as `python -m` does. It is added once a user has named a module,
    and last, so that a file there never takes the place of an installed package.

    Args:
        module: Dotted name, such as `package.networks`.
        attribute: Name inside the module.
        expected: What was to be found, as `UsageError` words it.
        remedy: What to do about it.

    Raises:
        UsageError: nothing can be imported from that path.
    """
    try:
        folder = os.getcwd()
        if folder not in sys.path:
            sys.path.append(folder)
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a stranger's module may raise anything at import
        raise UsageError(expected, f"found {type(error).__name__}: {error}", remedy) from error


GROUPS = {kind: f"magsig.{kind}" for kind in ("commands", "methods", "encoders", "datasets")}
"""Entry-point group of each kind."""

BY_FOLDER = {"encoders": ("hf:", "magsig_tf.models.encoders.vision_transformer", "FolderTransformer")}
"""Kinds of which a prefix with a folder is a name too, and the module and class that takes the folder."""

ENCODER_FILES = ("config.json", "preprocessor_config.json", "model.safetensors")
"""What the folder of an encoder holds."""

BY_PATH = {"methods": "a method class", "encoders": "an encoder function"}
"""Kinds of which `package.module:attribute` is a name too, and what lies there."""


class PluginError(MagsigError):
    """A plugin cannot be used: it fails to import, its name is taken twice, or its code raises an error."""


@dataclass(frozen=True)
class Plugin:
    """One registered name.

    Args:
        kind: A key of `GROUPS`.
        name: The name a user writes.
        value: `module:attribute` that the name stands for.
        source: The distribution that declares it, with its version.
    """

    kind: str
    name: str
    value: str
    source: str
    entry_point: EntryPoint

    def load(self) -> Any:
        """Import what the name stands for.

        Raises:
            PluginError: importing fails, for whatever reason the plugin has.
        """
        try:
            return self.entry_point.load()
        except MagsigError:
            raise
        except Exception as error:  # a plugin's module may raise anything at import
            expected = f"Expected to import the {self.kind[:-1]} {self.name!r} from {self.source} ({self.value})"
            remedy = "Repair or uninstall that package"
            raise PluginError(expected, f"found {type(error).__name__}: {error}", remedy) from error


class Registry:
    """The names of one kind.

    Args:
        kind: A key of `GROUPS`.
    """

    def __init__(self, kind: str):
        self.kind = kind
        self.plugins = sorted((_plugin(kind, point) for point in entry_points(group=GROUPS[kind])), key=_order)

    def names(self) -> list[str]:
        """Return every registered name once, sorted."""
        return sorted({plugin.name for plugin in self.plugins})

    def find(self, name: str) -> Plugin:
        """Return the plugin of that name without importing it.

        Raises:
            UsageError: nothing has that name.
            PluginError: two sources claim it.
        """
        found = [plugin for plugin in self.plugins if plugin.name == name]
        if not found:
            article = "an" if self.kind[0] in "aeiou" else "a"
            raise UsageError(f"Expected {article} {self.kind[:-1]}", f"found {name!r}", nearest(name, self.names()))
        if len(found) > 1:
            expected = f"Expected one {self.kind[:-1]} named {name!r}"
            places = " and in ".join(f"{plugin.source} ({plugin.value})" for plugin in found)
            raise PluginError(expected, f"found it in {places}", "Uninstall one of the packages")
        return found[0]

    def load(self, name: str) -> Any:
        """Import and return what `name` stands for.

        Args:
            name: A registered name; or, where `BY_PATH` has the kind, an import path; where `BY_FOLDER`, a prefix and a
                folder.

        Raises:
            UsageError: nothing has that name, or nothing can be imported from that path.
            PluginError: two sources claim it, or importing it fails.
        """
        prefix, home, taker = BY_FOLDER.get(self.kind, ("", "", ""))
        if prefix and name.startswith(prefix):
            return getattr(importlib.import_module(home), taker)(name.removeprefix(prefix))
        if self.kind not in BY_PATH or ":" not in name:
            return self.find(name).load()
        module, _, attribute = name.partition(":")
        remedy = "Name it as package.module:attribute, in an installed package or in this folder"
        return named_by_user(module, attribute, f"Expected {BY_PATH[self.kind]} at {name}", remedy)


def folder_of(kind: str, name: str) -> Path | None:
    """Return the folder that a name stands for; None where it is a registered name or an import path."""
    prefix = BY_FOLDER.get(kind, ("",))[0]
    return Path(name.removeprefix(prefix)).expanduser() if prefix and name.startswith(prefix) else None


def _plugin(kind: str, point: EntryPoint) -> Plugin:
    source = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown distribution"
    return Plugin(kind=kind, name=point.name, value=point.value, source=source, entry_point=point)


def _order(plugin: Plugin) -> tuple[str, str, str]:
    return plugin.name, plugin.source, plugin.value


registry = functools.cache(Registry)
"""Return the registry of one kind, read once a process."""


@contextlib.contextmanager
def naming_plugins(*plugins: tuple[str, str]) -> Iterator[None]:
    """Turn an error that a plugin's code raises inside into one that names the plugin.

    Errors of magsig's own code, and those that magsig words for users, pass as they are.

    Args:
        plugins: Kind and name of each that takes part.

    Raises:
        PluginError: the code of one of them raised something.
    """
    try:
        yield
    except MagsigError:
        raise
    except Exception as error:  # a stranger's code may raise anything
        for kind, name in plugins:
            where = _place_in(error, registry(kind).load(name))
            if where:
                lines = str(error).strip().splitlines() or ["no message"]
                expected = f"Expected the {kind[:-1]} {name!r} to work"
                remedy = "The error is in that plugin, not in magsig: mend it, or ask its author"
                raise PluginError(expected, f"found {type(error).__name__} in {where}: {lines[0]}", remedy) from error
        raise


def _place_in(error: BaseException, plugin: object) -> str:
    """Return the innermost file and line of a plugin's package that an error came through; empty where none did."""
    module = str(getattr(plugin, "__module__", ""))
    top = module.partition(".")[0]
    files = (getattr(sys.modules.get(name), "__file__", None) for name in (top, module))
    file = next(filter(None, files), None)  # a namespace package has none
    if top == __name__.partition(".")[0] or not file:
        return ""
    place = Path(file).resolve()
    place = place.parent if place.name == "__init__.py" else place
    seen: BaseException | None = error
    while seen is not None:
        for frame in reversed(traceback.extract_tb(seen.__traceback__)):
            if Path(frame.filename).resolve().is_relative_to(place):
                return f"{frame.filename}, line {frame.lineno}"
        seen = seen.__cause__ or seen.__context__
    # an operation that fails while a graph runs names in its message where it was made
    lines = [line.strip() for line in str(error).splitlines() if str(place) in line]
    return lines[-1] if lines else ""
