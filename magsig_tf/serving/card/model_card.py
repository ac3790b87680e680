"""The model card of an export: what it learned from, how it was tested, what it must not be used for.

Every number comes from a result file that the caller hands over; what is missing is said to be so. The words are in
`templates/model_card.md.j2`; here its tables are laid out, and each value becomes text that no Markdown can hide in.
"""

from __future__ import annotations

import html
import math
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from magsig_tf.atomic_files import write_text
from magsig_tf.reasons import ONE_SIDED, RUN_IS_MISSING
from magsig_tf.statistics_rule import MARK, MEANING, MOVING, rule_of

FILE = "MODEL_CARD.md"
TEMPLATE = "model_card.md.j2"
NOT_RECORDED = "not recorded"
RESULTS = ("auc", "accuracy", "sensitivity", "specificity", "f1", "brier", "ece")
TITLES = {metric: metric for metric in RESULTS} | {"auc": "AUC", "f1": "F1", "brier": "Brier", "ece": "ECE"}
CALIBRATION = ("brier", "log_loss", "ece")
OF_STUDY = ("auc", "f1", "brier", "ece")
FEW_CASES = 30
"""Below so many cases an interval is likely too narrow (docs/numbers.md)."""
PARTS = {
    "train": "training",
    "validation": "validation",
    "test": "test, at the held-out magnification",
    "in_domain_test": "test, at the source magnifications",
}
LEVELS = {"image": "Images", "case": "Cases (mean probability of a case's images)"}


@dataclass(frozen=True)
class CardFacts:
    """What a card says; nothing in it is calculated by the card.

    Args:
        name: Name of the export.
        version: Its version, from 1.
        labels: The class names: of probability near 0, and near 1.
        run: The run's `run.json`.
        config: The run's `config.yaml`, flat.
        export: The export's `export.json`: `takes` ("images" or "embeddings"), `image_size` (pixels) and `resize`
            ("squash" or "crop"), or `input_length`, `temperature` (a number), `temperature_fit` (None where none was
            fitted), `versions`; further keys are ignored.
        dataset: The `dataset.json` of the prepared data; None where it is gone.
        own: The run's own numbers, from `magsig_tf.evaluation.summary.frame.one_run_table`.
        study: The rows of `results/<dataset>/summary.parquet` for the run's method, config and holdout; None where the
            study was not evaluated.
    """

    name: str
    version: int
    labels: Sequence[str]
    run: Mapping[str, Any]
    config: Mapping[str, Any]
    export: Mapping[str, Any]
    dataset: Mapping[str, Any] | None
    own: pd.DataFrame
    study: pd.DataFrame | None = None


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
    own, run = facts.own, facts.run
    cases, images = run.get("cases_per_class") or {}, run.get("images") or {}
    trained, exported = run.get("versions") or {}, facts.export.get("versions") or {}
    classes = list(dict.fromkeys(label for part in cases.values() for label in part))
    held_out = own[(own["part"] == "held_out") & (own["metric"] == "auc")]
    return _template().render(
        vars(facts),
        counts=_counts(facts.dataset or {}),
        parts_header=["part", *(f"{label} cases" for label in classes), "images"],
        parts=[
            [name, *(number(cases.get(part, {}).get(label)) for label in classes), number(images.get(part))]
            for part, name in PARTS.items()
            if part in images
        ],
        moving=rule_of(run, facts.config) == MOVING,
        moving_mark=MARK,
        moving_meaning=Markdown(MEANING),
        results_header=["tested at", "cases", "images", *TITLES.values()],
        results=[(title, _results(own, level)) for level, title in LEVELS.items()],
        reasons=_reasons(own),
        temperature=served_temperature(facts.export),
        no_temperature=(facts.export.get("temperature_fit") or {}).get("reason"),
        calibration=_calibration(own),
        study=_study(facts.study),
        tested_at=dict.fromkeys(own["magnification"]),
        test_cases=int(held_out["cases_benign"].max() + held_out["cases_malignant"].max()) if len(held_out) else 0,
        few_cases=FEW_CASES,
        warnings=run.get("warnings") or [],
        versions=[[name, trained.get(name), exported.get(name)] for name in {**trained, **exported}],
    )


def served_temperature(export: Mapping[str, Any]) -> float | None:
    """Return the fitted temperature that an export serves; None where none was asked for, or none fits.

    Args:
        export: The export's `export.json`.
    """
    fit = export.get("temperature_fit")
    return export.get("temperature") if fit and not fit.get("reason") else None


class Markdown(str):
    """Text that is Markdown already: it is put out as it is."""


_SPECIAL = re.compile(r"([\\`*_{}\[\]|~$^])")
_LINKS = {"://": "&#58;//", "www.": "www&#46;", "@": "&#64;"}
"""What some readers turn into a link without any markup, and what is written in its place."""


