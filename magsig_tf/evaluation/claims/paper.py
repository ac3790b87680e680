"""What the paper states, read from `facts/paper.yaml`."""

from __future__ import annotations

import importlib.resources
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml


@dataclass(frozen=True)
class Paper:
    """Numbers and statements of arXiv 2604.25817.

    Args:
        numbers: Everything in the file: by name, then mostly by method.
        statements: Its statements, in the order of the abstract.
        falsified_if: Its criteria of falsification.
    """

    numbers: dict[str, Any]
    statements: list[str]
    falsified_if: list[str]

    @property
    def size_ratio(self) -> float:
        """How many times larger the mean signature of baseline is than that of grl."""
        sizes = self.numbers["signature_size_mean"]
        return sizes["baseline"] / sizes["grl"]


@lru_cache(maxsize=1)
def the_paper() -> Paper:
    """Return what the paper states."""
    text = (importlib.resources.files("magsig_tf.evaluation") / "facts" / "paper.yaml").read_text(encoding="utf-8")
    numbers = yaml.safe_load(text)
    return Paper(numbers, numbers["statements"], numbers["falsified_if"])
