"""The 7,909 original files of BreaKHis by SHA-256: which of them lie here untouched, and what became of the others."""

from __future__ import annotations

import csv
import gzip
import importlib.resources
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache

from magsig_tf.data.sources.breakhis import parse_name

ORIGINAL_WIDTH = 700
ORIGINAL_HEIGHTS = range(456, 461)
STATES = ("identical", "saved_again", "resized", "misnamed", "unknown")
EXAMPLES = 5


@cache
def known_originals() -> Mapping[str, str]:
    """Return the SHA-256 (64 hex digits) of each original file by its name without `.png`; no two are alike."""
    packed = (importlib.resources.files("magsig_tf.data") / "facts" / "breakhis_sha256.csv.gz").read_bytes()
    with io.TextIOWrapper(gzip.GzipFile(fileobj=io.BytesIO(packed)), encoding="ascii", newline="") as text:
        return {_stem(row["name"]): row["sha256"] for row in csv.DictReader(text)}


def beside_originals(files: Iterable[tuple[str, str, int, int]]) -> dict[str, object] | None:
    """Hold files against the originals of BreaKHis.

    Args:
        files: `path`, `sha256` of the file, `width` and `height` of the picture in pixels.

    Returns:
        None where no file has the bytes of an original or is named as in BreaKHis. Else `originals` (how many there
        are), the number of files in each of `STATES`, `repeated`, `missing`, and `examples` (at most five of each):

        - identical: the bytes of the original of that name
        - saved_again: an original's name and size, other bytes; whether the pixels differ, SHA-256 cannot tell
        - resized: an original's name, another size
        - misnamed: the bytes of an original under another name
        - unknown: named as in BreaKHis, but no original has this name or these bytes
        - repeated: files (of the above) that hold the bytes of an original that another file holds too
        - missing: originals of which there are neither the bytes nor a file of their name with bytes of its own
    """
    known = known_originals()
    name_of = {sha256: name for name, sha256 in known.items()}
    counts: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}
    held: Counter[str] = Counter()
    for path, sha256, width, height in files:
        file_name = path.rsplit("/", 1)[-1]
        name, original = _stem(file_name), name_of.get(sha256)
        shown = file_name
        if original is not None:
            state = "identical" if original == name else "misnamed"
            shown = f"{file_name} holds {original}.png"
            held[original] += 1
        elif name in known:
            state = "saved_again" if width == ORIGINAL_WIDTH and height in ORIGINAL_HEIGHTS else "resized"
            shown = f"{file_name}: {width}x{height}"
            held[name] += 0  # its name is taken, though the original is not there
        elif parse_name(f"{name}.png") is not None:
            state = "unknown"
        else:
            continue
        counts[state] += 1
        if state != "identical" and len(shown_before := examples.setdefault(state, [])) < EXAMPLES:
            shown_before.append(shown)
    if not counts:
        return None
    missing = sorted(known.keys() - held.keys())
    repeated = sorted(name for name, times in held.items() if times > 1)
    examples |= {"missing": [f"{name}.png" for name in missing[:EXAMPLES]]} if missing else {}
    examples |= {"repeated": [f"{name}.png" for name in repeated[:EXAMPLES]]} if repeated else {}
    found = {state: counts[state] for state in STATES}
    found |= {"repeated": sum(held[name] - 1 for name in repeated), "missing": len(missing)}
    return {"originals": len(known), **found, "examples": examples}


def _stem(file_name: str) -> str:
    """Return a name without its suffix, whatever that is: a picture that was saved again may have another one."""
    return file_name.rsplit(".", 1)[0]
