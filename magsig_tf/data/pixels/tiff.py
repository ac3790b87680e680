"""What a TIFF file holds: which page is the picture, how its samples are meant, and what is refused; no pixel is read.

tifffile reads the structure, since Pillow takes the first page, whatever it is. It is used for no compressed pixels: it
expands them without a bound.
"""

from __future__ import annotations

import io
import itertools
import json
import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tifffile

from magsig_tf.data.pixels.bit_depth import FULL, NARROW, stated_bits
from magsig_tf.data.pixels.refusal import RefusedPicture
from magsig_tf.data.pixels.whole_slides import TIFF_FLAGS, slide_reason

# it warns of every odd tag, in the middle of a table
logging.getLogger("tifffile").addHandler(logging.NullHandler())
logging.getLogger("tifffile").propagate = False

MOST_PAGES = 64
LARGEST_TILE = 2**26
"""Samples of one tile: a file may declare tiles far larger than its picture, and room is made for a whole one."""
COMPRESSIONS = {1, 2, 3, 4, 5, 7, 8, 32773, 32946, 34925, 50000, 50001}
"""What Pillow's libtiff bounds by the declared size: none, fax, LZW, JPEG, deflate, PackBits, LZMA, Zstandard, WebP."""
JPEG = 7
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
_NOT_READ = {4: "a mask", 5: "CMYK (printing inks)", 8: "CIE L*a*b*", 9: "ICC L*a*b*", 10: "ITU L*a*b*", 32803: "raw"}
_AS_RGB = "save it as RGB with 8 bits"
_ONE_PAGE = "save the picture that you mean by itself"


@dataclass(frozen=True)
class TiffPicture:
    """Where the picture of a TIFF file is, and how it is meant.

    Args:
        pages: Number of its page; of three pages where these are red, green and blue.
        width: In pixels, as stored.
        height: In pixels, as stored.
        depth: Bits of a sample: 16, or up to 8.
        inverted: Whether 0 is white.
        bits: Used bits that the file states; none where it states none.
        planar: Whether the channels are stored one after another.
        compressed: Whether its pixels are compressed.
        kinds: What is to be said of it.
    """

    pages: tuple[int, ...]
    width: int
    height: int
    depth: int
    inverted: bool
    bits: frozenset[int]
    planar: bool
    compressed: bool
    kinds: tuple[str, ...]


def examine_tiff(encoded: bytes, most_pixels: int) -> TiffPicture:
    """Find the picture of a TIFF file.

    Args:
        encoded: The bytes of the file.
        most_pixels: Most pixels that a picture may have.

    Raises:
        RefusedPicture: it is not certain which page is the picture, or what its samples mean.
        Exception: whatever tifffile raises on damaged files.
    """
    with tifffile.TiffFile(io.BytesIO(encoded)) as file:
        pages: list[Any] = list(itertools.islice(file.pages, MOST_PAGES + 1))
        maker = next((maker for flag, maker in TIFF_FLAGS.items() if flag in file.flags), "")
        if maker and (len(pages) > 1 or pages[0].is_tiled):
            raise RefusedPicture(slide_reason(maker))
        description = str(pages[0].description or "")[:200_000]
        chosen, kinds = _chosen(pages, description)
        for number in chosen:
            _check(pages[number], most_pixels)
        page = pages[chosen[0]]
        metadata = (description, *_micro_manager(pages[0]))
        return TiffPicture(
            pages=chosen,
            width=page.imagewidth,
            height=page.imagelength,
            depth=page.bitspersample,
            inverted=page.photometric == WHITE_IS_ZERO,
            bits=frozenset(_stated(page, metadata)) if page.bitspersample == FULL else frozenset(),
            planar=page.samplesperpixel > 1 and page.planarconfig == 2,
            compressed=page.compression != 1,
            kinds=tuple(kinds),
        )


