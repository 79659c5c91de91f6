"""What photos show, file by file."""

import io
import json
import re
import shutil
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gristmill.domains.common.prediction import PredictionRequest
from gristmill.domains.vision import decode
from gristmill.domains.vision import predict as prediction
from gristmill.domains.vision.export import export
from gristmill.domains.vision.predict import PREDICTION
from gristmill.domains.vision.settings import Export, Ingest, PredictOptions
from gristmill.errors import DataError, RequestError
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.sources.images.folder import READABLE_SUFFIXES
from helpers.small_classifier import CLASSES, LAYOUT, Folders, small_network

pytest_plugins = ["helpers.end_to_end", "helpers.small_classifier"]

Ask = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def keras_bundle(classified: Folders, tmp_path_factory: pytest.TempPathFactory, parity_here: None) -> Path:
    """The small classifier's bundle in one format."""
    out = tmp_path_factory.mktemp("export")
    export(export=Export(formats=("keras",)), **classified, out=out)
    return out


@pytest.fixture
def files(tmp_path: Path, photos: list[bytes]) -> tuple[Path, ...]:
    """Twelve photos as files."""
    found = tuple(tmp_path / f"{number:02}.jpg" for number in range(len(photos)))
    for path, photo in zip(found, photos, strict=True):
        path.write_bytes(photo)
    return found


@pytest.fixture
def ask(keras_bundle: Path) -> Ask:
    """Return a function that predicts from files."""

    def call(*paths: Path, ingest: Ingest | None = None, explain: bool = False) -> pd.DataFrame:
        bundle, tables = LoadedBundle(keras_bundle), {"ingest": ingest or Ingest()}
        return PREDICTION.predict(PredictionRequest(bundle, None, tables, PredictOptions(explain=explain), paths=paths))

    return call


@pytest.mark.slow
def test_each_file_gets_a_row_with_the_networks_probabilities(
    ask: Ask, files: tuple[Path, ...], photos: list[bytes]
) -> None:
    made = ask(*files)

    expected = small_network().predict(np.stack([decode.decode_photo(photo, LAYOUT) for photo in photos]), verbose=0)
    assert made.columns.tolist() == ["file", "predicted", "probability", "p_ball", "p_cup", "p_tree"]
    assert made["file"].tolist() == [str(path) for path in files]
    assert made[["p_ball", "p_cup", "p_tree"]].to_numpy() == pytest.approx(expected, abs=1e-6)
    assert made["probability"].to_numpy() == pytest.approx(expected.max(axis=1), abs=1e-6)
    assert made["predicted"].tolist() == [CLASSES[at] for at in expected.argmax(axis=1)]
    assert made["predicted"].nunique() > 1


def test_an_explanation_says_and_shows_the_place_in_each_photo_that_can_be_used(
    ask: Ask, files: tuple[Path, ...]
) -> None:
    files[1].write_bytes(b"no photo")

    made = ask(*files[:3], explain=True)

    assert made.columns[-2:].tolist() == ["because", "class_map"]
    assert made["because"].isna().tolist() == made["class_map"].isna().tolist() == [False, True, False]
    shown = Image.open(io.BytesIO(b64decode(made["class_map"][0].removeprefix("data:image/jpeg;base64,"))))
    assert shown.size == (LAYOUT.width, LAYOUT.height)
    pd.testing.assert_frame_equal(made.iloc[:, :-2], ask(*files[:3]))


def test_an_explanation_needs_the_network_of_keras(keras_bundle: Path, files: tuple[Path, ...], tmp_path: Path) -> None:
    other = shutil.copytree(keras_bundle, tmp_path / "other")
    signature = json.loads((other / "signature.json").read_text())
    (other / "signature.json").write_text(json.dumps(signature | {"formats": ["saved_model", "lite"]}))
    asked = PredictionRequest(
        LoadedBundle(other), None, {"ingest": Ingest()}, PredictOptions(explain=True), paths=files
    )

    with pytest.raises(
        RequestError, match=r"--explain needs .* format keras\. Exported: saved_model, lite\. Add it to"
    ):
        PREDICTION.predict(asked)


def test_batches_are_put_together_in_the_order_of_the_files(
    ask: Ask, files: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ask(*files)
    monkeypatch.setattr(prediction, "_BATCH", 5)  # 12 files: 5, 5 and 2

    pd.testing.assert_frame_equal(ask(*files), whole, rtol=1e-5)


def test_one_file_is_enough(ask: Ask, files: tuple[Path, ...]) -> None:
    assert ask(files[3])["predicted"].tolist() == ask(*files)["predicted"].tolist()[3:4]


def test_a_turned_photo_is_seen_upright(ask: Ask, tmp_path: Path, photos: list[bytes]) -> None:
    turned, upright = tmp_path / "turned.png", tmp_path / "upright.png"
    with Image.open(io.BytesIO(photos[0])) as image:
        image.save(upright)
        exif = Image.Exif()
        exif[0x0112] = 3
        image.rotate(180).save(turned, exif=exif)

    made = ask(turned, upright)

    assert made["p_ball"].iloc[0] == pytest.approx(made["p_ball"].iloc[1], abs=1e-6)


@pytest.mark.parametrize(
    ("content", "wrong"), [(b"", "empty"), (b"not an image", "not a JPEG"), (None, "truncated or corrupt")]
)
def test_a_file_that_is_no_sound_image_has_no_class(
    ask: Ask,
    files: tuple[Path, ...],
    photos: list[bytes],
    content: bytes | None,
    wrong: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = ask(*files)
    files[7].write_bytes(photos[7][: len(photos[7]) // 2] if content is None else content)

    made = ask(*files, ingest=Ingest(corrupt=0))

    assert made.iloc[7].isna().tolist() == [False] + [True] * 5
    pd.testing.assert_frame_equal(made.drop(7), whole.drop(7), rtol=1e-5)
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert re.search(rf"^1 of 12 photos cannot be used and get no class. The first: .*07\.jpg: .*{wrong}", said)
    with pytest.raises(DataError, match=rf"/07\.jpg: .*{wrong}.*\. Expected a photo or a folder of photos\.$"):
        ask(files[7])


def test_a_file_that_cannot_be_read_is_named(ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.jpg: cannot be read \(No such file or directory\)"):
        ask(tmp_path / "gone.jpg")


def test_a_photo_of_more_pixels_than_allowed_is_refused(ask: Ask, files: tuple[Path, ...]) -> None:
    with pytest.raises(DataError, match=r"00\.jpg: .*more than ingest\.max_pixels = 100"):
        ask(files[0], ingest=Ingest(max_pixels=100))


def test_suffixes_are_those_of_the_formats_that_are_read() -> None:
    formats = {Image.registered_extensions()[suffix] for suffix in READABLE_SUFFIXES}

    assert formats == set(decode.FORMATS)
