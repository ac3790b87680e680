"""The warm-up file, read by the package that defines its messages."""

from __future__ import annotations

import numpy as np
from tensorflow_serving.apis import prediction_log_pb2

from magsig_tf.serving.exporting.served_model import SIGNATURES


def read(tensorflow, path):
    records = tensorflow.data.TFRecordDataset(str(path)).as_numpy_iterator()
    return [prediction_log_pb2.PredictionLog.FromString(record) for record in records]


def test_every_signature_is_warmed_up_and_answers(exported, loaded, tensorflow):
    logs = read(tensorflow, exported.folder / "assets.extra" / "tf_serving_warmup_requests")
    assert [log.predict_log.request.model_spec.signature_name for log in logs] == list(SIGNATURES)
    for log in logs:
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.name == "tiny"
        inputs = {name: tensorflow.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        assert loaded.ask(request.model_spec.signature_name, **inputs)


def test_a_log_holds_what_was_put_in(tensorflow):
    from magsig_tf.serving.exporting.served_model import prediction_log

    values = np.arange(400, dtype=np.float32).reshape(2, 200)
    log = prediction_log_pb2.PredictionLog.FromString(prediction_log("m" * 300, "embed", {"a": values, "b": values[0]}))
    request = log.predict_log.request
    assert request.model_spec.name == "m" * 300
    np.testing.assert_array_equal(tensorflow.make_ndarray(request.inputs["a"]), values)
    np.testing.assert_array_equal(tensorflow.make_ndarray(request.inputs["b"]), values[0])
    assert not log.predict_log.HasField("response")
