"""Export: the scored classifier as a bundle that takes uint8 pixels, checked in a fresh process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.export import class_facts
from gristmill.domains.common.classification.predictions import Probabilities, scored_probabilities
from gristmill.domains.common.classification.scores import accuracy
from gristmill.domains.vision import dataset, serving
from gristmill.domains.vision.dataset import Layout, Prepared
from gristmill.domains.vision.efficientnet_lite import CREDIT, is_part_of
from gristmill.domains.vision.image_classifier import ImageClassifier
from gristmill.domains.vision.settings import Export
from gristmill.export import bundle, model_card
from gristmill.export.bundle import check_parity, check_same_as_scored, export_network, predict_in_blocks
from gristmill.export.formats import FORMATS
from gristmill.export.kit import Sample, pick_rows
from gristmill.scores import write_exported
from gristmill.util.table_io import write_document

QUANTIZED = "lite_quantized"  # written together with `lite`

_IMAGE = "image -> probabilities, classes (their names, in the same order) and label (the predicted name)"
_ENCODED = (
    "encoded -> the same, from the bytes of JPEG, PNG, WebP, BMP or GIF files, resized like training photos; a "
    "probability may differ by a few hundredths from that of `image`. A JPEG is turned upright by its EXIF "
    "orientation. Turn other files that have one, and convert a BMP with a palette or transparency, a GIF with "
    "transparency, and a PNG with a transparent colour instead of an alpha channel"
)
_MAX_IMAGES_COMPARED, _MAX_BYTES_COMPARED = 1000, 64 << 20


def export(*, export: Export, preprocess: Path, train: Path, evaluate: Path, out: Path) -> dict[str, int]:
    """Write the network in each format, and check that each format reproduces the scored predictions.

    Writes the requested formats (`saved_model/`, `model.keras`, `model.tflite` with `model_quantized.tflite`,
    `model.onnx`), `signature.json`, `scores.json` with the parity difference and scores of the quantised network, the
    export kit, and the model card.

    Raises:
        ParityError: the predictions of a reloaded model differ.
        RequestError: the extra that a format needs is not installed.
    """
    formats = export.formats
    with bundle.fresh_process() as reload:
        # 1. Check that the network still gives the scored predictions.
        keras.backend.clear_session()  # names of variables must not depend on other work of this process
        data, model = dataset.read(preprocess), ImageClassifier.read(train)
        layout, decision = data.layout, Decision.read(evaluate)
        scored = scored_probabilities(data.classes, evaluate)
        count = max(1, min(_MAX_IMAGES_COMPARED, _MAX_BYTES_COMPARED // layout.bytes_per_image))
        pixels, scored_rows = next(data.dataset("test", batch=count).as_numpy_iterator())[0], scored[:count]
        check_same_as_scored(predict_in_blocks(model.predict)(pixels), scored_rows, export.tolerance)

        # 2. Write each format, and check it too.
        if "saved_model" in formats:
            serving.write(model, layout, decision, out / FORMATS["saved_model"].path)
        others = [form for form in formats if form != "saved_model"]
        export_network(model.network, [*others, QUANTIZED] if "lite" in formats else others, out)
        checked = [*formats, *(["serving_bytes"] if "saved_model" in formats else [])]
        rows = pick_rows(pixels)  # as PNG files and, for the warm-up, as pixels too
        files = np.array([tf.io.encode_png(image).numpy() for image in pixels[rows]], object)
        inputs = {"serving_bytes": {"encoded": files}, "serving_default": {"image": pixels[rows]}}
        sample = Sample(inputs, scored_rows[rows])
        parity = check_parity(reload, out, checked, pixels, scored_rows, export.tolerance, decision.labels, sample)

    # 3. Describe the model.
    quantized = {QUANTIZED: quantized_scores(out, data, scored, decision)} if "lite" in formats else {}
    write_document(out / "signature.json", signature(layout, formats) | decision.as_json())
    write_exported(out, evaluate, parity=parity, **quantized)
    size = f"{layout.width} x {layout.height} pixels"
    convertible = "`signatures` in `signature.json` says which image files must be converted before they are sent."
    facts = class_facts(
        data,
        evaluate,
        title="Classifier of images",
        noun="images",
        task="image-classification",
        use=f"Classifies {_colour(layout)} images of {size}." + f" {CREDIT}" * is_part_of(model.network),
        parameters=model.parameters,
        notes=[f"Photos were resized to {size} (`{layout.fit}`)."],
        limits=[convertible if "saved_model" in formats else f"Resize images to {size} before you send them."],
    )
    model_card.write(out, facts, train)
    return {"formats": len(formats), "parity_images": len(pixels)}


def quantized_scores(out: Path, data: Prepared, scored: Probabilities, decision: Decision) -> dict[str, float]:
    """Compare the quantised network with the scored one on the test set."""
    model = bundle.load(out, QUANTIZED)
    truth = data.labels("test")
    predicted = np.concatenate([model(pixels) for pixels, _ in data.dataset("test").as_numpy_iterator()])
    labels, scored_labels = decision.labels(predicted), decision.labels(scored)
    return {
        "accuracy": accuracy(truth, labels),
        "float_accuracy": accuracy(truth, scored_labels),
        "same_label": accuracy(scored_labels, labels),  # share of the images
        "largest_difference": float(np.abs(predicted - scored).max()),  # of a probability
    }


def signature(layout: Layout, formats: Sequence[str]) -> dict[str, Any]:
    """Return inputs and outputs of the model, for its users."""
    described: dict[str, Any] = {
        "input": {
            "name": "image",
            "dtype": "uint8",
            "shape": [None, *layout.shape.image],
            "holds": f"{_colour(layout)} from 0 to 255, resized by {layout.fit}",
        },
        "output": {
            "dtype": "float32",
            "shape": [None, len(layout.classes)],
            "columns": layout.classes,
            "holds": "the probability of each class",
        },
        "classes": layout.classes,
        "size": [layout.height, layout.width],
        "channels": layout.channels,
        "fit": layout.fit,
        "formats": list(formats),
    }
    if "saved_model" in formats:
        described["signatures"] = {"serving_default": _IMAGE, "serving_bytes": _ENCODED}
    return described


def _colour(layout: Layout) -> str:
    return "grey" if layout.channels == 1 else "RGB"
