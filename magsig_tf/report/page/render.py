"""The page from its parts. What comes from files is escaped, and nothing in the page may reach a network."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from magsig_tf import __version__
from magsig_tf.evaluation.claims.judge import OTHER_DATA, Claim, Claims
from magsig_tf.evaluation.claims.verdicts import Verdict
from magsig_tf.evaluation.summary.frame import POOLED
from magsig_tf.report.figures import Palette
from magsig_tf.report.page.material import Material
from magsig_tf.report.page.sections import Section, Status

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

TEMPLATE = "report.html.j2"


# a sign beside the colour and the words: none of the three is needed to read the others
_KINDS = {
    Verdict.HOLDS: ("holds", "✓"),
    Verdict.DOES_NOT_HOLD: ("fails", "✗"),
    Verdict.INCONCLUSIVE: ("untold", "?"),
    Verdict.NOT_RUN: ("missing", "–"),
}


def render(
    material: Material, status: Status, sections: Sequence[Section], sources: dict[str, str], palette: Palette
) -> str:
    """Return the page.

    Args:
        material: Everything gathered.
        status: How much of the study is there.
        sections: The questions.
        sources: The figures as data addresses, by name; empty where there is nothing to draw.
        palette: Appearances of the methods.
    """
    from markupsafe import Markup

    keys = {label: f"m{place}" for place, label in enumerate(material.labels)}
    holdouts = [*material.matrix.holdouts, *([POOLED] if len(material.matrix.holdouts) > 1 else [])]
    # the only text of the page that is not escaped: two files of the package, and colours from a fixed list
    style = _resource("report.css") + _colours(keys, palette)
    script = _resource("report.js")
    return _template().render(
        material=material,
        status=status,
        sections=sections,
        sources=sources,
        keys=keys,
        holdout_keys={name: f"h{place}" for place, name in enumerate(holdouts)},
        cards=[(claim, *_kind(claim)) for claim in material.claims.claims],
        counted=_count_verdicts(material.claims),
        other_data=OTHER_DATA if material.claims.of_other_data else "",
        about=_about(material),
        configs=_configs(material),
        version=__version__,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
    )


def _kind(claim: Claim) -> tuple[str, str]:
    """Return class and sign of a verdict; a criterion of falsification that holds counts against the paper."""
    kind, sign = _KINDS[claim.finding.verdict]
    turned = {"holds": "fails", "fails": "holds"} if claim.falsifies else {}
    return turned.get(kind, kind), sign


def _count_verdicts(claims: Claims) -> str:
    """Say how many of the paper's statements have which verdict, criteria of falsification apart."""
    counted = Counter(claim.finding.verdict for claim in claims.claims if not claim.falsifies)
    words = [f"{verdict.value} {counted[verdict]}" for verdict in _KINDS if counted[verdict]]
    met = sum(claim.finding.verdict == Verdict.HOLDS for claim in claims.claims if claim.falsifies)
    criteria = sum(claim.falsifies for claim in claims.claims)
    return (
        f"The paper's statements, {counted.total()} in all: {', '.join(words)}. Of {criteria} criteria that would "
        f"falsify it, {met} {'is' if met == 1 else 'are'} met."
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("magsig_tf.report.page")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["said"] = said
    return environment.get_template(TEMPLATE)


def said(text: str) -> Markup:
    """Return a sentence as markup, escaped, what stands between backticks as code."""
    from markupsafe import Markup, escape

    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    code = Markup("<code>{}</code>")
    return Markup("").join(code.format(part) if place % 2 else escape(part) for place, part in enumerate(parts))


def _resource(name: str) -> str:
    return (importlib.resources.files("magsig_tf.report.page") / "templates" / name).read_text(encoding="utf-8")


def _colours(keys: dict[str, str], palette: Palette) -> str:
    """Return the rules that give a method its colour; the policy allows no style in a tag."""
    return "".join(f".{key} {{ --method: {palette[label].colour}; }}\n" for label, key in keys.items())


def _policy(style: str, script: str) -> str:
    """Return the content security policy: pictures inside the page, its one style, its one script, nothing else."""
    hashes = {
        kind: base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
        for kind, text in (("style", style), ("script", script))
    }
    allowed = [f"{kind}-src 'sha256-{value}'" for kind, value in hashes.items()]
    return "; ".join(["default-src 'none'", "img-src data:", *allowed, "base-uri 'none'", "form-action 'none'"])


def _about(material: Material) -> list[str]:
    """Say in one line each which data and runs these are."""
    tested = [run.part("test")[["row", "case", "label"]] for run in material.loaded.runs]
    labels: dict[str, int] = {}
    images: set[int] = set()
    for rows in tested:
        labels.update(zip(rows["case"], rows["label"], strict=True))
        images.update(rows["row"])
    malignant = sum(map(int, labels.values()))
    magnifications = dict.fromkeys(name for group in material.matrix.groups for name in group.magnifications)
    hashes = sorted({run.dataset_hash for run in material.loaded.runs})
    return [
        f"Test data: {len(labels) - malignant} benign and {malignant} malignant cases, {len(images):,} images.",
        f"Magnifications: {', '.join(magnifications)}.",
        f"Intervals: {material.summary.level:.0%}, {material.summary.replicates:,} bootstraps over cases. "
        f"Threshold: {material.summary.threshold}.",
        f"Hash of the data: {', '.join(each[:16] for each in hashes)}.",
    ]


def _configs(material: Material) -> list[tuple[str, str]]:
    """Return the config of one run of each method as it lies on disk."""
    found = []
    for group in material.matrix.groups:
        path = group.runs[min(group.runs)].folder / "config.yaml"
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else "config.yaml is not there"
        found.append((group.label, text))
    return found
