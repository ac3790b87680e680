"""Samples depend on names and generator alone; generators of others are refused."""

import numpy as np
import pytest

from magsig_tf.atomic_files import write_json
from magsig_tf.errors import DataError, RunError
from magsig_tf.gan.train import load_generator
from magsig_tf.models.dcgan import sample
from tests.gan.tiny_gan import IDENTITY


@pytest.fixture(scope="module")
def generator():
    from magsig_tf.models.dcgan import build_generator

    return build_generator(16, 4, 8, ("sampled",))


def test_a_longer_draw_begins_with_the_shorter_one(generator):
    few, many = sample(generator, 5, ("a",), batch=4), sample(generator, 11, ("a",), batch=4)
    assert few.shape == (5, 16, 16, 3)
    assert few.dtype == np.uint8
    np.testing.assert_array_equal(few, many[:5])
    assert not np.array_equal(few, sample(generator, 5, ("b",), batch=4))
    assert sample(generator, 0, ("a",)).shape == (0, 16, 16, 3)


def test_pixels_from_minus_one_to_one_become_levels():
    import keras

    latent = keras.Input((3,))
    edges = keras.Model(
        latent, keras.layers.Lambda(lambda v: np.array([[[[-1.0, 0.0, 1.0]]]]) + 0 * v[:, None, None])(latent)
    )
    assert sample(edges, 1, ("a",)).ravel().tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (None, "found none. Run `magsig gan`"),
        ({"status": "running"}, "found one that is running"),
        ({"status": "done", **IDENTITY, "split_hash": "other"}, "split_hash s, found other"),
        ({"status": "done"}, "dataset_hash d, found None"),
    ],
)
def test_a_generator_that_is_missing_unfinished_or_of_another_split_is_refused(tmp_path, record, message):
    if record is not None:
        write_json(tmp_path / "gan.json", record)
    with pytest.raises(RunError, match=message):
        load_generator(tmp_path, IDENTITY)


def test_a_damaged_generator_is_one_clear_error(tmp_path):
    write_json(tmp_path / "gan.json", {"status": "done", **IDENTITY})
    (tmp_path / "generator.keras").write_bytes(b"PK\x03\x04broken")
    with pytest.raises(DataError, match="Expected a Keras model"):
        load_generator(tmp_path, IDENTITY)
