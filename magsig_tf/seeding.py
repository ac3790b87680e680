"""One door for randomness: a seed derives from names, never from the order of calls."""

from __future__ import annotations

import hashlib

import numpy as np


def seed_for(*names: object) -> int:
    """Return the seed that belongs to a tuple of names.

    Args:
        names: What the draw is for, for example `("order", split_hash, seed, epoch)`; each is written with `str`.

    Returns:
        An integer in [0, 2**31): the first bytes of the SHA-256 of the names, small enough for every library.
    """
    text = "\x1f".join(str(name) for name in names)
    return int.from_bytes(hashlib.sha256(text.encode(errors="surrogatepass")).digest()[:4], "big") >> 1


def generator_for(*names: object) -> np.random.Generator:
    """Return a numpy generator seeded with `seed_for(*names)`."""
    return np.random.default_rng(seed_for(*names))
