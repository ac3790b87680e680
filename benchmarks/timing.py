"""Time alternatives in turns, so that a slow minute of the machine slows all of them, and print one JSON line."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Mapping


def compare(
    name: str,
    alternatives: Mapping[str, Callable[[], object]],
    *,
    of: str,
    to: str,
    rounds: int = 7,
    target: float | None = None,
    **facts: object,
) -> dict[str, object]:
    """Call every alternative once a round, in turns, and print how many times as fast `of` is as `to`.

    Args:
        name: What is measured.
        alternatives: Name -> what to time; each is called once before, unmeasured.
        of: The alternative that the ratio is about.
        to: The one it is held against.
        rounds: Number of rounds, at least 1.
        target: Ratio to reach; None where there is none.
        facts: What else to print.

    Returns:
        What was printed: `ratio` is the median over rounds of time(to) / time(of), with its smallest and largest value;
        `milliseconds` the median of each alternative. `processor_ratio` and `processor_milliseconds` are the same in
        processor time over all cores, which other work on the machine disturbs less.
    """
    for call in alternatives.values():
        call()
    times: dict[str, list[float]] = {key: [] for key in alternatives}
    processor: dict[str, list[float]] = {key: [] for key in alternatives}
    for number in range(rounds):
        # the order alternates: who comes second may find a warmer cache or a hotter processor
        for key in list(alternatives)[:: 1 if number % 2 == 0 else -1]:
            began, used = time.perf_counter(), processor_seconds()
            alternatives[key]()
            times[key].append(time.perf_counter() - began)
            processor[key].append(processor_seconds() - used)
    return report(
        name,
        _ratios(times, of, to),
        of=of,
        to=to,
        target=target,
        processor_ratio=round(statistics.median(_ratios(processor, of, to)), 3),
        milliseconds=_medians(times),
        processor_milliseconds=_medians(processor),
        **facts,
    )


def processor_seconds() -> float:
    """Return the processor time of this process and its ended children, over all cores."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _ratios(times: Mapping[str, list[float]], of: str, to: str) -> list[float]:
    return [theirs / max(ours, 1e-9) for theirs, ours in zip(times[to], times[of], strict=True)]


def _medians(times: Mapping[str, list[float]]) -> dict[str, float]:
    return {key: round(1000 * statistics.median(values), 2) for key, values in times.items()}


def report(
    name: str, ratios: list[float], *, of: str, to: str, target: float | None = None, **facts: object
) -> dict[str, object]:
    """Print one JSON line for a benchmark whose ratios are known.

    Args:
        name: What was measured.
        ratios: One for each round: how many times as fast `of` was as `to`, or how many times `to` is `of` where a
            limit is held against something else than time.
        of: The alternative that the ratio is about.
        to: The one it was held against.
        target: Ratio to reach; None where there is none.
        facts: What else to print.
    """
    ratio = round(statistics.median(ratios), 3)
    line = {
        "benchmark": name,
        "of": of,
        "to": to,
        "ratio": ratio,
        "lowest": round(min(ratios), 3),
        "highest": round(max(ratios), 3),
        "target": target,
        "reached": None if target is None else ratio >= target,
        "rounds": len(ratios),
        **facts,
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "machine": platform.machine(),
    }
    print(json.dumps(line), flush=True)
    return line
