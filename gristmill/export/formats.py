"""The formats of a bundle: how each is written, and how it is loaded to predict without the code that trained it.

LiteRT and ONNX need extras of the package (`extras.py`), which are imported where they are asked for.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import is_zipfile

from gristmill.util.extras import require_extra

if TYPE_CHECKING:
    import keras
    import numpy.typing as npt

    Array = npt.NDArray[Any]

Predictor = Callable[["Array"], "Array"]

_LITE, _ONNX = ("export.formats: 'lite'", "lite"), ("export.formats: 'onnx'", "onnx")


@dataclass(frozen=True)
class Format:
    """Where a format lies in the bundle, and what writes and loads it there."""

    place: str
    write: Callable[["keras.Model", Path], None]
    load: Callable[[Path], Predictor]


def write_saved_model(network: "keras.Model", place: Path) -> None:
    """Write a SavedModel with the signature `serving_default`."""
    from gristmill.training.tf_disk_errors import translate_tf_disk_errors

    with translate_tf_disk_errors(place):
        network.export(place, format="tf_saved_model", verbose=False)


def load_saved_model(place: Path, encoded: bool = False) -> Predictor:
    """Return the signature `serving_default`; of several outputs the one of numbers.

    Where it is asked for, `serving_bytes` instead, which is given each of the images, uint8, as a PNG.
    """
    import tensorflow as tf

    from gristmill.training.saved_network import as_tensors

    loaded = tf.saved_model.load(place)

    def predict(inputs: "Array") -> "Array":
        signature = loaded.signatures["serving_bytes" if encoded else "serving_default"]
        given = tf.stack([tf.io.encode_png(image) for image in inputs]) if encoded else as_tensors(inputs)
        made = (signature(**given) if isinstance(given, dict) else signature(given)).values()
        numbers: Array = next(output for output in made if output.dtype.is_floating).numpy()
        return numbers

    return predict


def load_next_token(place: Path) -> Predictor:
    """Return the signature `probabilities` of a SavedModel that writes text: tokens, int32 (batch, n), to the next."""
    import tensorflow as tf

    loaded = tf.saved_model.load(place)

    def predict(inputs: "Array") -> "Array":
        made: Array = loaded.signatures["probabilities"](tokens=tf.constant(inputs))["probabilities"].numpy()
        return made

    return predict


def write_keras(network: "keras.Model", place: Path) -> None:
    """Write Keras's own file."""
    network.save(place)


def load_keras(place: Path) -> Predictor:
    """Return a Keras file's predictions; safe mode runs no code that it might hold."""
    import keras

    from gristmill.training.saved_network import as_tensors, translate_load_errors

    with translate_load_errors(place, "export"):
        if not is_zipfile(place):  # which Keras says is not there
            raise ValueError("no Keras archive")
        network = keras.models.load_model(place, compile=False, safe_mode=True)
    return lambda inputs: network.predict_on_batch(as_tensors(inputs))


def write_lite(network: "keras.Model", place: Path, quantized: bool = False) -> None:
    """Write a LiteRT file; its weights are int8 and its activations float where it is quantised (dynamic range)."""
    import tensorflow as tf

    require_extra(*_LITE)
    optimizations = [tf.lite.Optimize.DEFAULT] if quantized else []
    network.export(place, format="litert", verbose=False, optimizations=optimizations)


def load_lite(place: Path) -> Predictor:
    """Return a LiteRT file's predictions, on the CPU."""
    require_extra(*_LITE)
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(place))
    taken, given = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def predict(inputs: "Array") -> "Array":
        interpreter.resize_tensor_input(taken, inputs.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(taken, inputs)
        interpreter.invoke()
        numbers: Array = interpreter.get_tensor(given)
        return numbers

    return predict


def write_onnx(network: "keras.Model", place: Path) -> None:
    """Write an ONNX file."""
    require_extra(*_ONNX)
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of what Keras asks NumPy for
        network.export(place, format="onnx", verbose=False)


def load_onnx(place: Path) -> Predictor:
    """Return an ONNX file's predictions, on the CPU."""
    require_extra(*_ONNX)
    from onnxruntime import InferenceSession

    session = InferenceSession(place, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def predict(inputs: "Array") -> "Array":
        numbers: Array = session.run(None, {name: inputs})[0]
        return numbers

    return predict


FORMATS = {
    "saved_model": Format("saved_model", write_saved_model, load_saved_model),
    "serving_bytes": Format("saved_model", write_saved_model, partial(load_saved_model, encoded=True)),  # of images
    "next_token": Format("saved_model", write_saved_model, load_next_token),  # of generation
    "keras": Format("model.keras", write_keras, load_keras),
    "lite": Format("model.tflite", write_lite, load_lite),
    "lite_quantized": Format("model_quantized.tflite", partial(write_lite, quantized=True), load_lite),
    "onnx": Format("model.onnx", write_onnx, load_onnx),
}
