"""MobileNetV2 with PyTorch's padding against embeddings that PyTorch computed."""

import numpy as np
import pytest

from magsig_tf.models.encoders.inverted_residuals import assign_torch_weights
from magsig_tf.models.encoders.mobilenetv2_torch import EPSILON, build, torch_name
from tests.models.encoders.torch_references import TorchReference

REFERENCE = TorchReference.read("mobilenetv2_torch")


@pytest.fixture(scope="module")
def model():
    return build((64, 64, 3), "none")


def test_it_computes_what_torch_computes_with_the_same_weights(model):
    assign_torch_weights(model, REFERENCE.made_up_weights, torch_name, EPSILON)
    REFERENCE.check(model, REFERENCE.made_up_embedding, atol=3e-4)


@pytest.mark.pretrained
@pytest.mark.parametrize("size", [75, 224])
def test_imagenet_embeddings_equal_those_of_torch(size):
    REFERENCE.check(build((size, size, 3), "imagenet"), REFERENCE.imagenet_embeddings[size], atol=3e-5)


def test_a_channel_that_never_varies_is_scaled_as_torch_scales_it(model):
    values = dict(REFERENCE.made_up_weights)
    values["features.0.1.running_var"] = np.zeros(32, np.float32)
    assign_torch_weights(model, values, torch_name, EPSILON)
    scale, offset = values["features.0.1.weight"], values["features.0.1.bias"]
    expected = scale * (1.0 - values["features.0.1.running_mean"]) / np.sqrt(1e-5) + offset
    found = model.get_layer("stem_norm")(np.ones((1, 2, 2, 32), "float32"), training=False)
    # with the layer's own epsilon it would be 5e-4 of it less
    np.testing.assert_allclose(found[0, 0, 0], expected, rtol=2e-5, atol=1e-4)
