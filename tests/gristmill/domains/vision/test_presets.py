"""Presets follow the size of the images."""

from typing import Any

import pytest

from gristmill.config.candidates import candidates_of
from gristmill.domains.common.classification.settings import Train
from gristmill.domains.vision.augment import changes_images
from gristmill.domains.vision.presets import PRESETS
from gristmill.domains.vision.settings import Augment, Preprocess
from gristmill.settings.selection import Auto

LINEAR = ["majority", "linear_pixels", "histograms", "histograms-2"]


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


@pytest.mark.parametrize(
    ("preset", "networks"), [("quick", ["residual"]), ("good", ["residual"]), ("best", ["residual", "residual-2"])]
)
def test_small_images_have_linear_classifiers_and_residual_networks(preset: str, networks: list[str]) -> None:
    assert list(candidates(preset, 28)) == [*LINEAR, *networks]


@pytest.mark.parametrize(
    ("preset", "size", "seen"),
    [
        ("quick", 96, [(224, False)]),
        ("quick", 224, [(224, False)]),
        ("quick", 288, [(224, False), (288, False)]),
        ("good", 96, [(224, False), (224, True)]),
        ("good", 288, [(224, False), (288, False), (288, True)]),
    ],
)
def test_photos_are_seen_by_a_frozen_base_at_one_or_two_sizes(preset: str, size: int, seen: list[Any]) -> None:
    found = candidates(preset, size)
    frozen = [tables["model"] for name, tables in found.items() if name.startswith("frozen")]

    assert [(model.side, model.mirror) for model in frozen] == seen
    assert {model.base for model in frozen} == {"EfficientNetLite0"}
    assert [name for name in found if not name.startswith("frozen")] == LINEAR


def test_only_the_best_preset_trains_networks_on_photos_from_scratch() -> None:
    assert [name for name in candidates("best", 96) if name.startswith("residual")] == ["residual", "residual-2"]


def test_grey_images_have_no_candidate_on_colours_alone() -> None:
    assert list(candidates("quick", 28, channels=1)) == [*LINEAR[:3], "residual"]


def test_many_grey_images_are_also_learned_without_changes() -> None:
    first, second = (candidates("good", 28, channels=1)[name] for name in ("residual", "residual-2"))

    assert not changes_images(first["augment"])
    assert (first["train"].few_examples, second["train"].few_examples) == ("refuse", "average")
    assert changes_images(second["augment"])


@pytest.mark.parametrize(
    ("size", "channels", "changed"), [(96, 3, (True, 0.4)), (28, 3, (False, 0.4)), (28, 1, (False, 0))]
)
def test_only_photos_are_mirrored_and_only_colours_are_cut_out(size: int, channels: int, changed: Any) -> None:
    *_, last = candidates("best", size, channels).values()
    augment = last["augment"]

    assert (augment.horizontal_flip, augment.cutout) == changed
    assert augment.average_flips == augment.horizontal_flip


def test_without_mirroring_nothing_sees_a_mirror_image() -> None:
    found = candidates("best", augment=Augment(horizontal_flip=False))

    assert not any(tables["augment"].average_flips or tables["augment"].horizontal_flip for tables in found.values())
    assert not any(tables["model"].mirror for name, tables in found.items() if name.startswith("frozen"))
    assert found["residual"]["augment"].zoom


def test_few_images_are_not_for_networks_of_the_quick_preset() -> None:
    few = {preset: candidates(preset, 28)["residual"]["train"].few_examples for preset in ("quick", "good")}

    assert few == {"quick": "refuse", "good": "average"}


def test_what_the_pipeline_sets_holds_for_all_candidates() -> None:
    train = candidates("good", 28, epochs=3)["residual"]["train"]

    assert (train.epochs, train.schedule) == (3, "one_cycle")


def test_every_preset_has_a_function() -> None:
    assert list(PRESETS) == ["quick", "good", "best"]
