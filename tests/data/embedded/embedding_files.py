"""Small files of embeddings of every kind, and the table of what they are of."""

from __future__ import annotations

import csv
import json
import struct
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from magsig_tf.data.embedded.read import EmbeddingFiles, read_embedding_files
from magsig_tf.errors import MagsigError
from magsig_tf.seeding import generator_for

LENGTH = 6


def embeddings(rows: int = 8, length: int = LENGTH, views: int = 0) -> np.ndarray:
    """Return made-up embeddings, float32 [rows, length] or [rows, views, length]."""
    shape = (rows, views, length) if views else (rows, length)
    return generator_for("files of embeddings", rows, length, views).normal(size=shape).astype(np.float32)


def table(rows: int = 8, path: str = "tiles/{row:03d}.png") -> pd.DataFrame:
    """Return what embeddings are of: two magnifications, a case for each two rows, labels that alternate by case."""
    frame = pd.DataFrame({"path": [path.format(row=row) for row in range(rows)]})
    frame["label"] = ["benign" if row // 2 % 2 == 0 else "malignant" for row in range(rows)]
    frame["magnification"] = ["100X" if row % 2 == 0 else "400X" for row in range(rows)]
    frame["case"] = [f"P{row // 2}" for row in range(rows)]
    return frame.assign(site="A", scanner="s")


def shuffled(frame: pd.DataFrame, *names: object) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a frame in another order, and the former row of each."""
    order = generator_for("another order", *names).permutation(len(frame))
    return frame.iloc[order].reset_index(drop=True), order


def write_table(path: Path, frame: pd.DataFrame) -> Path:
    """Write a frame as CSV."""
    frame.to_csv(path, index=False, quoting=csv.QUOTE_MINIMAL)
    return path


def write_h5(path: Path, /, **datasets: object) -> Path:
    """Write datasets into an HDF5 file; texts as it writes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            array = np.asarray(values)
            file[name] = array.astype(object) if array.dtype.kind == "U" else array
    return path


def safetensors_bytes(header: object, data: bytes = b"") -> bytes:
    """Return a file of the format's layout with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def write_safetensors(path: Path, arrays: dict[str, np.ndarray], kinds: dict[str, str] | None = None) -> Path:
    """Write arrays one behind the other."""
    names = {"<f8": "F64", "<f4": "F32", "<f2": "F16", "<i8": "I64", "<u2": "BF16"}
    header: dict[str, object] = {"__metadata__": {"encoder": "made up"}}
    data = b""
    for name, array in arrays.items():
        kind = (kinds or {}).get(name) or names[array.dtype.str]
        header[name] = {
            "dtype": kind,
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + array.nbytes],
        }
        data += array.tobytes()
    path.write_bytes(safetensors_bytes(header, data))
    return path


def all_rows(read: EmbeddingFiles) -> np.ndarray:
    """Return all embeddings of what was read, [n, views, length]."""
    blocks = list(read.blocks())
    assert [rows.start for rows, _ in blocks] == [0, *(rows.stop for rows, _ in blocks[:-1])]
    return np.concatenate([block for _, block in blocks])


def read_or_refused(path: Path) -> EmbeddingFiles | str:
    """Return what a file holds, or in what words it is refused."""
    try:
        read = read_embedding_files(path)
        all_rows(read)
    except MagsigError as error:
        return str(error)
    return read


def texts(names: Sequence[str]) -> np.ndarray:
    """Return texts as fixed-length unicode."""
    return np.array(list(names), dtype=str)
