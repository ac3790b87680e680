"""Vision transformers from folders against class tokens that PyTorch computed, and folders that are refused."""

import json

import keras
import numpy as np
import pytest

from magsig_tf.config import Config, Settings
from magsig_tf.errors import DataError, UsageError
from magsig_tf.models.classifier import freeze
from magsig_tf.models.encoders import build_encoder, is_pretrained
from magsig_tf.models.encoders.position_embeddings import resized_positions
from magsig_tf.models.encoders.vision_transformer import FolderTransformer
from magsig_tf.models.saved_model import load_saved_model
from tests.models.encoders.torch_references import reference_images
from tests.models.encoders.transformer_folders import CASES, REFERENCE, arrays_of, write_folder, write_safetensors


def embeddings(model, count=2):
    return np.asarray(model(reference_images(model.input_shape[1], count), training=False))


@pytest.mark.parametrize("case", CASES)
def test_class_tokens_equal_those_of_torch(case, tmp_path):
    size, expected = int(REFERENCE[f"{case}_size"]), REFERENCE[f"{case}_embedding"]
    model = FolderTransformer(str(write_folder(tmp_path, case)))((size, size, 3))
    assert expected.std() > 0.5
    np.testing.assert_allclose(embeddings(model), expected, rtol=0, atol=2e-5)


def test_the_prefix_and_the_head_of_a_published_classifier_are_left_out(tmp_path):
    write_folder(tmp_path, "vit", prefix="vit.")
    arrays = {f"vit.{name}": array for name, array in arrays_of("vit").items()}
    arrays["classifier.weight"] = np.zeros((2, 24), np.float32)
    write_safetensors(tmp_path / "model.safetensors", arrays)
    model = FolderTransformer(str(tmp_path))((32, 32, 3))
    np.testing.assert_allclose(embeddings(model), REFERENCE["vit_embedding"], rtol=0, atol=2e-5)


def test_half_precision_weights_are_widened(tmp_path):
    write_folder(tmp_path, "dinov2_swiglu")
    arrays = arrays_of("dinov2_swiglu")
    bits = {name: (array.view(np.uint32) >> 16).astype(np.uint16) for name, array in arrays.items()}
    write_safetensors(tmp_path / "model.safetensors", bits, dict.fromkeys(bits, "BF16"))
    found = embeddings(FolderTransformer(str(tmp_path))((42, 42, 3)))
    # eight bits of the numbers are left
    assert np.corrcoef(found.ravel(), REFERENCE["dinov2_swiglu_embedding"].ravel())[0, 1] > 0.995


def test_it_is_an_encoder_like_any_other(tmp_path):
    name = f"hf:{write_folder(tmp_path / 'model', 'registers')}"
    encoder = build_encoder(name, (42, 42, 3), "auto", seed=0)
    assert encoder.name == "encoder"
    assert is_pretrained(name, "auto")
    assert not is_pretrained(name, "none")
    np.testing.assert_allclose(embeddings(encoder), REFERENCE["registers_embedding"], rtol=0, atol=2e-5)
    untrained = build_encoder(name, (42, 42, 3), "none", seed=1)
    assert np.isfinite(embeddings(untrained)).all()
    assert not np.allclose(embeddings(untrained), embeddings(encoder), atol=0.1)
    encoder.save(tmp_path / "model.keras")
    loaded = load_saved_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(embeddings(loaded), embeddings(encoder))


def test_blocks_can_be_frozen_and_gradients_reach_the_others(tmp_path):
    import tensorflow as tf

    model = FolderTransformer(str(write_folder(tmp_path, "dinov2")))((42, 42, 3))
    freeze(model, "block0", False)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(reference_images(42, 1), training=True) ** 2)
    gradients = tape.gradient(loss, model.trainable_variables)
    names = {variable.path.partition("/")[0] for variable in model.trainable_variables}
    assert names
    assert all(name.startswith(("block1", "norm")) for name in names)
    assert all(gradient is not None for gradient in gradients)


