"""Candidates of each preset, the cheapest first.

Small images are usually digits, letters or clothes, and there are often many of them: on the validation set of
Fashion-MNIST, a residual network reaches an accuracy of .923 after two epochs. One that sees images as they are and one
that sees them changed err in different places: on 10,000 images of its training set that were held out, they reach .928
and .920, and their average .933. Photos are fewer, so a network trained from scratch must see them often, each time
changed; a narrow one affords that. A pretrained network is a candidate if its weights are on this machine.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gristmill.domains.vision.pretrained_files import weights_at_hand
from gristmill.domains.vision.settings import Augment

_Point = dict[str, dict[str, Any]]

MIN_SIDE_OF_PHOTOS = 48  # pixels; smaller images are digits or letters, which must not be mirrored
_MAX_BASES = {"quick": 1, "good": 1, "best": 3}
_PREFERRED = ("EfficientNetV2B0", "MobileNetV2", "MobileNet", "ResNet50V2", "DenseNet121", "ResNet50")  # then others

_LINEAR: list[_Point] = [{"model": {"kind": kind}} for kind in ("majority", "linear_pixels", "histograms")]
_COLOURS: _Point = {"model": {"kind": "histograms", "features": "colours"}}
_GREY_CHANGES = {"rotation": 5, "zoom": 0.05, "shift": 0.05}
_MOVES = {"rotation": 15, "zoom": 0.15, "shift": 0.1}
_COLOUR_CHANGES = _MOVES | {"brightness": 0.3, "contrast": 0.5, "cutout": 0.4}
_FLIPS = {"horizontal_flip": True, "average_flips": True}
_BRIEF_PHOTO_CHANGES = _MOVES | _FLIPS  # a short training learns less if the images change much
_PHOTO_CHANGES = {
    "rotation": 20,
    "zoom": 0.3,
    "shift": 0.15,
    "brightness": 0.2,
    "contrast": 0.3,
    "cutout": 0.4,
} | _FLIPS


def _residual(width: int, augment: dict[str, Any], train: Mapping[str, Any]) -> _Point:
    model = {"kind": "residual", "width": width, "dropout": 0.2}
    common = {"schedule": "one_cycle", "learning_rate": 5e-3}
    return {"model": model, "train": {**common, **train}, "augment": augment}


def _networks(preset: str, photos: bool, colour: bool) -> list[_Point]:
    """Return the networks that are trained from scratch."""
    if preset == "quick":
        brief: dict[str, Any] = {"epochs": 20, "batch_size": 32} if photos else {"epochs": 6, "batch_size": 64}
        brief |= {"steps_per_epoch": 128 if photos else 224, "few_examples": "refuse"}
        return [_residual(32, _BRIEF_PHOTO_CHANGES if photos else {}, brief)]
    if photos:
        width, changes, steps = 16, _PHOTO_CHANGES, 100
        longer: dict[str, Any] = {"epochs": 100, "batch_size": 32}
    else:
        width, changes, steps = 32, _COLOUR_CHANGES if colour else _GREY_CHANGES, 256
        longer = {"epochs": 20, "batch_size": 64}
    longer["steps_per_epoch"] = steps
    unchanged = [] if photos or colour else [_residual(width, {}, longer | {"few_examples": "refuse"})]
    found = [*unchanged, _residual(width, changes, longer)]
    if preset == "best":
        found.append(_residual(64, changes, longer | {"steps_per_epoch": 2 * steps}))
    return found


def _frozen(preset: str, mirror: bool) -> list[_Point]:
    """Return frozen bases whose weights are on this machine."""
    weights = weights_at_hand()
    ranked = [base for base in _PREFERRED if base in weights] + sorted(set(weights) - set(_PREFERRED))
    return [
        {"model": {"kind": "frozen", "base": base, "weights": weights[base], "mirror": mirror}}
        for base in ranked[: _MAX_BASES[preset]]
    ]


def _candidates(preset: str, tables: Mapping[str, Any]) -> list[_Point]:
    preprocess = tables["preprocess"]
    photos = min(preprocess.size) >= MIN_SIDE_OF_PHOTOS
    colour = preprocess.channels == 3
    augment = tables.get("augment", Augment())
    mirror = augment.horizontal_flip or "horizontal_flip" not in augment.model_fields_set
    frozen = _frozen(preset, mirror) if photos else []
    networks = _networks(preset, photos, colour)
    for point in networks if not mirror else []:
        point["augment"] = {name: value for name, value in point["augment"].items() if name not in _FLIPS}
    return [*_LINEAR, *([_COLOURS] if colour else []), *frozen, *networks]


def _of(preset: str) -> Callable[[Mapping[str, Any]], list[_Point]]:
    return lambda tables: _candidates(preset, tables)


PRESETS = {name: _of(name) for name in ("quick", "good", "best")}
"""Functions from the tables of a pipeline to the candidates of each preset."""
