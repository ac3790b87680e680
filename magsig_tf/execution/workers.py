"""The processes of one run: the cluster that TF_CONFIG describes, and what they say to each other."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from magsig_tf.errors import MagsigError, RunError, UsageError

if TYPE_CHECKING:
    import tensorflow as tf


_EXAMPLE = (
    "Set it to "
    '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {"type": "worker", "index": 0}} '
    "with each host's own index; docs/distributed.md has examples for Slurm and Kubernetes"
)


@dataclass(frozen=True)
class Cluster:
    """The processes that train one run together.

    Args:
        addresses: `host:port` of every process, the chief first.
        tasks: What TensorFlow calls each of them: `("worker", 0)` for example.
        index: Which of them this process is.
    """

    addresses: tuple[str, ...]
    tasks: tuple[tuple[str, int], ...]
    index: int

    def others_named_in(self, text: str) -> list[str]:
        """Return the addresses of the other processes that a message of TensorFlow's names."""
        named = {(job, int(task)) for job, task in re.findall(r"/job:(\w+)/\S*?task:(\d+)", text)}
        others = named - {self.tasks[self.index]}
        return [address for address, task in zip(self.addresses, self.tasks, strict=True) if task in others]


def read_cluster() -> Cluster:
    """Return the cluster that TF_CONFIG describes: an optional chief and workers; worker 0 is chief where none is.

    Raises:
        UsageError: TF_CONFIG is missing, or no such description.
    """
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        raise UsageError("Expected TF_CONFIG for --strategy multiworker", "found none", _EXAMPLE)
    try:
        described = json.loads(text)
        tasks = described["cluster"]
        kind, index = described["task"]["type"], int(described["task"]["index"])
        members = {name: list(map(str, tasks[name])) for name in ("chief", "worker") if tasks.get(name)}
        before = 0 if kind == "chief" else len(members.get("chief", []))
        addresses = tuple(address for addresses in members.values() for address in addresses)
        if not 0 <= index < len(members[kind]):
            raise ValueError(f"{kind} {index} among {len(members[kind])}")
        if len(set(addresses)) < len(addresses):
            raise ValueError("an address twice")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError("Expected a cluster and a task in TF_CONFIG", f"found {text!r} ({error})", _EXAMPLE) from error
    tasks = tuple((name, number) for name, hosts in members.items() for number in range(len(hosts)))
    return Cluster(addresses, tasks, before + index)


Json = TypeVar("Json")


class WorkerLost(RunError):
    """Another process of the run has ended; nothing can go on in this one."""


class Workers:
    """One process alone: it decides for itself.

    Attributes:
        count: Number of processes.
        index: Which of them this is; 0 is the chief.
        strategy: The strategy over all of them; None lets each run choose its own.
    """

    count, index = 1, 0
    strategy: tf.distribute.Strategy | None = None

    @property
    def is_chief(self) -> bool:
        """Whether this process decides and writes."""
        return self.index == 0

    def from_chief(self, compute: Callable[[], Json]) -> Json:
        """Call `compute` in the chief alone; every process returns its result or raises its error.

        Args:
            compute: Returns something that JSON can hold.

        Raises:
            MagsigError: the chief's `compute` raised one.
            WorkerLost: another process has ended.
        """
        return compute()

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set in any process; all must call it."""
        return flag

    def share(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the chief's arrays in every process; others pass arrays of the same shapes and types."""
        return list(arrays)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Turn TensorFlow's errors over a lost process, raised inside, into `WorkerLost`."""
        yield


