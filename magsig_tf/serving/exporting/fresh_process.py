"""Loads an export with TensorFlow alone and writes down what it answers; run as a script, never imported.

    python -I fresh_process.py QUESTIONS.json <PIPE

The pipe is never written to: when the process that holds its other end is gone, this one ends too.

magsig cannot be imported in this process, so whatever the export needs of it would show here. QUESTIONS.json holds
`model` (folder), `inputs` (an .npy file: images, uint8 [N, height, width, 3], or embeddings [N, views, p]), `rows`
(numbers of them), `batch`, `native` (a list of `file` and `row`) and `answers` (the .npz file to write).
"""

from __future__ import annotations

import importlib.abc
import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any


def end_with_parent() -> None:
    """Wait until the pipe on standard input is closed, and end the process."""
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":  # before the imports, which take seconds
    threading.Thread(target=end_with_parent, daemon=True).start()

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402


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
    inputs = np.load(asked["inputs"], mmap_mode="r", allow_pickle=False)
    model = tf.saved_model.load(asked["model"])
    ask = of_images if inputs.dtype == np.uint8 else of_embeddings
    answers = test_answers(model, ask, inputs, np.array(asked["rows"]), asked["batch"])
    answers |= native_answers(model, inputs, asked["native"])
    if any(name.partition(".")[0] == "magsig_tf" for name in sys.modules):
        raise SystemExit("magsig was imported")
    np.savez(asked["answers"], **answers)  # type: ignore[arg-type] # numpy's stub: any name may be allow_pickle


Asked = dict[str, tuple[str, dict[str, Any]]]
"""For each way of asking its signature and arguments."""


def of_images(pixels: np.ndarray, first: bool) -> Asked:
    """Return what is asked about a batch of images; of Grad-CAM the first batch alone."""
    asked = {
        "array": ("serving_default", {"images": tf.constant(pixels)}),
        "float": ("serving_float", {"images": tf.constant(pixels, tf.float32)}),
        "png": ("serving_bytes", {"image_bytes": tf.stack([tf.io.encode_png(image) for image in pixels])}),
        "embed": ("embed", {"images": tf.constant(pixels)}),
    }
    return asked | ({"gradcam": ("gradcam", {"images": tf.constant(pixels)})} if first else {})


def of_embeddings(views: np.ndarray, first: bool) -> Asked:
    """Return what is asked about a batch of embeddings: those of the plain images."""
    plain = tf.constant(views[:, 0], tf.float32)
    return {"array": ("serving_default", {"embeddings": plain}), "embed": ("embed", {"embeddings": plain})}


def test_answers(
    model: Any, ask: Callable[[np.ndarray, bool], Asked], inputs: np.ndarray, rows: np.ndarray, batch: int
) -> dict[str, np.ndarray]:
    """Return what every signature says of the test images, in the order of `rows`."""
    found: dict[str, list] = {}
    for start in range(0, len(rows), batch):
        chosen = rows[start : start + batch]
        # as in training, every batch has the same size: another one sums in another order on some processors
        block = np.asarray(inputs[np.resize(chosen, batch)])
        for way, (signature, arguments) in ask(block, start == 0).items():
            for name, values in model.signatures[signature](**arguments).items():
                found.setdefault(f"{way} {name}", []).append(values.numpy()[: len(chosen)])
    return {
        name: np.concatenate(values).astype(str if name.endswith("label") else np.float32)
        for name, values in found.items()
    }


def native_answers(model: Any, images: np.ndarray, native: list[dict]) -> dict[str, np.ndarray]:
    """Return for each original file the largest difference in levels, and the probability of it and of its pixels.

    Of a file that the model refuses all three are NaN.
    """
    levels, probability = [], []
    for each in native:
        encoded = tf.constant([tf.io.read_file(each["file"]).numpy()])
        pixels = np.asarray(images[each["row"]])[np.newaxis]
        try:
            prepared = model.prepared(encoded).numpy()
        except tf.errors.InvalidArgumentError:
            levels.append(np.nan)
            probability.append([np.nan, np.nan])
            continue
        levels.append(np.abs(prepared - pixels.astype(np.float32)).max())
        served = model.signatures["serving_bytes"](image_bytes=encoded)
        stored = model.signatures["serving_default"](images=tf.constant(pixels))
        probability.append([each["probability"].numpy()[0, 0] for each in (served, stored)])
    return {"native levels": np.array(levels, float), "native probability": np.array(probability, float).reshape(-1, 2)}


if __name__ == "__main__":
    main(sys.argv[1])
