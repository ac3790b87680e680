"""A study on embeddings at BreaKHis's size, as a user runs it: its minutes and its memory, each against a limit.

`magsig train --method linear erasure grl --holdout all --patient-fold all --seed 0 1 2` in a process of its own, on
7,909 made-up embeddings with BreaKHis's cases, labels and magnifications. They show case, label and magnification, and
their variances fall with the rank as those of real tiles do: a fit to plain noise would be too hard, one to a few clean
directions too easy. Resident memory is that of all processes together; pages that they share count for each.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pandas as pd

from benchmarks.made_up_matrix import breakhis_images
from benchmarks.options import quick_option
from benchmarks.private_memory import PeakMemory, resident_bytes
from benchmarks.timing import processor_seconds, report
from magsig_tf.data.embedded.write import write_array, write_dataset
from magsig_tf.seeding import generator_for
from magsig_tf.workspace import Workspace

DATASET = "made-up-embeddings"
METHODS = ("linear", "erasure", "grl")
LIMITS = {1280: 5.0, 2560: 12.0}
"""Minutes that the study may take, by the length of an embedding."""
ALLOWED_GIGABYTES = 2.0
SECONDS_AN_IMAGE = 0.037
"""To embed one by EfficientNet-Lite0 at 224 px: `magsig embed` in docs/performance.md, Studies on embeddings."""
DECAY = 0.45
"""Standard deviations fall with rank^-0.45, as `ridge_path` measured them."""
CASE_SHARE = 0.4
"""Share of the variance of a direction that all images of a case have in common."""
SEPARATION = {"label": 1.0, "magnification": 1.5}
"""How far classes and magnifications lie apart in the first direction, in its standard deviations."""
_BLOCK = 512


@click.command(help=__doc__)
@click.option("--length", default="1280", show_default=True, type=click.Choice(list(map(str, LIMITS))), help="p.")
@click.option("--patient-fold", default="all", show_default=True, help="Only these, with commas; has no limit.")
@click.option(
    "--seconds-an-image", default=SECONDS_AN_IMAGE, show_default=True,
    help="To embed one, for the extrapolated cost from images on; the default is of EfficientNet-Lite0 at 224 px.",
)  # fmt: skip
@click.option(
    "--drivers", default=1, show_default=True, help="Calls of `magsig train` side by side that share the runs."
)
@click.option("--keep", type=click.Path(path_type=Path), help="Leave the workspace in this new folder.")
@quick_option
def main(length: str, patient_fold: str, seconds_an_image: float, drivers: int, keep: Path | None, quick: bool) -> None:
    smaller, numbers = (20, 16) if quick else (1, int(length))
    asked = ["--holdout", "all", "--patient-fold", *patient_fold.split(","), "--seed", "0", "1", "2"]
    if quick:
        asked = ["--holdout", "40X", "--patient-fold", "0", "--seed", "0", "--epochs", "1"]
    whole = not quick and patient_fold == "all"
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(keep or Path(folder))
        images = write_embeddings(workspace, numbers, smaller)
        used = processor_seconds()
        seconds, peak = run_study(workspace, asked, drivers)
        costs: dict[str, float] = {
            "drivers": drivers,
            "processor_minutes": round((processor_seconds() - used) / 60, 2),
            "seconds_an_image": seconds_an_image,
        }
        costs["minutes_with_embedding"] = round((seconds + images * seconds_an_image) / 60, 1)
        report_study(workspace, images, numbers, LIMITS[int(length)], seconds, peak, costs, whole)


def write_embeddings(workspace: Workspace, length: int, smaller: int = 1) -> int:
    """Write the data set of made-up embeddings; return how many it has.

    Args:
        workspace: Where it lies.
        length: Of an embedding.
        smaller: Keep one in so many images of each case.
    """
    images = breakhis_images(smaller)
    number = images.groupby(["case", "magnification"]).cumcount().map("{:03d}".format)
    path = images["case"].astype(str) + "/" + images["magnification"] + "/" + number + ".png"
    names = pd.DataFrame(
        {
            "path": path,
            "label": np.where(images["label"] == 1, "malignant", "benign"),
            "magnification": images["magnification"],
            "case": images["case"].astype(str),
            "slide": images["case"].astype(str),
        }
    )
    manifest = names.sort_values("path", ignore_index=True)
    folder = workspace.data(DATASET)
    folder.mkdir(parents=True)
    blocks = (block[:, None] for block in embeddings_of(manifest, length))
    write_array(folder / "embeddings.npy", blocks, len(manifest), 1, length, "float32")
    write_dataset(folder, manifest, {"name": DATASET, "report": {}})
    return len(manifest)


def embeddings_of(manifest: pd.DataFrame, length: int) -> Iterator[np.ndarray]:
    """Yield blocks of embeddings, float32 [n, length], in the order of a manifest.

    Each has a part of its class, of its magnification, of its case and of its own in every direction. Classes and
    magnifications lie apart by a distance that falls with the rank, so that many directions tell a little of them.
    """
    draw = generator_for("made-up embeddings", length)
    falling = np.arange(1, length + 1) ** -0.5
    effects = {}
    for column, distance in {**SEPARATION, "case": None}.items():
        place, names = pd.factorize(manifest[column])
        drawn = draw.normal(size=(len(names), length))
        effects[column] = place, drawn * (np.sqrt(CASE_SHARE) if distance is None else distance * falling / np.sqrt(2))
    directions = draw.normal(size=(length, length)) * np.arange(1, length + 1)[:, None] ** -DECAY
    for start in range(0, len(manifest), _BLOCK):
        rows = slice(start, start + _BLOCK)
        own = draw.normal(size=(len(manifest[rows]), length)) * np.sqrt(1 - CASE_SHARE)
        factors = own + sum(effect[place[rows]] for place, effect in effects.values())
        yield (factors @ directions).astype(np.float32)


def run_study(workspace: Workspace, asked: list[str], drivers: int = 1) -> tuple[float, int]:
    """Run `magsig train` on the data set; return its seconds and the most memory that was resident at a time, in bytes.

    Of several drivers the memory is the sum of their peaks.

    Args:
        workspace: Where the data lie and the runs go.
        asked: Options of `magsig train`, beside data set and methods.
        drivers: How many such calls share the matrix.
    """
    # the code of the installed script, so that it is measured where there is none
    command = [sys.executable, "-c", "from magsig_tf.cli.main import main; main()", "train"]
    command += ["--workspace", str(workspace.root), "--dataset", DATASET, "--method", *METHODS]
    began = time.perf_counter()
    with contextlib.ExitStack() as open_now:
        said = [open_now.enter_context(tempfile.TemporaryFile()) for _ in range(drivers)]
        processes = [
            open_now.enter_context(subprocess.Popen([*command, *asked], stdout=file, stderr=subprocess.STDOUT))
            for file in said
        ]
        memories = [
            open_now.enter_context(PeakMemory(0.25, of=process.pid, measure=resident_bytes)) for process in processes
        ]
        for process in processes:
            process.wait()
        seconds = time.perf_counter() - began
        for process, file in zip(processes, said, strict=True):
            if process.returncode:
                file.seek(0)
                raise click.ClickException(file.read().decode(errors="replace")[-2000:])
    return seconds, sum(memory.peak for memory in memories)


def report_study(
    workspace: Workspace,
    images: int,
    length: int,
    minutes: float,
    seconds: float,
    peak: int,
    costs: dict[str, float],
    whole: bool,
) -> None:
    """Print a line for the time and one for the memory.

    Args:
        workspace: With the runs of the study.
        images: Number of embeddings.
        length: Of each.
        minutes: What the study may take.
        seconds: What it took.
        peak: Largest resident memory, in bytes.
        costs: What else to print of the time.
        whole: Whether it was the study that the limits are for.
    """
    runs = runs_of(workspace)
    spent = runs.groupby("method")["seconds"]
    name, target = f"{len(runs)} runs on {images} embeddings of length {length}", 1.0 if whole else None
    report(
        name,
        [60 * minutes / seconds],
        of="magsig train",
        to=f"{minutes:g} minutes",
        target=target,
        minutes=round(seconds / 60, 2),
        seconds_a_run={method: round(float(each), 2) for method, each in spent.mean().items()},
        minutes_of_all_runs={method: round(float(each) / 60, 2) for method, each in spent.sum().items()},
        minutes_beside_runs=round((seconds - float(runs["seconds"].sum())) / 60, 2),
        **costs,
    )
    gigabytes = peak / 1e9
    report(
        f"memory of {name}",
        [ALLOWED_GIGABYTES / gigabytes],
        of="magsig train, resident",
        to=f"{ALLOWED_GIGABYTES:g} GB",
        target=target,
        gigabytes=round(gigabytes, 3),
    )


def runs_of(workspace: Workspace) -> pd.DataFrame:
    """Return method and seconds of every finished run."""
    records = [json.loads(path.read_bytes()) for path in workspace.runs(DATASET).rglob("run.json")]
    return pd.DataFrame([{key: record[key] for key in ("method", "seconds")} for record in records])


if __name__ == "__main__":
    main()
