"""Import what a user names by its path: a function or class in an installed package or in the current folder."""

from __future__ import annotations

import importlib
import os
import sys


def import_by_path(module: str, attribute: str) -> object:
    """Return `attribute` of `module`, which may lie in the current folder.

    The command `magsig` does not search that folder as `python -m` does. It is added once a user has named a module,
    and last, so that a file there never takes the place of an installed package.

    Args:
        module: Dotted name, such as `package.networks`.
        attribute: Name inside the module.

    Raises:
        Exception: whatever the import raises; AttributeError where the module has no such name.
    """
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.append(folder)
    return getattr(importlib.import_module(module), attribute)
