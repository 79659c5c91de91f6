"""Presets follow the size of the images, and the weights that are at hand."""

from pathlib import Path
from typing import Any

import pytest

from gristmill.config.candidates import candidates_of
from gristmill.domains.common.classification.settings import Train
from gristmill.domains.vision.augment import changes_images
from gristmill.domains.vision.presets import PRESETS
from gristmill.domains.vision.settings import Augment, Preprocess
from gristmill.settings.selection import Auto

LINEAR = ["majority", "linear_pixels", "histograms", "histograms-2"]


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of GRISTMILL_DATA, in which there are no weights yet."""
    monkeypatch.setenv("GRISTMILL_DATA", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path


def candidates(
    preset: Any, size: int = 64, channels: Any = 3, augment: Augment | None = None, **train: Any
) -> dict[str, Any]:
    tables: Any = {
        "preprocess": Preprocess(size=size, channels=channels),
        "augment": augment or Augment(),
        "train": Train(**train),
    }
    found = candidates_of("vision", tables | {"model": Auto(kind="auto", preset=preset)})
    return {candidate.name: candidate.tables for candidate in found}


@pytest.mark.parametrize("size", [28, 96])
def test_without_weights_there_are_linear_classifiers_and_residual_networks(size: int, weights: Path) -> None:
    assert list(candidates("quick", size)) == [*LINEAR, "residual"]
    assert list(candidates("good", size)) == [*LINEAR, "residual"]
    assert list(candidates("best", size)) == [*LINEAR, "residual", "residual-2"]


def test_photos_have_a_candidate_for_weights_at_hand(weights: Path) -> None:
    for file in ("mobilenet_1_0_224_tf_no_top.h5", "vgg16_weights_tf_notop.h5", "xception_notop.h5"):
        (weights / file).touch()

    assert candidates("quick")["frozen"]["model"].weights == "mobilenet_1_0_224_tf_no_top.h5"
    bases = [tables["model"].base for name, tables in candidates("best").items() if name.startswith("frozen")]
    assert bases == ["MobileNet", "VGG16", "Xception"]
    assert "frozen" not in candidates("quick", size=28)


def test_grey_images_have_no_candidate_on_colours_alone(weights: Path) -> None:
    assert list(candidates("quick", 28, channels=1)) == [*LINEAR[:3], "residual"]


def test_many_grey_images_are_also_learned_without_changes(weights: Path) -> None:
    first, second = (candidates("good", 28, channels=1)[name] for name in ("residual", "residual-2"))

    assert not changes_images(first["augment"])
    assert (first["train"].few_examples, second["train"].few_examples) == ("refuse", "average")
    assert changes_images(second["augment"])
    assert list(candidates("good", 96, channels=1)) == [*LINEAR[:3], "residual"]


@pytest.mark.parametrize(
    ("size", "channels", "changed"), [(96, 3, (True, 0.4)), (28, 3, (False, 0.4)), (28, 1, (False, 0))]
)
def test_only_photos_are_mirrored_and_only_colours_are_cut_out(
    size: int, channels: int, changed: Any, weights: Path
) -> None:
    *_, last = candidates("good", size, channels).values()
    augment = last["augment"]

    assert (augment.horizontal_flip, augment.cutout) == changed
    assert augment.average_flips == augment.horizontal_flip


@pytest.mark.parametrize("preset", ["quick", "good"])
def test_without_mirroring_nothing_sees_a_mirror_image(preset: str, weights: Path) -> None:
    (weights / "mobilenet_1_0_224_tf_no_top.h5").touch()
    found = candidates(preset, augment=Augment(horizontal_flip=False))

    assert not any(tables["augment"].average_flips or tables["augment"].horizontal_flip for tables in found.values())
    assert not found["frozen"]["model"].mirror
    assert found["residual"]["augment"].zoom
    assert candidates(preset)["frozen"]["model"].mirror


def test_few_images_are_not_for_networks_of_the_quick_preset(weights: Path) -> None:
    few = {preset: candidates(preset)["residual"]["train"].few_examples for preset in ("quick", "good")}

    assert few == {"quick": "refuse", "good": "average"}


def test_what_the_pipeline_sets_holds_for_all_candidates(weights: Path) -> None:
    train = candidates("good", epochs=3)["residual"]["train"]

    assert (train.epochs, train.schedule) == (3, "one_cycle")


def test_every_preset_has_a_function() -> None:
    assert list(PRESETS) == ["quick", "good", "best"]
