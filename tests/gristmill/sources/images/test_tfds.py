"""Data sets of TFDS, written and read on disk as TFDS does, without a network."""

import io
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from conftest import SHARED
from gristmill.errors import DataError
from gristmill.runs.locations import locate
from gristmill.settings.base import identity_values, locations
from gristmill.sources.images.tfds import Tfds
from gristmill.sources.photo import Photo
from helpers.small_photos import photo, write_tfds

NAME = "tiny_horses_or_humans"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("the network is asked for")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What TFDS calls so, with one data set."""
    folder = tmp_path_factory.mktemp("tfds")
    write_tfds(folder, NAME, ["horses", "humans"], {"train": 10, "test": 4})
    return folder


def files(source: Tfds, root: Path = Path("/")) -> tuple[Path, ...]:
    ((field, place),) = locations(source)
    return locate(place, root, f"[pipelines.small.source] {field}", root).files


def photos(data_dir: Path, **settings: Any) -> list[Photo]:
    source = Tfds(kind="tfds", name=NAME, data_dir=str(data_dir), **settings)
    return list(source.photos(files(source)))


def test_photos_come_as_they_are_encoded_with_the_classes_in_their_order(data_dir: Path) -> None:
    found = photos(data_dir, test="test")
    generator = np.random.default_rng(0)
    assert [photo.encoded for photo in found] == [photo(number % 2, 2, generator) for number in [*range(10), *range(4)]]
    assert [photo.label for photo in found] == ["horses", "humans"] * 7
    assert [photo.part for photo in found] == ["train"] * 10 + ["test"] * 4
    assert found[3].id == f"{NAME}-train.tfrecord-00000-of-00001__3"
    source = Tfds(kind="tfds", name=NAME, data_dir=str(data_dir))
    assert source.class_names(files(source)) == ["horses", "humans"]


def test_splits_may_be_shares(data_dir: Path) -> None:
    whole = photos(data_dir)
    parts = photos(data_dir, train="train[:60%]", validation="train[60%:80%]", test="train[80%:]")
    assert Counter(photo.part for photo in parts) == {"train": 6, "validation": 2, "test": 2}
    assert [photo.encoded for photo in parts] == [photo.encoded for photo in whole]


def test_splits_that_overlap_are_refused(data_dir: Path) -> None:
    with pytest.raises(DataError, match=r"-train\.tfrecord-00000-of-00001__8 is in train and in test\. Let the splits"):
        photos(data_dir, train="train[:90%]", test="train[80%:]")


@pytest.mark.parametrize("split", ["validation", "train[:x]", "train[", ""])
def test_a_split_that_is_not_there_is_refused_with_those_that_are(data_dir: Path, split: str) -> None:
    if split == "":
        with pytest.raises(ValidationError, match="at least 1 character"):
            photos(data_dir, train=split)
        return
    with pytest.raises(DataError, match=r"1\.0\.0, split '.*': .* Splits: (train, test|test, train)\.$") as caught:
        photos(data_dir, train=split)
    assert len(str(caught.value).splitlines()) == 1


def test_the_newest_version_is_read_and_a_config_found(tmp_path: Path) -> None:
    for version, count in (("1.9.0", 3), ("1.10.0", 2)):
        write_tfds(tmp_path, NAME, ["horses", "humans"], {"train": count}, version, config="small")
    (tmp_path / NAME / "small/incomplete.X1Y2Z3_2.0.0").mkdir()
    assert len(photos(tmp_path, config="small")) == 2
    assert len(photos(tmp_path, config="small", version="1.9.0")) == 3


def test_the_place_follows_from_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    def place(**settings: Any) -> str:
        return Tfds(kind="tfds", name="mnist", **settings).folder

    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    assert place() == "~/tensorflow_datasets/mnist/[0-9]*.[0-9]*.[0-9]*/*"
    monkeypatch.setenv("TFDS_DATA_DIR", "/here[1]")
    assert place(config="a") == "/here[[]1]/mnist/a/[0-9]*.[0-9]*.[0-9]*/*"
    assert place(version="3.0.1") == "/here[1]/mnist/3.0.1"
    assert place(version="3.0.1", data_dir="there") == "there/mnist/3.0.1"
    assert place(folder="mine") == "mine"


def test_where_the_data_lies_and_how_it_came_there_are_not_in_the_key(data_dir: Path) -> None:
    here = Tfds(kind="tfds", name=NAME, data_dir=str(data_dir), download=True)
    there = Tfds(kind="tfds", name=NAME, data_dir="/elsewhere")
    assert identity_values(here) == identity_values(there)
    assert Tfds.model_validate(here.model_dump(mode="json")).folder == here.folder  # as a run record keeps it


def test_a_mistake_in_a_key_is_the_only_one_that_is_told() -> None:
    with pytest.raises(ValidationError) as caught:
        Tfds.model_validate({"kind": "tfds", "name": 3, "version": "1"})
    assert [error["loc"] for error in caught.value.errors()] == [("name",), ("version",)]


def test_what_is_not_there_is_told_with_what_was_tried_and_what_to_do(tmp_path: Path) -> None:
    source = Tfds(kind="tfds", name="mnist", data_dir="data")
    with pytest.raises(DataError) as caught:
        source.fetch(tmp_path)
    pattern = "data/mnist/[0-9]*.[0-9]*.[0-9]*/*"
    assert str(caught.value) == (
        f"TFDS data set 'mnist': no file matches '{pattern}'. Tried: {tmp_path / pattern}. Put it there, correct the "
        "path, or name its folder in GRISTMILL_DATA. Or set the source's download = true."
    )


def test_only_a_missing_data_set_is_downloaded(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    downloads: list[tuple[str, Path]] = []
    monkeypatch.setattr(Tfds, "_download", lambda source, folder: downloads.append((source.name, folder)))

    Tfds(kind="tfds", name=NAME, data_dir=data_dir.name, download=True).fetch(data_dir.parent)
    assert downloads == []
    Tfds(kind="tfds", name="mnist", data_dir=data_dir.name, download=True).fetch(data_dir.parent)
    assert downloads == [("mnist", data_dir)]


def tiny_shapes(first: Callable[[], object]) -> None:
    """Have TFDS know a data set, as it does by its class, that calls something before it makes its examples."""
    import tensorflow_datasets as tfds

    class TinyShapes(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("2.1.0")

        def _info(self) -> Any:
            features = {"image": tfds.features.Image(), "label": tfds.features.ClassLabel(names=["a", "b"])}
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager: Any) -> Any:
            first()
            return {"train": self._generate_examples()}

        def _generate_examples(self) -> Any:
            for number in range(4):
                yield number, {"image": np.full((8, 8, 3), number, np.uint8), "label": number % 2}

    tfds.core.registered._DATASET_REGISTRY["tiny_shapes"] = TinyShapes


def test_a_download_lays_the_data_where_it_is_then_found(tmp_path: Path) -> None:
    tiny_shapes(lambda: None)
    source = Tfds(kind="tfds", name="tiny_shapes", version="2.1.0", data_dir="data", download=True)
    source.fetch(tmp_path)
    found = list(source.photos(files(source, tmp_path)))
    for made in found:
        with Image.open(io.BytesIO(made.encoded)) as image:
            assert "ab"[int(np.asarray(image)[0, 0, 0]) % 2] == made.label
    assert sorted(photo.label for photo in found) == ["a", "a", "b", "b"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"name": "no_such_set"}, "TFDS data set no_such_set: Dataset no_such_set not found"),
        ({"name": "mnist", "version": "0.0.9"}, "TFDS data set mnist:0.0.9: "),
        ({"name": "mnist", "config": "huge"}, "TFDS data set mnist/huge: "),
        ({"name": "tiny_shapes"}, "TFDS data set tiny_shapes: the network is asked for "),
    ],
    ids=["name", "version", "config", "network"],
)
def test_a_download_that_fails_is_told_in_one_line(tmp_path: Path, settings: dict[str, str], reason: str) -> None:
    tiny_shapes(lambda: socket.create_connection(("localhost", 1)))
    source = Tfds.model_validate({"kind": "tfds", "data_dir": str(tmp_path), "download": True, **settings})
    with pytest.raises(DataError) as caught:
        source.fetch(tmp_path)
    assert str(caught.value).startswith(reason)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("damage", ["a flipped bit", "cut off", "no features", "no info"])
def test_damage_is_told(tmp_path: Path, damage: str) -> None:
    folder = write_tfds(tmp_path, NAME, ["horses", "humans"], {"train": 4})
    (records,) = folder.glob("*.tfrecord*")
    raw = bytearray(records.read_bytes())
    match damage:
        case "a flipped bit":
            raw[len(raw) // 2] ^= 1
            records.write_bytes(raw)
        case "cut off":
            records.write_bytes(raw[: len(raw) // 2])
        case "no features":
            (folder / "features.json").unlink()
        case "no info":
            (folder / "dataset_info.json").unlink()
    with pytest.raises(DataError) as caught:
        photos(tmp_path)
    assert str(caught.value).startswith(str(folder))
    assert len(str(caught.value).splitlines()) == 1


def test_features_are_chosen_by_what_the_data_set_is_supervised_by(tmp_path: Path) -> None:
    import tensorflow_datasets as tfds

    def write(name: str, **features: Any) -> None:
        image = {key: np.zeros((8, 8, 3), np.uint8) for key in features if "image" in key}
        labels = {key: 0 for key in features if "image" not in key}
        tfds.dataset_builders.store_as_tfds_dataset(
            name, "1.0.0", tfds.features.FeaturesDict(features), {"train": [(0, image | labels)]}, data_dir=tmp_path
        )

    kind = tfds.features.ClassLabel(names=["a", "b"])
    write("two_labels", image=tfds.features.Image(), fine=kind, coarse=kind)
    source = Tfds(kind="tfds", name="two_labels", data_dir=str(tmp_path))
    with pytest.raises(DataError, match=r"2 features ClassLabel\. Expected one\. Features: .*fine \(ClassLabel\)"):
        list(source.photos(files(source)))
    info = tmp_path / "two_labels/1.0.0/dataset_info.json"
    supervised = '{"supervisedKeys": {"tuple": {"items": [{"featureKey": "image"}, {"featureKey": "coarse"}]}},'
    info.write_text(info.read_text().replace("{", supervised, 1))
    assert [photo.label for photo in source.photos(files(source))] == ["a"]


def test_photos_without_labels_are_refused(tmp_path: Path) -> None:
    import tensorflow_datasets as tfds

    features = {"image": tfds.features.Image(), "label": tfds.features.ClassLabel(names=["a", "b"])}
    example = {"image": np.zeros((8, 8, 3), np.uint8), "label": -1}
    tfds.dataset_builders.store_as_tfds_dataset(
        NAME, "1.0.0", tfds.features.FeaturesDict(features), {"train": [(0, example)]}, data_dir=tmp_path
    )
    with pytest.raises(DataError, match=r"__0 has no label\. Take another split than 'train'\."):
        photos(tmp_path)


@pytest.mark.shared_data
@pytest.mark.slow
def test_real_photos() -> None:
    source = Tfds(
        kind="tfds", name="cats_vs_dogs", data_dir=str(SHARED / "tfds"), train="train[:90%]", test="train[90%:]"
    )
    found = list(source.photos(files(source)))
    assert Counter(photo.part for photo in found) == {"train": 2700, "test": 300}
    assert Counter(photo.label for photo in found) == {"cat": 1500, "dog": 1500}
    assert all(photo.encoded.startswith(b"\xff\xd8") for photo in found)
