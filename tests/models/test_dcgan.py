"""The DCGAN's networks: the published shapes, first weights by names, float32 at both ends."""

import numpy as np
import pytest

from magsig_tf.errors import UsageError
from magsig_tf.models.dcgan import SIZES, build_discriminator, build_generator, map_filters


@pytest.fixture
def policy():
    import keras

    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy("float32")


def test_the_maps_at_64_pixels_are_those_of_radford():
    assert map_filters(64, 64) == [64, 128, 256, 512]


@pytest.mark.parametrize(("size", "filters"), [(16, [4, 8]), (128, [4, 8, 16, 32, 32]), (256, [4, 8, 16, 32, 32, 32])])
def test_filters_double_toward_four_pixels_up_to_eightfold(size, filters):
    assert map_filters(size, 4) == filters


def test_the_networks_pass_from_vectors_to_images_to_logits():
    generator, discriminator = build_generator(32, 4, 7, ("a",)), build_discriminator(32, 4, False, ("a",))
    latents = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    images = generator(latents, training=True)
    assert images.shape == (5, 32, 32, 3)
    assert np.abs(images).max() <= 1.0
    assert discriminator(images).shape == (5, 1)
    maps = [layer.output.shape[1:] for layer in generator.layers if layer.name.startswith("relu")]
    assert maps == [(4, 4, 16), (8, 8, 8), (16, 16, 4)]
    norms = [layer.name for layer in discriminator.layers if layer.name.startswith("norm")]
    assert norms == ["norm1", "norm2"]  # none in the first


def test_spectral_normalization_takes_the_place_of_batch_normalization():
    layers = [layer.name for layer in build_discriminator(16, 4, True, ("a",)).layers]
    assert [name for name in layers if name.startswith(("norm", "bounded"))] == [
        "bounded_down0",
        "bounded_down1",
        "bounded_logit",
    ]


@pytest.mark.parametrize("size", [8, 48, 63, 512])
def test_a_size_that_doubling_does_not_reach_is_refused(size):
    with pytest.raises(UsageError, match=f"gan_size among 16, 32, 64, 128, 256, found {size}"):
        build_generator(size, 4, 7, ())
    assert size not in SIZES


def test_first_weights_derive_from_the_names_alone():
    def weights(*names):
        networks = build_generator(16, 4, 7, names), build_discriminator(16, 4, True, names)
        return [value for network in networks for value in network.get_weights()]

    first, again, other = weights("a", 0), weights("a", 0), weights("a", 1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    drawn = [not np.array_equal(a, b) for a, b in zip(first, other, strict=True)]
    assert sum(drawn) == 9  # three kernels each, and three vectors of power iterations
    kernels = np.concatenate([value.ravel() for value in first if value.ndim == 4])
    assert kernels.std() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("spectral_norm", [False, True])
def test_a_mixed_policy_leaves_pixels_logits_and_weights_in_float32(policy, spectral_norm):
    policy("mixed_bfloat16")
    generator, discriminator = build_generator(16, 4, 7, ()), build_discriminator(16, 4, spectral_norm, ())
    images = generator(np.zeros((2, 7), np.float32))
    assert images.dtype == discriminator(images).dtype == "float32"
    assert {str(weight.dtype) for weight in [*generator.weights, *discriminator.weights]} == {"float32"}
    assert generator.get_layer("up0").output.dtype == discriminator.get_layer("relu1").output.dtype == "bfloat16"
