"""Embeddings that PyTorch computed, stored beside this file, and the images and made-up weights that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


def reference_images(size: int, count: int) -> np.ndarray:
    """Return images of noise and a ramp, float32 0..255 (count, size, size, 3)."""
    noise = np.random.default_rng([2020, size]).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    ramp = np.linspace(0, 255, size)[None, :, None, None]
    return np.round(0.5 * noise + 0.5 * np.broadcast_to(ramp, noise.shape)).astype("float32")


def made_up_values(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Return weights under PyTorch's names with which a network's output depends on its input."""
    random = np.random.default_rng(2021)
    values = {}
    for name in sorted(shapes):
        shape, last = shapes[name], name.rpartition(".")[2]
        if last in ("running_mean", "bias"):
            values[name] = random.normal(0, 0.1, shape)
        elif len(shape) == 1:
            values[name] = random.uniform(0.5, 1.5, shape)
        else:
            values[name] = random.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
    return {name: value.astype("float32") for name, value in values.items()}


@dataclass(frozen=True)
class TorchReference:
    """What PyTorch computed for one network; the array `origin` in the file says how it was made."""

    made_up_weights: dict[str, np.ndarray]
    made_up_embedding: np.ndarray
    imagenet_embeddings: dict[int, np.ndarray]
    """By the images' size; of all stored embeddings every 8th value."""

    @classmethod
    def read(cls, name: str) -> TorchReference:
        stored = np.load(Path(__file__).with_name(f"{name}_reference.npz"))
        pairs = zip(stored["names"], stored["shapes"], strict=True)
        shapes = {str(name): tuple(map(int, str(shape).split())) for name, shape in pairs}
        sizes = {int(key.removeprefix("imagenet_")): stored[key] for key in stored if key.startswith("imagenet_")}
        return cls(made_up_values(shapes), stored["made_up_64"], sizes)

    def check(self, model, embeddings: np.ndarray, atol: float) -> None:
        """Assert that a model gives the stored embeddings for as many reference images of its size."""
        found = np.asarray(model(reference_images(model.input_shape[1], len(embeddings)), training=False))
        assert found.shape == (len(embeddings), 1280)
        assert embeddings.std() > 0.05
        np.testing.assert_allclose(found[:, ::8], embeddings, rtol=0, atol=atol)
