"""The formats of a bundle: how each is written, and loaded for prediction without the training code.

LiteRT and ONNX need extras of the package (`util/extras.py`), which are imported where they are used.
"""

import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary
from zipfile import ZipFile, ZipInfo, is_zipfile

from gristmill.export import saved_model
from gristmill.util.extras import require_extra

if TYPE_CHECKING:
    import keras
    import numpy.typing as npt

    Array = npt.NDArray[Any]

Predictor = Callable[["Array"], "Array"]
Outputs = Callable[["Array"], dict[str, "Array"]]  # from raw inputs to the outputs of a model, by name

_LITE, _ONNX = ("export.formats: 'lite'", "lite"), ("export.formats: 'onnx'", "onnx")


@dataclass(frozen=True)
class Format:
    """A format: its path in the bundle, and the functions that write and load it."""

    path: str
    write: Callable[["keras.Model", Path], None]
    load: Callable[[Path], Predictor]


def write_saved_model(network: "keras.Model", path: Path) -> None:
    """Write a SavedModel with the signature `serving_default`."""
    saved_model.write(path, {"serving_default": (network, saved_model.input_specs(network))}, [network])


def load_saved_model(path: Path, signature: str = "serving_default") -> Predictor:
    """Return the predictor of one signature: its first output of floats.

    The signature `serving_bytes` gets each image, uint8, encoded as a PNG.
    """
    outputs = outputs_of(open_saved_model(path), signature)
    return lambda inputs: next(output for output in outputs(inputs).values() if output.dtype.kind == "f")


def load_labelled(path: Path) -> Predictor:
    """Return the predictor of a classifier's probabilities, followed by the position of its label, or -1."""
    outputs = outputs_of(open_saved_model(path), "serving_default")

    def predict(inputs: "Array") -> "Array":
        import numpy as np

        answer = outputs(inputs)
        is_label = answer["classes"] == answer["label"][:, np.newaxis]
        labels = np.where(is_label.any(axis=1), is_label.argmax(axis=1), -1)
        return np.column_stack([answer["probabilities"], labels.astype(np.float32)])

    return predict


def open_saved_model(path: Path) -> Any:
    """Return a SavedModel as TensorFlow loads it: the same object for the same path while one is in use."""
    import tensorflow as tf

    loaded = _open.get(path)
    if loaded is None:
        loaded = _open[path] = tf.saved_model.load(path)
    return loaded


def outputs_of(loaded: Any, signature: str) -> Outputs:
    """Return the function from raw inputs to the outputs of a signature of a loaded SavedModel, by name."""

    def call(inputs: "Array") -> dict[str, "Array"]:
        import tensorflow as tf

        from gristmill.training.saved_network import as_tensors

        pixels = signature == "serving_bytes" and inputs.dtype.kind == "u"
        arguments = tf.stack([tf.io.encode_png(image) for image in inputs]) if pixels else as_tensors(inputs)
        function = loaded.signatures[signature]
        results = function(**arguments) if isinstance(arguments, dict) else function(arguments)
        return {name: output.numpy() for name, output in results.items()}

    return call


_open: WeakValueDictionary[Path, Any] = WeakValueDictionary()


def write_keras(network: "keras.Model", path: Path) -> None:
    """Write a `.keras` file that is the same for equal networks: without the date, and without memory addresses."""
    network.save(path)
    saved = path.rename(path.with_suffix(".tmp"))
    numbers: dict[int, int] = {}

    def numbered(properties: dict[str, Any]) -> dict[str, Any]:
        if "shared_object_id" in properties:  # the address of an object that several layers share
            properties["shared_object_id"] = numbers.setdefault(properties["shared_object_id"], len(numbers))
        return properties

    with ZipFile(saved) as archive, ZipFile(path, "w") as written:
        for entry in archive.infolist():
            copied = ZipInfo(entry.filename)  # from 1980
            copied.file_size = entry.file_size
            with archive.open(entry) as source, written.open(copied, "w") as target:
                if entry.filename in ("metadata.json", "config.json"):
                    content = json.load(source, object_hook=numbered)
                    content.pop("date_saved", None)
                    target.write(json.dumps(content).encode())
                else:
                    shutil.copyfileobj(source, target)
    saved.unlink()


def load_keras(path: Path) -> Predictor:
    """Return the predictor of a `.keras` file."""
    from gristmill.training.saved_network import as_tensors

    network = open_keras(path)
    return lambda inputs: network.predict_on_batch(as_tensors(inputs))


def open_keras(path: Path) -> "keras.Model":
    """Return the network of a `.keras` file; Keras's safe mode runs no code of the file."""
    import keras

    from gristmill.training.saved_network import translate_load_errors

    with translate_load_errors(path, "export"):
        if not is_zipfile(path):  # Keras would say that the file does not exist
            raise ValueError("no Keras archive")
        return keras.models.load_model(path, compile=False, safe_mode=True)


def write_lite(network: "keras.Model", path: Path, quantized: bool = False) -> None:
    """Write a LiteRT file; quantised (dynamic range), its weights are int8 and its activations float."""
    import tensorflow as tf

    require_extra(*_LITE)
    optimizations = [tf.lite.Optimize.DEFAULT] if quantized else []
    network.export(path, format="litert", verbose=False, optimizations=optimizations)


def load_lite(path: Path) -> Predictor:
    """Return the predictor of a LiteRT file, on the CPU."""
    require_extra(*_LITE)
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    input_index = interpreter.get_input_details()[0]["index"]
    output_index = interpreter.get_output_details()[0]["index"]

    def predict(inputs: "Array") -> "Array":
        interpreter.resize_tensor_input(input_index, inputs.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(input_index, inputs)
        interpreter.invoke()
        outputs: Array = interpreter.get_tensor(output_index)
        return outputs

    return predict


def write_onnx(network: "keras.Model", path: Path) -> None:
    """Write an ONNX file."""
    require_extra(*_ONNX)
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # raised by Keras's use of NumPy
        network.export(path, format="onnx", verbose=False)


def load_onnx(path: Path) -> Predictor:
    """Return the predictor of an ONNX file, on the CPU."""
    require_extra(*_ONNX)
    from onnxruntime import InferenceSession

    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda inputs: session.run(None, {name: inputs})[0]


FORMATS = {
    "saved_model": Format("saved_model", write_saved_model, load_saved_model),
    "keras": Format("model.keras", write_keras, load_keras),
    "lite": Format("model.tflite", write_lite, load_lite),
    "lite_quantized": Format("model_quantized.tflite", partial(write_lite, quantized=True), load_lite),
    "onnx": Format("model.onnx", write_onnx, load_onnx),
}
LABELLED = "labelled"  # with the label
VIEWS: dict[str, Callable[[Path], Predictor]] = {  # other predictors of a SavedModel
    LABELLED: load_labelled,
    "serving_bytes": partial(load_saved_model, signature="serving_bytes"),
    "next_token": partial(load_saved_model, signature="probabilities"),
}
