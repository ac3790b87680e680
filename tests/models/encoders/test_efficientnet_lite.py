"""The EfficientNet-Lite family against embeddings that PyTorch computed."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from magsig_tf.errors import UsageError
from magsig_tf.models.encoders.efficientnet_lite import (
    EPSILON,
    efficientnet_lite0,
    efficientnet_lite1,
    efficientnet_lite2,
    torch_name,
)
from magsig_tf.models.encoders.inverted_residuals import assign_torch_weights
from tests.models.encoders.torch_references import TorchReference, reference_images

# the array `origin` in the file says how it was made
LITE0 = np.load(Path(__file__).with_name("lite0_reference.npz"))
LARGER = {"lite1": (efficientnet_lite1, 240), "lite2": (efficientnet_lite2, 260)}


@pytest.mark.parametrize(("size", "count"), [(64, 2), (224, 1)])
def test_imagenet_embeddings_of_lite0_equal_those_of_torch(size, count):
    model = efficientnet_lite0((size, size, 3), "imagenet")
    embedding = model(reference_images(size, count), training=False)
    assert embedding.shape == (count, 1280)
    np.testing.assert_allclose(embedding, LITE0[f"embedding_{size}"], atol=2e-5)


def test_lite0_has_the_layers_and_weights_that_finished_runs_have():
    model = efficientnet_lite0((32, 32, 3), "imagenet")
    digest = hashlib.sha256()
    for layer in model.layers:
        digest.update(f"{layer.name} {type(layer).__name__}\n".encode())
        for array in layer.get_weights():
            digest.update(array.astype("<f4").tobytes())
    assert digest.hexdigest()[:16] == "1dfa4d23ca055c87"


@pytest.mark.parametrize("name", LARGER)
def test_the_larger_ones_compute_what_torch_computes_with_the_same_weights(name):
    reference = TorchReference.read(name)
    model = LARGER[name][0]((64, 64, 3), "none")
    assign_torch_weights(model, reference.made_up_weights, torch_name, EPSILON)
    reference.check(model, reference.made_up_embedding, atol=3e-4)


@pytest.mark.pretrained
@pytest.mark.parametrize(("name", "size"), [(name, size) for name in LARGER for size in (75, LARGER[name][1])])
def test_imagenet_embeddings_of_the_larger_ones_equal_those_of_torch(name, size):
    reference = TorchReference.read(name)
    model = LARGER[name][0]((size, size, 3), "imagenet")
    reference.check(model, reference.imagenet_embeddings[size], atol=3e-5)


def test_the_stages_are_scaled_as_published():
    def scaled(encoder):
        return [(stage.repeats, stage.filters) for stage in encoder.stages()]

    assert scaled(efficientnet_lite1) == [(1, 16), (3, 24), (3, 40), (4, 80), (4, 112), (5, 192), (1, 320)]
    assert scaled(efficientnet_lite2) == [(1, 16), (3, 24), (3, 48), (4, 88), (4, 120), (5, 208), (1, 352)]


def test_other_weights_are_refused():
    with pytest.raises(UsageError, match=r"efficientnet_lite2: imagenet, none"):
        efficientnet_lite2((32, 32, 3), "imagenett")