def text(value: object) -> Markdown:
    """Return a value as plain text within a line: no markup, link, table cell or HTML begins in it.

    Lists and headings begin where a line begins; so no line may begin with it. What is not there is "not recorded".
    """
    if isinstance(value, Markdown):
        return value
    if value is None or isinstance(value, jinja2.Undefined):
        return Markdown(NOT_RECORDED)
    line = " ".join("".join(char if char.isprintable() else " " for char in str(value)).split())
    line = _SPECIAL.sub(r"\\\1", html.escape(line, quote=False))
    for written, shown in _LINKS.items():
        line = line.replace(written, shown)
    return Markdown(line)


def number(value: object, digits: int = 3) -> str:
    """Return a number as it is printed; "not defined" for NaN, "not recorded" for what is no number.

    Args:
        value: A whole number, printed with separators of thousands, or a fraction.
        digits: Decimals of a fraction.
    """
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return NOT_RECORDED
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.{digits}f}" if math.isfinite(value) else "not defined"


def listed(values: object, separator: str = ", ") -> Markdown:
    """Return the names of a list; "not recorded" where there is none."""
    names = map(text, values) if isinstance(values, Mapping | list | tuple) else ()
    return Markdown(separator.join(names) or NOT_RECORDED)


def table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> Markdown:
    """Return a table."""
    lines = [header, ["---"] * len(header), *rows]
    return Markdown("\n".join(f"| {' | '.join(map(text, line))} |" for line in lines))


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("magsig_tf.serving.card"),
        autoescape=False,  # for HTML; `finalize` is what every value goes through here
        finalize=text,
        undefined=jinja2.ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": number, "listed": listed}
    environment.globals["table"] = table
    return environment.get_template(TEMPLATE)


def _counts(dataset: Mapping[str, Any]) -> list[list[object]]:
    """Return magnification, label and images, added over subtypes."""
    added: Counter[tuple[str, str]] = Counter()
    for row in (dataset.get("report") or {}).get("counts", []):
        added[row["magnification"], row["label"]] += row["images"]
    return [[*key, number(images)] for key, images in added.items()]


def _results(own: pd.DataFrame, level: str) -> list[list[str]]:
    rows = []
    for place, at in _places(own[(own["outputs"] == "trained") & (own["level"] == level)]):
        first = at.iloc[0]
        cases = f"{number(first['cases_benign'])} + {number(first['cases_malignant'])}"
        rows.append([place, cases, number(first["images"]), *(_value(at, metric) for metric in TITLES)])
    return rows


def _reasons(own: pd.DataFrame) -> list[Markdown]:
    rows = own[(own["outputs"] == "trained") & own["metric"].isin(RESULTS)].itertuples()
    said = (f"{text(row.magnification)}, {row.level} level: {text(row.reason)}." for row in rows if row.reason)
    return list(dict.fromkeys(map(Markdown, said)))


def _calibration(own: pd.DataFrame) -> list[list[str]]:
    return [
        [str(outputs), place, *(_value(at, metric) for metric in CALIBRATION)]
        for outputs, of_kind in own[own["level"] == "image"].groupby("outputs", sort=False)
        for place, at in _places(of_kind)
    ]


def _study(study: pd.DataFrame | None) -> dict[str, Any] | None:
    if study is None:
        return None
    found, rows = study[study["metric"].isin(OF_STUDY)], []
    for row in found.to_dict("records"):
        what = row["level"], TITLES[row["metric"]], row["quantity"].replace("_", "-")
        rows.append([*what, _interval(row), number(row["images"]), number(row["runs"])])
    first = found.iloc[0]
    return {"label": first["label"], "holdout": first["holdout"], "missing": int(first["missing_runs"]), "rows": rows}


def _places(rows: pd.DataFrame) -> Iterable[tuple[Markdown, pd.DataFrame]]:
    for (part, magnification), at in rows.groupby(["part", "magnification"], sort=False):
        name = text(magnification)
        yield Markdown(f"**{name}, held out**" if part == "held_out" else f"{name}, a source"), at


def _value(rows: pd.DataFrame, metric: str) -> str:
    found = rows[rows["metric"] == metric]
    return _interval(found.to_dict("records")[0]) if len(found) else "not run"


def _interval(row: Mapping[Hashable, Any]) -> str:
    if row["value"] != row["value"]:
        return "not run" if row["reason_code"] in RUN_IS_MISSING else "not defined"
    if row["low"] != row["low"]:
        return number(row["value"])
    sides = ", one-sided" if row.get("interval") == ONE_SIDED else ""
    return f"{number(row['value'])} ({number(row['low'])} to {number(row['high'])}{sides})"
