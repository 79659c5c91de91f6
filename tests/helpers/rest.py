"""A stand-in of TensorFlow Serving: `predict` of its REST API, answered by the SavedModels of a folder.

Requests and answers have the form that https://www.tensorflow.org/tfx/serving/api_rest describes.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any


@contextmanager
def serving(models: Path) -> Iterator[str]:
    """Serve `models/NAME/NUMBER` on loopback, the highest number of each; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            name = self.path.removeprefix("/v1/models/").removesuffix(":predict")
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps({"predictions": predicted(newest(models / name), request)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def newest(versions: Path) -> Path:
    return max(versions.iterdir(), key=lambda folder: int(folder.name))


def predicted(model: Path, request: dict[str, Any]) -> list[Any]:
    """Return an answer a row of `instances`: values, or an object where there is more than one output."""
    import tensorflow as tf

    loaded = tf.saved_model.load(model)
    signature = loaded.signatures[request.get("signature_name", "serving_default")]
    _, specs = signature.structured_input_signature
    rows = [
        row if isinstance(row, dict) and set(row) == set(specs) else dict.fromkeys(specs, row)
        for row in request["instances"]
    ]
    inputs = {name: tf.constant([_value(row[name]) for row in rows], spec.dtype) for name, spec in specs.items()}
    outputs = {name: tensor.numpy().tolist() for name, tensor in signature(**inputs).items()}
    answers = [{name: _text(values[row]) for name, values in outputs.items()} for row in range(len(rows))]
    return answers if len(outputs) > 1 else [next(iter(answer.values())) for answer in answers]


def _value(given: Any) -> Any:
    """Return a value as it is, bytes from their base64."""
    return base64.b64decode(given["b64"]) if isinstance(given, dict) else given


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [_text(inner) for inner in value]
    return value.decode() if isinstance(value, bytes) else value
