"""Export: the scored network as a bundle that takes raw values, checked in a fresh process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.export import class_facts, write_classifier
from gristmill.domains.common.classification.predictions import scored_probabilities
from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.dataset import PARTS, Inputs, Layout, Prepared, Values
from gristmill.domains.tabular.encoder import RowModel
from gristmill.domains.tabular.settings import Export
from gristmill.export import bundle, model_card, saved_model
from gristmill.export.bundle import check_parity, check_same_as_scored, export_network
from gristmill.export.formats import FORMATS
from gristmill.export.kit import Sample, pick_rows
from gristmill.scores import MODEL, write_exported
from gristmill.settings.number_text import format_numbers
from gristmill.training.named_arrays import split_arrays
from gristmill.training.saved_network import BATCH_ROWS
from gristmill.util.table_io import read_table, write_document

_MAX_ROWS_COMPARED = 10 * BATCH_ROWS  # whole batches: the last digits of a prediction depend on its batch
_SIGNATURE = "inputs -> probabilities, classes (their names, in the same order) and label (the predicted name)"
_HOLDS = {
    "numbers": "raw values, row by row; NaN for an empty cell",
    "categories": "names, row by row; an empty text for an empty cell",
    "dates": "ISO dates or times, such as 2024-03-01T16:30; an empty text for an empty cell",
    "texts": "short texts; an empty text for an empty cell",
}


def export(*, export: Export, preprocess: Path, train: Path, evaluate: Path, out: Path) -> dict[str, int]:
    """Write the network in each format, and check that each format reproduces the scored predictions.

    Each must also repeat the network's predictions of rows with empty and unknown cells.

    Writes `saved_model/`, `model.keras`, `signature.json`, `scores.json` (with the parity difference), the export kit
    and the model card.

    Raises:
        ParityError: the predictions of a reloaded model differ.
    """
    with bundle.fresh_process() as reload:
        keras.backend.clear_session()  # names of variables must not depend on other work of this process
        # 1. Read the model, and check that it is the one that was scored.
        data, model, decision = dataset.read(preprocess), RowModel.read(train), Decision.read(evaluate)
        inputs = data.inputs_at(data.at("test")[:_MAX_ROWS_COMPARED])
        predicted = model.predict(inputs)
        check_same_as_scored(predicted, scored_on_test(data, evaluate)[:_MAX_ROWS_COMPARED], tolerance=0)
        # 2. Write the formats.
        write_formats(model, data.layout.classes, decision, export.formats, out)
        # 3. Compare the predictions of each format, for unusual rows too.
        tolerance = export.tolerance * (1.0 if data.layout.classes else float(data.truth[data.at("train")].std()))
        unusual = unusual_rows(data)
        expected = np.concatenate([predicted, model.predict(unusual)]).astype(np.float32)
        expected = expected.reshape(len(expected), -1)
        compared = np.concatenate([inputs, unusual])
        decide = decision.labels if data.layout.classes else None
        rows = pick_rows(inputs)
        request = dict(zip(data.layout.inputs_by_role, split_arrays(inputs[rows]).values(), strict=True))
        sample = Sample({"serving_default": request}, expected[rows])
        difference = check_parity(reload, out, export.formats, compared, expected, tolerance, decide, sample)
    write_document(out / "signature.json", signature(data.layout, export) | decision.as_json())
    write_exported(out, evaluate, parity=difference)
    model_card.write(out, facts(data, model, evaluate), train)
    return {"formats": len(export.formats), "parity_rows": len(inputs)}


def unusual_rows(data: Prepared) -> Inputs:
    """Return rows that the test set may lack: with every cell empty, unknown names, and times with an offset."""
    layout, columns = data.layout, dict[str, list[Any]]()
    for role, names in layout.inputs_by_role.items():
        for name in names:
            if role == "numbers":
                columns[name] = [np.nan, *[layout.median.get(name, 0.0)] * 2]
                continue
            known = str(data.table[name].max())  # an empty text is below all others
            others = [known, f"{known[:10]}T23:30+05:30"] if role == "dates" else ["(unknown)", known]
            columns[name] = ["", *others]
    return layout.inputs(pd.DataFrame(columns))


def write_formats(model: RowModel, classes: list[str], decision: Decision, formats: Sequence[str], out: Path) -> None:
    """Write each format; of classes, the SavedModel also returns their names and the predicted one."""
    if classes and "saved_model" in formats:
        inputs = saved_model.input_specs(model.network)
        write_classifier(model, inputs, classes, decision, out / FORMATS["saved_model"].path)
        formats = [form for form in formats if form != "saved_model"]
    export_network(model.network, formats, out)


def facts(data: Prepared, model: RowModel, evaluate: Path) -> model_card.Facts:
    """Return the facts of the model card."""
    layout = data.layout
    inputs = [f"{role}: {', '.join(f'`{name}`' for name in names)}" for role, names in layout.inputs_by_role.items()]
    shared: dict[str, Any] = {
        "title": f"Prediction of {layout.target}",
        "use": f"Predicts `{layout.target}` of a row from its {'; '.join(inputs)}.",
        "parameters": model.parameters,
        "block": int(layout.ordered),  # neighbours in time may have similar errors
    }
    notes = ["Rows are in the order of time; later ones validate and test."] if layout.ordered else []
    if layout.group:
        notes.append(f"Rows with the same `{layout.group}` are in one part.")
    limits = ["An unknown category counts as any other unknown one, and an empty number as the median."]
    if layout.classes:
        task = "tabular-classification"
        return class_facts(data.labelled, evaluate, noun="rows", task=task, notes=notes, limits=limits, **shared)
    trained, truth = data.truth[data.at("train")], data.truth[data.at("test")]
    low, high = format_numbers([trained.min(), trained.max()])
    return model_card.Facts(
        task="tabular-regression",
        data=notes,
        parts={part: {"rows": f"{len(rows):,}"} for part in PARTS if len(rows := data.at(part))},
        limits=[*limits, f"In the training set, `{layout.target}` is between {low} and {high}."],
        losses=np.abs(scored_on_test(data, evaluate) - truth),
        **shared,
    )


def scored_on_test(data: Prepared, evaluate: Path) -> Values:
    """Return the predictions of the test set that were scored: numbers (rows,), or probabilities (rows, classes)."""
    if data.layout.classes:
        return scored_probabilities(data.layout.classes, evaluate)
    predictions = read_table(evaluate / "predictions.parquet")
    return predictions.loc[predictions["part"] == "test", MODEL].to_numpy()


def signature(layout: Layout, settings: Export) -> dict[str, Any]:
    """Return inputs and output of the model, for its users."""
    inputs = {}
    for role, columns in layout.inputs_by_role.items():
        dtype = "float32" if role == "numbers" else "string"
        inputs[role] = {"dtype": dtype, "shape": [None, len(columns)], "columns": columns, "holds": _HOLDS[role]}
    classes = layout.classes
    outputs = classes or [layout.target]
    holds = "the probability of each class" if classes else "in its own units"
    return {
        "inputs": inputs,
        "output": {"dtype": "float32", "shape": [None, len(outputs)], "columns": outputs, "holds": holds},
        "target": layout.target,
        "classes": classes,
        "names": layout.categories,
        "formats": list(settings.formats),
    } | ({"signatures": {"serving_default": _SIGNATURE}} if classes else {})
