"""Folders with small vision transformers as Hugging Face writes them, and what PyTorch computed with them."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

from tests.models.encoders.torch_references import made_up_values

# the array `origin` in the file says how it was made
REFERENCE = np.load(Path(__file__).with_name("transformer_reference.npz"))
CASES = ("vit", "vit_interpolated", "dinov2", "dinov2_swiglu", "registers", "registers_larger")
PREPROCESSING = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.25, 0.3], "rescale_factor": 1 / 255}


def arrays_of(case: str) -> dict[str, np.ndarray]:
    """Return the arrays of model.safetensors."""
    pairs = zip(REFERENCE[f"{case}_names"], REFERENCE[f"{case}_shapes"], strict=True)
    return made_up_values({str(name): tuple(map(int, str(shape).split())) for name, shape in pairs})


def write_folder(folder: Path, case: str, prefix: str = "", **changed: object) -> Path:
    """Write the three files; `changed` are keys of config.json with other values, None to leave one out."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {**json.loads(str(REFERENCE[f"{case}_config"])), **changed}
    config = {key: value for key, value in config.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING))
    write_safetensors(folder / "model.safetensors", {prefix + name: a for name, a in arrays_of(case).items()})
    return folder


def write_safetensors(path: Path, arrays: dict[str, np.ndarray], kinds: dict[str, str] | None = None) -> None:
    """Write arrays as the package safetensors does; `kinds` are the names of dtypes, F32 where not given."""
    header, content = {"__metadata__": {"format": "pt"}}, b""
    for name, array in arrays.items():
        data = array.tobytes()
        kind = (kinds or {}).get(name, "F32")
        offsets = [len(content), len(content) + len(data)]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": offsets}
        content += data
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)
