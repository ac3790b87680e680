"""The networks of keras.applications: values of the stock network, preprocessing, files, sizes, precision."""

import keras
import numpy as np
import pytest

from magsig_tf.errors import UsageError
from magsig_tf.models.classifier import trained_weights
from magsig_tf.models.encoders import build_encoder
from magsig_tf.models.saved_model import load_saved_model, load_weight_file
from magsig_tf.registry import registry
from tests.models.encoders.documented_blocks import documented_blocks, frozen_by

APPLICATIONS = keras.applications
# encoder -> constructor, the module with preprocess_input, smallest size, p, parameters
ENCODERS = {
    "convnext_tiny": ("ConvNeXtTiny", APPLICATIONS.convnext, 32, 768, 27_820_128),
    "densenet121": ("DenseNet121", APPLICATIONS.densenet, 32, 1024, 7_037_504),
    "efficientnetv2b0": ("EfficientNetV2B0", APPLICATIONS.efficientnet_v2, 32, 1280, 5_919_312),
    "inception_resnet_v2": ("InceptionResNetV2", APPLICATIONS.inception_resnet_v2, 75, 1536, 54_336_736),
    "mobilenetv2": ("MobileNetV2", APPLICATIONS.mobilenet_v2, 32, 1280, 2_257_984),
}


def pixels(size, count=32):
    return np.random.default_rng(0).uniform(0, 255, (count, size, size, 3)).astype("float32")


def kinds(layers):
    return {type(layer).__name__ for layer in layers}


# the largest takes as long as all others
BUILT = [pytest.param(name, marks=pytest.mark.slow) if name == "inception_resnet_v2" else name for name in ENCODERS]


@pytest.fixture(scope="module", params=BUILT)
def encoder(request):
    """Name and encoder at its smallest size; built once, since each takes seconds."""
    size = ENCODERS[request.param][2]
    yield request.param, build_encoder(request.param, (size, size, 3), "none", seed=0)
    keras.backend.clear_session()


def lively(network, images):
    """Give a fresh network weights under which its output depends on its input."""
    random = np.random.default_rng(1)
    norms = [layer for layer in network._flatten_layers() if hasattr(layer, "moving_mean")]
    for layer in norms:
        layer.momentum = 0.0  # one batch sets the moving statistics
    if norms:
        network(images, training=True)
    for layer in network._flatten_layers():
        if type(layer).__name__ == "LayerScale":
            layer.gamma.assign(random.uniform(0.1, 1.0, layer.gamma.shape))  # 1e-6 at first


def test_it_computes_what_the_stock_network_computes_with_the_same_weights(encoder, tmp_path):
    name, model = encoder
    constructor, module, size, length, parameters = ENCODERS[name]
    keras.utils.set_random_seed(0)
    stock = getattr(APPLICATIONS, constructor)(
        include_top=False, weights=None, input_shape=(size, size, 3), pooling="avg"
    )
    images = pixels(size, count=32 if size == 32 else 8)
    prepared = module.preprocess_input(images.copy())
    lively(stock, prepared)
    if name in ("convnext_tiny", "mobilenetv2"):  # the format of the published files; it takes time with large networks
        stock.save(tmp_path / "stock_notop.h5")
        load_weight_file(model, tmp_path / "stock_notop.h5")
    else:
        model.set_weights(stock.get_weights())
    expected = np.asarray(stock(prepared[:4]))
    assert model.output_shape == (None, length)
    assert model.count_params() == parameters
    assert expected.std() > 0.1
    np.testing.assert_allclose(model(images[:4]), expected, rtol=0, atol=3e-3 * expected.std())


def test_preprocessing_is_inside_and_that_of_keras(encoder):
    name, model = encoder
    constructor, module, size, *_ = ENCODERS[name]
    images = pixels(size, count=2)
    layer = model.get_layer("preprocessing")
    if constructor in ("ConvNeXtTiny", "EfficientNetV2B0"):  # these preprocess inside, the others in a function
        expected = (images / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    else:
        expected = module.preprocess_input(images.copy())
    np.testing.assert_allclose(layer(images), expected, atol=1e-5)
    assert layer.compute_dtype == "float32"


def test_slow_layers_are_swapped(encoder):
    _, model = encoder
    layers = list(model._flatten_layers())
    assert "BatchNormalization" not in kinds(layers)
    assert {"FusedBatchNormalization", "DepthwiseGroups"} & kinds(layers)
    assert not [layer for layer in layers if type(layer) is keras.layers.Conv2D and layer.groups > 1]


def test_its_layers_come_back_from_a_file(encoder, tmp_path):
    name, model = encoder
    # a part that holds every kind of layer but the pooling at the end: the whole network takes long to load
    wanted = kinds(model.layers[:-1]) - {"GlobalAveragePooling2D"}
    end = next(n for n in range(1, len(model.layers)) if kinds(model.layers[:n]) >= wanted)
    part = keras.Model(model.input, model.layers[end - 1].output)
    part.save(tmp_path / "part.keras")
    loaded = load_saved_model(tmp_path / "part.keras")
    images = pixels(ENCODERS[name][2], count=2)
    assert wanted <= kinds(model.layers[:end])
    np.testing.assert_array_equal(loaded(images), part(images))


def test_the_documented_blocks_freeze_more_and_more_until_all(encoder):
    name, model = encoder
    frozen = frozen_by(model, documented_blocks()[name])
    assert frozen == sorted(set(frozen))
    assert frozen[-1] == trained_weights(model)[1]


@pytest.mark.parametrize("name", ["convnext_tiny", "mobilenetv2"])
def test_the_embedding_is_float32_under_mixed_bfloat16(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_encoder(name, (32, 32, 3), "none", seed=0)
    finally:
        keras.config.set_dtype_policy(before)
    lively(model, pixels(32))
    embedding = model(pixels(32, count=2))
    assert embedding.dtype == "float32"
    assert np.isfinite(embedding).all()
    assert model.get_layer("preprocessing").compute_dtype == "float32"
    assert {layer.compute_dtype for layer in model.layers if "conv" in layer.name.lower()} == {"bfloat16"}


@pytest.mark.parametrize("name", ENCODERS)
def test_smaller_images_are_refused(name):
    size = ENCODERS[name][2]
    with pytest.raises(
        UsageError, match=f"at least {size} x {size} pixels .*{name}, found {size} x {size - 1}.*--size"
    ):
        registry("encoders").load(name)((size, size - 1, 3), "none")


@pytest.mark.parametrize("name", ENCODERS)
def test_imagenet_weights_without_network_say_what_to_do(name, monkeypatch, capsys):
    def unreachable(*args, weights, **kwargs):
        assert weights == "imagenet"
        print("Downloading data from https://...")
        raise Exception("URL fetch failure on https://.../file_notop.h5: None -- no route\nand more")

    monkeypatch.setattr(APPLICATIONS, ENCODERS[name][0], unreachable)
    build = registry("encoders").load(name)
    assert build.default_weights == "imagenet"
    with pytest.raises(UsageError, match=rf"{name} in .*models\).*file_notop.*--weights.*efficientnet_lite0") as said:
        build((96, 96, 3), "imagenet")
    assert "\n" not in str(said.value)
    assert capsys.readouterr().out == ""  # where --json writes


def test_mobilenetv2_asks_for_the_weights_of_the_images_size(monkeypatch):
    class Asked(Exception):
        pass

    def asked(fname, *args, **kwargs):
        raise Asked(fname)

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", asked)
    with pytest.raises(UsageError, match=r"_1\.0_128_no_top\.h5"):
        registry("encoders").load("mobilenetv2")((128, 128, 3), "imagenet")
