"""`make torture`: every command that writes, killed 15 times each; prints a table, and fails where one differs.

python -m tests.torture [KILLS] [COMMAND...]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.torture.commands import COMMANDS, beginnings
from tests.torture.killing import torture

KILLS = 15


def main(words: list[str]) -> int:
    """Torture the named commands, or all; return the exit status."""
    kills = int(words.pop(0)) if words and words[0].isdigit() else KILLS
    failed = 0
    with tempfile.TemporaryDirectory() as place:
        begun = beginnings(Path(place, "begun"))
        print(f"{'command':16} {'seconds':>8} {'begun':>6} {'killed':>7} {'identical':>10}", flush=True)
        for name in words or COMMANDS:
            found = torture(name, begun, Path(place), kills)
            print(f"{name:16} {found.seconds:8.1f} {kills:6} {found.kills:7} {found.identical:10}", flush=True)
            for problem in found.problems:
                print(f"  {problem}", flush=True)
            failed += len(found.problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
