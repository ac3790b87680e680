"""What every built-in encoder says of its weights, and the check of them that it makes first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from magsig_tf.errors import UsageError, nearest

Build = TypeVar("Build", bound=Callable[..., object])


def encoder(*, default_weights: str, fuse: bool = True) -> Callable[[Build], Build]:
    """Give a function that builds an encoder the attributes that `build_encoder` reads.

    Args:
        default_weights: What the weights `auto` mean.
        fuse: Whether quicker layers may take the place of Keras's own.
    """

    def marked(build: Build) -> Build:
        vars(build).update(default_weights=default_weights, fuse=fuse)
        return build

    return marked


def check_weight_choice(encoder: str, weights: str, choices: tuple[str, ...]) -> None:
    """Refuse weights that an encoder does not have.

    Raises:
        UsageError: `weights` is none of `choices`.
    """
    if weights not in choices:
        raise UsageError(
            f"Expected weights for the encoder {encoder}: {', '.join(choices)}, or an existing weight file",
            f"found {weights!r}",
            nearest(weights, choices),
        )
