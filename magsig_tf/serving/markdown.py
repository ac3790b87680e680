"""Strangers' words and numbers as Markdown that shows them and does nothing else."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"([\\`*_{}\[\]|~$^])")
_LINKS = {"://": "&#58;//", "www.": "www&#46;", "@": "&#64;"}
"""What some readers turn into a link without any markup, and what is written in its place."""


def text(value: object) -> str:
    """Return a value as plain text within a line: no markup, link, table cell or HTML begins in it.

    Lists and headings begin where a line begins; so no line may begin with it.
    """
    line = " ".join("".join(char if char.isprintable() else " " for char in str(value)).split())
    line = _SPECIAL.sub(r"\\\1", html.escape(line, quote=False))
    for written, shown in _LINKS.items():
        line = line.replace(written, shown)
    return line


def number(value: object, digits: int = 3) -> str:
    """Return a number as it is printed; "not defined" for NaN, "not recorded" for what is no number.

    Args:
        value: A whole number, printed with separators of thousands, or a fraction.
        digits: Decimals of a fraction.
    """
    if isinstance(value, bool) or (not isinstance(value, int | float) and not hasattr(value, "item")):
        return "not recorded"
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.{digits}f}" if math.isfinite(value) else "not defined"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
