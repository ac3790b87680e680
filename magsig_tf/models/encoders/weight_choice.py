"""The check that every built-in encoder makes first."""

from __future__ import annotations

from magsig_tf.errors import UsageError, nearest


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
