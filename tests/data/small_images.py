"""Small image files and BreaKHis-like trees for the tests of data preparation."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from magsig_tf.seeding import generator_for

NAMES = (
    "benign/SOB_B_A_14-22549AB/40X/SOB_B_A-14-22549AB-40-001.png",
    "benign/SOB_B_A_14-22549AB/100X/SOB_B_A-14-22549AB-100-001.png",
    "benign/SOB_B_A_14-22549G/40X/SOB_B_A-14-22549G-40-001.png",
    "malignant/SOB_M_DC_14-13412/40X/SOB_M_DC-14-13412-40-001.png",
    "malignant/SOB_M_DC_14-13412/100X/SOB_M_DC-14-13412-100-002.png",
    "malignant/SOB_M_LC_14-13412/40X/SOB_M_LC-14-13412-40-001.png",
)


def random_pixels(name: str, width: int = 30, height: int = 20) -> np.ndarray:
    """Return pixels that belong to a name, uint8 [height, width, 3]."""
    return generator_for("test image", name).integers(0, 256, (height, width, 3), np.uint8)


def png(pixels: np.ndarray | str, mode: str | None = None) -> bytes:
    """Return a PNG file of pixels, or of the random pixels of a name; `mode` converts it first."""
    image = Image.fromarray(random_pixels(pixels) if isinstance(pixels, str) else pixels)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, "PNG")
    return buffer.getvalue()


def write_tree(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files by their relative names."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def breakhis_files(names: tuple[str, ...] = NAMES) -> dict[str, bytes]:
    """Return a small BreaKHis by name."""
    return {name: png(name) for name in names}


def write_tar(path: Path, files: dict[str, bytes], mode: str = "w:gz") -> Path:
    """Write a tar archive with files in the order given."""
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path
