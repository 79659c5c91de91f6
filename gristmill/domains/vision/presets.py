"""Candidates of each preset, the cheapest first.

Small images are usually digits, letters or clothes, and there are often many of them: on the validation set of
Fashion-MNIST, a residual network reaches an accuracy of .923 after two epochs. One that sees images as they are and one
that sees them changed err in different places: on 10,000 images of its training set that were held out, they reach .928
and .920, and their average .933. Photos are fewer and take longer, so they get classifiers on the features of
EfficientNet-Lite0. A network trained from scratch must see photos often, each time changed; a narrow one affords that,
in the preset `best`.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from gristmill.domains.vision.models.transfer import LITE, SIDES
from gristmill.domains.vision.settings import Augment

_Point = dict[str, dict[str, Any]]

MIN_SIDE_OF_PHOTOS = 48  # pixels; smaller images are digits or letters, which must not be mirrored

_GREY_CHANGES = {"rotation": 5, "zoom": 0.05, "shift": 0.05}
_MOVES = {"rotation": 15, "zoom": 0.15, "shift": 0.1}
_COLOUR_CHANGES = _MOVES | {"brightness": 0.3, "contrast": 0.5, "cutout": 0.4}
_FLIPS = {"horizontal_flip": True, "average_flips": True}
_MOVES_OF_PHOTOS = {"rotation": 20, "zoom": 0.3, "shift": 0.15}
_PHOTO_CHANGES = _MOVES_OF_PHOTOS | {"brightness": 0.2, "contrast": 0.3, "cutout": 0.4} | _FLIPS


def list_candidates(preset: str, tables: Mapping[str, Any]) -> list[_Point]:
    """Return the candidates of a preset for the tables of a pipeline."""
    preprocess = tables["preprocess"]
    photos = min(preprocess.size) >= MIN_SIDE_OF_PHOTOS
    colour = preprocess.channels == 3
    augment = tables.get("augment", Augment())
    mirror = augment.horizontal_flip or "horizontal_flip" not in augment.model_fields_set

    # 1. Models in closed form, on the pixels or on a frozen base.
    points: list[_Point] = [{"model": {"kind": kind}} for kind in ("majority", "linear_pixels", "histograms")]
    if colour:
        points.append({"model": {"kind": "histograms", "features": "colours"}})
    if photos:
        points += _frozen(preset, min(preprocess.size), mirror)

    # 2. Networks that are trained from scratch.
    networks = [] if photos and preset != "best" else _networks(preset, photos, colour)
    for point in networks:
        if not mirror:
            point["augment"] = {name: value for name, value in point["augment"].items() if name not in _FLIPS}
        points.append(point)
    return points


PRESETS = {name: partial(list_candidates, name) for name in ("quick", "good", "best")}
"""Functions from the tables of a pipeline to the candidates of each preset."""


def _frozen(preset: str, side: int, mirror: bool) -> Iterator[_Point]:
    """Yield logistic regressions on a frozen base, for photos of a shorter side in pixels."""
    sides = [SIDES[0], *(larger for larger in SIDES[1:] if side > SIDES[0])]
    seen = [(own, False) for own in sides]
    if mirror and preset != "quick":  # in twice the time
        seen.append((sides[-1], True))
    for own, both in seen:
        yield {"model": {"kind": "frozen", "base": LITE, "side": own, "mirror": both}}


def _networks(preset: str, photos: bool, colour: bool) -> list[_Point]:
    """Return the networks that are trained from scratch."""
    if preset == "quick":
        return [_residual(32, {}, {"epochs": 6, "batch_size": 64, "steps_per_epoch": 224, "few_examples": "refuse"})]
    if photos:
        width, changes, steps = 16, _PHOTO_CHANGES, 100
        longer: dict[str, Any] = {"epochs": 100, "batch_size": 32}
    else:
        width, changes, steps = 32, _COLOUR_CHANGES if colour else _GREY_CHANGES, 256
        longer = {"epochs": 20, "batch_size": 64}
    longer["steps_per_epoch"] = steps
    networks = [_residual(width, changes, longer)]
    if not photos and not colour:
        networks.insert(0, _residual(width, {}, longer | {"few_examples": "refuse"}))
    if preset == "best":
        networks.append(_residual(64, changes, longer | {"steps_per_epoch": 2 * steps}))
    return networks


def _residual(width: int, augment: dict[str, Any], train: Mapping[str, Any]) -> _Point:
    model = {"kind": "residual", "width": width, "dropout": 0.2}
    return {"model": model, "train": {"schedule": "one_cycle", "learning_rate": 5e-3, **train}, "augment": augment}
