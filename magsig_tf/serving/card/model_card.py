"""The model card of an export: what it learned from, how it was tested, what it must not be used for.

Every number comes from a result file that the caller hands over; what is missing is said to be so. The sections lie in
`card_sections`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from magsig_tf.atomic_files import write_text
from magsig_tf.serving.card.sections import SECTIONS, CardFacts

if TYPE_CHECKING:
    pass


FILE = "MODEL_CARD.md"


def write_model_card(path: Path, facts: CardFacts) -> None:
    """Write the model card as Markdown, whole or not at all.

    Who exports gathers the facts from export, run and results: serving itself reads no results.

    Args:
        path: Where to, usually `assets.extra/MODEL_CARD.md` of the version's folder.
        facts: What it says.

    Raises:
        MagsigError: the file cannot be written.
    """
    write_text(path, model_card(facts))


def model_card(facts: CardFacts) -> str:
    """Return the card's text."""
    return "\n\n".join(section(facts).strip() for section in SECTIONS) + "\n"
