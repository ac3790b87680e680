"""Quality files of GANs as `magsig gan` writes them, with made-up numbers, and runs that used them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from tests.evaluation.fake_runs import DATASET_HASH, FakeStudy

LITE0, RANDOM = "efficientnet_lite0", "random_cnn"
GOOD = {"kid": 0.01, "coverage": 0.8, "copied": 0.01, "magnification_shift": 0.05, "label_agreement": 0.8}
FLOOR = {"kid": 0.01, "coverage": 0.9, "copied": 0.01, "magnification_shift": 0.04, "label_agreement": 0.85}


def quality_rows(
    part: str, features: str = LITE0, floor: dict | None = None, half_width: float = 0.005, **changes: float
) -> list[dict]:
    """Return the rows of one GAN in one feature space; `changes` override the values of `GOOD`."""
    rows = []
    for kind, values in (("synthetic", GOOD | changes), ("floor", FLOOR | (floor or {}))):
        for metric, value in values.items():
            wide = kind == "synthetic" and metric in ("kid", "coverage")
            ends = (value - half_width, value + half_width) if wide else (float("nan"), float("nan"))
            rows.append(
                {"part": part, "label": int(part == "malignant"), "magnification": "", "features": features}
                | {"kind": kind, "metric": metric, "value": value, "low": ends[0], "high": ends[1]}
                | {"images_real": 60, "images_synthetic": 60, "cases": 6, "reason": ""}
            )
    return rows


def fold_quality(spaces: Iterable[str] = (LITE0, RANDOM), **changes: float) -> pd.DataFrame:
    """Return the quality table of a fold with a benign and a malignant GAN of the same values."""
    return pd.DataFrame(
        [row for part in ("benign", "malignant") for space in spaces for row in quality_rows(part, space, **changes)]
    )


def write_gans(study: FakeStudy, holdout: str, fold: int, table: pd.DataFrame | None, **record: object) -> Path:
    """Write the folder of one fold's GANs and return it; `record` overrides keys of fold.json."""
    folder = study.workspace.gan(study.dataset) / holdout / f"fold{fold}-0123abcd"
    folder.mkdir(parents=True, exist_ok=True)
    record = {"status": "done", "split_hash": f"split-{holdout}-{fold}", "dataset_hash": DATASET_HASH} | record
    (folder / "fold.json").write_text(json.dumps(record))
    if table is not None:
        table.to_parquet(folder / "quality.parquet")
    return folder


def write_gan_run(study: FakeStudy, holdout: str, fold: int, seed: int = 0, **info: object) -> Path:
    """Write a run of the method gan that used the fold's GANs; with `kept_share` it filtered them."""
    folder = study.workspace.gan(study.dataset) / holdout / f"fold{fold}-0123abcd"
    share = info.pop("kept_share", None)
    kept = {"kept_share": 1.0 if share is None else share, "filtered": share is not None}
    place = folder.relative_to(study.workspace.root).as_posix()
    synthetic = {"gan_folder": place, "available": 120, "kept": 120, "by_class": {}, "ratio": 0.5} | kept
    return study.write_run("gan", holdout, fold, seed, **{"synthetic": synthetic} | info)
