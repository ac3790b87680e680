"""The validation report drawn as rich tables; every number comes from `magsig_tf.data.preparation.report`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

SUBTYPES_SHOWN = 40
UNREADABLE_SHOWN = 20
EXAMPLES_SHOWN = 3
_NUMBER: dict[str, Any] = {"justify": "right", "no_wrap": True}
_FOLDED: dict[str, Any] = {"overflow": "fold"}


def report_tables(info: dict) -> RenderableType:
    """Draw the report of a prepared data set.

    Args:
        info: The content of `dataset.json`.

    Returns:
        Something for `rich.console.Console.print`.
    """
    report = info["report"]
    parts: list[RenderableType] = [_counts(report, info["magnifications"]), _cases(report, info["magnifications"])]
    parts += [_quirks(report["quirks"])] if report["quirks"] else []
    parts += [_unreadable(report["unreadable"])] if report["unreadable"]["count"] else []
    parts += [_ignored(report["ignored"])] if report["ignored"] else []
    parts.append(Text("\n".join(_closing_lines(info))))
    return Group(*parts)


def print_report(info: dict, console: Console | None = None) -> None:
    """Print the report of a prepared data set, on standard output unless a console is given."""
    (console or Console()).print(report_tables(info))


def _counts(report: dict, magnifications: list[str]) -> Table:
    has_known = report["known"] is not None
    counts = report["counts"]
    # a magnification that is known but absent still has its column
    columns = list(dict.fromkeys([*magnifications, *(entry["magnification"] for entry in counts)]))
    table = _numbers("Images: found/known to exist" if has_known else "Images", [*columns, "all"])
    for label in dict.fromkeys(entry["label"] for entry in counts):
        of_label = [entry for entry in counts if entry["label"] == label]
        table.add_row(label, *_cells(of_label, columns, has_known), style="bold")
        subtypes = [name for name in dict.fromkeys(entry["subtype"] for entry in of_label) if name]
        for subtype in subtypes[:SUBTYPES_SHOWN]:
            entries = [entry for entry in of_label if entry["subtype"] == subtype]
            table.add_row(Text(f"  {subtype}"), *_cells(entries, columns, has_known))
        if len(subtypes) > SUBTYPES_SHOWN:
            table.add_row(Text(f"  and {len(subtypes) - SUBTYPES_SHOWN:,} more subtypes", style="dim"))
        table.add_section()
    table.add_row("all", *_cells(counts, columns, has_known), style="bold")
    return table


def _cells(counts: list[dict], columns: list[str], has_known: bool) -> list[Text]:
    """Return the images found of those known at each magnification, and of all."""
    cells = []
    for entries in [*([entry for entry in counts if entry["magnification"] == name] for name in columns), counts]:
        images, known = (sum(entry.get(key) or 0 for entry in entries) for key in ("images", "known"))
        if not has_known:
            cells.append(Text(f"{images:,}" if images else "-"))
        elif images == known:
            cells.append(Text(f"{images:,}", style="green"))
        else:
            cells.append(Text(f"{images:,}/{known:,}", style="red" if images > known else "yellow"))
    return cells


def _cases(report: dict, magnifications: list[str]) -> Table:
    table = _numbers("Cases (patients)", [*magnifications, "any"])
    for label in dict.fromkeys(entry["label"] for entry in report["cases_per_class"]):
        counts = [f"{entry['cases']:,}" for entry in report["cases_per_class"] if entry["label"] == label]
        table.add_row(label, *counts)
    return table


def _quirks(quirks: list[dict]) -> Table:
    table = _table("Quirks", {"count": _NUMBER, "what": {"max_width": 36}, "examples": _FOLDED})
    for quirk in quirks:
        shown = [Text(example) for example in quirk["examples"][:EXAMPLES_SHOWN]]
        more = quirk["examples_in_all"] - len(shown)
        if more > 0:
            shown.append(Text(f"and {more:,} more", style="dim"))
        table.add_row(f"{quirk['count']:,}", Text(quirk["quirk"]), Text("\n").join(shown))
    return table


def _unreadable(unreadable: dict) -> Table:
    table = _table("Unreadable images, left out", {"file": _FOLDED, "why": _FOLDED}, "bold red")
    for entry in unreadable["files"][:UNREADABLE_SHOWN]:
        table.add_row(Text(entry["path"]), Text(entry["reason"]))
    if unreadable["count"] > UNREADABLE_SHOWN:
        table.add_row(f"and {unreadable['count'] - UNREADABLE_SHOWN:,} more", "all are listed in dataset.json")
    return table


def _ignored(ignored: list[dict]) -> Table:
    table = _table("Other files, ignored", {"what": {}, "count": {"justify": "right"}, "for example": _FOLDED})
    for entry in ignored:
        table.add_row(Text(entry["what"]), f"{entry['count']:,}", Text(entry["examples"][0]))
    return table


def _closing_lines(info: dict) -> Iterator[str]:
    report, known = info["report"], info["report"]["known"]
    yield f"{info['name']}: {report['images']:,} images of {report['slides']:,} slides and {report['cases']:,} cases"
    if known and not known["missing_images"] and not known["extra_images"]:
        yield f"complete: all {known['images']:,} known images of {known['slides']} slides are there, and no others"
    elif known:
        yield (
            f"a part of the whole: {known['missing_images']:,} of {known['images']:,} known images and "
            f"{known['missing_slides']} of {known['slides']} slides are missing; {known['extra_images']:,} are unknown"
        )
    yield f"prepared at {info['size']}x{info['size']} px ({info['resize']}), content {info['content_hash'][:16]}"


def _numbers(title: str, names: list[str]) -> Table:
    """Return a table of numbers, whose first column says what is counted."""
    table = _table(title, {"": {"no_wrap": True}})
    for name in names:
        table.add_column(Text(name), **_NUMBER)
    return table


def _table(title: str, columns: dict[str, dict[str, Any]], style: str = "bold") -> Table:
    table = Table(title=title, title_justify="left", title_style=style, box=box.SIMPLE_HEAD, pad_edge=False)
    for name, settings in columns.items():
        table.add_column(Text(name), **settings)
    return table
