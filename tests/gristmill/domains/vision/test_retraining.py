"""Which photos are new, how the champion fares on them, and who errs least on what nobody was trained on."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.domains.common.classification.held_out import learning_set, write_held_out
from gristmill.domains.common.classification.predictions import read_predictions
from gristmill.domains.common.classification.settings import Evaluate
from gristmill.domains.vision import dataset, decode
from gristmill.domains.vision.evaluate import evaluate
from gristmill.domains.vision.export import export
from gristmill.domains.vision.image_classifier import probabilities_of
from gristmill.domains.vision.ingest import ingest
from gristmill.domains.vision.preprocess import preprocess
from gristmill.domains.vision.retraining import RETRAINING
from gristmill.domains.vision.settings import Export, Ingest, Preprocess
from gristmill.errors import DataError, RequestError
from gristmill.export import bundle
from gristmill.runs.retraining_record import CHALLENGER, CHAMPION, Champion, DataChanges
from gristmill.sources.images.folder import Folder
from gristmill.training import saved_network
from gristmill.util.table_io import read_table, write_document
from helpers.few_folds import few_folds
from helpers.small_photos import write_photos
from helpers.support import here

Folders = dict[str, Path]

CLASSES = ["disc", "square"]


def ingested(photos: Path, out: Path) -> Path:
    out.mkdir(exist_ok=True)
    files = tuple(sorted(photos.rglob("*.jpg")))
    ingest(source=Folder(kind="folder", path="photos"), ingest=Ingest(), out=out, paths=files)
    return out


def run(root: Path, photos: Path, size: int = 16, exported: bool = False) -> Folders:
    """Run all stages but train, and export if asked to, on photos; the network's weights are random."""
    folders = {stage: root / stage for stage in ("ingest", "preprocess", "train", "evaluate", "export")}
    for folder in folders.values():
        folder.mkdir()
    ingested(photos, folders["ingest"])
    cut = Preprocess(size=(size, size), validation=0.2, test=0.4)
    preprocess(preprocess=cut, ingest=folders["ingest"], out=folders["preprocess"])
    trained, data = network(size), dataset.read(folders["preprocess"])
    saved_network.write(trained, folders["train"])
    write_document(folders["train"] / "training.json", {})
    held_out = probabilities_of(trained, data, "validation")
    write_held_out(data, learning_set(data).validation, held_out, folders["train"])
    read = {stage: folders[stage] for stage in ("preprocess", "train")}
    with few_folds():
        evaluate(evaluate=Evaluate(), **read, out=folders["evaluate"])
    if exported:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bundle, "fresh_process", here)
            export(export=Export(formats=("keras",)), **read, evaluate=folders["evaluate"], out=folders["export"])
    return folders


