"""`magsig prepare`: images in, one prepared data set out."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from magsig_tf.cli.options import json_option, workspace_option
from magsig_tf.errors import UsageError
from magsig_tf.workspace import Workspace


def _settings(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    settings = {}
    for value in values:
        key, separator, text = value.partition("=")
        if not separator or not key.strip():
            raise UsageError("Expected KEY=VALUE", f"found {value!r}", "Write for example --phantom-set tiles=4")
        settings[key.strip()] = text
    return settings


@click.command("prepare")
@click.option(
    "--source", type=click.Path(path_type=Path), help="BreaKHis archive (.tar.gz) or folder, or a CSV manifest."
)
@click.option("--phantom", is_flag=True, help="Render the synthetic data set instead; nothing is downloaded.")
@click.option("--name", help="Name of the data set.  [default: breakhis, phantom, or the CSV's name]")
@click.option("--size", type=click.IntRange(8, 4096), help="Height and width in pixels.  [default: 224; phantom: 64]")
@click.option(
    "--resize",
    type=click.Choice(["squash", "crop"]),
    default="squash",
    show_default=True,
    help="squash keeps the whole image and loses its aspect ratio; crop takes the largest centred square.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes that decode.  [default: all cores]")
@click.option("--overwrite", is_flag=True, help="Replace a data set of the same name.")
@click.option("--kind", help="Kind of data set (see magsig plugins).  [default: recognised from --source]")
@click.option(
    "--phantom-set",
    "--source-set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_settings,
    help="A setting of the phantom, or of a plugin's data set; repeatable.",
)
@workspace_option
@json_option
def prepare(source, phantom, name, size, resize, workers, overwrite, kind, settings, workspace, as_json):
    """Decode and check a data set once, so that training never does.

    Images are read from BreaKHis as it is distributed (archive or unpacked folder), from any data set that a CSV with
    the columns path, label, magnification and case describes, or rendered (--phantom). Unreadable images are listed and
    left out. Repeating the command after an interruption continues; repeating it on a finished data set does nothing.
    """
    # here, so that `magsig --help` imports neither pandas nor Pillow
    from magsig_tf.data.preparation.prepare import Preparation

    if phantom and (source or kind not in (None, "phantom")):
        raise UsageError("Expected either --phantom or a source", "found both", "Leave one of them out")
    preparation = Preparation(
        source,
        workspace,
        name=name,
        size=size,
        resize=resize,
        overwrite=overwrite,
        kind="phantom" if phantom else kind,
        options=settings,
    )
    started = time.monotonic()
    prepared = preparation.existing()
    already = prepared is not None
    if not already:
        prepared = _run_with_progress(preparation, workers)
    _print_result(prepared, already, time.monotonic() - started, as_json)


def _run_with_progress(preparation, workers: int | None):
    from magsig_tf.cli.prepare_progress import progress_bar

    with progress_bar(preparation.name) as show:
        return preparation.run(workers=workers, progress=show)


def _print_result(prepared, already: bool, seconds: float, as_json: bool) -> None:
    if as_json:
        summary = {"folder": str(prepared.folder), "already_prepared": already, "seconds": round(seconds, 3)}
        click.echo(json.dumps({**summary, **prepared.info}, indent=2))
        return
    from magsig_tf.report.terminal.preparation import print_report

    print_report(prepared.info)
    state = "already prepared, nothing to do" if already else f"prepared in {seconds:.1f} s"
    click.echo(f"{state}: {prepared.folder}")


def prepare_without_source(dataset: str | None, workspace: Workspace) -> None:
    """Prepare a data set that needs no file, such as the phantom, where it is named and missing.

    Args:
        dataset: The data set of a config, or None.
        workspace: Where it should lie.
    """
    from magsig_tf.registry import registry

    if dataset in workspace.prepared_datasets() or dataset not in registry("datasets").names():
        return
    if registry("datasets").load(dataset).needs_file:
        return
    from magsig_tf.data.preparation.prepare import Preparation

    started = time.monotonic()
    prepared = _run_with_progress(Preparation(None, workspace, kind=dataset), workers=None)
    click.echo(f"prepared {prepared.name} in {time.monotonic() - started:.1f} s: {prepared.folder}", err=True)
