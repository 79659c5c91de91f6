"""Warm-up requests in a SavedModel: TensorFlow Serving sends them through a model before it serves it.

The file is a TFRecord of `PredictionLog` messages. TensorFlow has no class for them, because they belong to the package
tensorflow-serving-api, so they are written here in the wire format of protocol buffers. All of their fields are strings
or messages: a tag, the number of bytes, and the bytes.

See https://www.tensorflow.org/tfx/serving/saved_model_warmup and `tensorflow_serving/apis/*.proto`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FILE = "assets.extra/tf_serving_warmup_requests"  # in a SavedModel

_PREDICT_LOG, _REQUEST = 6, 1  # PredictionLog.predict_log, PredictLog.request
_MODEL_SPEC, _INPUTS = 1, 2  # PredictRequest
_SIGNATURE_NAME = 3  # ModelSpec
_KEY, _VALUE = 1, 2  # entry of a map
_BYTES = 2  # wire type of strings and messages


def write(saved_model: Path, requests: Mapping[str, Mapping[str, Any]]) -> None:
    """Write one record for each signature, given arrays by the name of the input."""
    import tensorflow as tf

    from gristmill.training.tf_disk_errors import translate_tf_disk_errors

    path = saved_model / FILE
    path.parent.mkdir()
    with translate_tf_disk_errors(path), tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests.items():
            tensors = {name: tf.make_tensor_proto(values).SerializeToString() for name, values in inputs.items()}
            writer.write(encode(signature, tensors))


def read(saved_model: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield the signature of each record and its serialised tensors by the name of the input."""
    import tensorflow as tf

    for record in tf.data.TFRecordDataset(str(saved_model / FILE)).as_numpy_iterator():
        yield decode(record)


def encode(signature: str, tensors: Mapping[str, bytes]) -> bytes:
    """Return a `PredictionLog` with a request, given serialised `TensorProto` messages by the name of the input."""
    entries = (_field(_KEY, name.encode()) + _field(_VALUE, tensors[name]) for name in sorted(tensors))
    spec = _field(_MODEL_SPEC, _field(_SIGNATURE_NAME, signature.encode()))
    request = spec + b"".join(_field(_INPUTS, entry) for entry in entries)
    return _field(_PREDICT_LOG, _field(_REQUEST, request))


def decode(record: bytes) -> tuple[str, dict[str, bytes]]:
    """Return the signature and the serialised tensors of a `PredictionLog`, the opposite of `encode`."""
    request = _fields(dict(_fields(dict(_fields(record))[_PREDICT_LOG]))[_REQUEST])
    entries = [dict(_fields(content)) for number, content in request if number == _INPUTS]
    signature = dict(_fields(dict(request)[_MODEL_SPEC]))[_SIGNATURE_NAME]
    return signature.decode(), {entry[_KEY].decode(): entry[_VALUE] for entry in entries}


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Return a number in groups of seven bits, the lowest first; all but the last group have the highest bit set."""
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def _fields(message: bytes) -> list[tuple[int, bytes]]:
    """Return the number and the content of each field of a message."""
    fields, at = [], 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        size, at = _read_varint(message, at)
        if tag & 7 != _BYTES or at + size > len(message):
            raise ValueError(f"warm-up record: field {tag >> 3} is no complete string or message")
        fields.append((tag >> 3, message[at : at + size]))
        at += size
    return fields


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    """Return the number at a position, and the position after it."""
    number = shift = 0
    while True:
        group = message[at]
        number |= (group & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not group & 0x80:
            return number, at
