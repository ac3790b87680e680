"""Reads the commands and files that README.md and docs/ show."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`(magsig [^`]+)`(?!`)")


@dataclass(frozen=True)
class Shown:
    """One command that a page shows.

    Args:
        page: Path of the page, relative to the checkout.
        words: The words after `magsig`.
        whole: Whether it stands in a block of its own, to be typed as it is; a mention in a sentence may be partial.
    """

    page: str
    words: tuple[str, ...]
    whole: bool

    def __str__(self) -> str:
        return f"{self.page}: magsig {' '.join(self.words)}"


def pages() -> list[Path]:
    """Return README.md, CONTRIBUTING.md and every page below docs/."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(text: str) -> list[tuple[str, str]]:
    """Return (language, content) of every fenced block."""
    return FENCE.findall(text)


def shown_commands() -> list[Shown]:
    """Return every `magsig ...` command that the pages show, in blocks and in sentences."""
    found = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        name = str(page.relative_to(ROOT))
        for _, content in blocks(text):
            lines = content.replace("\\\n", " ").splitlines()
            found += [Shown(name, words, True) for line in lines if (words := _words(line)) is not None]
        for mention in _INLINE.findall(FENCE.sub("", text)):
            found += [Shown(name, words, False) for words in [_words(mention)] if words is not None]
    return found


def shown_files(page: Path) -> dict[str, str]:
    """Return the files that a page spells out: blocks whose first line is `# file: NAME`."""
    files = {}
    for _, content in blocks(page.read_text(encoding="utf-8")):
        first, _, rest = content.partition("\n")
        if first.startswith("# file: "):
            files[first.removeprefix("# file: ").strip()] = rest
    return files


def _words(line: str) -> tuple[str, ...] | None:
    words = shlex.split(line.strip().removeprefix("$ "), comments=True) if "magsig " in line else []
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words = words[1:]
    return tuple(words[1:]) if words and words[0] == "magsig" and "..." not in words else None
