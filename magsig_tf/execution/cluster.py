"""The description of a cluster in TF_CONFIG, checked before TensorFlow reads it."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass

from magsig_tf.errors import UsageError

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

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run."""
        return self.index == 0

    def others_named_in(self, text: str) -> list[str]:
        """Return the addresses of the other processes that a message of TensorFlow's names."""
        named = {(job, int(task)) for job, task in re.findall(r"/job:(\w+)/\S*?task:(\d+)", text)}
        return [
            address
            for index, (address, task) in enumerate(zip(self.addresses, self.tasks, strict=True))
            if index != self.index and task in named
        ]


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
