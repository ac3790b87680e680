"""What was found in a split, drawn: its counts, one line a rule, and a verdict."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from magsig_tf.data.audit.findings import Audited
from magsig_tf.data.audit.listing import sides_in_order
from magsig_tf.data.identity import magnification_order

_MARKS = {
    "leak": ("LEAK", "bold red"),
    "warning": ("warning", "yellow"),
    "clean": ("clean", "green"),
    "unchecked": ("not checked", "dim"),
}
_MEANING = "Results on the evaluated images are too good: the model has seen these patients or pictures."


def print_audit(audited: Audited, console: Console) -> None:
    """Print counts, findings and the verdict."""
    rows = audited.listing.rows
    folds = [fold for fold in rows["fold"].unique() if fold]
    several = f" in each of {len(folds)} folds" if folds else ""
    images = len(rows) // max(1, len(folds))
    console.print(Text(f"{audited.split.name}: {images:,} images of {rows['case'].nunique():,} cases{several}"))
    for note in audited.listing.notes:
        console.print(Text(note, style="dim"))
    console.print(_counts(audited))
    for each in audited.findings:
        word, style = _MARKS[each.state]
        of = f"fold {each.fold}: " if each.fold else ""
        console.print(Text.assemble((f"{word:<12}", style), of, each.sentence), soft_wrap=True)
        for example in each.examples:
            console.print(Text(f"{'':<14}{example}", style="dim"), soft_wrap=True)
        more = each.count - len(each.examples)
        if each.examples and more > 0:
            console.print(Text(f"{'':<14}and {more:,} more", style="dim"))
    verdict = f"Verdict: {audited.verdict}."
    console.print(Text(f"{verdict} {_MEANING}" if audited.leaks else verdict, style="bold"), soft_wrap=True)


def _counts(audited: Audited) -> Table:
    """Return images (cases) by side and label at each magnification; of several folds the first stands for all."""
    counts = audited.counts[audited.counts["fold"] == audited.counts["fold"].iloc[0]]
    names = magnification_order(counts["magnification"])
    of = f" of fold {counts['fold'].iloc[0]}" if counts["fold"].iloc[0] else ""
    table = Table(title=f"Images{of} (cases)", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    settings: dict[str, Any] = {"justify": "right", "no_wrap": True}
    table.add_column("")
    table.add_column("")
    for name in names:
        table.add_column(name or "images", **settings)
    for side in sides_in_order(counts["side"]):
        of_side = counts[counts["side"] == side]
        for place, label in enumerate(sorted(of_side["label"].unique())):
            cells = []
            for name in names:
                cell = of_side[(of_side["label"] == label) & (of_side["magnification"] == name)]
                cells.append(f"{cell['images'].iloc[0]:,} ({cell['cases'].iloc[0]:,})" if len(cell) else "-")
            table.add_row(side if place == 0 else "", label or "all labels", *cells)
        table.add_section()
    return table
