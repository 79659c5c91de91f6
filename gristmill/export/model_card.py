"""Model card of a bundle: `README.md` with the metadata that model hubs read.

It depends only on what is exported, not on time, place or name of the pipeline: equal models have equal cards. The
block at its beginning follows https://github.com/huggingface/hub-docs/blob/main/modelcard.md.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from gristmill.export import kit, warmup
from gristmill.keys import digest_of_file
from gristmill.scores import Scores
from gristmill.settings.number_text import format_number, format_numbers, score_rows
from gristmill.util.block_bootstrap import confidence_interval
from gristmill.util.table_io import read_document

FILE = "README.md"

_LEVEL = 0.95  # of the interval of the headline score
_MIN_LOSSES = 10  # for an interval
_CONTENTS = {
    kit.SAVED_MODEL: "TensorFlow SavedModel, with preprocessing",
    f"{kit.SAVED_MODEL}/{warmup.FILE}": "requests that TensorFlow Serving sends when it loads the model",
    "model.keras": "Keras model, with preprocessing",
    "model.tflite": "LiteRT model",
    "model_quantized.tflite": "LiteRT model with 8-bit weights",
    "model.onnx": "ONNX model",
    "signature.json": "inputs and outputs of the model",
    kit.REQUEST: "a request to TensorFlow Serving, with rows of the test set",
    kit.RESPONSE: "the answer to it",
    kit.EXAMPLE: "the same request in Python, without gristmill",
    "scores.json": "all scores",
    "forecast.parquet": "forecast after the end of the data",
    "vecs.tsv": "embedding of the tokens, for the Embedding Projector",
    "meta.tsv": "names of the tokens, for the Embedding Projector",
    "manifest.json": "SHA-256 of every file; data, settings, code and libraries that the model was made of",
}


@dataclass(frozen=True)
class Facts:
    """What a domain knows about a model."""

    title: str
    task: str  # `pipeline_tag` of model hubs
    use: str  # what the model does
    parameters: int
    data: Sequence[str]  # sentences on the data
    parts: Mapping[str, Mapping[str, Any]]  # size and range of each part of the data, by heading
    limits: Sequence[str]  # sentences on what the model is not fit for
    intervals: Sequence[str] = ()  # sentences on prediction intervals or prediction sets
    losses: npt.NDArray[Any] = field(default_factory=lambda: np.empty(0))  # on each example of the test set, in order
    block: int = 0  # number of successive examples that may depend on each other; 0 if none do


def write(bundle: Path, facts: Facts, train: Path) -> None:
    """Write the card of a bundle that is otherwise complete; `train` is the folder of the exported weights."""
    scores = Scores.read(bundle)
    # Say what the model does and what it consists of.
    about = f"{facts.use} The model has {facts.parameters:,} parameters."
    if chosen := scores.selected:
        compared_on = f"the {chosen.on}{' set' * (chosen.on == 'validation')}"
        about += (
            f" It consists of {chosen.name}, chosen from {chosen.tried} candidates by their scores on {compared_on}."
        )
    # List its limits, and the files of the bundle.
    limits = [
        *facts.limits,
        "The scores hold for data like the test set. They say nothing about other sources, or about a later change.",
    ]
    if not scores.headline.beats_baseline:
        limits.insert(0, f"On the test set, the model is not better than the baseline `{scores.best_baseline}`.")
    if (bundle / kit.REQUEST).exists():
        limits.append(f"`{kit.REQUEST}` and the warm-up requests contain real data. Remove them if it is private.")
    limits.append("No licence is stated: it depends on the data.")
    is_there = {name: (bundle / name).exists() for name in _CONTENTS} | {"manifest.json": True}  # it is written last
    files = {f"`{name}`": {"content": text} for name, text in _CONTENTS.items() if is_there[name]}
    sections = {
        "How to use it": _usage(bundle),
        "Data": [*facts.data, _table(["part"], facts.parts)],
        "Scores": list(_score_lines(scores, facts)),
        "Limits": ["\n".join(f"- {limit}" for limit in limits)],
        "Lineage": list(_lineage(scores, train)),
        "Files": [_table(["file"], files)],
    }
    front = yaml.safe_dump(metadata(scores, facts), sort_keys=False, allow_unicode=True, width=math.inf)
    text = "\n\n".join(
        [f"---\n{front}---", f"# {facts.title}", about]
        + [paragraph for title, body in sections.items() for paragraph in (f"## {title}", *body)]
    )
    (bundle / FILE).write_text(f"{text}\n", encoding="utf-8")


def metadata(scores: Scores, facts: Facts) -> dict[str, Any]:
    """Return the metadata that model hubs read."""
    tested = {name: value for name in scores.shown if (value := scores.model["test"].get(name)) is not None}
    metrics = [{"type": name, "name": f"test {name}", "value": value} for name, value in tested.items()]
    dataset = {"name": "test set", "type": "custom", "split": "test"}
    return {
        "library_name": "keras",
        "pipeline_tag": facts.task,
        "tags": ["tensorflow", "gristmill"],
        "metrics": [*tested],
        "model-index": [
            {"name": facts.title, "results": [{"task": {"type": facts.task}, "dataset": dataset, "metrics": metrics}]}
        ],
    }


def _usage(bundle: Path) -> list[str]:
    if not (bundle / kit.REQUEST).exists():
        return [
            "The model was not exported as a SavedModel. So this bundle has no sample request, no `example.py` and no "
            "warm-up requests. `signature.json` describes the inputs and outputs."
        ]
    modules = ["tensorflow", *read_document(bundle / "signature.json").get("needs", [])]
    return [
        "The model takes raw values; preprocessing is part of it. `signature.json` describes the inputs and outputs.",
        f"In Python, with `{'` and `'.join(name.replace('_', '-') for name in modules)}` installed:",
        f"```console\n$ python {kit.EXAMPLE}\n```",
        "With TensorFlow Serving, which needs the SavedModel in a folder named by a number:",
        "```console\n$ mkdir -p models/model && cp -r saved_model models/model/1\n"
        '$ docker run -p 8501:8501 -v "$PWD/models/model:/models/model" tensorflow/serving\n'
        f"$ curl -d @{kit.REQUEST} http://localhost:8501/v1/models/model:predict\n```",
        f"The answer equals `{kit.RESPONSE}`, except for the last digits.",
    ]


def _score_lines(scores: Scores, facts: Facts) -> Iterator[str]:
    headline, best = scores.headline, scores.best_baseline
    model, baseline = headline.pair
    verdict = "better than" if headline.beats_baseline else "not better than"
    sign = "higher" if scores.higher_is_better else "lower"
    yield (
        f"The headline is `{scores.metric}` on the test set ({sign} is better): {model} for the model, {verdict} the "
        f"best baseline, `{best}`, with {baseline}. Nothing was fitted or chosen on the test set."
    )
    for part in ("test", "validation"):
        if part in scores.model:
            named = [(name, by_part[part]) for name, by_part in scores.best_first(part)]
            rows = {
                f"`{name}`": dict(zip(scores.shown, row, strict=True)) for name, *row in score_rows(scores.shown, named)
            }
            yield _table([f"{part} set"], rows)
    if interval := _interval(scores, facts):
        low, high = format_numbers(interval)
        yield (
            f"The {_LEVEL:.0%} interval of `{scores.metric}` on the test set is {low} to {high}, from "
            f"{len(facts.losses):,} errors."
        )
    yield from facts.intervals


def _interval(scores: Scores, facts: Facts) -> tuple[float, float] | None:
    """Return an interval of the headline score; None if it is not the mean of the losses, or there are too few."""
    losses, headline = facts.losses.astype(np.float64), scores.headline.model
    if len(losses) < _MIN_LOSSES or not math.isclose(losses.mean(), headline, rel_tol=1e-4, abs_tol=1e-6):
        return None
    if facts.block:
        return confidence_interval(losses, _LEVEL, facts.block)
    # Independent losses: by the standard error of their mean. None is negative.
    mean, z = float(losses.mean()), NormalDist().inv_cdf((1 + _LEVEL) / 2)
    half = z * float(losses.std(ddof=1)) / math.sqrt(len(losses))
    return max(mean - half, 0.0), mean + half


def _lineage(scores: Scores, train: Path) -> Iterator[str]:
    import keras
    import tensorflow as tf

    libraries = f"TensorFlow {tf.__version__} and Keras {keras.__version__}"
    yield f"Made by gristmill with {libraries}. `manifest.json` has the digests of the data, code and settings."
    weights = ", ".join(f"`{digest_of_file(path)}`" for path in sorted(train.rglob("weights.npz")))
    yield f"SHA-256 of the trained weights: {weights}."
    yield (
        "A fresh process loaded each format and reproduced the scored predictions; the largest difference was "
        f"{format_number(scores.parity or 0.0)}."
    )


def _table(first: list[str], rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a Markdown table: the name of each row, then its values by heading."""
    headings = [*first, *next(iter(rows.values()))]
    lines = [headings, ["---"] * len(headings), *([name, *map(str, row.values())] for name, row in rows.items())]
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