class ClusterWorkers(Workers):
    """The processes of a cluster; waits in its constructor until all of them are there.

    Args:
        cluster: Who they are.

    Raises:
        RunError: TensorFlow has already run in this process, or a process did not come.
    """

    strategy: tf.distribute.Strategy

    def __init__(self, cluster: Cluster):
        import tensorflow as tf

        experimental, with_gpus = tf.distribute.experimental, tf.config.list_physical_devices("GPU")
        kinds = experimental.CommunicationImplementation
        options = experimental.CommunicationOptions(implementation=kinds.AUTO if with_gpus else kinds.RING)
        self.cluster, self.count, self.index = cluster, len(cluster.addresses), cluster.index
        try:
            with _interruptible():
                self.strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
        except (RuntimeError, tf.errors.OpError) as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise RunError(
                f"Expected the {self.count} processes {', '.join(cluster.addresses)} to meet",
                f"found: {(lines or [type(error).__name__])[0]}",
                "Start the same command on every host, each with its own index in TF_CONFIG",
            ) from error

    def from_chief(self, compute: Callable[[], Json]) -> Json:
        """Call `compute` in the chief alone; every process returns its result or raises its error."""
        said: dict[str, Any] = {}
        raised: MagsigError | None = None
        if self.is_chief:
            try:
                said = {"result": compute()}
            except MagsigError as error:
                raised, said = error, {"error": [error.expected, error.found, error.remedy]}
        said = json.loads(self._tell(json.dumps(said)))
        if "error" in said:
            raise raised or RunError(*said["error"])
        return said["result"]

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set in any process; all must call it."""
        return bool(self._sum(np.array(flag, np.int32), everyone=True) > 0)

    def share(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the chief's arrays in every process; others pass arrays of the same shapes and types."""
        return [self._sum(array) for array in arrays]

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Turn TensorFlow's errors over a lost process, raised inside, into `WorkerLost`."""
        import tensorflow as tf

        try:
            yield
        except Exception as error:
            lost = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)
            # a network that was being built when it happened has wrapped it in a message of its own
            if isinstance(error, WorkerLost) or not any(isinstance(each, lost) for each in _causes(error)):
                raise
            raise WorkerLost(
                f"Expected all {self.count} processes of the run to go on",
                f"found {' and '.join(self.cluster.others_named_in(' '.join(map(str, _causes(error))))) or 'one'} gone",
                "See its own message, then start the same command on every host: the run resumes from its checkpoint",
            ) from error

    def _tell(self, text: str) -> str:
        content = np.frombuffer(text.encode() if self.is_chief else b"", np.uint8).astype(np.int32)
        length = int(self._sum(np.array(len(content), np.int64)))
        return self._sum(content if self.is_chief else np.zeros(length, np.int32)).astype(np.uint8).tobytes().decode()

    def _sum(self, array: np.ndarray, everyone: bool = False) -> np.ndarray:
        """Add over processes what each one's first replica (or the chief's alone) brings."""
        import tensorflow as tf

        replicas = self.strategy.num_replicas_in_sync // self.count

        def brought(context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
            replica = context.replica_id_in_sync_group
            counts = replica % replicas == 0 if everyone else replica == 0
            return tf.constant(array) if counts else tf.zeros_like(array)

        values = self.strategy.experimental_distribute_values_from_function(brought)
        with self.watched():
            return self.strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None).numpy()


ALONE = Workers()


def join_workers(strategy: str, note: Callable[[str], None]) -> Workers:
    """Return the processes that train together: those of TF_CONFIG for `multiworker`, else this one alone.

    Must be called after `configure_tensorflow` and before TensorFlow does anything else.

    Args:
        strategy: The setting `strategy`.
        note: Told whom this process waits for.

    Raises:
        UsageError: TF_CONFIG describes no cluster.
        RunError: a process did not come.
    """
    if strategy != "multiworker":
        return ALONE
    cluster = read_cluster()
    role = f"follower of {cluster.addresses[0]}" if cluster.index else "the chief"
    note(f"Process {cluster.index} of {len(cluster.addresses)}, {role}; waiting until all are there")
    return ClusterWorkers(cluster)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGINT end the process at once: Python's handler would not run while TensorFlow waits for the others."""
    with contextlib.ExitStack() as put_back:
        if threading.current_thread() is threading.main_thread():
            put_back.callback(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.SIG_DFL))
        yield