def _chosen(pages: Sequence[Any], description: str) -> tuple[tuple[int, ...], list[str]]:
    """Return the numbers of the page or of the three pages that are the picture, and what is to be said of it."""
    count = f"{len(pages)} pages" if len(pages) <= MOST_PAGES else f"more than {MOST_PAGES} pages"
    planes = _declared_planes(description)
    full = [number for number, page in enumerate(pages) if not (page.subfiletype & 5 or page.tags.valueof(255) == 2)]
    if len(pages) == 1:
        full = [0]
    if len(full) == 3 == len(pages) and len({_kind(page) for page in pages}) == 1 and pages[0].samplesperpixel == 1:
        if _is_red_green_blue(description, pages):
            return (0, 1, 2), ["three pages, joined as red, green and blue"]
        said = "3 grey pages of one size that nothing calls red, green and blue"
        raise RefusedPicture(f"{said}; save them as one RGB picture")
    if planes > max(1, len(full)) * pages[0].samplesperpixel:
        raise RefusedPicture(f"one of {planes} planes (channels, depths or times) of a stack; {_ONE_PAGE}")
    if len(full) != 1:
        sizes = ", ".join(dict.fromkeys(f"{page.imagewidth}x{page.imagelength}" for page in pages[:4]))
        raise RefusedPicture(f"{count} ({sizes}) and nothing that says which is the picture; {_ONE_PAGE}")
    page = pages[full[0]]
    others = [other for other in pages if other is not page] + list(page.pages or () if page.subifds else ())
    if any(other.imagewidth > page.imagewidth or other.imagelength > page.imagelength for other in others):
        raise RefusedPicture(f"{count} of which a reduced one is the largest; {_ONE_PAGE}")
    return (full[0],), (["a file with reduced pages, the full size taken"] if others else [])


def _kind(page: Any) -> tuple[object, ...]:
    return page.shape, page.dtype, page.photometric


def _declared_planes(description: str) -> int:
    """Return how many planes ImageJ or OME metadata speak of; 1 where there are none."""
    if description.startswith("ImageJ="):
        return _number(r"^images=(\d+)", description)
    if "<OME" in description[:2000] or "<Pixels" in description:
        return math.prod(_number(rf'\bSize{axis}="(\d+)"', description) for axis in "CZT")
    return 1


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text, re.MULTILINE)
    return int(found.group(1)[:9]) if found else 1


def _is_red_green_blue(description: str, pages: Sequence[Any]) -> bool:
    """Return whether three grey pages are certainly the channels of one colour picture."""
    if description.startswith("ImageJ="):
        said = dict(line.split("=", 1) for line in description.splitlines() if "=" in line)
        if said.get("channels") != "3" or said.get("images") != "3" or said.get("mode") not in ("composite", "color"):
            return False
        extra = pages[0].parent.imagej_metadata or {}
        return _plain_tables(extra.get("LUTs")) and _plain_ranges(said, extra.get("Ranges"), pages[0].bitspersample)
    if re.findall(r'\bSizeC="(\d+)"', description) == ["3"] and _declared_planes(description) == 3:
        channels = re.findall(r"<(?:\w+:)?Channel\b[^>]*>", description)
        names = [_attribute("Name", channel).strip().lower() for channel in channels]
        colours = [_attribute("Color", channel) for channel in channels]
        return names in (["red", "green", "blue"], ["r", "g", "b"]) or colours in _OME_COLOURS
    return False


_OME_COLOURS = (["-16776961", "16711935", "65535"], ["4278190335", "16711935", "65535"])
"""Red, green and blue as OME writes them: RGBA in a signed number, or an unsigned one."""


