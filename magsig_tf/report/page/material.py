"""What a report is made of: numbers of these runs, tables that earlier commands left of them, and small pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from magsig_tf.checksums import ChangedError, is_expected
from magsig_tf.errors import DataError
from magsig_tf.evaluation import LoadedRuns, Matrix, Summary
from magsig_tf.evaluation.augmentation.explanation import Explanation
from magsig_tf.evaluation.claims.judge import Claims
from magsig_tf.evaluation.comparison import Comparison
from magsig_tf.evaluation.printed import number
from magsig_tf.evaluation.summary.notes import some
from magsig_tf.runs.result_files import AXES, COLUMNS, SIGNATURE_COMMAND, SignatureResults, read_result
from magsig_tf.signatures.sources import UNTRAINED

PROBE_COMMAND = "magsig probe"
_LABELLED = ("method", "config", "label")
WANTED = {
    "signatures": (*COLUMNS["signatures"], "label", "share", "auc", "f1", "brier", "reason"),
    "signature_pairs": (*COLUMNS["signature_pairs"], "label", "adjusted", "p_value", "cka", "reason"),
    "signature_methods": (*_LABELLED, "control", "jaccard", "expected", "adjusted", "nogueira", "mean_size"),
    **{name: COLUMNS[name] for name in ("signature_predictions", "signature_draws", "signature_pair_draws")},
    "probes": (
        *("subject", "kind", "probe", "target", "rows", "control", "metric"),
        *("value", "low", "high", "chance", "cases", "embeddings", "images", "note", "note_code", "reason"),
    ),
}
"""The tables that the report reads, and the columns that it needs."""


@dataclass(frozen=True)
class ResultTables:
    """What signatures and probes left in the results folder, as far as it is of these runs.

    Args:
        frames: By name, rows of these runs only; a table that is not there or is damaged is left out.
        absent: By name, why a table is not there: "not run" with the command, or what is damaged.
        remarks: Sentences on tables that are there but not of all these runs, or of others too.
    """

    frames: dict[str, pd.DataFrame] = field(repr=False)
    absent: dict[str, str]
    remarks: list[str]

    def get(self, name: str) -> pd.DataFrame:
        """Return a table; an empty one with its columns where it is not there."""
        return self.frames.get(name, pd.DataFrame(columns=list(WANTED[name])))

    def for_claims(self) -> SignatureResults:
        """Return the tables that claims read."""
        return SignatureResults(*(self.frames.get(name) for name in COLUMNS))


def read_result_tables(folder: Path, matrix: Matrix, chosen: str = "") -> ResultTables:
    """Read the tables of signatures and probes and keep what is of these runs.

    Args:
        folder: The results folder of the data set.
        matrix: The finished runs.
        chosen: What tells the files of a part of the runs from those of all; where there are none of the part, those of
            all are read.
    """
    frames, absent, remarks = {}, {}, []
    for name, columns in WANTED.items():
        path = folder / f"{name}-{chosen}.parquet"
        path = path if chosen and is_expected(path) else folder / f"{name}.parquet"
        command = PROBE_COMMAND if name == "probes" else SIGNATURE_COMMAND
        try:
            frame = read_result(path, columns, command)
        except (ChangedError, DataError) as error:
            absent[name] = f"damaged: {path.name} cannot be read ({error.found}); run `{command}` again"
            continue
        if frame is None:
            absent[name] = f"not run: `{command}`"
            continue
        # a part of the runs may read the tables of all: that these know others is as it should be
        told = not chosen or path.stem.endswith(f"-{chosen}")
        frame, said = _of_probes(frame, matrix, told) if name == "probes" else _of_runs(frame, matrix, name, told)
        remarks += [f"{path.name}: {words}; run `{command}` again." for words in [*said, *_older(path, matrix)]]
        if len(frame):
            frames[name] = frame
        else:
            absent[name] = f"not run: {path.name} belongs to other runs; run `{command}`"
    return ResultTables(frames, absent, list(dict.fromkeys(remarks)))


def _of_runs(frame: pd.DataFrame, matrix: Matrix, name: str, told: bool) -> tuple[pd.DataFrame, list[str]]:
    """Keep the rows of known configs, under the names that these have now, and say what does not fit."""
    groups = {(group.method, group.config_hash): group for group in matrix.groups}
    owners = list(zip(frame["method"], frame["config"], strict=True))
    ours = np.array([owner in groups or owner[0] == UNTRAINED for owner in owners], bool)
    said = []
    if name == "signatures":
        axes = list(zip(*(frame[axis] for axis in AXES), strict=True))
        known = {(*key, *at): run.name for key, group in groups.items() for at, run in sorted(group.runs.items())}
        lacking = [known[run] for run in known if run not in set(axes)]
        said += [f"it lacks {len(lacking)} of these runs ({some(lacking)})"] if lacking else []
        ours &= np.array([run[0] == UNTRAINED or run in known for run in axes], bool)
        if told and not ours.all():
            said.append(f"it has rows of other runs, which are left out ({int((~ours).sum())})")
    if "label" in frame:
        named = zip(owners, frame["label"], strict=True)
        frame = frame.assign(label=[groups[owner].label if owner in groups else label for owner, label in named])
    return frame[ours].reset_index(drop=True), said


def _of_probes(frame: pd.DataFrame, matrix: Matrix, told: bool) -> tuple[pd.DataFrame, list[str]]:
    """Keep methods that are here, with the controls, and say where they rest on another number of runs."""
    groups = {group.label: group for group in matrix.groups}
    ours = (frame["kind"] == "control") | frame["subject"].isin(list(groups))
    said = []
    for label, group in groups.items():
        counted = frame.loc[frame["subject"] == label, "embeddings"]
        if not len(counted):
            said.append(f"it lacks {label}")
        elif counted.max() != len(group.runs):
            said.append(f"it rests on {int(counted.max())} runs of {label}, there are {len(group.runs)}")
    others = sorted(set(frame.loc[~ours, "subject"]))
    if others and told:
        said.append(f"it has {some(others)}, not among these runs and left out")
    return frame[ours].reset_index(drop=True), said


def _older(path: Path, matrix: Matrix) -> list[str]:
    """Say how many runs finished after a table was written."""
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    times = pd.Series([run.record.finished for group in matrix.groups for run in group.runs.values()], dtype=object)
    later = int((pd.to_datetime(times, utc=True, errors="coerce", format="ISO8601") > written).sum())
    return [f"{later} of these runs finished after it was written"] if later else []


@dataclass(frozen=True)
class Tile:
    """One prepared image.

    Args:
        path: Its name in the manifest.
        source: Its pixels as a data address.
    """

    path: str
    source: str = field(repr=False)


@dataclass(frozen=True)
class Material:
    """The numbers of a study.

    Args:
        loaded: Its finished runs.
        summary: Their numbers.
        comparisons: Each method with the reference.
        reference: The method that others are compared with.
        claims: The paper's statements, judged.
        explanation: Effect of synthetic images; None where no run used GANs.
        tables: What signatures and probes left in the results folder.
        worst: From `worst_images`.
        tiles: Prepared images by their row in the manifest, those of `worst`; empty where the data are gone.
        gan_folder: Where the GANs of the data set lie.
        remarks: Sentences on what could not be gathered.
    """

    loaded: LoadedRuns
    summary: Summary
    comparisons: Sequence[Comparison]
    reference: str
    claims: Claims
    explanation: Explanation | None
    tables: ResultTables
    worst: pd.DataFrame = field(repr=False)
    tiles: dict[int, Tile] = field(repr=False)
    gan_folder: Path
    remarks: list[str]

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.loaded.dataset

    @property
    def matrix(self) -> Matrix:
        """The runs, arranged."""
        return self.summary.matrix

    @property
    def labels(self) -> list[str]:
        """Labels of the methods, in the order of tables."""
        return [group.label for group in self.matrix.groups]


@dataclass(frozen=True)
class Picture:
    """An image with what is known of it.

    Args:
        source: As a data address; empty where the pixels are not there.
        alternative: What it shows, for those who do not see it.
        title: The first line below it.
        lines: Lines below the title.
        method: Label that it is about.
        holdout: Holdout that it is about.
    """

    source: str = field(repr=False)
    alternative: str
    title: str
    lines: list[str]
    method: str
    holdout: str


LARGEST = 160
"""Longer side of a small picture in pixels."""
_LOSSLESS = 64
"""Up to this size a picture is stored without loss."""


def as_data_address(pixels: np.ndarray) -> str:
    """Return an image as a data address, made smaller where it is larger than `LARGEST`.

    Args:
        pixels: uint8 [H, W, 3].
    """
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((LARGEST, LARGEST))
    kind = "PNG" if max(image.size) <= _LOSSLESS else "JPEG"
    kept = io.BytesIO()
    image.save(kept, kind, **({"quality": 88} if kind == "JPEG" else {"optimize": True}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(kept.getvalue()).decode('ascii')}"


def worst_pictures(material: Material) -> list[Picture]:
    """Return the pictures of the worst predictions; without pixels where the prepared data are gone."""
    return [_picture(row, material) for row in material.worst.to_dict("records")]


def _picture(row: dict[Hashable, Any], material: Material) -> Picture:
    tile = material.tiles.get(row["row"])
    truth = "malignant" if row["malignant"] else "benign"
    said = f"probability of malignant {number(row['probability'])}"
    if row["answers"] > 1:
        said += f", mean of {row['answers']} runs ({number(row['lowest'])} to {number(row['highest'])})"
    lines = [f"{row['holdout']} held out; truth: {truth}", said, *([tile.path] if tile else [])]
    return Picture(
        tile.source if tile else "",
        f"Image of case {row['case']} at {row['holdout']}, truth: {truth}",
        str(row["case"]),
        lines,
        row["label"],
        row["holdout"],
    )
