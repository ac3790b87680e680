"""Which batch statistics a finished run was evaluated with, and the words that mark runs that cannot be compared.

Versions before 0.2 evaluated every run with moving averages of the batch statistics. These need hundreds of steps to
arrive, so after a short training the network that was evaluated was not the one that was trained. Such runs are kept
and shown, but marked, and never put beside others as if they were alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

Rule = Literal["reestimated", "moving", "frozen"]
RULES: tuple[Rule, ...] = get_args(Rule)
REESTIMATED, MOVING, FROZEN = RULES
KEY = "batch_statistics"
"""Names the rule in `run.json` and `config.yaml`."""
OLD_KEY = "freeze_batch_statistics"
"""The switch that `config.yaml` had before there was a rule."""

MARK = "moving statistics"
"""Stands in the label of a row whose runs have the rule `moving`."""
MEANING = (
    "evaluated with moving averages of the batch statistics, which short runs do not reach; not comparable with runs "
    f"of {KEY} {REESTIMATED}"
)
"""What the mark says, as a note has it."""


def rule_of(record: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """Return the rule of a run; one that was written before there were rules is `frozen` or `moving`.

    Args:
        record: Its `run.json`.
        settings: Its `config.yaml`, flat; read only where the record does not name the rule.
    """
    if KEY in record:
        return record[KEY]
    return FROZEN if settings.get(OLD_KEY) is True else MOVING
