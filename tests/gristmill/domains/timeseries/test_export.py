"""A bundle holds the network that was scored, and one that is not is refused."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.export import export, signature
from gristmill.domains.timeseries.intervals.calibration import local_at
from gristmill.domains.timeseries.intervals.quantiles import intervals_of, with_quantiles
from gristmill.domains.timeseries.models.linear import Linear
from gristmill.domains.timeseries.models.sequence import Conv
from gristmill.domains.timeseries.settings import Export, Ingest, Train
from gristmill.errors import ParityError
from gristmill.export import bundle
from gristmill.keys import digest_of_file
from gristmill.sources.tables.csv import Csv
from gristmill.training import saved_network
from gristmill.util.table_io import read_document, read_table, write_table
from helpers.small_runs import CUT, KERAS, Folders, assembled, run_stages, with_bundle, with_refit
from helpers.support import KIT, here

pytest_plugins = ["helpers.end_to_end", "helpers.small_runs"]

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
QUANTILES = [f"quantile {level}" for level in LEVELS]
SEEN = 37  # for 36 differences
KERAS_OF_ALL = Export(formats=("keras",), refit=True)

Tampered = Callable[..., Path]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, solved: Folders) -> Folders:
    """The linear run with its bundle in both formats, each proved equal in a fresh process."""
    return with_bundle(solved, Export(), tmp_path_factory.mktemp("both"))


@pytest.fixture(scope="module")
def refitted(tmp_path_factory: pytest.TempPathFactory, solved: Folders, parity_here: None) -> Folders:
    """The folders of a run whose network was trained once more on everything, exported."""
    root = tmp_path_factory.mktemp("refitted")
    return with_bundle(with_refit(solved, Linear(kind="linear"), Train(), root), KERAS_OF_ALL, root)


@pytest.fixture
def attempt(solved: Folders, tmp_path: Path, parity_here: None) -> Tampered:
    """Return a function that changes one scored prediction by so many deviations and exports into a folder."""

    def call(deviations: float, column: str = "model") -> Path:
        tampered, out = tmp_path / "evaluate", tmp_path / "export"
        shutil.copytree(solved["evaluate"], tampered)
        out.mkdir()
        predictions = read_table(tampered / "predictions.parquet")
        predictions.loc[predictions.index[-1], column] += (
            deviations * dataset.read(solved["preprocess"]).layout.deviation[0]
        )
        write_table(tampered / "predictions.parquet", predictions)
        stages = {"preprocess": solved["preprocess"], "train": solved["train"], "evaluate": tampered}
        export(export=KERAS, **stages, out=out)
        return out

    return call


@pytest.mark.slow
def test_a_bundle_holds_both_formats_the_signature_and_the_scores(both: Folders) -> None:
    assert {path.name for path in both["export"].iterdir()} == {
        "forecast.parquet",
        "model.keras",
        "saved_model",
        "scores.json",
        "signature.json",
        *KIT,
    }
    assert read_document(both["export"] / "signature.json") == {
        "input": {
            "name": "history",
            "dtype": "float32",
            "shape": [None, SEEN, 1],
            "columns": ["sunspots"],
            "holds": f"the last {SEEN} observations, in the data's own units; NaN before a series begins",
        },
        "output": {
            "dtype": "float32",
            "shape": [None, 2, 10],
            "columns": ["sunspots", *(f"sunspots {name}" for name in QUANTILES)],
            "holds": "the next 2 observations, in the data's own units",
        },
        "targets": ["sunspots"],
        "inputs": [],
        "known": [],
        "frequency": "MS",
        "anchor": "1749-01-01 00:00:00",
        "history": SEEN,
        "past": 12,
        "any_length": False,
        "horizon": 2,
        "quantiles": list(LEVELS),
        "formats": ["saved_model", "keras"],
    }


@pytest.mark.slow
def test_scores_are_those_of_evaluate_with_the_parity_and_whose_they_are(both: Folders) -> None:
    scores = read_document(both["export"] / "scores.json")
    (deviation,) = dataset.read(both["preprocess"]).layout.deviation
    judged = digest_of_file(both["train"] / "weights.npz")

    assert 0 <= scores.pop("parity") <= 1e-4 * deviation
    assert scores.pop("weights") == {"judged": judged, "exported": judged}
    assert scores.pop("refit") is False
    assert scores == read_document(both["evaluate"] / "scores.json")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["saved_model", "keras"])
def test_each_format_predicts_from_raw_values_what_was_scored(both: Folders, form: str) -> None:
    data, predictions = dataset.read(both["preprocess"]), read_table(both["evaluate"] / "predictions.parquet")

    made = bundle.load(both["export"], form)(data.view(history=SEEN).histories(data.origins("test")))

    test = predictions[predictions["part"] == "test"]
    scored = test[["model", *QUANTILES]].to_numpy().reshape(-1, 2, 10)
    assert made == pytest.approx(scored, abs=1e-4 * data.layout.deviation[0])
    assert made[..., 0].ravel().tolist() == pytest.approx(test["model"].tolist(), rel=1e-5)


@pytest.mark.slow
def test_the_network_trained_on_everything_is_exported_with_the_scores_of_the_judged_one(refitted: Folders) -> None:
    data, scores = dataset.read(refitted["preprocess"]), read_document(refitted["export"] / "scores.json")
    starts = data.origins("test")
    windows = data.histories(starts)

    made = bundle.load(refitted["export"], "keras")(data.view(history=SEEN).histories(starts))

    again, judged = (np.asarray(saved_network.read(refitted[stage])(windows)) for stage in ("refit", "train"))
    assert made[..., :1] == pytest.approx(again, rel=1e-6)
    assert np.abs(made[..., :1] - judged).max() > 1e-3
    tested = intervals_of(read_document(refitted["evaluate"] / "intervals.json"))
    scale = local_at(data, starts, tested.lag, tested.empty)
    assert made[..., 1:] == pytest.approx(tested.around(again, scale)[:, :, 0], rel=1e-4, abs=1e-3)
    assert scores["model"] == read_document(refitted["evaluate"] / "scores.json")["model"]
    truth = data.targets(data.origins("test"))
    assert scores["model"]["test"]["mae"] == pytest.approx(np.abs(truth - judged).mean(), rel=1e-5)
    assert scores["refit"] is True
    assert scores["weights"] == {
        "judged": digest_of_file(refitted["train"] / "weights.npz"),
        "exported": digest_of_file(refitted["refit"] / "weights.npz"),
    }
    assert scores["weights"]["judged"] != scores["weights"]["exported"]


@pytest.mark.slow
def test_a_reloaded_model_that_predicts_what_the_judged_one_did_is_refused(
    refitted: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    intervals = intervals_of(read_document(refitted["evaluate"] / "intervals.json"))

    def of_the_judged(exported: Path, formats: Iterable[str], folder: Path) -> None:
        judged = with_quantiles(saved_network.read(refitted["train"]), intervals)
        np.save(folder / "keras.npy", np.asarray(judged(bundle.read_inputs(folder))))

    monkeypatch.setattr(bundle, "fresh_process", lambda: here(of_the_judged))

    with pytest.raises(ParityError, match=r"the exported keras model differs from the scored one by "):
        with_bundle(refitted, KERAS_OF_ALL, tmp_path)


@pytest.mark.slow
def test_what_was_scored_may_be_exported(attempt: Tampered) -> None:
    assert (attempt(0.0) / "signature.json").exists()


@pytest.mark.parametrize("column", ["model", "quantile 0.9"])
def test_predictions_that_are_not_the_networks_are_refused(attempt: Tampered, tmp_path: Path, column: str) -> None:
    with pytest.raises(
        ParityError, match=r"the network to export gives other predictions than were scored \(by .*Nothing"
    ):
        attempt(0.01, column)

    assert not (tmp_path / "export" / "signature.json").exists()  # so the folder is no bundle
    assert not (tmp_path / "export" / "scores.json").exists()


def test_a_reloaded_model_that_predicts_something_else_is_refused(
    attempt: Tampered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crooked(exported: Path, formats: Iterable[str], folder: Path) -> None:
        bundle.reproduce(exported, formats, folder)
        made = np.load(folder / "keras.npy")
        np.save(folder / "keras.npy", made + 1)

    monkeypatch.setattr(bundle, "fresh_process", lambda: here(crooked))

    with pytest.raises(ParityError, match=r"the exported keras model differs from the scored one by 1, more than"):
        attempt(0.0)
    assert not (tmp_path / "export" / "signature.json").exists()


def test_the_signature_names_every_column_and_quantile() -> None:
    data = assembled(np.random.default_rng(0).normal(size=(30, 4)), inputs=1, known=1, history=5, horizon=3, test=5)

    made = signature(data, any_length=True, past=5, levels=[0.1, 0.9], learned=False)

    assert made["input"] == {
        "name": "history",
        "dtype": "float32",
        "shape": [None, None, 4],
        "columns": ["y", "y1", "y2", "y3"],
        "holds": "the last 5 observations, in the data's own units; the last column is read 3 steps ahead",
    }
    assert made["output"] == {
        "dtype": "float32",
        "shape": [None, 3, 6],
        "columns": ["y", "y quantile 0.1", "y quantile 0.9", "y1", "y1 quantile 0.1", "y1 quantile 0.9"],
        "holds": "the next 3 observations, in the data's own units",
    }
    assert (made["targets"], made["inputs"], made["known"]) == (["y", "y1"], ["y2"], ["y3"])
    assert made["any_length"] is True


@pytest.mark.slow
def test_a_model_of_any_length_is_exported_as_one(
    tmp_path: Path, source: Csv, meaning: Ingest, series_file: Path, parity_here: None
) -> None:
    folders = run_stages(
        tmp_path,
        source,
        meaning,
        series_file,
        CUT,
        Conv(kind="conv", filters=(3,)),
        Train(epochs=1, loss="quantile", batch_size=128),
    )

    bundled = with_bundle(folders, Export())["export"]

    told = read_document(bundled / "signature.json")
    assert (told["any_length"], told["input"]["shape"]) == (True, [None, None, 1])
    assert told["quantiles"] == [0.05, 0.5, 0.95]
    for form in ("saved_model", "keras"):
        assert bundle.load(bundled, form)(np.ones((2, 30, 1), np.float32)).shape == (2, 2, 3)


@pytest.mark.slow
def test_without_calibration_there_are_no_quantiles(
    tmp_path: Path, source: Csv, meaning: Ingest, series_file: Path, parity_here: None
) -> None:
    cut = CUT.model_copy(update={"validation": 0})
    folders = run_stages(tmp_path, source, meaning, series_file, cut, Linear(kind="linear"), Train())

    bundled = with_bundle(folders, KERAS)["export"]

    told = read_document(bundled / "signature.json")
    assert told["quantiles"] is None
    assert told["output"]["columns"] == ["sunspots"]
    assert bundle.load(bundled, "keras")(np.ones((2, 12, 1), np.float32)).shape == (2, 2, 1)
