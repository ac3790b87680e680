"""`magsig embed`: prepared images become a data set of embeddings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from magsig_tf import workflows
from magsig_tf.cli.options import FOLDER, json_option, option_with_default, workspace_option
from magsig_tf.cli.output import progress_bar, say


@click.command()
@click.option("--dataset", help="Data set of images.  [default: the only one prepared]")
@click.option("--encoder", help="Encoder by name, or package.module:function.  [default: efficientnet_lite0]")
@option_with_default("--weights", default="auto", help="auto (the encoder's own default), imagenet, none, or a file.")
@click.option("--run", "run_folder", type=FOLDER, help="Take the trained encoder of this finished run.")
@option_with_default(
    "--views", type=click.IntRange(1, 100), default=1,
    help="Views of each image: the plain one, which alone is evaluated, and augmented ones for training.",
)  # fmt: skip
@option_with_default("--dtype", type=click.Choice(["float32", "float16"]), default="float32", help="Type of numbers.")
@click.option("--name", help="Name of the new data set.  [default: data set and encoder]")
@option_with_default("--threads", type=click.IntRange(0), default=0, help="Threads inside one operation; 0: all cores.")
@click.option("--overwrite", is_flag=True, help="Replace a data set of that name.")
@workspace_option
@json_option
def embed(run_folder: Path | None, as_json: bool, **chosen: Any) -> None:
    """Embed the images of a data set once, by an encoder that stays as it is.

    The result is a data set like any other: `magsig train` fits or trains on it in seconds, and everything after
    training takes its runs. An interrupted call goes on where it stopped; repeating a finished one does nothing.

    \b
    magsig embed --encoder efficientnet_lite0
    magsig train --dataset breakhis-efficientnet_lite0 --method linear erasure grl
    """

    def tell(text: str) -> None:
        say(text, err=as_json)

    workspace = chosen.pop("workspace")
    made = workflows.embed(workspace, run_folder=run_folder, **chosen, say=tell, progress=progress_bar)
    dataset = made.dataset
    if as_json:
        found = {"folder": str(dataset.folder), "already_embedded": made.already, "seconds": round(made.seconds, 3)}
        click.echo(json.dumps({**found, **dataset.info}, indent=2))
        return
    count, views = len(dataset.manifest), f", {dataset.views} views each" if dataset.views > 1 else ""
    say(f"{dataset.name}: {count} images, embeddings of length {dataset.length}{views}, {dataset.info['dtype']}")
    state = "already embedded, nothing to do" if made.already else f"embedded in {made.seconds:.1f} s"
    say(f"{state}: {dataset.folder}")
