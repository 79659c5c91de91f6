"""Predictions are written in full precision, and columns of the input as they are."""

import io
import json
from base64 import b64encode
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gristmill.cli import output
from gristmill.errors import RequestError
from gristmill.project.prediction_formats import Format, encode, save_pictures

FRAME = pd.DataFrame(
    {
        "id": ["007", "3.10"],
        "day": pd.to_datetime(["2020-01-01", None]),
        "rooms": pd.array([1, None], dtype="Int64"),
        "price": [49986.741, 1e7],
        "predicted": np.array([3.2e-12, 1.2345678e-7], np.float32),
    }
)


@pytest.mark.parametrize("form", Format)
def test_values_are_those_of_the_frame(form: Format) -> None:
    content = encode(FRAME, form)

    match form:
        case Format.PARQUET:
            read = pd.read_parquet(io.BytesIO(content))
        case Format.CSV:
            read = pd.read_csv(io.BytesIO(content), dtype={"id": "str"})
        case Format.JSON:
            read = pd.DataFrame(json.loads(content))
        case Format.JSONL:
            read = pd.DataFrame(map(json.loads, content.splitlines()))
    assert read["id"].tolist() == ["007", "3.10"]
    assert read["price"].tolist() == FRAME["price"].tolist()
    assert read["predicted"].to_numpy(np.float32) == pytest.approx(FRAME["predicted"].to_numpy(), rel=1e-6)
    assert read["rooms"].isna().tolist() == read["day"].isna().tolist() == [False, True]


def test_printed_predictions_are_rounded_and_inputs_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_frame(FRAME.assign(predicted=[12345.678, 0.5]))
    assert capsys.readouterr().out.splitlines()[1:] == ["007,2020-01-01,1,49986.741,12345.7", "3.10,,,10000000.0,0.5"]


def test_a_column_of_texts_and_numbers_is_not_written_as_parquet() -> None:
    with pytest.raises(RequestError, match=r"^--format parquet: Could not convert .* Use csv, json or jsonl\.$"):
        encode(FRAME.assign(rooms=[3, "s"]), Format.PARQUET)


def test_pictures_become_files_and_other_cells_stay(tmp_path: Path) -> None:
    uri = "data:image/jpeg;base64," + b64encode(b"\xff\xd8 a picture").decode()
    rows = pd.DataFrame(
        {"logo": [uri, uri], "predicted": ["a", "b"], "because": [None, "left"], "class_map": [None, uri]}
    )

    saved = save_pictures(rows, tmp_path / "explained")

    assert saved["class_map"].isna().tolist() == [True, False]
    assert saved["class_map"][1] == str(tmp_path / "explained/2.jpg")
    pd.testing.assert_frame_equal(saved.drop(columns="class_map"), rows.drop(columns="class_map"))
    assert [path.name for path in (tmp_path / "explained").iterdir()] == ["2.jpg"]
    assert (tmp_path / "explained/2.jpg").read_bytes() == b"\xff\xd8 a picture"


def test_without_pictures_there_is_no_folder(tmp_path: Path) -> None:
    pd.testing.assert_frame_equal(save_pictures(FRAME, tmp_path / "explained"), FRAME)
    explained = FRAME.assign(because=["rooms +1", "rooms -1"], rooms_contributes=[1.0, -1.0])

    pd.testing.assert_frame_equal(save_pictures(explained, tmp_path / "explained"), explained)
    assert not (tmp_path / "explained").exists()
