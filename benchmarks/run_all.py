"""Run every benchmark in a process of its own, print their JSON lines and a table, and keep the lines in a file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from benchmarks.options import quick_option

BENCHMARKS = (
    "help_time",
    "prepare",
    "prepare_memory",
    "copies",
    "bootstrap",
    "augmentation",
    "depthwise_gradients",
    "input_cost",
    "training_step",
    "gradient_reversal",
    "gan_step",
    "bfloat16",
    "training_memory",
    "sparse_path",
    "ridge_path",
    "erasure",
    "feature_study",
    "embedding",
    "predict",
)
"""The modules that `make bench` runs, the quick ones first."""

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results.jsonl"


@click.command(help=__doc__)
@quick_option
@click.option("--only", "names", multiple=True, type=click.Choice(BENCHMARKS), help="Run these; repeatable.")
@click.option(
    "--results", type=click.Path(path_type=Path), default=RESULTS, show_default="benchmarks/results.jsonl",
    help="File for the lines; replaced.",
)  # fmt: skip
@click.option("--minutes", default=30.0, show_default=True, help="Longest time of one benchmark.")
def main(quick: bool, names: tuple[str, ...], results: Path, minutes: float) -> None:
    lines = []
    for name in names or BENCHMARKS:
        for line in run_benchmark(name, quick, minutes):
            click.echo(json.dumps(line))
            lines.append(line)
    results.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    click.echo("\n" + table(lines))
    if any("failed" in line for line in lines):
        sys.exit(1)


def run_benchmark(name: str, quick: bool, minutes: float) -> list[dict[str, Any]]:
    """Return the lines that a benchmark printed; one that fails adds a line that says so.

    Args:
        name: A module of this folder.
        quick: Ask for its smallest form.
        minutes: Longest time that it may take.
    """
    command = [sys.executable, "-m", f"benchmarks.{name}", *(["--quick"] if quick else [])]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60 * minutes, check=False)
    except subprocess.TimeoutExpired:
        return [{"benchmark": name, "failed": f"not done after {minutes:g} minutes"}]
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not found:
        said = (done.stderr.strip() or "no result printed").splitlines()[-1]
        found.append({"benchmark": name, "failed": said})
    return found


def table(lines: list[dict[str, Any]]) -> str:
    """Return name, ratio, its range, target and whether it was reached, a line a benchmark."""
    rows = [("benchmark", "ratio", "lowest-highest", "target", "reached")]
    for line in lines:
        if "failed" in line:
            rows.append((line["benchmark"], "", "", "", f"failed: {line['failed']}"))
            continue
        target = line["target"]
        rows.append(
            (
                line["benchmark"],
                f"{line['ratio']:.2f}",
                f"{line['lowest']:.2f}-{line['highest']:.2f}",
                "" if target is None else f"{target:.2f}",
                "" if target is None else "yes" if line["reached"] else "no",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in (1, 2, 3)), row[4]]).rstrip()
        for row in rows
    )


if __name__ == "__main__":
    main()
