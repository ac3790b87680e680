"""The blocks that docs/encoders.md lists for each encoder."""

from __future__ import annotations

import math
import re

from magsig_tf.models.classifier import layers_until
from tests.house.documentation import ROOT

_ROW = re.compile(r"^\| `(\w+)` \| (`[^|]*`) \|$", re.MULTILINE)


def documented_blocks() -> dict[str, list[str]]:
    """Return encoder -> blocks in the order of the page, with `block1` to `block4` spelled out."""
    table = (ROOT / "docs" / "encoders.md").read_text(encoding="utf-8").partition("| encoder | blocks")[2]
    return {name: [block for item in row.split(", ") for block in _spelled(item)] for name, row in _ROW.findall(table)}


def frozen_by(model, blocks: list[str]) -> list[int]:
    """Return how many weights each block freezes, the layers before it among them."""
    return [
        sum(math.prod(weight.shape) for layer in layers_until(model, block) for weight in layer.trainable_weights)
        for block in blocks
    ]


def _spelled(item: str) -> list[str]:
    first, to, last = item.replace("`", "").partition(" to ")
    if not to:
        return [first]
    word = first.rstrip("0123456789")
    return [f"{word}{number}" for number in range(int(first[len(word) :]), int(last.removeprefix(word)) + 1)]
