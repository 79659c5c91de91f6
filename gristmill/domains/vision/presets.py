"""Candidates of each preset, the cheapest first.

Small images are usually digits, letters or clothes, and there are often many of them: on the validation set of
Fashion-MNIST, a residual network reaches an accuracy of .923 after two epochs. One that sees images as they are and one
that sees them changed err in different places: on 10,000 images of its training set that were held out, they reach .928
and .920, and their average .933. Photos are fewer, so a network trained from scratch must see them often, each time
changed; a narrow one affords that. A pretrained network is a candidate if its weights are on this machine: in the
folders of GRISTMILL_DATA, or in the cache of Keras.
"""

import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gristmill.domains.vision.models.transfer import BASES
from gristmill.domains.vision.settings import Augment
from gristmill.runs.locations import search_folders

_Point = dict[str, dict[str, Any]]

MIN_SIDE_OF_PHOTOS = 48  # pixels; smaller images are digits or letters, which must not be mirrored
_MAX_BASES = {"quick": 1, "good": 1, "best": 3}
_PREFERRED = ("EfficientNetV2B0", "MobileNetV2", "MobileNet", "ResNet50V2", "DenseNet121", "ResNet50")  # then others
_WITHOUT_TOP = re.compile(r"no_?-?top", re.IGNORECASE)
_OTHER_WIDTH = re.compile(r"_(2_5|5_0|7_5|0\.\d+|1\.[34])_")  # fewer or more filters than the network's own

_GREY_CHANGES = {"rotation": 5, "zoom": 0.05, "shift": 0.05}
_MOVES = {"rotation": 15, "zoom": 0.15, "shift": 0.1}
_COLOUR_CHANGES = _MOVES | {"brightness": 0.3, "contrast": 0.5, "cutout": 0.4}
_FLIPS = {"horizontal_flip": True, "average_flips": True}
_BRIEF_PHOTO_CHANGES = _MOVES | _FLIPS  # a short training learns less if the images change much
_MOVES_OF_PHOTOS = {"rotation": 20, "zoom": 0.3, "shift": 0.15}
_PHOTO_CHANGES = _MOVES_OF_PHOTOS | {"brightness": 0.2, "contrast": 0.3, "cutout": 0.4} | _FLIPS


def list_candidates(preset: str, tables: Mapping[str, Any]) -> list[_Point]:
    """Return the candidates of a preset for the tables of a pipeline."""
    preprocess = tables["preprocess"]
    photos = min(preprocess.size) >= MIN_SIDE_OF_PHOTOS
    colour = preprocess.channels == 3
    augment = tables.get("augment", Augment())
    mirror = augment.horizontal_flip or "horizontal_flip" not in augment.model_fields_set

    # 1. Models in closed form, on the pixels or on a frozen base whose weights are on this machine.
    points: list[_Point] = [{"model": {"kind": kind}} for kind in ("majority", "linear_pixels", "histograms")]
    if colour:
        points.append({"model": {"kind": "histograms", "features": "colours"}})
    if photos:
        weights = weights_at_hand()
        ranked = [base for base in _PREFERRED if base in weights] + sorted(set(weights) - set(_PREFERRED))
        for base in ranked[: _MAX_BASES[preset]]:
            points.append({"model": {"kind": "frozen", "base": base, "weights": weights[base], "mirror": mirror}})

    # 2. Networks that are trained from scratch.
    for point in _networks(preset, photos, colour):
        if not mirror:
            point["augment"] = {name: value for name, value in point["augment"].items() if name not in _FLIPS}
        points.append(point)
    return points


PRESETS = {name: partial(list_candidates, name) for name in _MAX_BASES}
"""Functions from the tables of a pipeline to the candidates of each preset."""


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
    networks = [_residual(width, changes, longer)]
    if not photos and not colour:
        networks.insert(0, _residual(width, {}, longer | {"few_examples": "refuse"}))
    if preset == "best":
        networks.append(_residual(64, changes, longer | {"steps_per_epoch": 2 * steps}))
    return networks


def _residual(width: int, augment: dict[str, Any], train: Mapping[str, Any]) -> _Point:
    model = {"kind": "residual", "width": width, "dropout": 0.2}
    return {"model": model, "train": {"schedule": "one_cycle", "learning_rate": 5e-3, **train}, "augment": augment}


def weights_at_hand() -> dict[str, str]:
    """Return the value of `weights` for each network of keras.applications whose weights are on this machine.

    It is the name of the file in a folder of GRISTMILL_DATA, or `imagenet` for weights that Keras has fetched.
    """
    keras_cache = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
    weights = {base: "imagenet" for base, _ in _bases_in(keras_cache)}
    for folder in search_folders():
        weights |= dict(_bases_in(folder))
    return weights


def _bases_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each network that has a file of weights without its top in a folder, and the name of the file."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError:
        return
    for name in names:
        if name.endswith(".h5") and _WITHOUT_TOP.search(name) and not _OTHER_WIDTH.search(name):
            plain = re.sub(r"[^a-z0-9]", "", name.lower())
            if base := max((base for base in BASES if plain.startswith(base.lower())), key=len, default=None):
                yield base, name
