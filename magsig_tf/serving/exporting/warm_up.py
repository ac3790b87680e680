"""The requests that warm a served model up, as TensorFlow Serving reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

# numbers of fields in tensorflow_serving/apis: prediction_log.proto, predict.proto, model.proto
_LOG_PREDICT, _PREDICT_REQUEST = 6, 1
_REQUEST_MODEL, _REQUEST_INPUTS = 1, 2
_MODEL_NAME, _MODEL_SIGNATURE = 1, 3
_MAP_KEY, _MAP_VALUE = 1, 2


def write_warm_up(folder: Path, model: str, requests: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Write the requests that TensorFlow Serving sends to a new version before the first client does.

    The file is a TFRecord of `PredictionLog` messages. They are written by hand: the package that defines them,
    tensorflow-serving-api, is wanted by tests and clients, not by everyone who exports. A test reads them with it.

    Args:
        folder: The version's `assets.extra`, where it is looked for.
        model: Name of the model.
        requests: Arrays by name for each signature.
    """
    with tf.io.TFRecordWriter(str(folder / "tf_serving_warmup_requests")) as writer:
        for signature, inputs in requests.items():
            writer.write(prediction_log(model, signature, inputs))


def prediction_log(model: str, signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    """Return a `PredictionLog` message that holds one `PredictRequest`.

    Args:
        model: Name of the model.
        signature: Name of the signature.
        inputs: Arrays by name.
    """
    spec = _field(_MODEL_NAME, model.encode()) + _field(_MODEL_SIGNATURE, signature.encode())
    request = _field(_REQUEST_MODEL, spec)
    for name, values in inputs.items():
        tensor = tf.make_tensor_proto(values).SerializeToString()
        request += _field(_REQUEST_INPUTS, _field(_MAP_KEY, name.encode()) + _field(_MAP_VALUE, tensor))
    return _field(_LOG_PREDICT, _field(_PREDICT_REQUEST, request))


def _field(number: int, content: bytes) -> bytes:
    """Return a field of the length-delimited kind (protobuf's wire type 2)."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
