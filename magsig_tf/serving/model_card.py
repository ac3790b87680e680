"""The model card of an export: what it learned from, how it was tested, what it must not be used for.

Every number comes from a result file that the caller hands over; what is missing is said to be so. The sections lie in
`card_sections`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from magsig_tf.atomic_files import write_text

if TYPE_CHECKING:
    import pandas as pd

FILE = "MODEL_CARD.md"


@dataclass(frozen=True)
class CardFacts:
    """What a card says; nothing in it is calculated by the card.

    Args:
        name: Name of the export.
        version: Its version, from 1.
        labels: The class names: of probability near 0, and near 1.
        run: The run's `run.json`.
        config: The run's `config.yaml`, flat.
        export: The export's `export.json`: `image_size` (pixels), `resize` ("squash" or "crop"), `temperature` (a
            number), `temperature_fit` (None where none was fitted), `versions`; further keys are ignored.
        dataset: The `dataset.json` of the prepared data; None where it is gone.
        own: The run's own numbers, from `magsig_tf.evaluation.one_run.one_run_table`.
        study: The rows of `results/<dataset>/summary.parquet` for the run's method, config and holdout; None where the
            study was not evaluated.
    """

    name: str
    version: int
    labels: Sequence[str]
    run: Mapping[str, object]
    config: Mapping[str, object]
    export: Mapping[str, object]
    dataset: Mapping[str, object] | None
    own: pd.DataFrame
    study: pd.DataFrame | None = None


def write_model_card(path: Path, facts: CardFacts) -> None:
    """Write the model card as Markdown, whole or not at all.

    An export does not call this itself: `magsig_tf.cli.model_card.write_card(extra, run_folder, name=, version=)`
    gathers the facts from the files of export, run and workspace.

    Args:
        path: Where to, usually `assets.extra/MODEL_CARD.md` of the version's folder.
        facts: What it says.

    Raises:
        MagsigError: the file cannot be written.
    """
    write_text(path, model_card(facts))


def model_card(facts: CardFacts) -> str:
    """Return the card's text."""
    from magsig_tf.serving.card_sections import SECTIONS

    return "\n\n".join(section(facts).strip() for section in SECTIONS) + "\n"
