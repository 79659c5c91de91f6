"""Export: the scored network as a bundle that takes raw values, checked in a fresh process."""

from pathlib import Path
from typing import Any

import numpy as np

from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.dataset import Layout
from gristmill.domains.tabular.encoder import predict_target
from gristmill.domains.tabular.settings import Export
from gristmill.export import bundle
from gristmill.export.bundle import check_parity, check_same_as_scored, export_network
from gristmill.runs.scores import MODEL, write_exported
from gristmill.training import saved_network
from gristmill.util.table_io import read_table, write_document

_MAX_ROWS_COMPARED = 10_000


def export(*, export: Export, preprocess: Path, train: Path, evaluate: Path, out: Path) -> dict[str, int]:
    """Write the network in each format, and check that each format reproduces the scored predictions.

    Writes `saved_model/`, `model.keras`, `signature.json` and `scores.json` (with the parity difference).

    Raises:
        ParityError: the predictions of a reloaded model differ.
    """
    with bundle.fresh_process() as reload:
        data, network = dataset.read(preprocess), saved_network.read(train)
        inputs = data.inputs
        predicted = predict_target(network, inputs)
        scored = read_table(evaluate / "predictions.parquet")[MODEL].to_numpy()
        fitted = data.parts != "validation"  # those rows were predicted without the rows of the validation set
        check_same_as_scored(predicted[fitted], scored[fitted], tolerance=0)
        export_network(network, export.formats, out)
        rows = np.flatnonzero(data.parts == "test")[:_MAX_ROWS_COMPARED]
        tolerance = export.tolerance * float(data.truth[data.parts == "train"].std())
        expected = predicted[rows, np.newaxis].astype(np.float32)
        difference = check_parity(reload, out, export.formats, inputs[rows], expected, tolerance)
    write_document(out / "signature.json", signature(data.layout, export))
    write_exported(out, evaluate, parity=difference)
    return {"formats": len(export.formats), "parity_rows": len(rows)}


def signature(layout: Layout, settings: Export) -> dict[str, Any]:
    """Return inputs and output of the model, for its users."""
    taken = {"numbers": ("float32", layout.numbers), "categories": ("string", list(layout.categories))}
    return {
        "inputs": {
            name: {"dtype": dtype, "shape": [None, len(columns)], "columns": columns, "holds": "raw values, row by row"}
            for name, (dtype, columns) in taken.items()
            if columns
        },
        "output": {"dtype": "float32", "shape": [None, 1], "columns": [layout.target], "holds": "in its own units"},
        "target": layout.target,
        "names": layout.categories,
        "formats": list(settings.formats),
    }
