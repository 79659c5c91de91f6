"""Export: the tested network as a bundle that takes raw values, proved in a fresh process."""

from pathlib import Path

import numpy as np

from gristmill import network as networks
from gristmill.bundle import check_parity, export_network
from gristmill.tables import read_document, read_table, write_document
from gristmill.timeseries import prepared
from gristmill.timeseries.prepared import MODEL, Layout
from gristmill.timeseries.settings import Export


def export(*, export: Export, preprocess: Path, train: Path, evaluate: Path, out: Path) -> dict[str, int]:
    """Write the network in each format and publish it only if every one predicts what was scored.

    Writes `saved_model/`, `model.keras`, `signature.json` and `scores.json` (with the parity difference).

    Raises:
        ParityError: a reloaded model predicts something else.
    """
    data = prepared.read(preprocess)
    export_network(networks.read(train), export.formats, out)
    predictions = read_table(evaluate / "predictions.parquet")
    scored = predictions.loc[predictions["part"] == "test", MODEL].to_numpy(np.float32).reshape(-1, data.layout.horizon)
    difference = check_parity(
        out, export.formats, data.histories("test"), scored, export.tolerance * data.layout.deviation
    )
    write_document(out / "signature.json", signature(data.layout, export))
    write_document(out / "scores.json", read_document(evaluate / "scores.json") | {"parity": difference})
    return {"formats": len(export.formats), "parity_windows": len(scored)}


def signature(layout: Layout, settings: Export) -> dict[str, object]:
    """Return what a caller must know to use the model."""
    return {
        "input": {
            "name": "history",
            "dtype": "float32",
            "shape": [None, layout.history],
            "holds": f"the last {layout.history} values of {layout.target}",
        },
        "output": {"dtype": "float32", "shape": [None, layout.horizon], "holds": f"the next {layout.horizon} values"},
        "target": layout.target,
        "frequency": layout.frequency,
        "history": layout.history,
        "horizon": layout.horizon,
        "formats": list(settings.formats),
    }
