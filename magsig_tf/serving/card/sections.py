"""The sections of a model card, each from the facts alone."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from magsig_tf.reasons import RUN_IS_MISSING
from magsig_tf.statistics_rule import MARK, MEANING, MOVING, rule_of

if TYPE_CHECKING:
    import pandas as pd


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
        own: The run's own numbers, from `magsig_tf.evaluation.summary.one_run.one_run_table`.
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


TITLES = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "f1": "F1",
    "brier": "Brier",
    "ece": "ECE",
}
CALIBRATION = ("brier", "log_loss", "ece")
CALIBRATION_TITLES = ("Brier", "log-loss", "ECE")
FEW_CASES = 30
"""Below so many cases an interval is likely too narrow (docs/numbers.md)."""
PARTS = {
    "train": "training",
    "validation": "validation",
    "test": "test, at the held-out magnification",
    "in_domain_test": "test, at the source magnifications",
}


def opening(facts: CardFacts) -> str:
    """Return the title, and what must be known first."""
    run = facts.run
    method, encoder, holdout = (text(run.get(key, "not recorded")) for key in ("method", "encoder", "holdout"))
    return f"""# {text(facts.name)}, version {number(facts.version)}

**Not for clinical use.** For research only: no medical device, tested on no patient's care.

A classifier of microscope images of stained tissue: {" or ".join(text(label) for label in facts.labels)}. The method is
"{method}", the encoder "{encoder}". It was trained without the magnification {holdout} and tested there. Numbers are
rounded; each is read from the result files of its run."""


def use(facts: CardFacts) -> str:
    """Return how the model is called."""
    size, resize = number(facts.export.get("image_size")), facts.export.get("resize")
    positive = text(facts.labels[-1])
    return f"""## How to use it

```
magsig predict --model MODEL_FOLDER IMAGES_FOLDER --out predictions.csv
```

Or through TensorFlow Serving: the signature `serving_default` takes `images` (uint8, any size), `serving_bytes` takes
`image_bytes` (PNG or JPEG files). Both give `probability`, that of "{positive}", and `label`, which is "{positive}"
from a probability of 0.5 on. Training images were brought to {size} x {size} pixels,
{text(resize or "how is not recorded")}."""


def data(facts: CardFacts) -> str:
    """Return what data the model comes from."""
    found, run = facts.dataset, facts.run
    lines = [
        "## Data",
        "",
        f"Data set {text(run.get('dataset', 'not recorded'))}, content hash {text(run.get('dataset_hash', 'none'))}.",
    ]
    if found is None:
        lines[-1] += " Its counts are not recorded here: the prepared data were not beside the run."
        return "\n".join(lines)
    lines[-1] += f" In all {number(found.get('images'))} images of {number(found.get('cases'))} cases."
    report = found.get("report")
    counts = report.get("counts", []) if isinstance(report, Mapping) else []
    merged: dict[tuple[str, str], list[int]] = {}
    for row in counts:
        merged.setdefault((row["magnification"], row["label"]), []).append(row["images"])
    if merged:
        rows = [[text(m), text(label), number(sum(images))] for (m, label), images in merged.items()]
        lines += ["", table(["magnification", "label", "images"], rows)]
    return "\n".join(lines)


def protocol(facts: CardFacts) -> str:
    """Return how the data were split."""
    run, config = facts.run, facts.config
    cases, images = _mapping(run.get("cases_per_class")), _mapping(run.get("images"))
    classes = list(dict.fromkeys(label for part in cases.values() for label in part))
    rows = [
        [name, *(number(_mapping(cases.get(part)).get(label)) for label in classes), number(images.get(part))]
        for part, name in PARTS.items()
        if part in images
    ]
    group = config.get("group_by", "not recorded")
    lines = [
        "## Protocol",
        "",
        f"Leave one magnification out: {text(run.get('holdout', 'not recorded'))} was in no training and no validation "
        f"image; the sources were {_names(run.get('source_magnifications'))}. Each {text(group)} lies on one side "
        f"only. Patient fold {number(run.get('patient_fold'))} of {number(config.get('folds'))}, counted from 0, seed "
        f"{number(run.get('seed'))}, split {text(run.get('split_hash', 'not recorded'))}, config "
        f"{text(run.get('config_hash', 'not recorded'))}.",
        "",
        table(["part", *(f"{text(label)} cases" for label in classes), "images"], rows),
    ]
    if run.get("selection") == "oracle":
        lines += ["", "**Oracle**: the checkpoint was chosen by looking at the held-out magnification."]
    if rule_of(run, config) == MOVING:
        lines += ["", f"**{MARK.capitalize()}**: {MEANING}."]
    return "\n".join(lines)


def results(facts: CardFacts) -> str:
    """Return the run's own numbers with intervals over cases."""
    own = facts.own[facts.own["outputs"] == "trained"]
    lines = [
        "## Results",
        "",
        "Test cases that the model never saw, at each magnification. In brackets: 95 % interval of a bootstrap over "
        "cases. Threshold 0.5. This is one run of one patient fold: other folds and seeds differ.",
    ]
    for level, title in (("image", "Images"), ("case", "Cases (mean probability of a case's images)")):
        shown = own[own["level"] == level]
        rows = [
            [_place(part, magnification), *_counts(at), *(_value(at, metric) for metric in TITLES)]
            for (part, magnification), at in _places(shown)
        ]
        lines += ["", f"### {title}", "", table(["tested at", "cases", "images", *TITLES.values()], rows)]
    reasons = dict.fromkeys(
        f"{text(row.magnification)}, {row.level} level: {text(row.reason)}."
        for row in own.itertuples()
        if row.reason and row.metric in TITLES
    )
    return "\n".join([*lines, *(["", *(f"- {reason}" for reason in reasons)] if reasons else [])])


