"""Encoders by name: initialisation, weight files, and what is refused."""

import keras
import numpy as np
import pytest

from magsig_tf.config import ADAPTERS
from magsig_tf.errors import DataError, RunError, UsageError
from magsig_tf.models.classifier import build_classifier, trained_weights
from magsig_tf.models.encoders import build_encoder, small_cnn
from magsig_tf.models.encoders.keras_applications import resnet50
from magsig_tf.models.layers.caffe_preprocessing import CaffePreprocessing
from magsig_tf.registry import registry
from tests.models.encoders.documented_blocks import documented_blocks, frozen_by

SMALL = "magsig_tf.models.encoders.small_cnn:build"
DROPOUT = "magsig_tf.models.encoders.small_cnn:build_with_dropout"
SHAPE = (16, 16, 3)


def images(count=2, size=16):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def kinds(model):
    return {type(layer).__name__ for layer in model.layers}


def no_pooling(input_shape, weights):
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, keras.layers.Conv2D(2, 3)(inputs))


def stock(input_shape, weights):
    inputs = keras.Input(input_shape)
    x = keras.layers.BatchNormalization()(inputs)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))


def raises(input_shape, weights):
    raise ValueError(f"cannot build for {input_shape[0]} pixels\nat all")


def no_model(input_shape, weights):
    return "model"


def test_the_first_weights_depend_on_encoder_and_seed_only():
    first = build_encoder(SMALL, SHAPE, "auto", seed=1).get_weights()
    np.random.default_rng().normal()
    keras.random.normal((3,))
    again = build_encoder(SMALL, SHAPE, "none", seed=1).get_weights()
    other = build_encoder(SMALL, SHAPE, "none", seed=2).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_small_cnn_takes_pixels_of_any_type_and_is_fused():
    model = build_encoder(SMALL, SHAPE, "none", seed=0)
    assert model.name == "encoder"
    assert "FusedBatchNormalization" in kinds(model)
    assert 100_000 < model.count_params() < 120_000
    embedding = model(images())
    assert embedding.shape == (2, 128)
    np.testing.assert_allclose(embedding, model(images().astype("float32")), rtol=1e-6)


def test_the_embedding_is_float32_under_a_mixed_policy():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_encoder(SMALL, SHAPE, "none", seed=0)
    finally:
        keras.config.set_dtype_policy(before)
    assert model.get_layer("conv1").compute_dtype == "bfloat16"
    assert model(images()).dtype == "float32"


def test_an_encoder_may_keep_its_unfused_norms_and_others_are_fused():
    assert "BatchNormalization" in kinds(build_encoder(DROPOUT, SHAPE, "none", seed=0))
    assert "FusedBatchNormalization" in kinds(build_encoder(f"{__name__}:stock", SHAPE, "none", seed=0))


def test_resnet50_subtracts_the_imagenet_mean_in_bgr_order():
    x = images(1)[:, :4, :4].astype("float32")
    expected = keras.applications.resnet50.preprocess_input(x.copy())
    np.testing.assert_allclose(CaffePreprocessing()(x), expected, atol=1e-4)
    model = resnet50((32, 32, 3), "none")
    assert model.output_shape == (None, 2048)
    assert model.count_params() == 23_587_712
    assert {"CaffePreprocessing", "FusedBatchNormalization"} <= kinds(model)
    assert "BatchNormalization" not in kinds(model)
    frozen = frozen_by(model, documented_blocks()["resnet50"])
    assert frozen == sorted(set(frozen))
    assert frozen[-1] == trained_weights(model)[1]


