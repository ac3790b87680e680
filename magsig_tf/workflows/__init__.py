"""The Python API: what each command of `magsig` does, as a function of its name that prints nothing.

Nothing is loaded before it is asked for, and TensorFlow only by what trains, exports or predicts.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from magsig_tf.workflows.auditing import audit as audit
    from magsig_tf.workflows.embedding import embed as embed
    from magsig_tf.workflows.embeddings import probe as probe
    from magsig_tf.workflows.embeddings import signatures as signatures
    from magsig_tf.workflows.evaluation import augmentation as augmentation
    from magsig_tf.workflows.evaluation import claims as claims
    from magsig_tf.workflows.evaluation import compare as compare
    from magsig_tf.workflows.evaluation import evaluate as evaluate
    from magsig_tf.workflows.exporting import export as export
    from magsig_tf.workflows.plugins import list_plugins as list_plugins
    from magsig_tf.workflows.predicting import explain as explain
    from magsig_tf.workflows.predicting import predict as predict
    from magsig_tf.workflows.preparation import prepare as prepare
    from magsig_tf.workflows.preparation import prepare_without_source as prepare_without_source
    from magsig_tf.workflows.reporting import report as report
    from magsig_tf.workflows.reproduction import reproduce as reproduce
    from magsig_tf.workflows.step_times import STEPS as STEPS
    from magsig_tf.workflows.training import configure as configure
    from magsig_tf.workflows.training import gan as gan
    from magsig_tf.workflows.training import plan as plan
    from magsig_tf.workflows.training import train as train

_MODULES: dict[str, tuple[str, ...]] = {
    "auditing": ("audit",),
    "preparation": ("prepare", "prepare_without_source"),
    "embedding": ("embed",),
    "training": ("configure", "plan", "train", "gan"),
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


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
