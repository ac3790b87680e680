"""Where the time of one training step goes, operation by operation, beside what the machine could do.

No benchmark, so `make bench` leaves it out. It prints a table: docs/performance.md reads it.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.options import quick_option
from benchmarks.timing import processor_seconds


@dataclass(frozen=True)
class StepProfile:
    """One step, seen by TensorFlow's profiler.

    Args:
        seconds: Of the whole step. With one inter-op thread, as runs have it, the operations' times add up to it.
        processor_seconds: Of all cores together.
        by_kind: Seconds of each kind of operation.
        counts: Operations of each kind.
        by_name: Seconds of each single operation.
    """

    seconds: float
    processor_seconds: float
    by_kind: Counter
    counts: Counter
    by_name: Counter


def profile(call, steps: int) -> StepProfile:
    """Return the profile of the quickest of some steps, the one that other work on the machine disturbed least.

    Args:
        call: Takes one step.
        steps: How many to take.
    """
    return min((_profile_one(call) for _ in range(steps)), key=lambda found: found.seconds)


def _profile_one(call) -> StepProfile:
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        began, used = time.perf_counter(), processor_seconds()
        call()
        seconds, used = time.perf_counter() - began, processor_seconds() - used
        tf.profiler.experimental.stop()
        space = xplane_pb2.XSpace()
        for path in Path(folder).rglob("*.xplane.pb"):
            space.ParseFromString(path.read_bytes())
    by_kind, counts, by_name = Counter(), Counter(), Counter()
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            name, _, kind = plane.event_metadata[event.metadata_id].name.rpartition(":")
            # an operation is called name:Kind; what encloses operations is not
            if name and not name.endswith(":") and kind.strip("_").isidentifier():
                by_kind[kind] += event.duration_ps / 1e12
                by_name[f"{name}:{kind}"] += event.duration_ps / 1e12
                counts[kind] += 1
    return StepProfile(seconds, used, by_kind, counts, by_name)


@click.command(help=__doc__)
@quick_option
@click.option("--encoder", default="efficientnet_lite0", show_default=True, help="Name or import path.")
@click.option("--size", default=224, show_default=True, help="Height and width in pixels.")
@click.option("--batch", default=32, show_default=True, help="Images in a step, an even number.")
@click.option("--precision", type=click.Choice(["float32", "mixed_bfloat16"]), default="float32", show_default=True)
@click.option("--steps", default=5, show_default=True, help="Steps to take; the quickest is shown.")
@click.option("--top", default=18, show_default=True, help="Lines of each table.")
def main(quick: bool, encoder: str, size: int, batch: int, precision: str, steps: int, top: int) -> None:
    from benchmarks.made_up_run import TimedStep, set_up_tensorflow, write_random_dataset
    from benchmarks.network_cost import network_cost

    set_up_tensorflow()
    if quick:
        encoder, size, batch, steps = "small_cnn", 32, 4, 1
    with tempfile.TemporaryDirectory() as folder:
        step = TimedStep(
            write_random_dataset(Path(folder) / "random", size), encoder=encoder, batch=batch, precision=precision
        )
        for _ in range(2):
            step()
        found = profile(step, steps)
    click.echo(f"{encoder}, {size} px, {batch} images, {precision}")
    click.echo(f"step {1000 * found.seconds:.0f} ms, processor {1000 * found.processor_seconds:.0f} ms\n")
    _table("kind of operation", found.by_kind, found.seconds, top, found.counts)
    outside = found.seconds - sum(found.by_kind.values())
    click.echo(f"{'between operations':58} {1000 * outside:8.1f} {outside / found.seconds:6.1%}\n")
    _table("operation", found.by_name, found.seconds, top)
    click.echo("")
    _limits(network_cost(step.parts.classifier), batch, precision, quick)


def _table(title: str, seconds: Counter, whole: float, top: int, counts: Counter | None = None) -> None:
    click.echo(f"{title:50} {'count':>7} {'ms':>8} {'share':>6}")
    for name, value in seconds.most_common(top):
        count = str(counts[name]) if counts else ""
        shown = _kernel(name) if counts else _short(name)
        click.echo(f"{shown:50} {count:>7} {1000 * value:8.1f} {value / whole:6.1%}")


def _short(name: str) -> str:
    """Return the layer and the operation of a name such as a/b/encoder/layer/convolution/Conv2D:_MklNativeConv2D."""
    path, _, kind = name.rpartition(":")
    parts = path.rpartition("/encoder")[2].split("/")
    return f"{parts[1 if len(parts) > 1 else 0]} {_kernel(kind)}"[-50:]


def _kernel(kind: str) -> str:
    return f"{kind.removeprefix('_MklNative')} (oneDNN)" if kind.startswith("_MklNative") else kind


def _limits(cost, batch: int, precision: str, quick: bool) -> None:
    from benchmarks.processor import matrix_instructions, matrix_peak, memory_rate

    dtype = "float32" if precision == "float32" else "bfloat16"
    peak = matrix_peak(dtype, side=64 if quick else 4096)
    rate = memory_rate(mebibytes=1 if quick else 256)
    operations, bytes_moved = (
        batch * cost.operations / 1e9,
        batch * cost.values_moved * (4 if dtype == "float32" else 2),
    )
    click.echo(f"processor: {' '.join(matrix_instructions()) or 'unknown'}")
    click.echo(f"matrix product, {dtype}: {peak:.0f} GFLOP/s; memory: {rate:.1f} GB/s")
    click.echo(
        f"convolutions and dense layers: {operations:.1f} GFLOP a step "
        f"({batch * cost.depthwise_operations / 1e9:.1f} depthwise), {1000 * operations / peak:.0f} ms at that rate"
    )
    click.echo(
        f"normalization, activation, addition: {bytes_moved / 1e9:.1f} GB a step, "
        f"{1000 * bytes_moved / rate / 1e9:.0f} ms at that rate"
    )


if __name__ == "__main__":
    main()
