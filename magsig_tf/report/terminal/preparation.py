"""The validation report drawn as rich tables; every number comes from `magsig_tf.data.preparation.report`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from magsig_tf.data.sources.folder_files import HIDDEN
from magsig_tf.report.terminal.console import output_console

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
    # a data set that an earlier version prepared does not say
    parts += [_originals(report["originals"])] if report.get("originals") else []
    parts += [_copies(report["copies"])] if _has_copies(report.get("copies")) else []
    parts += [_quirks(report["quirks"])] if report["quirks"] else []
    parts += [_unreadable(report["unreadable"])] if report["unreadable"]["count"] else []
    parts += [_ignored(report["ignored"])] if report["ignored"] else []
    parts.append(Text("\n".join(_closing_lines(info))))
    return Group(*parts)


def print_report(info: dict, console: Console | None = None) -> None:
    """Print the report of a prepared data set, on standard output unless a console is given."""
    (console or output_console()).print(report_tables(info))


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


_ORIGINALS = {
    "identical": "byte-identical to the original of that name",
    "saved_again": "saved again: other bytes, same size in pixels (SHA-256 cannot tell whether the pixels differ)",
    "resized": "resized: an original's name, another size than 700x460",
    "misnamed": "misnamed: the bytes of an original under another name",
    "unknown": "named as in BreaKHis, but none of its originals",
    "repeated": "repeated: another file holds the same original",
    "missing": "originals that are missing",
}


def _originals(found: dict) -> Table:
    title = f"Beside the {found['originals']:,} original files of BreaKHis (by SHA-256)"
    table = _table(title, {"count": _NUMBER, "what": {"max_width": 48}, "examples": _FOLDED})
    for state, words in _ORIGINALS.items():
        if found[state]:
            examples = [Text(example) for example in found["examples"].get(state, [])[:EXAMPLES_SHOWN]]
            table.add_row(f"{found[state]:,}", words, Text("\n").join(examples))
    return table


def _has_copies(copies: dict | None) -> bool:
    return copies is not None and any(copies[key] for key in ("pairs", "plain", "repeating"))


def _copies(copies: dict) -> Table:
    across, together = copies["across_cases"], copies["split_together"]
    kinds = ", ".join(f"{relation} {count:,}" for relation, count in list(across["relations"].items())[:4])
    cases = [" + ".join(cases[:4]) + (f" + {len(cases) - 4:,} more" if len(cases) > 4 else "") for cases in together]
    rows = [
        (across["pairs"], f"pairs of copies under two cases ({kinds}); copies.csv names them", across["examples"]),
        (len(together), "groups of cases that hold copies of each other, each split as one case", cases),
        (copies["repeated"], "images that are identical to another of their case", []),
        (copies["same_field"], "pairs of a case that show the same field (overlapping, or saved again)", []),
        (copies["plain"], "images too even to be copies of anything", []),
        (copies["repeating"], "images of a repeating pattern, compared for identical pixels only", []),
    ]
    table = _table("Copies", {"count": _NUMBER, "what": {"max_width": 40}, "examples": _FOLDED})
    for count, what, examples in rows:
        if count:
            table.add_row(f"{count:,}", Text(what), Text("\n").join(Text(one) for one in examples[:EXAMPLES_SHOWN]))
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
    # a data set that an earlier version prepared does not say
    yield from report.get("notes", ())
    hidden = sum(entry["count"] for entry in report["ignored"] if entry["what"] == HIDDEN)
    said = f"; {hidden:,} hidden files ignored" if hidden else ""
    counts = f"{report['images']:,} images of {report['slides']:,} slides and {report['cases']:,} cases"
    yield f"{info['name']}: {counts}{said}"
    if known and not known["missing_images"] and not known["extra_images"]:
        yield f"complete: all {known['images']:,} known images of {known['slides']} slides are there, and no others"
    elif known:
        yield (
            f"a part of the whole: {known['missing_images']:,} of {known['images']:,} known images and "
            f"{known['missing_slides']} of {known['slides']} slides are missing; {known['extra_images']:,} are unknown"
        )
    copies = report.get("copies")
    if copies and copies["repeated"]:
        folder = f"pass the folder {copies['folder']}" if copies["folder"] else "leave them out"
        times = {2: "twice", 3: "three times"}.get(copies["times"], f"{copies['times']:,} times")
        consequence = f"each image counts {times}" if copies["all_alike"] else f"some images count up to {times}"
        count = f"{copies['repeated']:,} of {report['images']:,} images"
        yield f"{count} are copies of others of their case: {folder}, or {consequence}"
    if copies and not copies["searched"] and info.get("data") != "embeddings":
        yield "copies other than identical images were not looked for"
    content = f"content {info['content_hash'][:16]}"
    if info.get("data") == "embeddings":
        views = f", {info['views']} views each" if info["views"] > 1 else ""
        yield f"embeddings of length {info['length']}, {info['dtype']}{views}, {content}"
    else:
        yield f"prepared at {info['size']}x{info['size']} px ({info['resize']}), {content}"


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
