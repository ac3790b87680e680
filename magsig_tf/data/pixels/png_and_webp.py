"""What PNG and WebP files declare in front of their pixels, which Pillow passes over; nothing is expanded."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

PNG = b"\x89PNG\r\n\x1a\n"
SRGB_GAMMA = 0.45455


@dataclass(frozen=True)
class PngFacts:
    """What a PNG file declares.

    Args:
        depth: Bits of a sample.
        colour: Colour type: 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha.
        significant: Bits that carried something before they were scaled to `depth` (sBIT); empty if not said.
        frames: Number of pictures; above 1 it is an animation.
        gamma: Of the file (gAMA) where neither a profile nor sRGB overrules it; None if not said.
        named_colours: Whether it names a colour space by number (cICP) other than sRGB.
        transparent_colour: Whether one colour stands for transparency (tRNS).
    """

    depth: int
    colour: int
    significant: tuple[int, ...] = ()
    frames: int = 1
    gamma: float | None = None
    named_colours: bool = False
    transparent_colour: bool = False


def png_facts(encoded: bytes) -> PngFacts:
    """Read the chunks in front of a PNG file's pixels.

    Args:
        encoded: The bytes of the file.
    """
    chunks = dict(_chunks(encoded))
    header = chunks.get(b"IHDR", b"")
    depth, colour = (header[8], header[9]) if len(header) >= 10 else (0, 0)
    gamma = None
    if len(chunks.get(b"gAMA", b"")) == 4 and not {b"sRGB", b"iCCP"} & chunks.keys():
        gamma = struct.unpack(">I", chunks[b"gAMA"])[0] / 100_000
    animation, named = chunks.get(b"acTL", b""), chunks.get(b"cICP")
    return PngFacts(
        depth=depth,
        colour=colour,
        significant=tuple(chunks.get(b"sBIT", b"")),
        frames=struct.unpack(">I", animation[:4])[0] if len(animation) >= 4 else 1,
        gamma=gamma,
        named_colours=named is not None and named != b"\x01\x0d\x00\x01",
        transparent_colour=b"tRNS" in chunks,
    )


def _chunks(encoded: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(PNG)
    while place + 8 <= len(encoded):
        size, name = struct.unpack_from(">I4s", encoded, place)
        if name in (b"IDAT", b"IEND"):
            return
        yield name, encoded[place + 8 : place + 8 + min(size, 4096)]
        place += 12 + size


def webp_size(encoded: bytes) -> tuple[int, int]:
    """Return the declared width and height of a WebP file; 0, 0 where the header is none.

    Pillow makes room for the picture as soon as it opens the file.
    """
    kind, body = encoded[12:16], encoded[20:30]
    if len(body) < 10:
        return 0, 0
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        packed = int.from_bytes(body[1:5], "little")
        return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    return 0, 0
