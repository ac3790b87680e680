"""Files of slide scanners and microscopes: known by name or first bytes, and refused with what to do instead."""

from __future__ import annotations

from pathlib import PurePath

WHOLE_SLIDES = {
    ".svs": "Aperio",
    ".afi": "Aperio",
    ".ndpi": "Hamamatsu",
    ".ndpis": "Hamamatsu",
    ".vms": "Hamamatsu",
    ".vmu": "Hamamatsu",
    ".mrxs": "3DHISTECH",
    ".scn": "Leica",
    ".bif": "Ventana",
    ".vsi": "Olympus",
    ".czi": "Zeiss",
    ".zvi": "Zeiss",
    ".dcm": "DICOM",
    ".dicom": "DICOM",
    ".isyntax": "Philips",
    ".i2syntax": "Philips",
    ".svslide": "Sakura",
    ".qptiff": "PerkinElmer",
    ".tmap": "Objective",
    ".kfb": "KFBIO",
    ".sdpc": "Sqray",
    ".mds": "Motic",
    ".lif": "Leica",
    ".nd2": "Nikon",
    ".oib": "Olympus",
    ".oif": "Olympus",
    ".oir": "Olympus",
    ".ims": "Imaris",
    ".zarr": "OME-Zarr",
    ".lsm": "Zeiss",
    ".stk": "MetaMorph",
}
"""Endings, and whose format it is."""
TIFF_FLAGS = {
    "svs": "Aperio",
    "ndpi": "Hamamatsu",
    "scn": "Leica",
    "bif": "Ventana",
    "philips": "Philips",
    "qpi": "PerkinElmer",
    "avs": "Argos",
    "lsm": "Zeiss",
    "stk": "MetaMorph",
    "sis": "Olympus",
}
"""What tifffile recognises in TIFF files, and whose format it is."""
_FIRST_BYTES = ((0, b"ZISRAWFILE", "Zeiss"), (128, b"DICM", "DICOM"), (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Zeiss"))
REMEDY = (
    "cut tiles from it at each magnification, with OpenSlide or QuPath for example, as PNG files, and list them in a "
    "CSV with path,label,magnification,case"
)


def slide_maker(name: str, first_bytes: bytes = b"") -> str:
    """Return whose slides or microscope files a file is one of; "" if it is none.

    Args:
        name: Its name.
        first_bytes: What it begins with, 256 bytes or more; may be left out.
    """
    maker = WHOLE_SLIDES.get(PurePath(name).suffix.lower(), "")
    for place, mark, whose in _FIRST_BYTES:
        maker = maker or (whose if first_bytes[place : place + len(mark)] == mark else "")
    return maker


def slide_reason(maker: str) -> str:
    """Return the reason that names a maker's format."""
    return f"a whole slide or microscope file ({maker}): {REMEDY}"
