"""The signatures of an export, as a client sees them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from tensorflow_serving.apis import prediction_log_pb2

from magsig_tf.serving.exporting.served_model import ServedModel
from tests.serving.exporting.test_preprocessing import encoded, picture

TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def test_rows(study):
    stored = pd.read_parquet(study.folder / "predictions.parquet")
    return stored[stored["part"] == "test"]


def test_every_signature_gives_float32_of_the_documented_shape(loaded):
    images = np.zeros((2, 50, 70, 3), np.uint8)
    labelled = {"probability": ((2, 1), np.float32), "label": ((2,), object)}
    files = np.array([encoded_picture(), encoded_picture()], object)
    shapes = {
        ("serving_default", "images"): (images, labelled),
        ("serving_float", "images"): (images.astype(np.float32), labelled),
        ("serving_bytes", "image_bytes"): (files, labelled),
        ("embed", "images"): (
            images,
            {"embedding": ((2, 128), np.float32), "signature_probability": ((2, 1), np.float32)},
        ),
        ("gradcam", "images"): (images, {"heat": ((2, 50, 70), np.float32), "probability": ((2, 1), np.float32)}),
    }
    assert set(loaded.loaded.signatures) == {name for name, _ in shapes}
    for (signature, name), (values, wanted) in shapes.items():
        answer = loaded.ask(signature, **{name: values})
        assert {key: (value.shape, value.dtype) for key, value in answer.items()} == wanted, signature


def encoded_picture() -> bytes:
    from PIL import Image

    return encoded(Image.fromarray(picture()))


def test_the_temperature_and_the_label_are_inside(loaded, exported, study, test_rows):
    assert exported.facts["temperature"] not in (0.0, 1.0)
    answer = loaded.ask("serving_default", images=study.prepared.images[test_rows["row"]])
    wanted = expit(test_rows["logit"].to_numpy() / exported.facts["temperature"])
    np.testing.assert_allclose(answer["probability"][:, 0], wanted, atol=TOLERANCE)
    assert answer["label"].astype(str).tolist() == np.where(wanted >= 0.5, "malignant", "benign").tolist()


def test_all_ways_to_send_pixels_give_the_same(loaded, study):
    images = study.prepared.images[:3]
    from PIL import Image

    files = np.array([encoded(Image.fromarray(image)) for image in images], object)
    first = loaded.ask("serving_default", images=images)
    for other in (
        loaded.ask("serving_float", images=images.astype(np.float32)),
        loaded.ask("serving_bytes", image_bytes=files),
        loaded.ask("gradcam", images=images),
    ):
        np.testing.assert_allclose(other["probability"], first["probability"], atol=TOLERANCE)


def test_the_signature_is_the_arithmetic_of_its_arrays(loaded, signature, study):
    answer = loaded.ask("embed", images=study.prepared.images[:5])
    chosen = (answer["embedding"][:, signature.indices] - signature.mean) / signature.scale
    wanted = expit(chosen @ signature.coefficients + signature.intercept)
    np.testing.assert_allclose(answer["signature_probability"][:, 0], wanted, atol=TOLERANCE)
    np.testing.assert_allclose(signature.probability_of(answer["embedding"]), wanted, atol=TOLERANCE)


def test_a_signature_served_is_the_one_that_was_fitted(tensorflow):
    from magsig_tf.seeding import generator_for
    from magsig_tf.serving.exporting.served_model import SparseSignature
    from magsig_tf.signatures.signature import fit_signature

    random = generator_for("served signature")
    label = np.arange(80) // 4 % 2
    embedding = random.normal(size=(80, 10)) + np.outer(label, [2, 0, 0, 1, 0, 0, 0, 0, 0, 0])
    fitted = fit_signature(embedding, label, np.arange(80) // 4, workers=1)
    names = ("indices", "coefficients", "intercept", "mean", "scale", "dimensions", "penalty")
    served = SparseSignature(**{name: getattr(fitted, name) for name in names})
    found = served.probability(tensorflow.constant(embedding, tensorflow.float32))
    np.testing.assert_allclose(found[:, 0], fitted.predict(embedding), atol=TOLERANCE)


def test_a_signature_that_was_not_asked_for_is_not_served(study, tensorflow):
    from magsig_tf.models.saved_model import load_saved_model
    from magsig_tf.serving.exporting.preprocessing import Preprocessing

    module = ServedModel(load_saved_model(study.folder / "model.keras"), Preprocessing(32)).module()
    assert set(module.embed(study.prepared.images[:1])) == {"embedding"}


def test_nothing_is_traced_again_for_another_number_or_size_of_images(study, tensorflow):
    from magsig_tf.models.saved_model import load_saved_model
    from magsig_tf.serving.exporting.preprocessing import Preprocessing

    module = ServedModel(load_saved_model(study.folder / "model.keras"), Preprocessing(32)).module()
    for number, height, width in ((1, 32, 32), (2, 32, 32), (5, 40, 30), (3, 64, 96)):
        images = np.zeros((number, height, width, 3), np.uint8)
        for name in ("serving_default", "embed", "gradcam"):
            getattr(module, name)(images)
        module.serving_float(images.astype(np.float32))
        module.serving_bytes(np.array([encoded_picture()] * number, object))
    assert {
        name: getattr(module, name).experimental_get_tracing_count() for name in ServedModel.signatures
    } == dict.fromkeys(ServedModel.signatures, 1)


def test_an_undecodable_row_is_an_error_that_names_it(loaded, tensorflow):
    with pytest.raises(tensorflow.errors.InvalidArgumentError, match=r"in the rows\] \[1\]"):
        loaded.ask("serving_bytes", image_bytes=np.array([encoded_picture(), b"no image"], object))


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_served_in_float32(tensorflow, precision):
    import keras

    from magsig_tf.models.classifier import build_classifier
    from magsig_tf.models.encoders.build_encoder import build_encoder
    from magsig_tf.serving.exporting.preprocessing import Preprocessing

    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(precision)
    try:
        module = ServedModel(
            build_classifier(build_encoder("small_cnn", (32, 32, 3), "none", 0), 0.2, 0), Preprocessing(32)
        ).module()
    finally:
        keras.mixed_precision.set_global_policy(before)
    images = picture(32, 32)[np.newaxis]
    for answer in (module.serving_default(images), module.embed(images), module.gradcam(images)):
        assert {value.dtype for value in answer.values()} <= {tensorflow.float32, tensorflow.string}
    heat = module.gradcam(images)["heat"].numpy()
    assert np.isfinite(heat).all()
    assert heat.max() <= 1


def read(tensorflow, path):
    records = tensorflow.data.TFRecordDataset(str(path)).as_numpy_iterator()
    return [prediction_log_pb2.PredictionLog.FromString(record) for record in records]


def test_every_signature_is_warmed_up_and_answers(exported, loaded, tensorflow):
    logs = read(tensorflow, exported.folder / "assets.extra" / "tf_serving_warmup_requests")
    assert [log.predict_log.request.model_spec.signature_name for log in logs] == list(ServedModel.signatures)
    for log in logs:
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.name == "tiny"
        inputs = {name: tensorflow.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        assert loaded.ask(request.model_spec.signature_name, **inputs)


def test_a_log_holds_what_was_put_in(tensorflow):
    from magsig_tf.serving.exporting.warm_up import prediction_log

    values = np.arange(400, dtype=np.float32).reshape(2, 200)
    log = prediction_log_pb2.PredictionLog.FromString(prediction_log("m" * 300, "embed", {"a": values, "b": values[0]}))
    request = log.predict_log.request
    assert request.model_spec.name == "m" * 300
    np.testing.assert_array_equal(tensorflow.make_ndarray(request.inputs["a"]), values)
    np.testing.assert_array_equal(tensorflow.make_ndarray(request.inputs["b"]), values[0])
    assert not log.predict_log.HasField("response")
