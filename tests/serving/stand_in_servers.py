"""Stand-ins for TensorFlow Serving: they answer with an exported model, over real gRPC and over HTTP."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import threading
from collections.abc import Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from magsig_tf.serving.exported_model import ExportedModel

NAME = "grl-400x"
_PATH = re.compile(rf"/v1/models/{NAME}(/versions/1|/labels/stable)?:predict")


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """`Predict` of an exported model: tensors in, tensors out.

    Args:
        model: The export.
    """

    def __init__(self, model: ExportedModel):
        self.model = model

    def Predict(self, request, context):
        """Answer a `PredictRequest` with a `PredictResponse`."""
        if request.model_spec.name != NAME:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found: {request.model_spec.name}")
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        try:
            answer = self.model.ask(request.model_spec.signature_name or "serving_default", **inputs)
        except tf.errors.InvalidArgumentError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
        response = predict_pb2.PredictResponse(model_spec=request.model_spec)
        for name, values in answer.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(values))
        return response


@contextlib.contextmanager
def grpc_server(model: ExportedModel) -> Iterator[str]:
    """Serve a model over gRPC; yields host and port."""
    server = grpc.server(futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService(model), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def answer_rows(model: ExportedModel, request: dict) -> dict:
    """Answer a request of the REST API in its row format, by the rules of TensorFlow Serving's api_rest.md.

    Each instance is a mapping of inputs, or the value of the only input; `{"b64": ...}` stands for bytes. Each
    prediction is a mapping of outputs, or the value of the only output.
    """
    name = request.get("signature_name", "serving_default")
    specs = model.loaded.signatures[name].structured_input_signature[1]
    rows = [
        row if isinstance(row, dict) and "b64" not in row else {next(iter(specs)): row} for row in request["instances"]
    ]
    inputs = {key: _stacked([row[key] for row in rows], spec.dtype) for key, spec in specs.items()}
    answer = {key: _plain(values) for key, values in model.ask(name, **inputs).items()}
    predictions = [dict(zip(answer, row, strict=True)) for row in zip(*answer.values(), strict=True)]
    if len(answer) == 1:
        predictions = [next(iter(row.values())) for row in predictions]
    return {"predictions": predictions}


@contextlib.contextmanager
def rest_server(model: ExportedModel) -> Iterator[str]:
    """Serve a model over HTTP; yields the address of its models."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                code, answer = (
                    (200, answer_rows(model, request)) if _PATH.fullmatch(self.path) else (404, {"error": ""})
                )
            except tf.errors.InvalidArgumentError as error:
                code, answer = 400, {"error": error.message}
            body = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/models"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _stacked(values: list, dtype: tf.DType) -> np.ndarray:
    if dtype == tf.string:
        return np.array([base64.b64decode(value["b64"]) for value in values], object)
    return np.array(values, dtype.as_numpy_dtype)


def _plain(values: np.ndarray) -> list:
    return [value.decode() for value in values] if values.dtype == object else values.tolist()