def test_the_embedding_is_float32_under_mixed_bfloat16(tmp_path):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = FolderTransformer(str(write_folder(tmp_path, "registers")))((42, 42, 3))
    finally:
        keras.config.set_dtype_policy(before)
    found = model(reference_images(42, 2), training=False)
    assert found.dtype == "float32"
    assert np.corrcoef(np.ravel(found), REFERENCE["registers_embedding"].ravel())[0, 1] > 0.99


def test_positions_of_the_size_of_training_stay_and_constant_ones_are_constant_at_any():
    positions = np.random.default_rng(0).normal(size=(1, 17, 5)).astype("float32")
    assert resized_positions(positions, 4, 4, smooth=False) is positions
    same = np.ones((1, 26, 3), np.float32)
    for smooth in (False, True):
        np.testing.assert_allclose(resized_positions(same, 2, 9, smooth), np.ones((1, 19, 3)), rtol=1e-6)


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_missing_file_is_one_line(name, tmp_path):
    (write_folder(tmp_path, "vit") / name).unlink()
    with pytest.raises(UsageError, match=rf"Expected the file .*{name}, found none\. Put .* into that folder") as said:
        build_encoder(f"hf:{tmp_path}", (32, 32, 3), "auto", 0)
    assert "\n" not in str(said.value)


def test_a_missing_folder_is_said():
    with pytest.raises(UsageError, match="found no such folder"):
        build_encoder("hf:/absent/folder", (32, 32, 3), "auto", 0)


def test_a_pickled_weight_file_is_refused_with_its_conversion(tmp_path):
    (write_folder(tmp_path, "vit") / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(UsageError, match=r"found pytorch_model\.bin\. magsig unpickles nothing.*save_pretrained"):
        build_encoder(f"hf:{tmp_path}", (32, 32, 3), "auto", 0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model_type": "swin"}, "model_type .* found 'swin'"),
        ({"model_type": None, "architecture": "vit_large_patch16_224"}, "found one of timm .vit_large_patch16_224"),
        ({"hidden_act": "quick_gelu"}, "hidden_act"),
        ({"num_attention_heads": 5}, "found 24 in 5"),
        ({"hidden_size": "many"}, "hidden_size"),
        ({"patch_size": None}, "patch_size"),
        ({"num_hidden_layers": 1}, "found 16 more, 'encoder.layer.1"),
        ({"num_hidden_layers": 3}, r"no fitting encoder\.layer\.2"),
        ({"image_size": 64}, r"embeddings\.position_embeddings, but \(1, 17, 24\)"),
        ({"intermediate_size": 48}, "no fitting"),
    ],
)
def test_a_config_that_is_not_that_of_the_weights_is_refused(changed, message, tmp_path):
    write_folder(tmp_path, "vit", **changed)
    with pytest.raises(DataError, match=message) as said:
        build_encoder(f"hf:{tmp_path}", (32, 32, 3), "auto", 0)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 10**5])
def test_a_damaged_config_is_refused(content, tmp_path):
    (write_folder(tmp_path, "vit") / "config.json").write_text(content)
    with pytest.raises(DataError, match=r"config\.json"):
        build_encoder(f"hf:{tmp_path}", (32, 32, 3), "auto", 0)


def test_colours_that_are_not_scaled_are_refused(tmp_path):
    folder = write_folder(tmp_path, "vit")
    said = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**said, "do_normalize": False}))
    with pytest.raises(DataError, match="do_normalize"):
        build_encoder(f"hf:{folder}", (32, 32, 3), "auto", 0)


def test_sides_that_are_no_whole_patches_are_refused(tmp_path):
    write_folder(tmp_path, "dinov2")
    with pytest.raises(UsageError, match=r"whole patches of 14 .* found 64 x 64\. .*--size 70"):
        build_encoder(f"hf:{tmp_path}", (64, 64, 3), "auto", 0)


def test_the_folder_enters_the_config_hash_by_its_content(tmp_path):
    def hashed(folder):
        return Config(Settings(encoder=f"hf:{folder}"), {"baseline": Settings()}).identity_hash()

    first, second = write_folder(tmp_path / "a", "vit"), write_folder(tmp_path / "b", "vit")
    assert hashed(first) == hashed(second)
    write_safetensors(second / "model.safetensors", {n: a + 1 for n, a in arrays_of("vit").items()})
    assert hashed(first) != hashed(second)