def calibration(facts: CardFacts) -> str:
    """Return the calibration errors, with and without the temperature."""
    temperature = facts.export.get("temperature") if facts.export.get("temperature_fit") else None
    said = (
        "No temperature was fitted: probabilities are as trained."
        if temperature is None
        else f"The served logits are divided by a temperature of {number(temperature, 4)}, fitted on source validation "
        "images; rows of both kinds follow."
    )
    shown = facts.own[facts.own["level"] == "image"]
    rows = [
        [outputs, _place(part, magnification), *(_value(at, metric) for metric in CALIBRATION)]
        for outputs, of_kind in shown.groupby("outputs", sort=False)
        for (part, magnification), at in _places(of_kind)
    ]
    return "\n".join(["## Calibration", "", said, "", table(["outputs", "tested at", *CALIBRATION_TITLES], rows)])


def study(facts: CardFacts) -> str:
    """Return what all runs of the same method, config and holdout say."""
    lines = ["## The study it comes from", ""]
    if facts.study is None:
        return "\n".join([*lines, "Not run: the study around this run was not evaluated when the model was exported."])
    found = facts.study[facts.study["metric"].isin(["auc", "f1", "brier", "ece"])]
    first = found.iloc[0]
    rows = [
        [
            row.level,
            TITLES[row.metric],
            row.quantity.replace("_", "-"),
            _interval(row),
            number(row.images),
            number(row.runs),
        ]
        for row in found.itertuples()
    ]
    missing = int(first["missing_runs"])
    return "\n".join(
        [
            *lines,
            f"All finished runs of {text(first['label'])} with {text(first['holdout'])} held out, from the study's "
            "summary" + (f"; {number(missing)} runs of it are missing." if missing else "."),
            "held-out: at the held-out magnification. in-domain: at the sources. as-source: at the same magnification, "
            "in runs that had it as a source. drop: held-out minus as-source.",
            "",
            table(["level", "metric", "quantity", "value", "images", "runs"], rows),
        ]
    )


