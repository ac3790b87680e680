"""How much memory there is, read from a made-up system."""

from __future__ import annotations

from magsig_tf.memory import UNKNOWN, available_memory

GIB = 2**30


def system(folder, files: dict[str, str]):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    return folder


MACHINE = {"proc/meminfo": f"MemTotal: {16 * GIB // 1024} kB\nMemAvailable: {8 * GIB // 1024} kB\n"}


def test_what_the_machine_has(tmp_path):
    assert available_memory(system(tmp_path, MACHINE)) == 8 * GIB


def test_a_container_that_allows_less(tmp_path):
    group = {
        "proc/self/cgroup": "0::/app/job\n",
        "sys/fs/cgroup/app/memory.max": f"{2 * GIB}\n",
        "sys/fs/cgroup/app/memory.current": f"{1 * GIB}\n",
        "sys/fs/cgroup/app/memory.stat": f"anon 5\ninactive_file {GIB // 2}\n",
        "sys/fs/cgroup/app/job/memory.max": "max\n",
        "sys/fs/cgroup/app/job/memory.current": f"{1 * GIB}\n",
    }
    assert available_memory(system(tmp_path, MACHINE | group)) == 3 * GIB // 2


def test_a_container_of_the_older_kind(tmp_path):
    group = {
        "proc/self/cgroup": "5:memory:/job\n4:cpu,cpuacct:/\n",
        "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{GIB}\n",
        "sys/fs/cgroup/memory/job/memory.usage_in_bytes": f"{2 * GIB}\n",
    }
    assert available_memory(system(tmp_path, MACHINE | group)) == 0


def test_where_nothing_is_said_there_is_no_limit(tmp_path):
    assert available_memory(tmp_path) == UNKNOWN
