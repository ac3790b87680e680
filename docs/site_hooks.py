"""Hooks of the documentation site (mkdocs.yml): pages from outside docs/, and a check that the site is self-contained.

README.md, CONTRIBUTING.md and others are written for the checkout. They become pages of the site as they are; only
links are rewritten, theirs and those to them.
"""

from __future__ import annotations

import posixpath
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
    "LICENSE": "LICENSE",
    "CITATION.cff": "CITATION.cff",
}
"""Where files of the checkout outside docs/ stand in the site."""

_LINK = re.compile(r"(\[[^\]]*\]\()(?!https?:|#|<)([^)#\s]+)")
_LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
_NOT_LOADED = {"canonical", "prev", "next", "alternate"}
_STYLE_LOAD = re.compile(r"(?:@import\s+[\"']?|url\([\"']?)((?:https?:)?//[^\"')\s]+)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that lie outside docs/."""
    from mkdocs.structure.files import File

    root = Path(config["config_file_path"]).parent
    for source, place in PAGES.items():
        files.append(File.generated(config, place, content=(root / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Rewrite links that are right in the checkout into links that are right in the site."""
    return site_links(markdown, page.file.src_uri)


def on_post_build(config: Any) -> None:
    """Refuse a site that loads anything from a network.

    Raises:
        SystemExit: a page or a style sheet loads a script, style, font or picture from elsewhere.
    """
    site = Path(config["site_dir"])
    found = [
        f"{path.relative_to(site)}: {address}"
        for path in sorted(site.rglob("*"))
        if path.suffix in {".html", ".css"}
        for address in external_loads(path.read_text(encoding="utf-8"), path.suffix)
    ]
    if found:
        raise SystemExit("Expected a site that needs no network, found loads from elsewhere:\n" + "\n".join(found))


def site_links(markdown: str, place: str) -> str:
    """Return a page's text with its links as the site needs them.

    Args:
        markdown: The page as it stands in the checkout.
        place: Its path in the site, such as `index.md`.
    """
    sources = {target: source for source, target in PAGES.items()}
    folder = posixpath.dirname(sources.get(place, f"docs/{place}"))

    def rewritten(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, match[2]))
        target = PAGES.get(target, target.removeprefix("docs/"))
        return match[1] + posixpath.relpath(target, posixpath.dirname(place) or ".")

    return _LINK.sub(rewritten, markdown)


def external_loads(text: str, suffix: str) -> list[str]:
    """Return the addresses on other hosts that a page (`.html`) or style sheet (`.css`) loads when it is opened."""
    if suffix == ".css":
        return _STYLE_LOAD.findall(text)
    reader = _Loads()
    reader.feed(text)
    return reader.found


class _Loads(HTMLParser):
    """Collects what a page loads; a link to click is none of it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        address = named.get(_LOADED.get(tag, "")) or ""
        clicked = tag == "link" and (named.get("rel") or "") in _NOT_LOADED
        if re.match(r"(https?:)?//", address) and not clicked:
            self.found.append(address)
        self.found += _STYLE_LOAD.findall(named.get("style") or "")
