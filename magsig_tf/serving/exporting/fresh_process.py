"""Loads an export with TensorFlow alone and writes down what it answers; run as a script, never imported.

    python -I fresh_process.py QUESTIONS.json

magsig cannot be imported in this process, so whatever the export needs of it would show here. QUESTIONS.json holds
`model` (folder), `images` (an .npy file, uint8 [N, height, width, 3]), `rows` (numbers of images), `batch`,
`native` (a list of `file` and `row`) and `answers` (the .npz file to write).
"""

from __future__ import annotations

import importlib.abc
import json
import sys
from typing import Any

import numpy as np
import tensorflow as tf


class NoMagsig(importlib.abc.MetaPathFinder):
    """Refuses to find magsig, wherever it is installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise for magsig, leave everything else to others."""
        if name.partition(".")[0] == "magsig_tf":
            raise ModuleNotFoundError("magsig is kept out of this process", name=name)


def main(questions: str) -> None:
    """Answer the questions of a file."""
    sys.meta_path.insert(0, NoMagsig())
    try:
        import magsig_tf  # noqa: F401
    except ModuleNotFoundError:
        pass
    else:
        raise SystemExit("magsig could be imported")
    with open(questions, encoding="utf-8") as file:
        asked = json.load(file)
    images = np.load(asked["images"], mmap_mode="r", allow_pickle=False)
    model = tf.saved_model.load(asked["model"])
    answers = test_answers(model, images, np.array(asked["rows"]), asked["batch"])
    answers |= native_answers(model, images, asked["native"])
    if any(name.partition(".")[0] == "magsig_tf" for name in sys.modules):
        raise SystemExit("magsig was imported")
    np.savez(asked["answers"], **answers)  # type: ignore[arg-type] # numpy's stub: any name may be allow_pickle


def test_answers(model: Any, images: np.ndarray, rows: np.ndarray, batch: int) -> dict[str, np.ndarray]:
    """Return what every signature says of the test images, in the order of `rows`; of Grad-CAM the first batch."""
    found: dict[str, list] = {}
    for start in range(0, len(rows), batch):
        chosen = rows[start : start + batch]
        # as in training, every batch has the same size: another one sums in another order on some processors
        pixels = np.asarray(images[np.resize(chosen, batch)])
        encoded = tf.stack([tf.io.encode_png(image) for image in pixels])
        asked = {
            "array": ("serving_default", {"images": tf.constant(pixels)}),
            "float": ("serving_float", {"images": tf.constant(pixels, tf.float32)}),
            "png": ("serving_bytes", {"image_bytes": encoded}),
            "embed": ("embed", {"images": tf.constant(pixels)}),
        }
        if start == 0:
            asked["gradcam"] = ("gradcam", {"images": tf.constant(pixels)})
        for way, (signature, inputs) in asked.items():
            for name, values in model.signatures[signature](**inputs).items():
                found.setdefault(f"{way} {name}", []).append(values.numpy()[: len(chosen)])
    return {
        name: np.concatenate(values).astype(str if name.endswith("label") else np.float32)
        for name, values in found.items()
    }


def native_answers(model: Any, images: np.ndarray, native: list[dict]) -> dict[str, np.ndarray]:
    """Return for each original file the largest difference in levels, and the probability of it and of its pixels."""
    levels, probability = [], []
    for each in native:
        encoded = tf.constant([tf.io.read_file(each["file"]).numpy()])
        pixels = np.asarray(images[each["row"]])[np.newaxis]
        levels.append(np.abs(model.prepared(encoded).numpy() - pixels.astype(np.float32)).max())
        served = model.signatures["serving_bytes"](image_bytes=encoded)
        stored = model.signatures["serving_default"](images=tf.constant(pixels))
        probability.append([each["probability"].numpy()[0, 0] for each in (served, stored)])
    return {"native levels": np.array(levels, float), "native probability": np.array(probability, float).reshape(-1, 2)}


if __name__ == "__main__":
    main(sys.argv[1])
