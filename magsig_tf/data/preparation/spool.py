"""Decoded images on their way into a data set: a `prepare` that was killed continues from here.

`pixels.spool` holds the pixels in the order of decoding, behind room for the header that makes the file an .npy file;
`journal.jsonl` has one line an image that says in which slot it lies and what was measured. A line is written after its
pixels, begins with its own SHA-256, and is believed only if that and the pixels' are as it says, so a kill, a power cut
or a change costs the images concerned, which are decoded again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from magsig_tf.atomic_files import replacing, write_json, write_text, writing
from magsig_tf.data.sources.images import DecodedImage, UnreadableImage

HEADER = 128


class Spool:
    """The folder of one unfinished `prepare`.

    Args:
        folder: Where it lies; made where needed.
        key: What the images depend on (source, size, ...), as JSON values; a spool with another key is thrown away.
        size: Height and width of the images in pixels.
        target: The `images.npy` that `write_images` makes.

    Attributes:
        records: What is known about each decoded or unreadable image, by path: `slot` (None if unreadable) and
            `measured` and `converted`, or `reason`.
        unreadable: How many of them are unreadable.
    """

    def __init__(self, folder: Path, key: dict[str, object], size: int, target: Path):
        self.folder, self.size, self.target = Path(folder), size, Path(target)
        self.bytes_per_image = size * size * 3
        self.records: dict[str, dict] = {}
        self._pixels_path, self._journal_path = self.folder / "pixels.spool", self.folder / "journal.jsonl"
        with writing(self.folder):
            if spool_key(self.folder) != json.loads(json.dumps(key)):
                shutil.rmtree(self.folder, ignore_errors=True)
                self.folder.mkdir(parents=True, exist_ok=True)
                write_json(self.folder / "key.json", key)
            if self.target.exists() and not self._pixels_path.exists():
                # killed after write_images had renamed the spool
                os.replace(self.target, self._pixels_path)
            self._pixels_path.touch()
            self._recover()
            self._pixels = open(self._pixels_path, "r+b")  # noqa: SIM115
            slots = [record["slot"] for record in self.records.values() if record["slot"] is not None]
            self.unreadable = len(self.records) - len(slots)
            self._slots = 1 + max(slots, default=-1)
            self._pixels.truncate(HEADER + self._slots * self.bytes_per_image)
            self._pixels.seek(0, os.SEEK_END)
            self._journal = open(self._journal_path, "a", encoding="utf-8")  # noqa: SIM115

    def append(self, results: Sequence[DecodedImage | UnreadableImage]) -> None:
        """Add images: pixels first, then the journal.

        Raises:
            MagsigError: the disk is full or read-only.
        """
        lines = []
        with writing(self.folder):
            for result in results:
                record: dict[str, object] = {"path": result.path, "slot": None}
                if isinstance(result, UnreadableImage):
                    record["reason"] = result.reason
                    self.unreadable += 1
                else:
                    self._pixels.write(np.ascontiguousarray(result.pixels).data)
                    record |= {"slot": self._slots, "measured": result.measured, "converted": result.converted}
                    self._slots += 1
                lines.append(_journal_line(record))
                self.records[result.path] = record
            self._pixels.flush()
            self._journal.write("".join(lines))
            self._journal.flush()

    def write_images(self, slots: Sequence[int]) -> None:
        """Write the target `images.npy` with the images of `slots` in that order; the spool is used up.

        Raises:
            MagsigError: the disk is full or read-only.
        """
        target = self.target
        with writing(target):
            self.close()
            target.parent.mkdir(parents=True, exist_ok=True)
            header = _npy_header((len(slots), self.size, self.size, 3))
            if list(slots) == list(range(self._slots)):
                # already in order, as everything but an archive is: no second copy on the disk
                with open(self._pixels_path, "r+b") as pixels:
                    pixels.write(header)
                    pixels.flush()
                    os.fsync(pixels.fileno())
                os.replace(self._pixels_path, target)
                return
            with replacing(target) as temporary, open(self._pixels_path, "rb") as pixels, open(temporary, "wb") as made:
                made.write(header)
                for slot in slots:
                    pixels.seek(HEADER + slot * self.bytes_per_image)
                    made.write(pixels.read(self.bytes_per_image))

    def close(self) -> None:
        """Close the files; the spool stays on disk."""
        with writing(self.folder):
            self._pixels.close()
            self._journal.close()

    def remove(self) -> None:
        """Close and delete the spool."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _recover(self) -> None:
        there = self._journal_path.exists()
        lines = self._journal_path.read_text(encoding="utf-8", errors="replace").split("\n") if there else []
        with open(self._pixels_path, "rb") as pixels:
            for line in lines:
                digest, _, text = line.partition(" ")
                if digest != hashlib.sha256(text.encode()).hexdigest():
                    continue  # the line that the kill cut off, or one that changed since
                record = json.loads(text)
                if record["slot"] is None or self._holds(pixels, record):
                    self.records[record["path"]] = record
                else:
                    self.records.pop(record["path"], None)
        write_text(self._journal_path, "".join(map(_journal_line, self.records.values())))

    def _holds(self, pixels: BinaryIO, record: dict) -> bool:
        pixels.seek(HEADER + record["slot"] * self.bytes_per_image)
        found = hashlib.sha256(pixels.read(self.bytes_per_image)).hexdigest()
        return found == record["measured"]["pixel_sha256"]


def _journal_line(record: dict[str, object]) -> str:
    text = json.dumps(record)
    return f"{hashlib.sha256(text.encode()).hexdigest()} {text}\n"


def spool_key(folder: Path) -> object | None:
    """Return the key of the spool in a folder, None where there is none that can be read."""
    try:
        return json.loads((folder / "key.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _npy_header(shape: tuple[int, ...]) -> bytes:
    """Return the header of an uint8 .npy file (format 1.0), filled up to `HEADER` bytes."""
    start = b"\x93NUMPY\x01\x00" + (HEADER - 10).to_bytes(2, "little")
    text = repr({"descr": "|u1", "fortran_order": False, "shape": shape})
    return start + text.encode().ljust(HEADER - 11) + b"\n"
