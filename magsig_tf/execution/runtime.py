"""How TensorFlow is set up: threads, determinism, precision, strategy, replicas; what it keeps of a run is let go."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from magsig_tf.config import Settings
from magsig_tf.errors import RunError, UsageError
from magsig_tf.execution.workers import ALONE, Workers

if TYPE_CHECKING:
    import tensorflow as tf


_BFLOAT16_CAPABILITY = (8, 0)  # the first NVIDIA generation with bfloat16 matrix units


def configure_tensorflow(settings: Settings) -> None:
    """Set threads, virtual replicas and determinism; must run before TensorFlow does anything else.

    With determinism one operation runs at a time: several inter-op threads gave other bits between repeats in stock
    normalisation layers.

    Raises:
        RunError: TensorFlow already runs in this process with other settings.
    """
    import tensorflow as tf

    threading, wanted = tf.config.threading, {"intra": settings.threads, "inter": int(settings.deterministic)}
    intra, inter = threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads()
    found = {"intra": intra, "inter": inter}
    if wanted != found:
        try:
            threading.set_intra_op_parallelism_threads(wanted["intra"])
            threading.set_inter_op_parallelism_threads(wanted["inter"])
        except RuntimeError as error:
            expected, running = f"Expected TensorFlow with threads {wanted}", f"found it running with {found}"
            raise RunError(expected, running, "Start a new process") from error
    if settings.virtual_replicas > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * settings.virtual_replicas
        try:
            tf.config.set_logical_device_configuration(cpu, parts)
        except RuntimeError as error:
            expected = f"Expected to split the CPU into {settings.virtual_replicas} replicas"
            raise RunError(expected, "found TensorFlow running", "Start a new process") from error
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()


def resolve_precision(wanted: str) -> str:
    """Return the precision to use: `auto` means mixed_bfloat16 where every GPU has it, float32 elsewhere."""
    import tensorflow as tf

    if wanted != "auto":
        return wanted
    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    capable = [detail.get("compute_capability", (0, 0)) >= _BFLOAT16_CAPABILITY for detail in details]
    return "mixed_bfloat16" if capable and all(capable) else "float32"


@contextlib.contextmanager
def dtype_policy(precision: str) -> Iterator[None]:
    """Build networks inside in a precision, such as `float32`; afterwards Keras's policy is what it was."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def describe_precision(wanted: str, resolved: str) -> str:
    """Return the precision in words, and for `auto` why it was picked."""
    if wanted != "auto":
        return resolved
    why = "every GPU computes in it" if resolved == "mixed_bfloat16" else "no GPU computes in bfloat16"
    return f"{resolved} (auto: {why})"


def resolve_strategy(settings: Settings, workers: Workers = ALONE) -> tuple[str, tf.distribute.Strategy]:
    """Return the name and the strategy to use: `auto` means mirrored over several GPUs, one device otherwise.

    Args:
        settings: Those of the run.
        workers: The processes that train it; several bring their own strategy.

    Raises:
        UsageError: mirrored was asked for, and there is neither a GPU nor a CPU split into replicas.
    """
    import tensorflow as tf

    if workers.strategy is not None:
        return settings.strategy, workers.strategy
    gpus, name = tf.config.list_logical_devices("GPU"), settings.strategy
    if name == "auto":
        name = "mirrored" if len(gpus) > 1 or settings.virtual_replicas > 1 else "one"
    if name == "one":
        return name, tf.distribute.get_strategy()
    devices = [device.name for device in gpus or tf.config.list_logical_devices("CPU")]
    if not gpus and len(devices) < 2:
        # one replica on a CPU would train, for days, what was meant for GPUs
        raise UsageError(
            "Expected a GPU for the strategy mirrored",
            "found none that TensorFlow can use",
            "Leave out --strategy to train on the CPU, or pass --virtual-replicas 2 to try replicas there",
        )
    # on CPU replicas there is no NCCL to reduce with
    reduction = None if gpus else tf.distribute.ReductionToOneDevice()
    return name, tf.distribute.MirroredStrategy(devices, cross_device_ops=reduction)


def replica_slices(strategy: tf.distribute.Strategy, arrays: Sequence[np.ndarray], global_batch: int) -> tuple:
    """Give each replica of this process a slice of its own from the process's share of the batch.

    Args:
        strategy: Over one or more replicas, in one or more processes.
        arrays: This process's share of the global batch, first axis images.
        global_batch: Images in a step over all replicas; they divide it.

    Returns:
        For each array a tensor, or with several replicas what `strategy.run` hands out to them.
    """
    import tensorflow as tf

    if strategy.num_replicas_in_sync == 1:
        return tuple(tf.constant(array) for array in arrays)
    share = global_batch // strategy.num_replicas_in_sync
    here = len(arrays[0]) // share

    def slice_of(array: np.ndarray, context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
        first = context.replica_id_in_sync_group % here * share
        return tf.constant(array[first : first + share])

    distributed = strategy.experimental_distribute_values_from_function
    return tuple(distributed(functools.partial(slice_of, array)) for array in arrays)


def describe_devices() -> str:
    """Return the devices in words, for `run.json` and the first line of a run."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return f"CPU ({os.cpu_count()} cores)"
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus]
    return f"{len(gpus)} x {names[0]}"


@contextlib.contextmanager
def released_graphs() -> Iterator[None]:
    """Forget, on leaving, what TensorFlow keeps of the custom gradients traced inside.

    TensorFlow registers a function for each trace of a `tf.custom_gradient`, its own all-reduce among them, and never
    drops it; the function holds the traced graph, and the graph the run's weights and optimizer state. With
    EfficientNet-Lite0 each run left 90 MiB behind. Nothing asks for these functions once the gradients are traced.
    """
    from tensorflow.python.framework import ops

    _leave_alone_what_is_there()
    # TensorFlow has no public way to this register, and none to take an entry out
    registered = getattr(ops.gradient_registry, "_registry", {})
    before = set(registered)
    try:
        yield
    finally:
        for name in set(registered) - before:
            if name.startswith("CustomGradient"):
                del registered[name]
        # a graph and its operations name each other: only the collector frees them, and it comes late
        gc.collect()


@functools.cache
def _leave_alone_what_is_there() -> None:
    """Take what is alive before the first run out of every later collection: mostly modules, a million objects.

    What else is alive then, models of a notebook say, is freed by reference counts alone from here on.
    """
    gc.collect()
    gc.freeze()