def _attribute(name: str, element: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', element)
    return found.group(1) if found else ""


def _plain_tables(tables: Any) -> bool:
    """Return whether ImageJ shows the channels in red, green and blue, as it does where no tables are stored."""
    if tables is None:
        return True
    return len(tables) == 3 and all(
        table.shape == (3, 256) and (table[own] == range(256)).all() and table.sum() == table[own].sum()
        for own, table in enumerate(tables)
    )


def _plain_ranges(said: dict[str, str], ranges: Any, depth: int) -> bool:
    """Return whether ImageJ shows each channel over the whole range of its values."""
    values = [float(value) for value in ranges] if ranges is not None else [0.0, 2.0**depth - 1] * 3
    return depth == FULL or values == [0.0, 255.0] * 3


def _check(page: Any, most_pixels: int) -> None:
    """Refuse what is too large to expand, and samples that would be taken for something else.

    Raises:
        RefusedPicture: with the reason.
    """
    pixels, samples = page.imagewidth * page.imagelength, page.samplesperpixel
    if isinstance(page.bitspersample, tuple):
        raise RefusedPicture(f"samples of different bits; {_AS_RGB}")
    if pixels < 1:
        raise RefusedPicture(f"{page.imagewidth} x {page.imagelength} pixels")
    # of 16 bits the work takes twice the memory
    if pixels * (2 if page.bitspersample > 8 else 1) > most_pixels:
        raise RefusedPicture(f"{page.imagewidth} x {page.imagelength} pixels could be a decompression bomb")
    tile = page.tilewidth * page.tilelength * samples if page.is_tiled else 0
    if tile > LARGEST_TILE or page.imagedepth != 1:
        raise RefusedPicture("tiles of an absurd size could be a decompression bomb")
    meant = page.photometric
    if page.sampleformat == 3:
        raise RefusedPicture(f"floating-point pixels, of which nothing says what is white; {_AS_RGB}")
    if page.sampleformat == 2:
        raise RefusedPicture(f"pixels below zero (signed samples); {_AS_RGB}")
    if meant not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, YCBCR):
        raise RefusedPicture(f"{_NOT_READ.get(int(meant), f'colour kind {int(meant)}')}; {_AS_RGB}")
    if page.sampleformat not in (1, 4) or page.bitspersample not in (1, 2, 4, 8, FULL):
        raise RefusedPicture(f"samples of {page.bitspersample} bits; {_AS_RGB}")
    if page.compression not in COMPRESSIONS:
        raise RefusedPicture(f"the compression {getattr(page.compression, 'name', page.compression)}; {_AS_RGB}")
    if meant == YCBCR and (page.compression != JPEG or samples != 3):
        raise RefusedPicture(f"YCbCr that is not JPEG; {_AS_RGB}")
    _check_samples(page)


def _check_samples(page: Any) -> None:
    wanted = 3 if page.photometric in (RGB, YCBCR) else 1
    extra = [int(each) for each in page.extrasamples]
    # one more sample is transparency where the file says so; anything else is a channel that nobody can place
    if page.samplesperpixel != wanted + len(extra) or extra not in ([], [1], [2]) or (extra and wanted == 1):
        raise RefusedPicture(f"{page.samplesperpixel} samples a pixel that are not just red, green and blue; {_AS_RGB}")
    if page.bitspersample == FULL and page.planarconfig == 2 and page.samplesperpixel > 1 and page.compression != 1:
        raise RefusedPicture(f"16-bit colour in compressed planes; {_AS_RGB}")
    if page.photometric == PALETTE:
        table = page.colormap
        if page.bitspersample > 8 or table is None or (table.max(initial=0) < 256 and table.any()):
            raise RefusedPicture(f"a palette whose colours are not of 16 bits; {_AS_RGB}")


def _stated(page: Any, metadata: Sequence[str]) -> set[int]:
    """Return the used bits that tags and metadata state."""
    largest: list[int] = []
    for tag in (281, 341):  # MaxSampleValue and SMaxSampleValue
        value = page.tags.valueof(tag)
        largest += [int(each) for each in (value if isinstance(value, tuple) else (value,)) if each is not None]
    bits = stated_bits(largest)
    for text in metadata:
        if text.startswith("ImageJ=") and re.search(r"^min=0(\.0*)?$", text, re.MULTILINE):
            # the range that it shows; only a whole power of two was chosen as a range, and 16 bits are the default
            bits |= stated_bits([_number(r"^max=(\d+)(?:\.0*)?$", text)])
        said = re.findall(r'\bSignificantBits="(\d{1,2})"|"[\w-]*Bit-?Depth":\s*"?(\d{1,2})', text)
        bits |= {int(number) for pair in said for number in pair if number and int(number) in NARROW}
    return bits


def _micro_manager(page: Any) -> list[str]:
    value = page.tags.get(51123)
    if value is None:
        return []
    return [json.dumps(value.value, default=str)[:200_000]]