@pytest.mark.parametrize(
    "name", ["small_cnn", "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "mobilenetv2_torch"]
)
def test_the_documented_blocks_of_our_own_encoders_freeze_more_and_more_until_all(name):
    model = registry("encoders").load(name)((32, 32, 3), "none")
    frozen = frozen_by(model, documented_blocks()[name])
    assert frozen == sorted(set(frozen))
    assert frozen[-1] == trained_weights(model)[1]


def test_every_encoder_has_its_blocks_documented():
    own = {plugin.name for plugin in registry("encoders").plugins if plugin.source.startswith("magsig ")}
    assert set(documented_blocks()) == own - set(ADAPTERS)


def test_imagenet_weights_without_network_say_what_to_do(monkeypatch):
    def unreachable(*args, **kwargs):
        raise Exception("URL fetch failure on https://...: None -- no route")

    unreachable.__name__ = "ResNet50"
    monkeypatch.setattr(keras.applications, "ResNet50", unreachable)
    with pytest.raises(UsageError, match=r"(?s)cache.*no route.*--weights.*efficientnet_lite0"):
        resnet50((32, 32, 3), "imagenet")


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_weights_come_back_from_a_file(tmp_path, suffix):
    source = build_encoder(SMALL, SHAPE, "none", seed=5)
    path = tmp_path / f"source{suffix}"
    source.save_weights(path) if suffix == ".weights.h5" else source.save(path)
    loaded = build_encoder(SMALL, SHAPE, str(path), seed=6)
    np.testing.assert_array_equal(loaded(images()), source(images()))


def test_a_saved_classifier_gives_its_encoder(tmp_path):
    source = build_encoder(SMALL, SHAPE, "none", seed=5)
    build_classifier(source, 0.1, 5).save(tmp_path / "model.keras")
    loaded = build_encoder(SMALL, SHAPE, str(tmp_path / "model.keras"), seed=6)
    np.testing.assert_array_equal(loaded(images()), source(images()))


def test_weights_saved_with_keras_own_norms_fit_the_fused_model(tmp_path):
    source = build_encoder(DROPOUT, SHAPE, "none", seed=5)
    small_stock = keras.models.clone_model(
        small_cnn.build(SHAPE),
        clone_function=lambda layer: (
            keras.layers.BatchNormalization if layer.name.startswith("norm") else type(layer)
        ).from_config(layer.get_config()),
    )
    small_stock.set_weights(source.get_weights())
    small_stock.save_weights(tmp_path / "stock.weights.h5")
    loaded = build_encoder(SMALL, SHAPE, str(tmp_path / "stock.weights.h5"), seed=6)
    np.testing.assert_allclose(loaded(images()), source(images()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"not a weight file"])
@pytest.mark.parametrize("name", ["broken.weights.h5", "broken.h5", "broken.keras"])
def test_a_broken_weight_file_is_a_data_error(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        build_encoder(SMALL, SHAPE, str(tmp_path / name), seed=0)


def test_weights_of_another_network_are_refused(tmp_path):
    build_encoder(f"{__name__}:stock", SHAPE, "none", seed=0).save_weights(tmp_path / "stock.weights.h5")
    with pytest.raises(DataError, match="Expected weights of"):
        build_encoder(SMALL, SHAPE, str(tmp_path / "stock.weights.h5"), seed=0)


@pytest.mark.parametrize(
    ("name", "weights", "error", "message"),
    [
        (SMALL, "imagenet", UsageError, "none, or an existing weight file"),
        (SMALL, "absent/file.weights.h5", UsageError, "found none"),
        ("magsig_tf.models.encoders.small_cnn:absent", "none", UsageError, "absent"),
        ("no_such_package:build", "none", UsageError, "no_such_package"),
        (f"{__name__}:no_pooling", "none", RunError, "output shape"),
        (f"{__name__}:no_model", "none", RunError, "found str"),
        (
            f"{__name__}:raises",
            "none",
            UsageError,
            r"16 x 16 x 3 .* found ValueError: cannot build for 16 pixels\. Mend",
        ),
    ],
)
def test_what_does_not_exist_is_refused(name, weights, error, message):
    with pytest.raises(error, match=message):
        build_encoder(name, SHAPE, weights, seed=0)


def test_a_file_that_is_no_weight_file_is_refused(tmp_path):
    (tmp_path / "weights.pkl").touch()
    with pytest.raises(UsageError, match=r"\.weights\.h5"):
        build_encoder(SMALL, SHAPE, str(tmp_path / "weights.pkl"), seed=0)


def test_a_file_named_none_does_not_stand_for_the_word(tmp_path, monkeypatch):
    (tmp_path / "none").write_text("no weights")
    monkeypatch.chdir(tmp_path)
    assert build_encoder("small_cnn", (32, 32, 3), "none", 0).name == "encoder"
