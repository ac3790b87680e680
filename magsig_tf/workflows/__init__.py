"""The Python API: what each command of `magsig` does, as a function of its name that prints nothing.

Nothing is loaded before it is asked for, and TensorFlow only by what trains, exports or predicts.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES: dict[str, tuple[str, ...]] = {
    "preparation": ("prepare", "prepare_without_source"),
    "planning": ("configure", "plan"),
    "training": ("train", "gan"),
    "evaluation": ("evaluate", "compare", "claims", "augmentation"),
    "embeddings": ("signatures", "probe"),
    "reporting": ("report",),
    "step_times": ("STEPS",),
    "reproduction": ("reproduce",),
    "exporting": ("export",),
    "predicting": ("predict", "explain"),
    "plugins": ("list_plugins",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
