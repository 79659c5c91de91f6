"""A bundle holds the network that was scored, and one that is not is refused."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from gristmill import bundle
from gristmill.errors import ParityError
from gristmill.tables import read_document, read_table, write_table
from gristmill.timeseries import prepared
from gristmill.timeseries.export import export
from gristmill.timeseries.settings import Export

pytest_plugins = ["small_runs"]

Folders = dict[str, Path]


@pytest.mark.slow
def test_a_bundle_holds_both_formats_the_signature_and_the_scores(exported: Folders) -> None:
    assert {path.name for path in exported["export"].iterdir()} == {
        "model.keras",
        "saved_model",
        "scores.json",
        "signature.json",
    }
    assert read_document(exported["export"] / "signature.json") == {
        "input": {
            "name": "history",
            "dtype": "float32",
            "shape": [None, 12],
            "holds": "the last 12 values of sunspots",
        },
        "output": {"dtype": "float32", "shape": [None, 2], "holds": "the next 2 values"},
        "target": "sunspots",
        "frequency": "MS",
        "history": 12,
        "horizon": 2,
        "formats": ["saved_model", "keras"],
    }


@pytest.mark.slow
def test_scores_are_those_of_evaluate_with_the_parity(exported: Folders) -> None:
    scores = read_document(exported["export"] / "scores.json")
    deviation = prepared.read(exported["preprocess"]).layout.deviation

    assert 0 <= scores.pop("parity") <= 1e-4 * deviation
    assert scores == read_document(exported["evaluate"] / "scores.json")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["saved_model", "keras"])
def test_each_format_predicts_from_raw_values_what_was_scored(exported: Folders, form: str) -> None:
    data, predictions = prepared.read(exported["preprocess"]), read_table(exported["evaluate"] / "predictions.parquet")

    made = bundle.load(exported["export"], form)(data.histories("test"))

    scored = predictions.loc[predictions["part"] == "test", "model"].to_numpy().reshape(-1, 2)
    assert made == pytest.approx(scored, abs=1e-4 * data.layout.deviation)


def test_predictions_that_are_not_the_networks_are_refused(
    solved: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fresh process is stood for by this one, which reloads the exported file as well."""

    def run_here(folder: Path, formats: Iterable[str], files: Path) -> None:
        for form in formats:
            np.save(files / f"{form}.npy", bundle.load(folder, form)(np.load(files / "inputs.npy")))

    monkeypatch.setattr(bundle, "run_fresh", run_here)
    tampered, out = tmp_path / "evaluate", tmp_path / "export"
    shutil.copytree(solved["evaluate"], tampered)
    out.mkdir()
    predictions = read_table(tampered / "predictions.parquet")
    deviation = prepared.read(solved["preprocess"]).layout.deviation
    predictions.loc[predictions.index[-1], "model"] += 0.01 * deviation  # one value, a hundred times the tolerance
    write_table(tampered / "predictions.parquet", predictions)

    with pytest.raises(ParityError, match=r"the exported keras model differs from the scored one by .*Nothing"):
        export(
            export=Export(formats=("keras",)),
            preprocess=solved["preprocess"],
            train=solved["train"],
            evaluate=tampered,
            out=out,
        )

    assert not (out / "signature.json").exists()  # so the folder is no bundle, and the store keeps none of it
    assert not (out / "scores.json").exists()