def limits(facts: CardFacts) -> str:
    """Return the known limits: those of every such model, and those that the files show."""
    run = facts.run
    held_out = facts.own[(facts.own["part"] == "held_out") & (facts.own["metric"] == "auc")]
    cases = int(held_out["cases_benign"].max() + held_out["cases_malignant"].max()) if len(held_out) else 0
    found = [
        f"Tested at {_names(list(dict.fromkeys(facts.own['magnification'])))} of one data set. Other "
        "magnifications, scanners, stains, tissues and hospitals are untested.",
        "Tiles, not whole slides: what the tile does not show, the model does not know.",
        "A probability is no diagnosis, and is calibrated at most where the table above says so.",
        "Intervals cover the choice of test cases; not that of training cases, nor the seed.",
    ]
    if cases < FEW_CASES:
        found.append(f"Only {number(cases)} test cases at the held-out magnification: intervals are likely too narrow.")
    found += [f"The split warned: {text(warning)}" for warning in _list(run.get("warnings"))]
    if _mapping(facts.dataset).get("kind") == "phantom":
        found.append("Trained on synthetic images: it has never seen tissue.")
    return "\n".join(["## Known limits", "", *(f"- {line}" for line in found)])


def terms(facts: CardFacts) -> str:
    """Return licences and citations."""
    kind = _mapping(facts.dataset).get("kind")
    lines = ["## Licence and citation", "", "- magsig, which made this file: Apache License 2.0; see its CITATION.cff."]
    if kind == "breakhis":
        lines += [
            "- The images: BreaKHis. F. A. Spanhol, L. S. Oliveira, C. Petitjean, L. Heutte, A Dataset for Breast "
            "Cancer Histopathological Image Classification, IEEE Transactions on Biomedical Engineering 63(7), "
            "1455-1462, 2016, doi:10.1109/TBME.2015.2496264. Others list it as CC BY 4.0; not verified at the source. "
            "Ask its authors before you pass the weights on.",
        ]
    elif kind == "phantom":
        lines += ["- The images: rendered by magsig; no one else's rights are in them."]
    else:
        lines += ["- The images: their licence is not recorded. Ask who gave them before you pass the weights on."]
    weights = text(facts.config.get("weights", "not recorded"))
    lines += [
        f"- Initial weights of the encoder: as the setting weights = {weights} "
        "chooses them; magsig's page on encoders has their licences.",
        "- The study that magsig grew from: I. Ezuma, O. Medaiyese, Magnification-Invariant Image Classification via "
        "Domain Generalization and Stable Sparse Embedding Signatures, 2026, arXiv:2604.25817.",
    ]
    return "\n".join(lines)


def versions(facts: CardFacts) -> str:
    """Return the versions of the packages that trained and exported it."""
    trained, exported = _mapping(facts.run.get("versions")), _mapping(facts.export.get("versions"))
    names = list(dict.fromkeys([*trained, *exported]))
    rows = [
        [text(name), text(trained.get(name, "not recorded")), text(exported.get(name, "not recorded"))]
        for name in names
    ]
    return "\n".join(["## Versions", "", table(["package", "trained with", "exported with"], rows)])


SECTIONS = (opening, use, data, protocol, results, calibration, study, limits, terms, versions)


def _mapping(value: object) -> Mapping:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list:
    return list(value) if isinstance(value, list | tuple) else []


def _names(value: object) -> str:
    return ", ".join(text(name) for name in _list(value)) or "not recorded"


def _places(rows: pd.DataFrame) -> Iterable[tuple[tuple[str, str], pd.DataFrame]]:
    return rows.groupby(["part", "magnification"], sort=False)


def _place(part: str, magnification: str) -> str:
    return f"**{text(magnification)}, held out**" if part == "held_out" else f"{text(magnification)}, a source"


def _counts(rows: pd.DataFrame) -> list[str]:
    first = rows.iloc[0]
    return [f"{number(first['cases_benign'])} + {number(first['cases_malignant'])}", number(first["images"])]


def _value(rows: pd.DataFrame, metric: str) -> str:
    found = rows[rows["metric"] == metric]
    return _interval(next(found.itertuples())) if len(found) else "not run"


def _interval(row) -> str:
    if row.value != row.value:
        return "not run" if row.reason_code in RUN_IS_MISSING else "not defined"
    interval = f" ({number(row.low)} to {number(row.high)})" if row.low == row.low else ""
    return number(row.value) + interval