def network(size: int) -> Any:
    """Return a network as train publishes it, of random weights, that takes some photos for each class."""
    import keras

    keras.utils.set_random_seed(1)
    image = keras.Input((size, size, 3), dtype="uint8")
    features = keras.layers.Flatten()(keras.layers.Rescaling(1 / 127.5, offset=-1)(image))
    return keras.Model(image, keras.layers.Dense(2, activation="softmax")(features))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of two classes, in folders. Not to be written to: copy it."""
    root = tmp_path_factory.mktemp("photos")
    write_photos(root, CLASSES, 20)
    return root


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Folders:
    return run(tmp_path_factory.mktemp("champion"), photos, exported=True)


@pytest.fixture
def more(photos: Path, tmp_path: Path) -> Path:
    """The photos and 12 new ones of each class."""
    root = Path(shutil.copytree(photos, tmp_path / "more"))
    write_photos(tmp_path / "new", CLASSES, 12, seed=1)
    for path in (tmp_path / "new").rglob("*.jpg"):
        shutil.copy(path, root / path.parent.name / f"new-{path.name}")
    return root


@pytest.mark.slow
def test_photos_are_new_of_another_class_or_gone_whatever_they_are_called(
    champion: Folders, more: Path, tmp_path: Path
) -> None:
    (more / "disc/0000.jpg").rename(more / "square/moved.jpg")
    (more / "disc/0001.jpg").rename(more / "disc/renamed.jpg")
    (more / "disc/0002.jpg").unlink()

    found = RETRAINING.new_rows(ingested(more, tmp_path / "ingest"), champion["ingest"])

    assert found == DataChanges(later=24, revised=1, removed=1)
    rows = RETRAINING.diff(tmp_path / "ingest", champion["ingest"])
    (moved,) = rows.loc[["changed"], ["id", "label before", "label"]].to_numpy().tolist()
    assert moved == ["square/moved.jpg", "disc", "square"]
    assert RETRAINING.new_rows(champion["ingest"], champion["ingest"]).rows == 0
    assert RETRAINING.new_rows(champion["ingest"], None).later == 40


@pytest.mark.slow
def test_the_champion_is_asked_of_new_photos_alone(champion: Folders, more: Path, tmp_path: Path) -> None:
    found = RETRAINING.drift(ingested(more, tmp_path / "ingest"), Champion(champion, {}))

    assert found.errors is not None
    assert found.errors.count == 24
    rows = read_predictions(champion["evaluate"], "test")
    assert found.errors.mean_before == pytest.approx((rows["predicted"] != rows["label"]).mean())
    assert [(column.name, column.test) for column in found.inputs] == [
        ("label", "chi-square"),
        ("brightness", "Kolmogorov-Smirnov"),
    ]
    assert not any(column.alarm for column in found.inputs)
    assert RETRAINING.drift(champion["ingest"], Champion(champion, {})).errors is None


def test_dark_photos_of_one_class_are_alarms(champion: Folders, photos: Path, tmp_path: Path) -> None:
    from PIL import Image

    root = Path(shutil.copytree(photos, tmp_path / "dark"))
    for number in range(20):
        Image.new("RGB", (40, 40), (number, 0, 0)).save(root / f"disc/dark-{number}.jpg")

    found = RETRAINING.drift(ingested(root, tmp_path / "ingest"), Champion(champion, {}))

    assert [column.alarm for column in found.inputs] == [True, True]
    assert found.inputs[1].statistic == 1.0


@pytest.mark.parametrize("size", [16, pytest.param(12, marks=pytest.mark.slow)])
def test_all_are_judged_on_photos_that_nobody_was_trained_on(
    champion: Folders, more: Path, tmp_path: Path, size: int
) -> None:
    (tmp_path / "challenger").mkdir()
    challenger = run(tmp_path / "challenger", more, size)

    found = RETRAINING.contest(challenger, Champion(champion, {}))

    def hashes(folders: Folders) -> Any:
        return read_table(folders["ingest"] / "index.parquet").set_index("id")["sha256"]

    index = read_table(champion["preprocess"] / "index.parquet")
    learned = set(hashes(champion).loc[index.loc[index["part"] != "test", "id"]])
    rows = read_predictions(challenger["evaluate"], "test")
    left = ~hashes(challenger).loc[rows["id"]].isin(learned).to_numpy()
    assert 0 < left.sum() < len(left)
    assert found.errors[CHALLENGER].tolist() == (rows["predicted"] != rows["label"])[left].tolist()
    assert set(found.errors) == {CHAMPION, CHALLENGER, "majority", "linear_pixels"}
    assert len({len(errors) for errors in found.errors.values()}) == 1
    if size == 16:  # the champion's own: the pixels are the prepared ones
        made = probabilities_of(saved_network.read(champion["train"]), dataset.read(challenger["preprocess"]), "test")
        taken_for = np.array(CLASSES, object)[made.argmax(axis=1)]
        assert found.errors[CHAMPION].tolist() == (taken_for != rows["label"])[left].tolist()


def test_a_new_class_cannot_be_compared(champion: Folders, more: Path, tmp_path: Path) -> None:
    write_photos(more, ["tree"], 3, seed=2)
    with pytest.raises(
        RequestError, match=r"^the champion's classes are disc, square, those of the data disc, square, tree: champion "
    ):
        RETRAINING.drift(ingested(more, tmp_path / "ingest"), Champion(champion, {}))


def test_a_photo_that_cannot_be_decoded_is_named(
    champion: Folders, more: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(encoded: bytes, layout: dataset.Layout) -> dataset.Pixels:
        raise DataError("truncated or corrupt (broken)")

    now = ingested(more, tmp_path / "ingest")
    monkeypatch.setattr(decode, "decode_photo", broken)
    with pytest.raises(DataError) as raised:
        RETRAINING.drift(now, Champion(champion, {}))
    assert str(raised.value) == ("photo 'disc/new-0000.jpg': truncated or corrupt (broken). Fix it or leave it out.")
